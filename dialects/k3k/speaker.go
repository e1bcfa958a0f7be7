package k3k

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// speaker speaks k3k on one connection.
type speaker struct {
	d      *server
	c      *dialects.Conn
	log    *slog.Logger // without a room
	pass   pass         // what the ticket stands for
	modern bool         // the client speaks the later protocol

	wait *knocker // in the waiting room; nil: not there
	seat *seat    // nil: not in the room
}

// handler acts on a payload.
type handler func(*seat, context.Context, json.RawMessage) error

// to makes a handler of a method that takes a command.
func to[T command](f func(*seat, context.Context, T) error) handler {
	return func(t *seat, ctx context.Context, payload json.RawMessage) error {
		v, err := read[T](payload)
		if err != nil {
			return err
		}
		return f(t, ctx, v)
	}
}

// modules are the namespaces that act on a room, with their actions. A namespace
// that is not here is a disabled module (reference 6).
var modules = map[string]map[string]handler{
	nsMedia:      mediaActions,
	nsChat:       chatActions,
	nsModeration: moderationActions,
	nsTimer:      timerActions,
	nsPolls:      pollActions,
}

// Open implements dialects.Speaker.
func (s *speaker) Open(ctx context.Context, c *dialects.Conn) error {
	s.c, s.log = c, c.Log
	return s.opened(ctx)
}

// Frame implements dialects.Speaker (reference 6).
func (s *speaker) Frame(ctx context.Context, c *dialects.Conn, f dialects.Frame) error {
	e, err := decode(f.Data)
	if err != nil {
		return s.settle(nsControl, refuse(invalidJSON))
	}
	switch {
	case e.namespace == nsControl:
		return s.control(ctx, e.payload)
	case e.namespace == nsEcho:
		return s.write(nsEcho, time.Now(), e.payload)
	case s.seat == nil:
		return nil
	}
	actions, on := modules[e.namespace]
	if !on {
		return s.settle(nsControl, refuse("invalid_namespace"))
	}
	do := actions[actionOf(e.payload)]
	if do == nil {
		c.Refused()
		return nil
	}
	return s.settle(e.namespace, do(s.seat, ctx, e.payload))
}

// settle tells the client what went wrong with its command. What comes back ends
// the connection.
func (s *speaker) settle(namespace string, err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		s.refused(namespace, err)
		d := errorDoc{Error: r.code}
		if r.of != nil {
			d.Source, d.Sort = &r.of.who, r.of.sort
		}
		return s.say(namespace, "error", d)
	}
	if errors.Is(err, errUnread) {
		s.refused(namespace, err)
		return nil
	}
	if _, ok := errors.AsType[*bridge.Error](err); !ok {
		return err
	}
	s.refused(namespace, err)
	code := outcomeOf(err).signal
	if namespace == nsMedia && code != "" {
		code = permissionError
	}
	if code == "" || namespace == nsModeration {
		return nil
	}
	return s.say(namespace, "error", errorDoc{Error: code})
}

func (s *speaker) refused(namespace string, err error) {
	s.c.Refused()
	s.c.Log.Debug("refused", "namespace", namespace, "err", err)
}

// say sends a message of now.
func (s *speaker) say(namespace, message string, fields any) error {
	return s.sayAt(time.Now(), namespace, message, fields)
}

func (s *speaker) sayAt(at time.Time, namespace, message string, fields any) error {
	payload, err := payloadOf(message, fields)
	if err != nil {
		return err
	}
	return s.write(namespace, at, payload)
}

func (s *speaker) write(namespace string, at time.Time, payload json.RawMessage) error {
	data, err := encode(envelope{namespace, stamp(at), payload})
	if err != nil {
		return err
	}
	return s.c.Write(data)
}

// Event implements dialects.Speaker.
func (s *speaker) Event(ctx context.Context, _ *dialects.Conn, x *bridge.Session, e bridge.Event) error {
	switch {
	case s.wait != nil && s.wait.session == x:
		return s.waiting(ctx, e)
	case s.seat != nil && s.seat.session == x:
		return s.seat.event(ctx, e)
	}
	return nil
}

// Lost implements dialects.Speaker.
func (s *speaker) Lost(_ context.Context, _ *dialects.Conn, _ *bridge.Session, err error) error {
	return &dialects.Hangup{Code: outcomeOf(err).close}
}

// Close implements dialects.Speaker.
func (s *speaker) Close(ctx context.Context, _ *dialects.Conn, _ error) {
	if s.seat != nil {
		s.seat.end()
	}
	s.closed(ctx)
}
