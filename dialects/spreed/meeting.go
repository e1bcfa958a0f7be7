package spreed

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// meeting is a room as one client sees it. It outlives the connection: a client
// that comes back finds it in the session's Memo.
type meeting struct {
	s       *speaker
	session *bridge.Session
	key     roomKey
	master  bridge.Secret // of the room's moderators, if the client has come in with it

	room    bridge.Info
	self    bridge.Participant
	members map[bridge.ParticipantID]*member
	order   []*member // the same, in the order of joining
	streams map[bridge.PublicationID]bridge.Publication

	calls   calls
	screens screens
	moved   bool // to another node, or another connection of the same client
}

// member is another participant.
type member struct {
	bridge.Participant
	id     string // as clients see it
	rev    uint64
	proof  string // attestation
	proved time.Time
	mids   []string // messages to it that it may say it has read; foreign ones only
}

// virtual reports whether the bridge speaks for it.
func (x *member) virtual() bool { return x.Dialect != Name }

func (x *member) address() address { return address{id: x.ID, virtual: x.virtual()} }

func newMeeting(s *speaker, t ticket, session *bridge.Session) *meeting {
	m := &meeting{s: s, session: session, key: t.key}
	if at := session.At; at.Self.Role == bridge.Moderator && at.Room.Secured[bridge.Moderator] {
		m.master = t.secret
	}
	m.calls = newCalls(m)
	m.screens = newScreens(m)
	return m
}

// load takes in a snapshot.
func (m *meeting) load(at bridge.Snapshot) {
	old := m.members
	m.room, m.self = at.Room, at.Self
	m.members, m.order = map[bridge.ParticipantID]*member{}, nil
	m.streams = map[bridge.PublicationID]bridge.Publication{}
	for _, p := range at.Participants {
		x := m.add(p)
		if o := old[p.ID]; o != nil {
			x.mids = o.mids
		}
	}
	for _, p := range at.Publications {
		m.streams[p.ID] = p
	}
}

func (m *meeting) add(p bridge.Participant) *member {
	x := &member{Participant: p, id: m.s.forms.of(p)}
	x.rev = revOf(x, 0)
	if old := m.members[p.ID]; old != nil {
		m.order = slices.DeleteFunc(m.order, func(o *member) bool { return o == old })
	}
	m.members[p.ID] = x
	m.order = append(m.order, x)
	return x
}

// revOf returns the Rev of a member (reference 5.7). A Spreed session counts by
// itself. For others it is the seconds since they joined: it never goes back, also
// not for a client that comes back, and it is about the same on every node.
func revOf(x *member, last uint64) uint64 {
	if !x.virtual() {
		rev, err := strconv.ParseUint(x.Attrs[attrRev], 10, 64)
		if err != nil {
			return last
		}
		return rev
	}
	return max(last+1, 1+uint64(max(0, time.Since(x.Joined))/time.Second))
}

// enter is the first sight of the room: Welcome, then the conference.
func (m *meeting) enter(ctx context.Context, iid string, at bridge.Snapshot) error {
	m.load(at)
	m.publish(ctx)
	if err := m.welcome(ctx, iid); err != nil {
		return err
	}
	for _, said := range at.Chat {
		if err := m.said(said); err != nil {
			return err
		}
	}
	return nil
}

// enterAgain is another Hello for the same room: the others are told Joined once
// more (reference 5.2).
func (m *meeting) enterAgain(ctx context.Context, iid string) error {
	if err := m.welcome(ctx, iid); err != nil {
		return err
	}
	return m.s.gentle(m.session.Do(ctx, bridge.Send{Topic: topicJoined}))
}

func (m *meeting) welcome(ctx context.Context, iid string) error {
	err := m.s.reply(iid, wire.Welcome{
		Type: wire.TypeWelcome, Room: wire.Room{Type: m.key.Kind, Name: m.key.Name}, Users: m.users(ctx),
	})
	if err != nil {
		return err
	}
	return m.calls.announce(ctx)
}

