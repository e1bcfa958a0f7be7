package spreed

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// event takes what the room tells.
func (m *meeting) event(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.Joined:
		return m.joined(ctx, m.add(e.P))
	case bridge.Left:
		return m.left(ctx, e)
	case bridge.Changed:
		return m.changed(ctx, e)
	case bridge.RoomChanged:
		return m.roomChanged(e)
	case bridge.Relocated:
		m.moved = true
	case bridge.Kicked, bridge.Ended:
		return m.noteEnd(e)
	case bridge.Published, bridge.PublicationChanged, bridge.Unpublished:
		return m.stream(ctx, e)
	case bridge.Said:
		return m.said(e)
	case bridge.TypingNow:
		return m.typing(e)
	case bridge.SeenBy:
		return m.seen(e)
	case bridge.Data:
		return m.data(ctx, e)
	case bridge.Talking:
		return m.calls.talking(e)
	case bridge.MuteAsked, bridge.Recording, bridge.Ending:
		return m.note(e)
	}
	return m.peerEvent(ctx, e)
}

// peerEvent takes what the client's own peers tell.
func (m *meeting) peerEvent(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.PeerChanged:
		if m.screens.changed(ctx, e) {
			return nil
		}
		return m.calls.changed(ctx, e)
	case bridge.PeerTrack:
		if m.screens.track(ctx, e) {
			return nil
		}
		return m.calls.track(ctx, e)
	case bridge.PeerChannel:
		if m.screens.channel(ctx, e) {
			return nil
		}
		return m.calls.channel(ctx, e)
	case bridge.PeerMessage:
		if m.screens.message(ctx, e) {
			return nil
		}
		return m.calls.message(ctx, e)
	case bridge.PeerNegotiate:
		return m.calls.renew(ctx, m.calls.of(e.Peer))
	}
	return nil
}

// A unicast is a document From a member To the client.
func (m *meeting) unicast(x *member, doc any) error {
	return m.s.write(wire.Envelope{Data: doc, From: x.id, To: m.s.id, A: m.proof(x)})
}

// A broadcast is a document From a member to everybody.
func (m *meeting) broadcast(x *member, doc any) error {
	return m.s.write(wire.Envelope{Data: doc, From: x.id, A: m.proof(x)})
}

// proof is the attestation of a member (reference 4).
func (m *meeting) proof(x *member) string {
	if now := time.Now(); now.Sub(x.proved) > attestRotate {
		x.proof, x.proved = m.s.tokens.attestation(x.address(), now), now
	}
	return x.proof
}

// joined tells a newcomer, then the conference that it belongs to.
func (m *meeting) joined(ctx context.Context, x *member) error {
	err := m.broadcast(x, wire.Joined{
		Type: wire.TypeJoined, ID: x.id, Userid: x.Attrs[attrUser], Ua: ua(x), Prio: wire.Prio, Status: status(x),
	})
	if err != nil {
		return err
	}
	if err := m.calls.announce(ctx); err != nil {
		return err
	}
	m.screens.joined(ctx)
	return nil
}

// left tells that somebody is gone. Calls do not end by Left, so that they are
// ended before (reference 14.6).
func (m *meeting) left(ctx context.Context, e bridge.Left) error {
	x := m.members[e.P.ID]
	if x == nil {
		return nil
	}
	how := wire.Hard
	if !x.virtual() && (e.Reason == bridge.ByWish || e.Reason == bridge.ByMove || e.Reason == bridge.ByModerator) {
		how = wire.Soft
	}
	return m.gone(ctx, x, how)
}

func (m *meeting) gone(ctx context.Context, x *member, how string) error {
	delete(m.members, x.ID)
	m.order = slices.DeleteFunc(m.order, func(o *member) bool { return o == x })
	m.screens.gone(ctx, x)
	if err := m.calls.hangUp(ctx, x, ""); err != nil {
		return err
	}
	return m.broadcast(x, wire.Left{Type: wire.TypeLeft, ID: x.id, Status: how})
}

// changed tells the status of a member anew.
func (m *meeting) changed(ctx context.Context, e bridge.Changed) error {
	if e.P.ID == m.self.ID {
		m.self = e.P
		if e.What&bridge.RoleChanged != 0 {
			m.publish(ctx)
			m.calls.up.feed(ctx)
		}
		return nil
	}
	x := m.members[e.P.ID]
	if x == nil {
		return nil
	}
	told := x.Attrs[attrTold] != e.P.Attrs[attrTold]
	if x.virtual() {
		told = e.What&(bridge.NameChanged|bridge.AttrsChanged) != 0
	}
	raised := x.Hand.IsZero() && !e.P.Hand.IsZero()
	x.Participant = e.P
	x.rev = revOf(x, x.rev)
	if told {
		err := m.broadcast(x, wire.Status{
			Type: wire.TypeStatus, ID: x.id, Userid: x.Attrs[attrUser], Rev: x.rev, Prio: wire.Prio, Status: status(x),
		})
		if err != nil {
			return err
		}
	}
	if raised && e.What&bridge.HandChanged != 0 {
		return m.remark(x, "raises a hand")
	}
	return nil
}

// stream takes in what somebody publishes.
func (m *meeting) stream(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.Published:
		m.streams[e.Pub.ID] = e.Pub
		return m.streamed(ctx, e.Pub)
	case bridge.PublicationChanged:
		old := m.streams[e.Pub.ID]
		m.streams[e.Pub.ID] = e.Pub
		if e.Pub.Owner == m.self.ID {
			m.calls.up.changed(e.Pub)
			return m.noteSilenced(old, e)
		}
		return m.streamed(ctx, e.Pub)
	case bridge.Unpublished:
		delete(m.streams, e.Pub.ID)
		if e.Pub.Owner == m.self.ID {
			m.calls.up.unpublished(e.Pub)
			return nil
		}
		m.screens.unpublished(ctx, e.Pub)
	}
	return nil
}

func (m *meeting) streamed(ctx context.Context, p bridge.Publication) error {
	x := m.members[p.Owner]
	switch {
	case x == nil:
		return nil
	case p.Source == bridge.Screen:
		m.screens.announce(p)
		return nil
	}
	if err := m.calls.show(x, p); err != nil {
		return err
	}
	return m.calls.gather(ctx)
}

// camera returns the stream of a member that a call with it shows.
func (m *meeting) camera(id bridge.ParticipantID) (found bridge.Publication, ok bool) {
	for _, p := range m.streams {
		if p.Owner == id && p.Source == bridge.Camera && (!ok || p.ID.String() < found.ID.String()) {
			found, ok = p, true
		}
	}
	return found, ok
}

// data takes what the speaker of another Spreed session says.
func (m *meeting) data(ctx context.Context, e bridge.Data) error {
	x := m.members[e.From]
	if x == nil || x.virtual() {
		return nil
	}
	switch e.Topic {
	case topicDocument:
		return m.unicast(x, json.RawMessage(e.Data))
	case topicShout:
		return m.broadcast(x, json.RawMessage(e.Data))
	case topicJoined:
		return m.joined(ctx, x)
	case topicRoom:
		return m.roomTold(ctx, x, e.Data)
	case topicCall:
		return m.calls.called(ctx, x, read[callNote](e))
	case topicAccept:
		return m.calls.accepted(ctx, x)
	case topicBye:
		return m.calls.byeFrom(ctx, x, e.Data)
	case topicChannel:
		m.screens.copied(x, e.Data)
	}
	return nil
}
