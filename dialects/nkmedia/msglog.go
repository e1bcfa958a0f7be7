package nkmedia

import (
	"context"
	"encoding/json"

	"dragoman/bridge"
)

// Attributes of a message of the log.
const (
	attrAPI     = Name + "/api" // the API session of its sender
	attrMessage = Name + "/msg" // as it came; left out where it is just a text
)

// misspelled is what the documentation calls the timestamp of a message (reference
// 6.5).
const misspelled = "timestmap" //nolint:misspell // as it is there

// plainMessage is the form in which the browser client says something.
type plainMessage struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// sayOf is a message as the room takes it. One that is not just a text is shown to
// others by what of it can be read.
func (s *speaker) sayOf(msg json.RawMessage) (bridge.Say, error) {
	say := bridge.Say{ID: bridge.NewMessageID(), Text: readable(msg), Attrs: map[string]string{attrAPI: s.api}}
	plain, err := encode(plainMessage{"text", say.Text})
	if err != nil {
		return say, err
	}
	if !sameJSON(plain, msg) {
		say.Attrs[attrMessage] = string(msg)
	}
	return say, nil
}

func sameJSON(a, b []byte) bool {
	var x, y map[string]any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	first, err := encode(x)
	second, err2 := encode(y)
	return err == nil && err2 == nil && string(first) == string(second)
}

// readable returns what of a message people can read: its text, or else all of it.
func readable(msg json.RawMessage) string {
	var all map[string]any
	if json.Unmarshal(msg, &all) != nil {
		return string(msg)
	}
	for _, key := range []string{"text", "msg", "message", "body"} {
		if s, ok := all[key].(string); ok && s != "" {
			return s
		}
	}
	return string(msg)
}

// entry is a message of the log on the wire. What we add goes before what its sender
// has written (reference 6.5).
func entry(e bridge.Said) (json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	text := []byte(e.Attrs[attrMessage])
	if len(text) == 0 || json.Unmarshal(text, &all) != nil {
		plain, err := encode(plainMessage{"text", e.Text})
		if err != nil || json.Unmarshal(plain, &all) != nil {
			return nil, err
		}
	}
	session := e.Attrs[attrAPI]
	if session == "" {
		session = e.From.String()
	}
	for key, v := range (object{
		"msg_id": e.Number, "user_id": e.Name, "session_id": session,
		"timestamp": e.At.UnixMicro(), misspelled: e.At.UnixMicro(),
	}) {
		raw, err := encode(v)
		if err != nil {
			return nil, err
		}
		all[key] = raw
	}
	return encode(all)
}

// logMessage handles msglog_send. The client speaks from its seat if it has one, or
// else from a hidden one; the answer waits for the number that the room gives.
func (s *speaker) logMessage(ctx context.Context, q *request) (any, error) {
	room, err := s.confIn(q)
	if err != nil {
		return nil, err
	}
	say, err := s.sayOf(q.v.raw("msg"))
	if err != nil {
		return nil, err
	}
	x, err := s.voice(ctx, room)
	if err != nil {
		return nil, err
	}
	s.says[say.ID] = q
	s.c.After(answerTime, func(ctx context.Context) error { // the room may have ended meanwhile
		if s.says[say.ID] == nil {
			return nil
		}
		delete(s.says, say.ID)
		s.hush(ctx, x)
		return q.answer(ctx, nil, refuse(timeout))
	})
	if err := x.Do(ctx, say); err != nil {
		delete(s.says, say.ID)
		s.hush(ctx, x)
		return nil, translated(err, map[bridge.Code]int{bridge.BadRequest: invalidParameters})
	}
	if err := x.Do(ctx, bridge.Touch{}); err != nil {
		s.log.Debug("touch", "err", err)
	}
	q.after(func(ctx context.Context) error {
		s.hush(ctx, x)
		return nil
	})
	return nil, errLater
}

// visitor is a hidden seat that was taken to say something.
type visitor struct{ *speaker }

func (v visitor) event(ctx context.Context, e bridge.Event) error {
	if said, ok := e.(bridge.Said); ok {
		return v.numbered(ctx, said)
	}
	return nil
}

// lost implements party: what was not numbered by now never will be.
func (v visitor) lost(context.Context, error) error { return nil }

// voice returns a seat in a room from which something can be said: that of a
// session, or that from which the room is looked at, or a new one.
func (s *speaker) voice(ctx context.Context, room bridge.RoomID) (*bridge.Session, error) {
	for _, t := range s.seats {
		if t.room == room && !t.waiting {
			return t.x, nil
		}
	}
	if w := s.watches[room]; w != nil {
		return w.x, nil
	}
	return s.visit(ctx, room, visitor{s})
}

// hush gives up a seat that was taken to say something.
func (s *speaker) hush(ctx context.Context, x *bridge.Session) {
	if _, ok := s.parties[x].(visitor); ok {
		s.leave(ctx, x)
	}
}

// numbered answers the request that a message is of, if it is one of ours.
func (s *speaker) numbered(ctx context.Context, e bridge.Said) error {
	q := s.says[e.ID]
	if q == nil {
		return nil
	}
	delete(s.says, e.ID)
	return q.answer(ctx, object{"msg_id": e.Number}, nil)
}

// said tells a message of the log. What was said to one or to some is not in it.
func (w *watch) said(ctx context.Context, e bridge.Said) error {
	if err := w.numbered(ctx, e); err != nil {
		return err
	}
	if e.Number == 0 {
		return nil
	}
	body, err := entry(e)
	if err != nil {
		return err
	}
	return w.deliver(topic{mediaClass, confClass, "msglog_new_msg", string(w.room)}, body)
}

// messageLog handles msglog_get: what the room has kept.
func (s *speaker) messageLog(ctx context.Context, q *request) (any, error) {
	room, err := s.confIn(q)
	if err != nil {
		return nil, err
	}
	all := []json.RawMessage{}
	err = s.visiting(ctx, room, func(x *bridge.Session) error {
		for _, e := range x.At.Chat {
			one, err := entry(e)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return x.Do(ctx, bridge.Touch{})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
