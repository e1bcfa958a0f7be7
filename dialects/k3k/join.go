package k3k

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"dragoman/bridge"
	"dragoman/dialects"
)

// longestName is how long a display name may be, in bytes (reference 7.2).
const longestName = 100

// controlActions are those that need no membership; the rest need one (reference
// 7.2).
var (
	controlActions = map[string]func(*speaker, context.Context, json.RawMessage) error{
		"join":       (*speaker).join,
		"enter_room": (*speaker).enter,
	}
	seatedActions = map[string]handler{
		"raise_hand":            to((*seat).raiseHand),
		"lower_hand":            to((*seat).lowerHand),
		"grant_moderator_role":  to((*seat).grantModerator),
		"revoke_moderator_role": to((*seat).revokeModerator),
	}
)

// control acts on a payload of the namespace control, in every state.
func (s *speaker) control(ctx context.Context, payload json.RawMessage) error {
	action := actionOf(payload)
	err := errUnread
	if do := controlActions[action]; do != nil {
		err = do(s, ctx, payload)
	} else if do := seatedActions[action]; do != nil {
		err = refuse("not_yet_joined")
		if s.seat != nil {
			err = do(s.seat, ctx, payload)
		}
	}
	if errors.Is(err, errUnread) {
		err = refuse(invalidJSON)
	}
	return s.settle(nsControl, err)
}

// join handles the action of that name (reference 7.2, 7.4).
func (s *speaker) join(ctx context.Context, payload json.RawMessage) error {
	q, err := read[join](payload)
	if err != nil {
		return err
	}
	if s.seat != nil || s.wait != nil {
		return refuse("already_joined")
	}
	name := strings.Join(strings.Fields(q.DisplayName), " ")
	if given := strings.Contains(string(payload), `"display_name"`); given && name == "" || len(name) > longestName {
		// The real server says so, and goes on.
		if err := s.settle(nsControl, refuse("invalid_username")); err != nil {
			return err
		}
	}
	session, err := s.take(ctx, cut(name, bridge.MaxName))
	if err != nil {
		return s.blocked(err)
	}
	if session.At.Waiting {
		s.wait = &knocker{session: session}
		if s.pass.Admitted {
			return s.admit(ctx)
		}
		return s.say(nsModeration, "in_waiting_room", nil)
	}
	return s.sit(ctx, session, session.At)
}

// cut returns as much of a text as fits, in whole characters.
func cut(s string, most int) string {
	for len(s) > most {
		_, n := utf8.DecodeLastRuneInString(s[:most+1])
		s = s[:most+1-n]
	}
	return s
}

// take takes the seat that the ticket stands for.
func (s *speaker) take(ctx context.Context, name string) (*bridge.Session, error) {
	p := s.pass
	req := bridge.JoinRequest{
		Room: p.Room, ID: p.ID, User: p.User, Name: name, Kind: bridge.Guest, Dialect: Name,
		Shows: bridge.ShowsMute | bridge.ShowsHands | bridge.ShowsTalking | bridge.ShowsPrivateChat | bridge.ShowsWaiting,
		Attrs: map[string]string{}, Secret: bridge.Secret(p.Secret),
	}
	for k, v := range map[string]string{
		attrAvatar: p.Avatar, bridge.AttrGroups: strings.Join(p.Groups, "\n"),
	} {
		if v != "" {
			req.Attrs[k] = v
		}
	}
	if p.User != "" {
		req.Kind = bridge.Person
	}
	if p.Owner {
		req.Attrs[attrOwner] = "true"
	}
	if r, err := s.d.env.Store.Rooms().Get(ctx, p.Room); err == nil {
		spec := s.d.spec(r)
		req.Create = &spec
	}
	session, err := s.c.Join(ctx, req)
	if err != nil {
		return nil, err
	}
	if s.d.cfg.GrantPresenter && session.At.Self.Role != bridge.Moderator && session.At.Self.Can.Has(bridge.PublishScreen) {
		session.At.Self.Can &^= bridge.PublishScreen // the snapshot is older
		return session, s.d.serve(ctx, p.Room, bridge.Permit{Target: session.At.Self.ID, Remove: bridge.PublishScreen})
	}
	return session, nil
}

