package nkmedia

import (
	"context"
	"slices"

	"dragoman/bridge"
)

// seat is a participant of this client's in a room. At most one of its sessions
// publishes; a further one that does so gets a seat of its own, because some
// dialects show one camera of each participant.
type seat struct {
	s       *speaker
	x       *bridge.Session
	room    bridge.RoomID
	conf    conference
	waiting bool // to be let in
	all     []*media
}

// take takes a seat in a room for a session that publishes or listens, and gives it
// to the session.
func (s *speaker) take(ctx context.Context, room bridge.RoomID, m *media) error {
	for _, t := range s.seats {
		if t.room == room && (m.kind == listen || t.publisher() == nil) {
			m.seat = t
			t.all = append(t.all, m)
			return nil
		}
	}
	t := &seat{s: s, room: room, all: []*media{m}}
	x, err := s.join(ctx, bridge.JoinRequest{
		Room: room, User: s.grant.User, Name: s.user, Secret: s.secrets[room], AtMost: s.grant.Role, Add: s.grant.Add,
	}, t)
	if err != nil {
		if code := bridge.CodeOf(err); code == bridge.WrongSecret || code == bridge.Unauthenticated {
			s.d.env.Gate.Failed(bridge.Credentials{Dialect: Name, Remote: s.c.Remote, Room: room, User: s.user})
		}
		return err
	}
	t.x, t.waiting, t.conf = x, x.At.Waiting, confOf(x.At.Room)
	s.seats = append(s.seats, t)
	m.seat = t
	return nil
}

// publisher returns the session that publishes.
func (t *seat) publisher() *media {
	i := slices.IndexFunc(t.all, func(m *media) bool { return m.kind != listen })
	if i < 0 {
		return nil
	}
	return t.all[i]
}

// drop takes the seat from a session. With the last one it is given up.
func (t *seat) drop(ctx context.Context, m *media) {
	t.all = slices.DeleteFunc(t.all, func(o *media) bool { return o == m })
	if len(t.all) == 0 {
		t.s.seats = slices.DeleteFunc(t.s.seats, func(o *seat) bool { return o == t })
		t.s.leave(ctx, t.x)
	}
}

// note tells the others of this dialect what a session is; with nothing, that it is
// none any more.
func (t *seat) note(ctx context.Context, m *media, what string) error {
	return t.x.Do(ctx, bridge.SetAttrs{Attrs: map[string]string{attrSession + m.id: what}})
}

// event implements party.
func (t *seat) event(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.Said:
		return t.s.numbered(ctx, e)
	case bridge.Unpublished:
		return t.unpublished(ctx, e.Pub)
	case bridge.PublicationChanged:
		return t.republished(ctx, e.Pub)
	case bridge.Admitted:
		if err := t.x.Do(ctx, bridge.Enter{}); err != nil {
			return t.end(ctx, userStop, err)
		}
	case bridge.Entered:
		return t.entered(ctx, e.At)
	case bridge.Knocked:
		if e.P.ID == t.x.At.Self.ID && !e.Gone {
			return t.end(ctx, userStop, nil) // sent back to wait: nothing comes or goes any more
		}
	case bridge.Changed:
		if e.P.ID == t.x.At.Self.ID && !e.P.Can.Has(bridge.Subscribing) {
			return t.deafen(ctx)
		}
	case bridge.Kicked:
		return t.end(ctx, userStop, refuse(unauthorized))
	case bridge.Ended:
		return t.end(ctx, confDestroyed, refuse(confNotFound))
	}
	return t.peers(ctx, e)
}

// lost implements party.
func (t *seat) lost(ctx context.Context, err error) error { return t.end(ctx, sessionFailed, err) }

// peers gives the events of connections of media to the sessions.
func (t *seat) peers(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.PeerChanged:
		if m := t.of(e.Peer); m != nil {
			return m.changed(ctx, e.State)
		}
	case bridge.PeerNegotiate:
		if m := t.of(e.Peer); m != nil {
			m.unfit = true
		}
	}
	return nil
}

func (t *seat) of(id bridge.PeerID) *media {
	i := slices.IndexFunc(t.all, func(m *media) bool { return m.peer != nil && m.peer.ID() == id })
	if i < 0 {
		return nil
	}
	return t.all[i]
}

// each does something with the sessions that match, which may end by it.
func (t *seat) each(match func(*media) bool, f func(*media) error) error {
	for _, m := range slices.Clone(t.all) {
		if match(m) {
			if err := f(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// republished ends what listens to a stream that has got sound or picture besides: the
// client listens anew, to all of it.
func (t *seat) republished(ctx context.Context, pub bridge.Publication) error {
	has := kindsOf(pub)
	return t.each(func(m *media) bool { return m.kind == listen && m.pub == pub.ID && m.heard.and(has) != has }, func(m *media) error {
		return m.end(ctx, publisherStopped)
	})
}

// unpublished ends what a stream was for: the session that published it, because a
// moderator has ended it, and those that listen to it.
func (t *seat) unpublished(ctx context.Context, pub bridge.Publication) error {
	return t.each(func(m *media) bool { return m.pub == pub.ID }, func(m *media) error {
		if m.kind == listen {
			return m.end(ctx, publisherStopped)
		}
		m.published = false
		return m.end(ctx, userStop)
	})
}

// deafen ends the sessions that listen: it is not allowed any more.
func (t *seat) deafen(ctx context.Context) error {
	return t.each(func(m *media) bool { return m.kind == listen }, func(m *media) error { return m.end(ctx, userStop) })
}

// entered goes on with the sessions that have waited.
func (t *seat) entered(ctx context.Context, at bridge.Snapshot) error {
	t.waiting, t.conf = false, confOf(at.Room)
	return t.each(func(m *media) bool { return m.begin != nil }, func(m *media) error {
		begin := m.begin
		m.begin = nil
		return begin(ctx)
	})
}

// end ends all sessions: those that have begun for a reason, those that wait with an
// error.
func (t *seat) end(ctx context.Context, code int, err error) error {
	return t.each(func(*media) bool { return true }, func(m *media) error {
		if m.waits != nil {
			if err == nil {
				err = refuse(unauthorized)
			}
			m.discard(ctx)
			return m.waits.answer(ctx, nil, err)
		}
		return m.end(ctx, code)
	})
}