// publish makes the client's camera known before anything comes of it, so that
// those who answer its calls can say what they will get.
func (m *meeting) publish(ctx context.Context) {
	if m.self.Can&(bridge.PublishAudio|bridge.PublishVideo) != 0 {
		_ = m.s.gentle(m.calls.up.tell(ctx))
	}
}

// attach gives the meeting to the client's new connection. What was in the middle
// of something is broken off.
func (m *meeting) attach(ctx context.Context, s *speaker, session *bridge.Session) error {
	m.s, m.session = s, session
	m.load(session.At)
	if err := m.calls.attach(ctx); err != nil {
		return err
	}
	m.screens.attach(ctx)
	return nil
}

// detach gives up the seat for whoever shows the token.
func (m *meeting) detach(ctx context.Context) bridge.ResumeToken {
	m.session.Memo = m
	if !m.s.gone {
		m.s.c.Release(m.session)
	}
	return m.session.Detach(ctx, handoverTime)
}

// over tells a client that it is not in the room any more: calls end, and nobody
// is there. It stays connected.
func (m *meeting) over(ctx context.Context) error {
	for _, x := range slices.Clone(m.order) {
		if err := m.gone(ctx, x, wire.Soft); err != nil {
			return err
		}
	}
	m.calls.close(ctx)
	return nil
}

// users lists who is here, the client first (reference 5.5).
func (m *meeting) users(ctx context.Context) []wire.User {
	const most = 5000
	self := m.s.entry()
	self.Type = wire.Online
	all := []wire.User{self}
	for _, x := range m.order {
		all = append(all, m.user(x))
	}
	all = append(all, m.s.everywhere(ctx, m.room.ID)...)
	return all[:min(most, len(all))]
}

func (m *meeting) user(x *member) wire.User {
	return wire.User{
		Type: wire.Online, ID: x.id, Userid: x.Attrs[attrUser], Ua: ua(x), Rev: x.rev, Prio: wire.Prio, Status: status(x),
	}
}

// everywhere lists the members of the room that every room shows.
func (s *speaker) everywhere(ctx context.Context, not bridge.RoomID) (all []wire.User) {
	room, err := bridge.Normalize(s.cfg.GlobalRoom)
	if s.cfg.GlobalRoom == "" || err != nil || room == not {
		return nil
	}
	x, err := s.env.Host.Join(ctx, bridge.JoinRequest{Room: room, Kind: bridge.Service, AtMost: bridge.Listener, Dialect: Name})
	if err != nil {
		return nil // nobody is there
	}
	defer func() { _ = x.Leave(ctx, bridge.ByWish) }() // hidden: nobody noticed
	m := &meeting{s: s, members: map[bridge.ParticipantID]*member{}}
	for _, p := range x.At.Participants {
		if p.ID != s.me {
			all = append(all, m.user(m.add(p)))
		}
	}
	return all
}

// onUsers handles Users (reference 5.5).
func (s *speaker) onUsers(ctx context.Context, r wire.Request) error {
	if s.at == nil {
		return s.reply(r.Iid, refused(codeNotInRoom, "you are in no room"))
	}
	return s.reply(r.Iid, wire.Users{Type: wire.TypeUsers, Users: s.at.users(ctx)})
}

func ua(x *member) string {
	if x.virtual() {
		return "Dragoman (" + x.Dialect + ")"
	}
	return x.Attrs[attrUa]
}

// status is what others see of a member: of a Spreed session what it said itself.
func status(x *member) json.RawMessage {
	if said, ok := x.Attrs[attrStatus]; !x.virtual() {
		if !ok {
			return nil
		}
		return json.RawMessage(said)
	}
	view := struct {
		DisplayName  string  `json:"displayName"`
		Message      *string `json:"message"`
		BuddyPicture *string `json:"buddyPicture"`
	}{DisplayName: x.Name}
	if v, ok := x.Attrs[attrMessage]; ok {
		view.Message = &v
	}
	if v, ok := x.Attrs[attrAvatar]; ok {
		view.BuddyPicture = &v
	}
	data, err := json.Marshal(view)
	if err != nil {
		return nil // texts always encode
	}
	return data
}