// serve does something in a room as a program that may do everything.
func (d *server) serve(ctx context.Context, room bridge.RoomID, c bridge.Command) error {
	s, err := d.env.Host.Join(ctx, bridge.JoinRequest{Room: room, Kind: bridge.Service, AtMost: bridge.Moderator, Dialect: Name})
	if err != nil {
		return err
	}
	err = s.Do(ctx, c)
	if left := s.Leave(ctx, bridge.ByWish); err == nil {
		err = left
	}
	return err
}

// blocked tells why one cannot come in. A full room may be tried again (reference
// 7.3); for all else the connection ends.
func (s *speaker) blocked(err error) error {
	s.c.Log.Info("join refused", "room", s.pass.Room, "code", bridge.CodeOf(err), "err", err)
	switch bridge.CodeOf(err) {
	case bridge.RoomFull:
		return s.say(nsControl, "join_blocked", blockedDoc{"participant_limit_reached"})
	case bridge.Banned:
		if err := s.say(nsModeration, "banned", nil); err != nil {
			return err
		}
	}
	return &dialects.Hangup{Code: outcomeOf(err).close}
}

// sit begins a membership.
func (s *speaker) sit(ctx context.Context, session *bridge.Session, at bridge.Snapshot) error {
	s.c.Log = s.log.With("room", at.Room.ID, "participant", at.Self.ID)
	s.c.Log.Info("joined")
	s.wait, s.pass.Admitted = nil, true
	t, err := newSeat(ctx, s, session, at)
	if err != nil {
		return err
	}
	s.seat = t
	return t.welcome(ctx, at)
}

// knocker is one in the waiting room.
type knocker struct {
	session  *bridge.Session
	admitted bool
	hurry    func() // takes back the end of waiting for enter_room; nil: it is not waited for
}

// enter handles enter_room (reference 7.2).
func (s *speaker) enter(ctx context.Context, _ json.RawMessage) error {
	if s.wait == nil || !s.wait.admitted {
		return refuse("not_accepted_or_not_in_waiting_room")
	}
	return s.goIn(ctx)
}

// goIn enters from the waiting room. Entered follows.
func (s *speaker) goIn(ctx context.Context) error {
	s.wait.calm()
	err := s.wait.session.Do(ctx, bridge.Enter{})
	switch bridge.CodeOf(err) {
	case 0:
		return nil
	case bridge.Forbidden: // a moderator thought better of it
		s.wait.admitted = false
		return refuse("not_accepted_or_not_in_waiting_room")
	}
	return s.blocked(err)
}

// admit lets in one who was let in before, and comes back (reference 10).
func (s *speaker) admit(ctx context.Context) error {
	return s.d.serve(ctx, s.pass.Room, bridge.Admit{Target: s.wait.session.At.Self.ID, OK: true})
}

// waiting takes what one is told who waits.
func (s *speaker) waiting(ctx context.Context, e bridge.Event) error {
	w := s.wait
	switch e := e.(type) {
	case bridge.Admitted:
		w.admitted = true
		if s.pass.Admitted {
			return s.settle(nsControl, s.goIn(ctx))
		}
		if after := s.d.cfg.EnterAfter; after > 0 && w.hurry == nil {
			w.hurry = s.c.After(after, func(ctx context.Context) error {
				w.hurry = nil
				return s.settle(nsControl, s.goIn(ctx))
			})
		}
		return s.say(nsModeration, "accepted", nil)
	case bridge.Entered:
		return s.sit(ctx, w.session, e.At)
	case bridge.Knocked: // of oneself: not admitted any more
		w.admitted = false
		w.calm()
	case bridge.Kicked:
		return s.kicked(e)
	case bridge.Ended:
		return s.ended(e.Reason)
	case bridge.Relocated:
		return s.relocated(e)
	}
	return nil
}

// calm takes back that the client is brought in.
func (w *knocker) calm() {
	if w.hurry != nil {
		w.hurry()
		w.hurry = nil
	}
}
