package nkmedia

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
)

// errLater is what a command returns that is answered later.
var errLater = errors.New("answered later")

// request is one thing that was asked for: by the client, or by that of another
// connection about a session that is here.
type request struct {
	s                    *speaker
	tid                  json.RawMessage
	class, subclass, cmd string
	named                string // the command as the client calls it
	room                 bool   // the client calls conferences rooms
	v                    values

	from  func(ctx context.Context, data any, f *fault) error // answers another connection; nil: it is the client's
	then  []func(context.Context) error
	done  bool
	timer func() // takes the next ack back; nil: there is none
}

func (q *request) path() string { return q.class + "/" + q.subclass + "/" + q.cmd }

// after has something done once the request was answered with success.
func (q *request) after(f func(context.Context) error) { q.then = append(q.then, f) }

// answer answers the request, once, and does what follows.
func (q *request) answer(ctx context.Context, data any, err error) error {
	if q.done {
		return nil
	}
	q.done = true
	if q.timer != nil {
		q.timer()
	}
	f, told := faultOf(err)
	if err != nil && !told {
		return err
	}
	switch {
	case q.from != nil:
		err = q.from(ctx, data, f)
	case f != nil:
		err = q.s.write(response{"error", f, q.tid})
	default:
		err = q.s.write(response{"ok", data, q.tid})
	}
	if err != nil || f != nil {
		return err
	}
	for _, next := range q.then {
		if err := q.s.gentle(next(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// later has the client told that the answer takes a while (reference 3.3). Those of
// other connections tell theirs.
func (q *request) later() {
	if q.done || q.from != nil {
		return
	}
	wait := ackAfter
	var arm func()
	arm = func() {
		q.timer = q.s.c.After(wait, func(context.Context) error {
			wait = ackAgain
			arm()
			return q.s.write(ack{q.tid})
		})
	}
	arm()
}

// conf adds the id of a conference as the client calls it (reference 14).
func (q *request) conf(id string, data object) object {
	data["conf_id"] = id
	if q.room {
		data["room_id"] = id
	}
	return data
}

// deliver tells the client of an event, once for each subscription that wants it.
func (s *speaker) deliver(t topic, body any) error {
	raw, err := rawOf(body)
	if err != nil {
		return err
	}
	for _, d := range s.subs.copies(t, raw) {
		if err := s.demand("event", d); err != nil {
			return err
		}
	}
	return nil
}

// rawOf encodes a body; nil for none.
func rawOf(body any) (json.RawMessage, error) {
	if raw, ok := body.(json.RawMessage); ok {
		return raw, nil
	}
	if body == nil || reflect.ValueOf(body).IsZero() {
		return nil, nil
	}
	return encode(body)
}

// ping asks the client whether it is there, now and then (reference 5.7).
func (s *speaker) ping(context.Context) error {
	every := s.d.cfg.Ping
	s.c.After(every, s.ping)
	return s.demand("ping", object{"time": int(every.Seconds())})
}
