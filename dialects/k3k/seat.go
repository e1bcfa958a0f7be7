package k3k

import (
	"context"
	"slices"
	"time"

	"dragoman/bridge"
)

// seat is one membership.
type seat struct {
	s       *speaker
	session *bridge.Session
	room    bridge.Info // as it was told last
	meeting *eventInfo  // what the room was made for; nil: nothing that is stored
	me      *member
	members map[bridge.ParticipantID]*member // the others
	order   []*member                        // the same, oldest first
	owners  map[bridge.PublicationID]*member // of streams, oneself included
	held    map[bridge.ParticipantID]*held   // who is not told of yet

	queue   *queue
	offers  uint                    // how many were made
	offered key                     // what was announced last, and is not asked for yet
	prompt  bool                    // the client asked for the one before
	peers   map[bridge.PeerID]party // connections of this client
	giving  map[sort]*publication   // what it sends
	getting map[key]*subscription   // what it receives
	focus   focus
	timer   *timer // nil: none runs
	poll    *poll
}

// A party is what a connection belongs to.
type party interface {
	changed(ctx context.Context, s bridge.PeerState) error
	track(ctx context.Context, e bridge.PeerTrack) error
}

func newSeat(ctx context.Context, s *speaker, session *bridge.Session, at bridge.Snapshot) (*seat, error) {
	t := &seat{
		s: s, session: session, room: at.Room, me: newMember(at.Self),
		members: map[bridge.ParticipantID]*member{},
		owners:  map[bridge.PublicationID]*member{},
		held:    map[bridge.ParticipantID]*held{},
		queue:   &queue{after: s.c.After},
		peers:   map[bridge.PeerID]party{},
		giving:  map[sort]*publication{},
		getting: map[key]*subscription{},
	}
	var err error
	t.meeting, err = s.d.meetingOf(ctx, at.Room.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range at.Participants {
		switch {
		case p.Kind.Hidden():
		case nameless(p):
			t.hold(p)
		default:
			t.add(newMember(p))
		}
	}
	for _, p := range at.Publications {
		if m := t.known(p.Owner); m != nil {
			m.put(p)
			t.owners[p.ID] = m
		}
	}
	for _, d := range at.Docs {
		t.load(d)
	}
	return t, nil
}

func (t *seat) add(m *member) {
	t.members[m.who.ID] = m
	t.order = append(t.order, m)
	if m.who.Talking {
		t.focus.start(m.who.ID)
	}
}

// welcome is the answer to the join, and what follows from it. At most one media
// session is in it; the others are announced one after another (reference 13.1).
func (t *seat) welcome(ctx context.Context, at bridge.Snapshot) error {
	waiting := t.announceFirst()
	if err := t.s.say(nsControl, "join_success", t.joined(at)); err != nil {
		return err
	}
	for _, k := range waiting {
		if err := t.announce(ctx, k); err != nil {
			return err
		}
	}
	return t.lookAt()
}

// announceFirst notes the first media session as told, and returns the others.
func (t *seat) announceFirst() (others []key) {
	for _, m := range t.order {
		for _, sort := range sorts() {
			p, ok := m.stream(sort)
			k := key{m.who.ID, sort}
			switch {
			case !ok:
			case t.queue.current == nil:
				m.told[sort] = tell(p)
				t.queue.occupy(k, subscribeTime)
				t.expect(m, sort)
			default:
				others = append(others, k)
			}
		}
	}
	return others
}

// joined is the fields of join_success (reference 7.4).
func (t *seat) joined(at bridge.Snapshot) joinSuccess {
	j := joinSuccess{
		ID: t.me.who.ID, DisplayName: t.me.who.Name, AvatarURL: t.me.who.Attrs[attrAvatar], Role: t.me.role(),
		ClosesAt: when(t.room.Ends), Tariff: t.s.d.tariff(t.room), IsRoomOwner: t.me.owns(), EventInfo: t.meeting,
		Chat: t.chatState(at), Media: mediaDoc{IsPresenter: t.me.presents()},
		Moderation: moderationDoc{RaiseHands: t.room.Hands},
		Timer:      t.timer.doc(), Polls: t.poll.doc(), Participants: []person{},
	}
	if t.me.moderates() {
		waiting := []person{}
		for _, p := range at.Knocking {
			d := person{ID: p.ID, Control: newMember(p).control(), Waiting: "waiting"}
			waiting = append(waiting, d)
		}
		j.Moderation.WaitingRoom, j.Moderation.Waiting = &t.room.WaitingRoom, &waiting
	}
	for _, m := range t.order {
		d := t.arrival(m)
		if t.timer != nil && t.timer.Ready[m.who.ID.String()] {
			d.Timer = &readyDoc{true}
		}
		j.Participants = append(j.Participants, d)
	}
	return j
}

// person returns the object of a participant, as an update has it.
func (t *seat) person(m *member) person {
	d := person{ID: m.who.ID, Control: m.control(), Media: &mediaDoc{IsPresenter: m.presents()}}
	d.Media.Video, d.Media.Screen = m.told[camera].doc(), m.told[screen].doc()
	return d
}

// arrival is the same where somebody is told for the first time: with the groups
// that both belong to (reference 7.1).
func (t *seat) arrival(m *member) person {
	d := t.person(m)
	if d.Control.Kind == kindUser {
		d.Chat = &groupsDoc{Groups: []string{}}
		mine := t.me.groups()
		for _, g := range m.groups() {
			if slices.Contains(mine, g) {
				d.Chat.Groups = append(d.Chat.Groups, g)
			}
		}
	}
	return d
}

// update tells a participant anew.
func (t *seat) update(m *member) error {
	return t.s.say(nsControl, "update", t.person(m))
}

// connect makes a connection for a party.
func (t *seat) connect(ctx context.Context, p party, o bridge.PeerOptions) (bridge.Peer, error) {
	peer, err := t.session.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	t.peers[peer.ID()] = p
	return peer, nil
}

// disconnect closes a connection; nil is none.
func (t *seat) disconnect(p bridge.Peer) {
	if p == nil {
		return
	}
	delete(t.peers, p.ID())
	if err := p.Close(); err != nil {
		t.s.c.Log.Debug("close", "peer", p.ID(), "err", err)
	}
}

// end closes all connections and takes back what is to happen later. Who leaves
// needs not tell the room what it sends no more.
func (t *seat) end() {
	t.queue.stop()
	for _, p := range t.giving {
		p.rest()
		t.disconnect(p.peer)
	}
	for _, s := range t.getting {
		s.rest()
		t.disconnect(s.peer)
	}
	for _, h := range t.held {
		h.cancel()
	}
	t.timer.stop()
	t.poll.stop()
}

// offerTime bounds what a description may take to be made.
const offerTime = 10 * time.Second
