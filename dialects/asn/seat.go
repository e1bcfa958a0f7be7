package asn

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// seat is one party. It outlives its connection: a client that comes back takes it
// over (house.go), and then it belongs to another speaker.
type seat struct {
	d       *server
	s       *speaker        // whose connection it is bound to
	session *bridge.Session // in the room
	box     *bridge.Session // in the house
	id      bridge.ParticipantID
	token   bridge.Secret
	calls   pieces // for the box

	deadline time.Time            // when it is removed, unless the client says something
	self     rose.ConferenceParty // as the client has described itself
	room     bridge.Info
	me       *member
	members  map[bridge.ParticipantID]*member // the others
	order    []*member                        // everybody, in the order of joining
	dirty    []*member                        // to be told anew
	blame    map[bridge.ParticipantID]blame
	talk     *talking

	up     *uplink // nil: just a member
	wants  map[rose.ConferenceMediaType]setting
	lifts  bridge.Permissions   // what an asn moderator has taken, and the party may take back
	downs  map[string]*downlink // by subscription id
	legs   map[bridge.PeerID]leg
	ending bool
	asking bool // the box is still needed, for a reply
	remade bool // of what another node had, and has not begun yet
}

// A leg is what a connection belongs to.
type leg interface {
	legID() string
	changed(ctx context.Context, s bridge.PeerState) error
	negotiate(ctx context.Context) error
}

// newSeat makes a seat of a session that has joined. Its box is there before anybody
// knows its token.
func (d *server) newSeat(ctx context.Context, s *speaker, session *bridge.Session) (*seat, error) {
	t := &seat{
		d: d, s: s, session: session, id: session.At.Self.ID, token: d.sessionToken(session.At.Self.ID),
		calls: pieces{}, wants: map[rose.ConferenceMediaType]setting{}, downs: map[string]*downlink{}, legs: map[bridge.PeerID]leg{},
		blame: map[bridge.ParticipantID]blame{},
	}
	t.talk = &talking{t: t}
	if err := t.open(ctx); err != nil {
		return nil, err
	}
	t.look(session.At)
	return t, nil
}

// open gives the party its box, and the events of both to its connection.
func (t *seat) open(ctx context.Context) error {
	box, err := t.s.c.Join(ctx, t.d.house.seat(t.id))
	if err != nil {
		return err
	}
	t.box = box
	t.s.seats = append(t.s.seats, t)
	t.touch()
	t.after(t.d.cfg.KeepAlive, t.alive)
	t.after(pictureRenew, t.renewImage)
	return nil
}

// after calls f once d has passed, unless the party has another connection by then,
// or none.
func (t *seat) after(d time.Duration, f func(context.Context) error) (cancel func()) {
	s := t.s
	return s.c.After(d, func(ctx context.Context) error {
		if !slices.Contains(s.seats, t) {
			return nil
		}
		return f(ctx)
	})
}

// touch notes that the client is there (reference 10).
func (t *seat) touch() { t.deadline = time.Now().Add(t.d.cfg.KeepAlive) }

// look takes in the room as it is.
func (t *seat) look(at bridge.Snapshot) {
	t.room = at.Room
	t.members, t.order, t.dirty = map[bridge.ParticipantID]*member{}, nil, nil
	t.me = newMember(at.Self)
	for _, p := range at.Participants {
		if !p.Kind.Hidden() {
			t.members[p.ID] = newMember(p)
			t.order = append(t.order, t.members[p.ID])
		}
	}
	later := slices.IndexFunc(t.order, func(m *member) bool { return m.who.Joined.After(at.Self.Joined) })
	if later < 0 {
		later = len(t.order)
	}
	t.order = slices.Insert(t.order, later, t.me)
	for _, p := range slices.Concat(at.Publications, t.session.Published()) {
		if m := t.find(p.Owner); m != nil {
			m.put(p)
		}
	}
	for _, m := range t.order {
		m.told = rose.JSON.Marshal(m.party())
		if m.who.Talking {
			t.talk.start(m.who.ID)
		}
	}
}

// find returns somebody who is here, oneself included; nil for nobody.
func (t *seat) find(id bridge.ParticipantID) *member {
	if id == t.id {
		return t.me
	}
	return t.members[id]
}

// act carries out an operation of the party.
func (t *seat) act(ctx context.Context, op rose.Operation, do action, argument rose.Value) (rose.Value, error) {
	v, err := do(t, ctx, argument)
	if err == nil {
		t.touch()
	}
	if op.Event() && errors.Is(err, errIgnored) {
		return nil, nil
	}
	return v, err
}

