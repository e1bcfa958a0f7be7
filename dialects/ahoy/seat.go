package ahoy

import (
	"context"
	"time"

	"dragoman/bridge"
)

// seat is one membership.
type seat struct {
	s       *speaker
	session *bridge.Session
	room    bridge.Info // as it was told last
	me      *member

	members map[string]*member               // everybody but oneself, by memberID
	people  map[bridge.ParticipantID]*member // and oneself
	streams map[bridge.PublicationID]*member // who shares what
	peers   map[bridge.PeerID]party          // connections of this client
	getting map[string]*receiver             // what it receives, by memberID
	giving  publisher                        // what it sends
	at      []*member                        // who was there at the join, in order
}

// A party is what a connection belongs to: the publisher or a receiver.
type party interface {
	changed(ctx context.Context, p bridge.PeerID, s bridge.PeerState) error
	track(ctx context.Context, e bridge.PeerTrack) error
}

func newSeat(s *speaker, session *bridge.Session, at bridge.Snapshot) *seat {
	t := &seat{
		s: s, session: session, room: at.Room,
		members: map[string]*member{},
		people:  map[bridge.ParticipantID]*member{},
		streams: map[bridge.PublicationID]*member{},
		peers:   map[bridge.PeerID]party{},
		getting: map[string]*receiver{},
	}
	t.giving.t, t.giving.exchange.c = t, s.c
	t.at = t.load(at)
	t.me = &member{id: t.memberID(at.Self.ID), who: at.Self, told: none()}
	t.people[at.Self.ID] = t.me
	return t
}

// conferenceName is what members are told that a room is called. The web client lets
// the extension that shares the screen join by it (4.2), and a room that is not listed
// is not found by its title.
func conferenceName(room bridge.Info) string {
	if room.Title == "" || room.Unlisted {
		return string(room.ID)
	}
	return room.Title
}

// joined is the response to the join (4.2).
func (t *seat) joined() *joinResponse {
	r := &joinResponse{
		RemainingSeconds: secondsLeft(t.room, time.Now()),
		Locked:           t.room.Locked,
		ConferenceID:     string(t.room.ID),
		ConferenceName:   conferenceName(t.room),
		Description:      t.room.About,
		SpeakerID:        t.me.id,
		MemberID:         t.me.id,
		Moderator:        t.me.who.Role == bridge.Moderator,
		Speaker:          maySpeak(t.me.who.Can),
		WebRTC:           true,
		Members:          []memberDoc{},
		ICEServers:       t.iceServers(),
	}
	if m := t.people[t.room.Speaker]; m != nil {
		r.SpeakerID = m.id
	}
	for _, m := range t.at {
		m.told = mediaOf(m.stream)
		r.Members = append(r.Members, t.doc(m, m.told))
	}
	t.at = nil
	return r
}

func (t *seat) iceServers() (all []iceServer) {
	if t.s.c.Env.ICE == nil {
		return nil
	}
	for _, s := range t.s.c.Env.ICE() {
		for _, u := range s.URLs {
			all = append(all, iceServer{URLs: u, URL: u, Username: s.Username, Credential: s.Credential})
		}
	}
	return all
}

// welcome tells what the response to the join cannot.
func (t *seat) welcome(context.Context) error {
	if t.room.Recording {
		return t.note(t.me, "This conference is being recorded")
	}
	return nil
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

// closePeers closes all connections and takes back what is to be told later.
func (t *seat) closePeers() {
	t.giving.end()
	for _, r := range t.getting {
		r.end()
	}
	for _, m := range t.members {
		m.forget()
	}
}

// forget takes back what is to be told of a member.
func (m *member) forget() {
	if m.pending != nil {
		m.pending()
		m.pending = nil
	}
	if m.unnamed != nil {
		m.unnamed()
		m.unnamed = nil
	}
}
