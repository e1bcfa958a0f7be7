package k3k

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// renderer tells the client of one type of event.
type renderer func(*seat, context.Context, bridge.Event) error

// renderers has every event that clients are told of. README.md says what becomes
// of the others.
var renderers = map[reflect.Type]renderer{
	reflect.TypeFor[bridge.RoomChanged]():        on((*seat).roomChanged),
	reflect.TypeFor[bridge.Ended]():              on(func(t *seat, _ context.Context, e bridge.Ended) error { return t.s.ended(e.Reason) }),
	reflect.TypeFor[bridge.Relocated]():          on(func(t *seat, _ context.Context, e bridge.Relocated) error { return t.s.relocated(e) }),
	reflect.TypeFor[bridge.Kicked]():             on(func(t *seat, _ context.Context, e bridge.Kicked) error { return t.s.kicked(e) }),
	reflect.TypeFor[bridge.Joined]():             on((*seat).joinedBy),
	reflect.TypeFor[bridge.Left]():               on((*seat).left),
	reflect.TypeFor[bridge.Knocked]():            on((*seat).knocked),
	reflect.TypeFor[bridge.Changed]():            on((*seat).changed),
	reflect.TypeFor[bridge.HandsLowered]():       on((*seat).handsLowered),
	reflect.TypeFor[bridge.Published]():          on((*seat).published),
	reflect.TypeFor[bridge.PublicationChanged](): on((*seat).republished),
	reflect.TypeFor[bridge.Unpublished]():        on((*seat).unpublished),
	reflect.TypeFor[bridge.Talking]():            on((*seat).talks),
	reflect.TypeFor[bridge.Said]():               on((*seat).said),
	reflect.TypeFor[bridge.ChatCleared]():        on((*seat).chatCleared),
	reflect.TypeFor[bridge.Data]():               on((*seat).data),
	reflect.TypeFor[bridge.DocChanged]():         on((*seat).docChanged),
	reflect.TypeFor[bridge.MuteAsked]():          on((*seat).muteAsked),
	reflect.TypeFor[bridge.PeerChanged]():        on((*seat).peerChanged),
	reflect.TypeFor[bridge.PeerTrack]():          on((*seat).peerTrack),
}

func on[E bridge.Event](f func(*seat, context.Context, E) error) renderer {
	return func(t *seat, ctx context.Context, e bridge.Event) error {
		if own, ok := e.(E); ok {
			return f(t, ctx, own)
		}
		return nil
	}
}

// event tells the client of an event.
func (t *seat) event(ctx context.Context, e bridge.Event) error {
	if tell := renderers[reflect.TypeOf(e)]; tell != nil {
		return tell(t, ctx, e)
	}
	return nil
}

// ended: the room is gone. A node that goes down is left with a code that makes
// clients come back (reference 5.5).
func (s *speaker) ended(why bridge.Reason) error {
	code, message := websocket.CloseNormalClosure, ""
	switch why {
	case bridge.ByShutdown, bridge.ByMove:
		code = websocket.CloseServiceRestart
	case bridge.ByTimeLimit:
		message = "time_limit_quota_elapsed"
	default:
		if s.modern {
			message = "room_deleted"
		}
	}
	if message != "" {
		if err := s.say(nsControl, message, nil); err != nil {
			return err
		}
	}
	return &dialects.Hangup{Code: code}
}

// relocated: the seat was taken with the resumption token, or the room is on
// another node.
func (s *speaker) relocated(e bridge.Relocated) error {
	if e.Node != "" || e.URL != "" {
		return &dialects.Hangup{Code: websocket.CloseServiceRestart}
	}
	return &dialects.Hangup{Code: websocket.CloseNormalClosure}
}

// kicked ends the connection, and what let one skip the waiting room (reference
// 10).
func (s *speaker) kicked(e bridge.Kicked) error {
	s.pass.Admitted = false
	message := "kicked"
	if e.Banned {
		message = "banned"
	}
	if err := s.say(nsModeration, message, nil); err != nil {
		return err
	}
	return &dialects.Hangup{Code: websocket.CloseNormalClosure}
}

func (t *seat) roomChanged(_ context.Context, e bridge.RoomChanged) error {
	was := t.room
	t.room = e.Room
	by := issuedBy{e.By}
	for _, change := range []struct {
		namespace, on, off string
		was, is            bool
		fields             any
	}{
		{nsModeration, "raise_hands_enabled", "raise_hands_disabled", was.Hands, t.room.Hands, by},
		{nsModeration, "waiting_room_enabled", "waiting_room_disabled", was.WaitingRoom, t.room.WaitingRoom, nil},
		{nsChat, "chat_enabled", "chat_disabled", was.Chat, t.room.Chat, by},
	} {
		if change.was == change.is {
			continue
		}
		message := change.off
		if change.is {
			message = change.on
		}
		if err := t.s.say(change.namespace, message, change.fields); err != nil {
			return err
		}
	}
	return nil
}

