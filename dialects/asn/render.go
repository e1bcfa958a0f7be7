package asn

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// renderer tells the client of one type of event.
type renderer func(*seat, context.Context, bridge.Event) error

// renderers has every event that follows something. README.md says what becomes of
// the others.
var renderers = map[reflect.Type]renderer{
	reflect.TypeFor[bridge.RoomChanged]():        on(func(t *seat, _ context.Context, e bridge.RoomChanged) error { t.room = e.Room; return nil }),
	reflect.TypeFor[bridge.Ended]():              on((*seat).ended),
	reflect.TypeFor[bridge.Kicked]():             on((*seat).kicked),
	reflect.TypeFor[bridge.Joined]():             on((*seat).joined),
	reflect.TypeFor[bridge.Left]():               on((*seat).left),
	reflect.TypeFor[bridge.Changed]():            on((*seat).changed),
	reflect.TypeFor[bridge.Published]():          on((*seat).published),
	reflect.TypeFor[bridge.PublicationChanged](): on((*seat).republished),
	reflect.TypeFor[bridge.Unpublished]():        on((*seat).unpublished),
	reflect.TypeFor[bridge.Talking]():            on((*seat).talks),
	reflect.TypeFor[bridge.Data]():               on((*seat).data),
	reflect.TypeFor[bridge.PeerCandidate]():      on((*seat).candidate),
	reflect.TypeFor[bridge.PeerChanged]():        on((*seat).peerChanged),
	reflect.TypeFor[bridge.PeerNegotiate]():      on((*seat).peerNegotiate),
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

// ended: the conference is over. A node that goes down says nothing but goodbye, when
// the last party is out: clients come back by themselves (reference 4.1).
func (t *seat) ended(_ context.Context, e bridge.Ended) error {
	if e.Reason == bridge.ByShutdown || e.Reason == bridge.ByMove {
		t.s.away = true
		return nil
	}
	return t.tellSelf(rose.ReasonConferenceEnded, bridge.ParticipantID{}, "")
}

func (t *seat) kicked(_ context.Context, e bridge.Kicked) error {
	return t.tellSelf(rose.ReasonRemoved, e.By, e.Reason)
}

// tellSelf tells the party that it is out.
func (t *seat) tellSelf(why rose.PartyRemovedReason, by bridge.ParticipantID, text string) error {
	return t.tell(rose.OpPartyRemoved, t.removed(t.id, why, by, text))
}

func (t *seat) removed(who bridge.ParticipantID, why rose.PartyRemovedReason, by bridge.ParticipantID, text string) *rose.PartyRemovedArgument {
	a := &rose.PartyRemovedArgument{RoomID: string(t.room.ID), PartyID: who.String(), ReasonCode: why}
	if text != "" {
		a.Reason = &text
	}
	if !by.IsZero() {
		a.ByPartyID = new(by.String())
	}
	return a
}

// tell sends an event about the room, after what has changed before.
func (t *seat) tell(op int64, argument rose.Value) error {
	if err := t.tellChanges(); err != nil {
		return err
	}
	return t.s.tell(op, argument)
}

func (t *seat) joined(_ context.Context, e bridge.Joined) error {
	if e.P.Kind.Hidden() || t.find(e.P.ID) != nil {
		return nil
	}
	m := newMember(e.P)
	t.members[e.P.ID] = m
	t.order = append(t.order, m)
	p := m.party()
	m.told = rose.JSON.Marshal(p)
	return t.tell(rose.OpPartyAdded, &rose.PartyAddedArgument{RoomID: string(t.room.ID), Party: *p})
}

// reasons are what becomes of the reasons of the room model (reference 12).
var reasons = map[bridge.Reason]rose.PartyRemovedReason{
	bridge.ByWish: rose.ReasonLeft, bridge.ByMove: rose.ReasonLeft,
	bridge.ByModerator: rose.ReasonRemoved, bridge.Refused: rose.ReasonRemoved,
	bridge.TooSlow: rose.ReasonTimeout,
	bridge.ByLoss:  rose.ReasonConnectionLost, bridge.ByShutdown: rose.ReasonConnectionLost,
	bridge.ByTimeLimit: rose.ReasonConferenceEnded, bridge.ByEnd: rose.ReasonConferenceEnded,
}

func (t *seat) left(_ context.Context, e bridge.Left) error {
	m := t.members[e.P.ID]
	if m == nil {
		return nil
	}
	delete(t.members, e.P.ID)
	delete(t.blame, e.P.ID)
	gone := func(o *member) bool { return o == m }
	t.order, t.dirty = slices.DeleteFunc(t.order, gone), slices.DeleteFunc(t.dirty, gone)
	for _, d := range t.downs {
		if d.of == e.P.ID {
			d.close()
		}
	}
	if err := t.tell(rose.OpPartyRemoved, t.removed(e.P.ID, reasons[e.Reason], e.By, e.Text)); err != nil {
		return err
	}
	return t.talk.end(e.P.ID)
}

// changed takes somebody anew. What a moderator has permitted or forbidden oneself
// has consequences for what is sent.
func (t *seat) changed(ctx context.Context, e bridge.Changed) error {
	m := t.find(e.P.ID)
	if m == nil {
		return nil
	}
	could := m.who.Can
	m.who = e.P
	t.mark(m, e.By)
	if m != t.me || could&publishing == e.P.Can&publishing {
		return nil
	}
	t.lifts &^= e.P.Can
	return t.permitted(ctx)
}

func (t *seat) published(ctx context.Context, e bridge.Published) error {
	return t.streamed(ctx, e.Pub, bridge.ParticipantID{})
}

func (t *seat) republished(ctx context.Context, e bridge.PublicationChanged) error {
	return t.streamed(ctx, e.Pub, e.By)
}

// streamed takes in a stream, new or changed.
func (t *seat) streamed(ctx context.Context, p bridge.Publication, by bridge.ParticipantID) error {
	m := t.find(p.Owner)
	if m == nil {
		return nil // of somebody whom nobody sees
	}
	m.put(p)
	t.mark(m, by)
	if m == t.me {
		t.up.told(p)
		return nil
	}
	return t.review(ctx, m)
}

func (t *seat) unpublished(ctx context.Context, e bridge.Unpublished) error {
	m := t.find(e.Pub.Owner)
	if m == nil {
		return nil
	}
	m.drop(e.Pub.ID)
	t.mark(m, bridge.ParticipantID{})
	if m == t.me {
		t.up.revoked(e.Pub.ID)
		return nil
	}
	return t.review(ctx, m)
}

// blame is who is behind the next change of somebody.
type blame struct {
	by    bridge.ParticipantID
	until time.Time
}

// Several changes of a party within mergeTime are told as one: one operation may be
// several commands of the room. blameTime is how long after what a moderator has
// announced a change is taken for it.
const (
	mergeTime = 10 * time.Millisecond
	blameTime = time.Second
)

// mark notes that a party is to be told anew. Who changed what nobody sees is not
// behind the next change.
func (t *seat) mark(m *member, by bridge.ParticipantID) {
	if !by.IsZero() && by != m.who.ID && m.changed() {
		t.blame[m.who.ID] = blame{by, time.Now().Add(blameTime)}
	}
	if slices.Contains(t.dirty, m) {
		return
	}
	if t.dirty = append(t.dirty, m); len(t.dirty) == 1 && !t.s.gone {
		t.after(mergeTime, func(context.Context) error { return t.tellChanges() })
	}
}

// changed reports whether a client would see another party than it was told.
func (m *member) changed() bool { return !bytes.Equal(rose.JSON.Marshal(m.party()), m.told) }

// tellChanges tells the parties in whom something visible has changed.
func (t *seat) tellChanges() error {
	dirty := t.dirty
	t.dirty = nil
	for _, m := range dirty {
		if !m.changed() {
			continue
		}
		p := m.party()
		m.told = rose.JSON.Marshal(p)
		a := &rose.PartyChangedArgument{RoomID: string(t.room.ID), Party: *p}
		if b, ok := t.blame[m.who.ID]; ok {
			if time.Now().Before(b.until) && b.by != m.who.ID {
				a.ByPartyID = new(b.by.String())
			}
			delete(t.blame, m.who.ID)
		}
		if err := t.s.tell(rose.OpPartyChanged, a); err != nil {
			return err
		}
	}
	return nil
}

// data takes what parties of this dialect say to each other.
func (t *seat) data(ctx context.Context, e bridge.Data) error {
	if e.Topic != topicSettings {
		return nil
	}
	var n note
	from := t.find(e.From)
	if json.Unmarshal(e.Data, &n) != nil || from == nil || !from.moderates() {
		return nil
	}
	t.blame[n.Target] = blame{e.From, time.Now().Add(blameTime)}
	if n.Target != t.id {
		return nil
	}
	return t.obey(ctx, n)
}

func (t *seat) peerChanged(ctx context.Context, e bridge.PeerChanged) error {
	if l := t.legs[e.Peer]; l != nil {
		return l.changed(ctx, e.State)
	}
	return nil
}

func (t *seat) peerNegotiate(ctx context.Context, e bridge.PeerNegotiate) error {
	if l := t.legs[e.Peer]; l != nil {
		return l.negotiate(ctx)
	}
	return nil
}