// sync takes in what has happened in the room, so that an answer is as new as it
// can be. What follows from it is told after the answer.
func (t *seat) sync(ctx context.Context) error {
	events, _ := t.session.Drain(ctx) // that the seat is lost is told again
	for _, e := range events {
		if err := t.event(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// asked takes what the house is told.
func (t *seat) asked(ctx context.Context, e bridge.Event) error {
	d, ok := e.(bridge.Data)
	if !ok || d.Topic != topicCall && d.Topic != topicTakeover {
		return nil
	}
	n, message := t.calls.add(d)
	if message == nil {
		return nil
	}
	var c call
	if err := json.Unmarshal(message, &c); err != nil {
		return nil //nolint:nilerr // nobody of ours has said that
	}
	box := t.box
	t.asking = true
	r := t.reply(ctx, d.Topic, c)
	t.asking = false
	if err := send(ctx, box, d.From, topicAnswer, n, r); err != nil {
		t.s.c.Log.Debug("who has asked is gone", "err", err)
	}
	if r.Token != "" || t.ending {
		_ = box.Leave(ctx, bridge.ByMove) // it is empty
	}
	return nil
}

// reply answers a call.
func (t *seat) reply(ctx context.Context, topic string, c call) reply {
	if topic == topicTakeover {
		if c.Room != t.room.ID {
			return reply{Number: rose.TokenInvalid, Text: "the session token is of another conference"}
		}
		return reply{Token: string(t.release(ctx))}
	}
	op, ok := rose.Lookup(c.Op, "")
	do := actions[op.ID]
	if !ok || do == nil {
		return reply{Number: rose.InternalError}
	}
	argument := op.Argument()
	err := rose.JSON.Unmarshal(c.Argument, argument)
	var v rose.Value
	if err == nil {
		v, err = t.act(ctx, op, do, argument)
	}
	if err != nil {
		f := failureOf(err)
		return reply{Number: f.number, Text: f.text}
	}
	if v == nil {
		return reply{}
	}
	return reply{Result: rose.JSON.Marshal(v)}
}

// moveTime is how long a seat waits for the connection that takes it over.
const moveTime = 15 * time.Second

// release gives the seat to another connection, which resumes it with the token.
func (t *seat) release(ctx context.Context) bridge.ResumeToken {
	t.talk.stop()
	s := t.s
	s.seats = slices.DeleteFunc(s.seats, func(o *seat) bool { return o == t })
	s.c.Release(t.session)
	s.c.Release(t.box)
	t.session.Memo = t
	return t.session.Detach(ctx, moveTime)
}

// takeOver makes a party this connection's that was another's.
func (s *speaker) takeOver(ctx context.Context, id bridge.ParticipantID, room bridge.RoomID) (*seat, error) {
	r, err := s.d.house.ask(ctx, id, topicTakeover, call{Room: room})
	switch {
	case err != nil:
		return nil, err
	case r.Number != 0:
		return nil, &failure{number: r.Number, text: r.Text}
	}
	session, err := s.d.env.Host.Resume(ctx, bridge.ResumeToken(r.Token))
	if err != nil {
		return nil, errNoParty()
	}
	session.WakeBy(s.c.Wake())
	s.c.Attach(session)
	t, ok := session.Memo.(*seat)
	if !ok {
		return s.remake(ctx, session)
	}
	t.s, t.session, t.calls = s, session, pieces{}
	if err := t.open(ctx); err != nil {
		return nil, err
	}
	t.look(session.At)
	return t, nil
}

// remake makes a party of a session that comes from another node. What hung on the
// seat there, legs and subscriptions, is gone; what the party has said of itself is in
// the room.
func (s *speaker) remake(ctx context.Context, session *bridge.Session) (*seat, error) {
	t, err := s.d.newSeat(ctx, s, session)
	if err != nil {
		_ = s.c.Leave(ctx, session, bridge.ByLoss) // nobody would reach it
		return nil, errNoParty()
	}
	t.self, _ = t.me.said()
	t.remade = true
	return t, nil
}

// end forgets the party: it is out of its room.
func (t *seat) end(ctx context.Context) {
	if t.ending {
		return
	}
	t.ending = true
	t.talk.stop()
	t.s.seats = slices.DeleteFunc(t.s.seats, func(o *seat) bool { return o == t })
	t.s.c.Release(t.session)
	t.s.c.Release(t.box)
	if !t.asking {
		if err := t.box.Leave(ctx, bridge.ByWish); err != nil {
			t.s.c.Log.Warn("leaving the house", "err", err)
		}
	}
	if t.self.ImageID != nil {
		t.d.dropImage(ctx, *t.self.ImageID)
	}
}

// connect makes a connection for a leg. The candidates are told one by one: no call
// waits for ICE (reference 2.3).
func (t *seat) connect(ctx context.Context, l leg, o bridge.PeerOptions) (bridge.Peer, error) {
	o.Trickle = true
	peer, err := t.session.Connect(ctx, o)
	if err != nil {
		if bridge.CodeOf(err) == bridge.NotSupported || bridge.CodeOf(err) == bridge.Internal {
			err = &failure{rose.Unavailable, "there is no media node", err}
		}
		return nil, err
	}
	t.legs[peer.ID()] = l
	return peer, nil
}

// disconnect closes a connection; nil is none.
func (t *seat) disconnect(p bridge.Peer) {
	if p == nil {
		return
	}
	delete(t.legs, p.ID())
	if err := p.Close(); err != nil {
		t.s.c.Log.Debug("close", "peer", p.ID(), "err", err)
	}
}

// serve does something in the room as a program that may do everything.
func (d *server) command(ctx context.Context, room bridge.RoomID, c bridge.Command) error {
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

// errIgnored says that an event is not for us. It is not answered.
var errIgnored = errors.New("the event is ignored")