func (t *seat) joinedBy(_ context.Context, e bridge.Joined) error {
	if e.P.Kind.Hidden() {
		return nil
	}
	if nameless(e.P) {
		t.hold(e.P)
		return nil
	}
	m := newMember(e.P)
	t.add(m)
	return t.s.say(nsControl, "joined", t.arrival(m))
}

func (t *seat) left(ctx context.Context, e bridge.Left) error {
	if m := t.forget(e.P.ID); m != nil {
		maps.DeleteFunc(t.owners, func(_ bridge.PublicationID, o *member) bool { return o == m })
		return nil
	}
	m := t.members[e.P.ID]
	if m == nil {
		return nil
	}
	for _, sort := range sorts() {
		if err := t.withdraw(ctx, m, sort); err != nil {
			return err
		}
	}
	delete(t.members, e.P.ID)
	t.order = slices.DeleteFunc(t.order, func(o *member) bool { return o == m })
	maps.DeleteFunc(t.owners, func(_ bridge.PublicationID, o *member) bool { return o == m })
	if err := t.s.say(nsControl, "left", idDoc{e.P.ID}); err != nil {
		return err
	}
	t.focus.end(e.P.ID)
	return t.lookAt()
}

// knocked tells moderators who waits. Of oneself it says that one has been sent
// into the waiting room.
func (t *seat) knocked(_ context.Context, e bridge.Knocked) error {
	switch {
	case e.P.ID == t.me.who.ID:
		s := t.s
		t.end()
		s.seat, s.wait, s.pass.Admitted = nil, &knocker{session: t.session}, false
		s.c.Log = s.log
		if s.modern {
			return s.say(nsModeration, "sent_to_waiting_room", nil)
		}
		return s.say(nsModeration, "in_waiting_room", nil)
	case e.Gone:
		return t.s.say(nsModeration, "left_waiting_room", idDoc{e.P.ID})
	}
	return t.s.say(nsModeration, "joined_waiting_room", person{ID: e.P.ID, Control: newMember(e.P).control()})
}

// changed tells somebody anew. Oneself is told of the role and the right to
// present only (reference 7.3, 8.2).
func (t *seat) changed(ctx context.Context, e bridge.Changed) error {
	m := t.known(e.P.ID)
	if e.P.ID == t.me.who.ID {
		return t.regraded(e.P)
	}
	if m == nil {
		return nil
	}
	m.take(e.P)
	if t.held[e.P.ID] == nil {
		return t.update(m)
	}
	if nameless(e.P) {
		return nil
	}
	return t.show(ctx, e.P.ID)
}

// take notes a participant anew.
func (m *member) take(p bridge.Participant) {
	if !p.Hand.Equal(m.who.Hand) {
		m.hand = p.Hand
		if p.Hand.IsZero() {
			m.hand = time.Now()
		}
	}
	m.who = p
}

func (t *seat) regraded(p bridge.Participant) error {
	role, presents := t.me.role(), t.me.presents()
	t.me.take(p)
	if now := t.me.role(); now != role {
		if err := t.s.say(nsControl, "role_updated", roleDoc{now}); err != nil {
			return err
		}
	}
	switch now := t.me.presents(); {
	case now && !presents:
		return t.s.say(nsMedia, "presenter_granted", nil)
	case !now && presents:
		return t.s.say(nsMedia, "presenter_revoked", nil)
	}
	return nil
}

// handsLowered: that raising hands was switched off says so by itself.
func (t *seat) handsLowered(_ context.Context, e bridge.HandsLowered) error {
	if !t.room.Hands {
		return nil
	}
	return t.s.say(nsModeration, "raised_hand_reset_by_moderator", issuedBy{e.By})
}

func (t *seat) talks(_ context.Context, e bridge.Talking) error {
	if t.members[e.ID] == nil && e.ID != t.me.who.ID {
		return nil
	}
	if e.On {
		t.focus.start(e.ID)
	} else {
		t.focus.end(e.ID)
	}
	return t.lookAt()
}

func (t *seat) peerChanged(ctx context.Context, e bridge.PeerChanged) error {
	if p := t.peers[e.Peer]; p != nil {
		return p.changed(ctx, e.State)
	}
	return nil
}

func (t *seat) peerTrack(ctx context.Context, e bridge.PeerTrack) error {
	if p := t.peers[e.Peer]; p != nil {
		return p.track(ctx, e)
	}
	return nil
}
