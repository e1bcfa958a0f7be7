package nkmedia

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"dragoman/bridge"
)

// Bounds of logins (reference 4).
const (
	maxUser   = bridge.MaxName         // bytes: others see it as a name
	maxID     = 256                    // bytes of an id that a client chooses
	firstWait = 100 * time.Millisecond // before a refusal; it doubles
	longWait  = 3200 * time.Millisecond
	retryWait = 50 * time.Millisecond // while an older connection of the same id is just going
	retries   = 10
)

// loginFields are those of a login. The session id is looked at apart.
var loginFields = []field{
	{name: "user", max: maxUser},
	{name: "pass", also: "password", max: 64 << 10},
}

// login handles core/user/login. It is over before the next frame is looked at,
// because clients do not wait for it (reference 1).
func (s *speaker) login(ctx context.Context, q *request, data json.RawMessage) error {
	if err := s.write(ack{q.tid}); err != nil {
		return err
	}
	if s.user != "" {
		return q.answer(ctx, nil, refuse(alreadyAuth))
	}
	v, _, err := parse(data, loginFields, false)
	id, ok := sessionID(data)
	switch {
	case !ok:
		return s.refuseLogin(ctx, q, invalidID)
	case err != nil || v.text("user") == "" || !v.has("pass"):
		return s.unauthorized(ctx, q)
	}
	grant, err := s.admit(ctx, v.text("user"), bridge.Secret(v.text("pass")))
	if err != nil {
		s.log.Info("login refused", "err", err)
		return s.unauthorized(ctx, q)
	}
	s.user, s.grant, s.api = v.text("user"), grant, id
	switch err := s.enterHouse(ctx); {
	case bridge.CodeOf(err) == bridge.Exists:
		return s.refuseLogin(ctx, q, duplicateID)
	case err != nil:
		s.user = ""
		return q.answer(ctx, nil, err)
	}
	own := []topic{{core, "user_event", anything, s.user}, {core, "session_event", anything, s.api}}
	for _, t := range own {
		if err := s.subs.add(subscription{topic: t, auto: true}); err != nil {
			return err
		}
	}
	q.after(s.ping)
	return q.answer(ctx, object{"session_id": s.api}, nil)
}

// sessionID returns the id that the client wants, or a new one; false if that is
// none.
func sessionID(data json.RawMessage) (string, bool) {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(data, &all) // what is no object has no id
	raw := all["session_id"]
	if raw == nil || string(raw) == "null" {
		return newID(), true
	}
	var id string
	if json.Unmarshal(raw, &id) != nil || id == "" || len(id) > maxID {
		return "", false
	}
	return id, true
}

func newID() string { return bridge.NewMessageID().String() }

// refuseLogin refuses for good: the connection ends.
func (s *speaker) refuseLogin(ctx context.Context, q *request, code int) error {
	s.user = ""
	if err := q.answer(ctx, nil, refuse(code)); err != nil {
		return err
	}
	return hangup(texts[code])
}

// unauthorized refuses a login, each time after a longer while. It may be tried
// again.
func (s *speaker) unauthorized(ctx context.Context, q *request) error {
	if err := pause(ctx, min(firstWait<<min(s.failed, 10), longWait)); err != nil {
		return err
	}
	s.failed++
	return q.answer(ctx, nil, refuse(unauthorized))
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// admit asks the gates: that of the server, which brakes those who guess, and that
// of the dialect, if there is one.
func (s *speaker) admit(ctx context.Context, user string, secret bridge.Secret) (bridge.Grant, error) {
	c := bridge.Credentials{Dialect: Name, Remote: s.c.Remote, User: user, Secret: secret}
	grant, err := s.d.env.Gate.Admit(ctx, c)
	if err != nil || s.d.users == nil {
		return grant, err
	}
	grant, err = s.d.users.Admit(ctx, c)
	if code := bridge.CodeOf(err); code == bridge.Unauthenticated || code == bridge.WrongSecret {
		s.d.env.Gate.Failed(c)
	}
	return grant, err
}

// enterHouse takes the seat by which the API session is known. A client that comes
// back at once with the same id may be here before its old connection is known to be
// closed.
func (s *speaker) enterHouse(ctx context.Context) error {
	h := s.d.halls.house
	req := h.seat(h.id(s.api))
	for i := 0; ; i++ {
		x, err := s.join(ctx, req, houseSeat{s})
		if err == nil {
			s.house = x
			return nil
		}
		if bridge.CodeOf(err) != bridge.Exists || i == retries {
			return err
		}
		if err := pause(ctx, retryWait); err != nil {
			return errors.Join(err, bridge.Errorf(bridge.Unavailable, "the node goes down"))
		}
	}
}
