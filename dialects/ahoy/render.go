package ahoy

import (
	"context"
	"reflect"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// renderer tells the client of one type of event.
type renderer func(*seat, context.Context, bridge.Event) error

// renderers has every event that Ahoy clients are told of, in whatever words.
// README.md says what becomes of the others.
var renderers = map[reflect.Type]renderer{
	reflect.TypeFor[bridge.RoomChanged]():        on((*seat).roomChanged),
	reflect.TypeFor[bridge.Recording]():          on((*seat).recording),
	reflect.TypeFor[bridge.Ended]():              on((*seat).ended),
	reflect.TypeFor[bridge.Relocated]():          on((*seat).relocated),
	reflect.TypeFor[bridge.Joined]():             on((*seat).joinedBy),
	reflect.TypeFor[bridge.Left]():               on((*seat).left),
	reflect.TypeFor[bridge.Knocked]():            on((*seat).knocked),
	reflect.TypeFor[bridge.Changed]():            on((*seat).changed),
	reflect.TypeFor[bridge.Published]():          on((*seat).published),
	reflect.TypeFor[bridge.PublicationChanged](): on((*seat).republished),
	reflect.TypeFor[bridge.Unpublished]():        on((*seat).unpublished),
	reflect.TypeFor[bridge.Talking]():            on((*seat).talking),
	reflect.TypeFor[bridge.Said]():               on((*seat).said),
	reflect.TypeFor[bridge.Data]():               on((*seat).data),
	reflect.TypeFor[bridge.Kicked]():             on((*seat).kicked),
	reflect.TypeFor[bridge.MuteAsked]():          on((*seat).muteAsked),
	reflect.TypeFor[bridge.Invited]():            on((*seat).invited),
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

func (t *seat) roomChanged(_ context.Context, e bridge.RoomChanged) error {
	before := t.room
	t.room = e.Room
	if before.Locked != e.Room.Locked {
		if err := t.locked(e.Room.Locked); err != nil {
			return err
		}
	}
	if before.About != e.Room.About {
		return t.description(e.Room.About)
	}
	return nil
}

func (t *seat) locked(on bool) error {
	return t.s.say("CONFERENCE_LOCK_indication", &lockIndication{Locked: on})
}

func (t *seat) description(text string) error {
	return t.s.say("CONFERENCE_DESCRIPTION_indication", &describeIndication{Description: text})
}

// kicked ends the connection (5.3).
func (t *seat) kicked(context.Context, bridge.Kicked) error { return t.over(0) }

// ended: the conference is gone. Clients are told to go, but for a node that goes
// down: they come back elsewhere by themselves.
func (t *seat) ended(_ context.Context, e bridge.Ended) error {
	switch e.Reason {
	case bridge.ByShutdown, bridge.ByMove:
		return &dialects.Hangup{Code: websocket.CloseGoingAway, Reason: "going away"}
	case bridge.ByTimeLimit:
		return t.over(1)
	}
	return t.over(0)
}

func (t *seat) over(timeout int) error {
	if err := t.s.say("CONFERENCE_KICK_indication", &kickIndication{Timeout: timeout}); err != nil {
		return err
	}
	return &dialects.Hangup{Code: websocket.CloseNormalClosure, Reason: "the conference is over"}
}

func (t *seat) relocated(context.Context, bridge.Relocated) error {
	return &dialects.Hangup{Code: websocket.CloseServiceRestart, Reason: "join again"}
}

// joinedBy tells a new member, without media even if it has some (5.1).
func (t *seat) joinedBy(_ context.Context, e bridge.Joined) error {
	if e.P.Kind.Hidden() {
		return nil
	}
	m := t.addMember(e.P)
	if e.P.Name == "" && e.P.Dialect != Name {
		m.unnamed = t.s.c.After(naming, func(context.Context) error { return t.introduce(m) })
		return nil
	}
	return t.welcomeMember(m)
}

// introduce tells a member that was kept back, and what it shares.
func (t *seat) introduce(m *member) error {
	if m.unnamed == nil {
		return nil
	}
	m.unnamed()
	m.unnamed = nil
	t.touch(m)
	return t.welcomeMember(m)
}

func (t *seat) welcomeMember(m *member) error {
	return t.s.say("CONFERENCE_JOIN_indication", &joinIndication{Member: t.doc(m, none())})
}

func (t *seat) left(_ context.Context, e bridge.Left) error {
	m := t.people[e.P.ID]
	if m == nil || m == t.me {
		return nil
	}
	delete(t.people, e.P.ID)
	delete(t.streams, m.stream.ID)
	return t.farewell(m)
}

// farewell forgets a member and tells so. Nothing is told about it afterwards.
func (t *seat) farewell(m *member) error {
	unknown := m.unnamed != nil
	m.forget()
	delete(t.members, m.id)
	if r := t.getting[m.id]; r != nil {
		r.end()
		delete(t.getting, m.id)
	}
	if unknown {
		return nil
	}
	moderator := m.who.Role == bridge.Moderator && !m.extra
	return t.s.say("CONFERENCE_LEAVE_indication", &leaveIndication{Member: leaverRef{m.ref(), moderator}})
}

func (t *seat) published(ctx context.Context, e bridge.Published) error {
	if t.streams[e.Pub.ID] != nil {
		return t.republished(ctx, bridge.PublicationChanged{Pub: e.Pub})
	}
	m := t.addStream(e.Pub)
	if m == nil {
		return nil
	}
	if m.extra {
		if err := t.welcomeMember(m); err != nil {
			return err
		}
	}
	t.touch(m)
	return nil
}

// republished: mute is an event to everybody, oneself included; what is there or
// not is told to the others only (8.3, 8.4).
func (t *seat) republished(_ context.Context, e bridge.PublicationChanged) error {
	m := t.streams[e.Pub.ID]
	if m == nil {
		return nil
	}
	before, after := mediaOf(m.stream), mediaOf(e.Pub)
	m.stream = e.Pub
	if before == after {
		return nil
	}
	t.touch(m)
	if before.audio && after.audio && before.audioMuted != after.audioMuted {
		if after.audioMuted {
			return t.happened(m, "audio_muted")
		}
		return t.happened(m, "audio_unmuted")
	}
	return nil
}

func (t *seat) unpublished(_ context.Context, e bridge.Unpublished) error {
	m := t.streams[e.Pub.ID]
	if m == nil {
		return nil
	}
	delete(t.streams, e.Pub.ID)
	m.stream = bridge.Publication{}
	if m == t.me {
		if t.giving.pub == e.Pub.ID {
			t.giving.revoked()
		}
		return nil
	}
	if m.extra {
		return t.farewell(m)
	}
	if r := t.getting[m.id]; r != nil {
		r.exchange.drop()
		r.close()
	}
	t.touch(m)
	return nil
}

func (t *seat) talking(_ context.Context, e bridge.Talking) error {
	m := t.people[e.ID]
	if m == nil {
		return nil
	}
	m.who.Talking = e.On
	if e.On {
		t.room.Speaker = e.ID
		return t.happened(m, "start_speaking")
	}
	return t.happened(m, "stop_speaking")
}

// happened sends a MEDIA_event (5.8).
func (t *seat) happened(m *member, what string) error {
	if m.unnamed != nil {
		return nil // how it is then, it is introduced
	}
	return t.s.say("MEDIA_event", &mediaEvent{Member: m.ref(), Event: what})
}

func (t *seat) peerChanged(ctx context.Context, e bridge.PeerChanged) error {
	if p := t.peers[e.Peer]; p != nil {
		return p.changed(ctx, e.Peer, e.State)
	}
	return nil
}

func (t *seat) peerTrack(ctx context.Context, e bridge.PeerTrack) error {
	if p := t.peers[e.Peer]; p != nil {
		return p.track(ctx, e)
	}
	return nil
}
