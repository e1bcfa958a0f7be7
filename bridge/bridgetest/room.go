package bridgetest

import (
	"context"
	"testing"
	"time"

	"dragoman/bridge"
)

// patience is how long a test waits for what must come. In a synctest bubble it
// passes at once, when everything else stands still.
const patience = 10 * time.Second

// Room is a bridge.Local with a fake Media and one room in it, for tests of
// dialects: the test's scripted members are the others that a client meets.
type Room struct {
	*bridge.Local
	Media *Media
	ID    bridge.RoomID

	t    testing.TB
	spec bridge.Spec
}

// NewRoom makes a room of a spec; "room" is the id if the spec has none. It is
// gone when the test ends.
func NewRoom(t testing.TB, s bridge.Spec) *Room {
	t.Helper()
	media := &Media{}
	l := bridge.NewLocal(bridge.LocalConfig{Media: media})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("close the rooms: %v", err)
		}
	})
	if s.ID == "" {
		s.ID = "room"
	}
	if err := l.Create(context.Background(), s); err != nil {
		t.Fatalf("create the room: %v", err)
	}
	return &Room{Local: l, Media: media, ID: s.ID, t: t, spec: s}
}

// Member is a scripted participant.
type Member struct {
	*bridge.Session
	View *View // what it has been told so far

	room *Room
	next []bridge.Event // drained and not looked at yet
	lost error
}

// Enter seats a person of a role who can show everything.
func (r *Room) Enter(name string, role bridge.Role) *Member {
	r.t.Helper()
	m := r.Join(bridge.JoinRequest{
		Name: name, Dialect: "test", Shows: ^bridge.Features(0),
		Secret: r.secret(role), AtMost: role,
	})
	if m.At.Self.Role != role && !m.At.Waiting {
		boss := r.Service()
		boss.Does(bridge.SetRole{Target: m.At.Self.ID, Role: role})
		boss.Leaves()
		Told(m, func(c bridge.Changed) bool { return c.P.ID == m.At.Self.ID })
	}
	return m
}

// secret is what the first spec of the room asks from somebody of a role.
func (r *Room) secret(role bridge.Role) bridge.Secret {
	if s := r.spec.Secrets[role]; s != "" || role == bridge.Listener {
		return s
	}
	return r.spec.Secrets[bridge.Speaker]
}

// Service seats a hidden program that may do everything.
func (r *Room) Service() *Member {
	r.t.Helper()
	return r.Join(bridge.JoinRequest{Name: "service", Kind: bridge.Service, AtMost: bridge.Moderator, Shows: ^bridge.Features(0)})
}

// Join seats somebody, in this room unless the request says otherwise.
func (r *Room) Join(req bridge.JoinRequest) *Member {
	r.t.Helper()
	if req.Room == "" {
		req.Room = r.ID
	}
	s, err := r.Local.Join(context.Background(), req)
	if err != nil {
		r.t.Fatalf("%s joins %s: %v", req.Name, req.Room, err)
	}
	return &Member{Session: s, View: NewView(s.At), room: r}
}

// Try posts a command and returns its error.
func (m *Member) Try(c bridge.Command) error {
	return m.Do(context.Background(), c)
}

// Does posts commands that must be allowed.
func (m *Member) Does(commands ...bridge.Command) {
	m.room.t.Helper()
	for _, c := range commands {
		if err := m.Try(c); err != nil {
			m.room.t.Fatalf("%s: %T%+v: %v", m.At.Self.Name, c, c, err)
		}
	}
}

// Shares publishes a stream with both tracks live and returns its id.
func (m *Member) Shares(src bridge.Source) bridge.PublicationID {
	m.room.t.Helper()
	id := bridge.NewPublicationID()
	m.Does(bridge.Publish{Publication: bridge.Publication{
		ID: id, Source: src, Audio: bridge.Live, Video: bridge.Live,
	}})
	return id
}

// Says sends a chat message to everybody.
func (m *Member) Says(text string) {
	m.room.t.Helper()
	m.Does(bridge.Say{ID: bridge.NewMessageID(), Text: text})
}

// Leaves gives up the seat.
func (m *Member) Leaves() {
	m.room.t.Helper()
	if err := m.Leave(context.Background(), bridge.ByWish); err != nil {
		m.room.t.Fatalf("%s leaves: %v", m.At.Self.Name, err)
	}
}

// Unread drains and returns the events that no one has looked at yet.
func (m *Member) Unread() []bridge.Event {
	m.room.t.Helper()
	m.drain()
	events := m.next
	m.next = nil
	return events
}

// Lost returns the error that the seat was lost with, nil while it stands.
func (m *Member) Lost() error {
	m.drain()
	return m.lost
}

func (m *Member) drain() {
	m.room.t.Helper()
	if m.lost != nil {
		return
	}
	events, err := m.Drain(context.Background())
	for _, e := range events {
		if err := m.View.Apply(e); err != nil {
			m.room.t.Errorf("%s was told %T%+v: %v", m.At.Self.Name, e, e, err)
		}
	}
	m.next, m.lost = append(m.next, events...), err
}

// Told waits until a member is told an event of type E that matches, and returns
// it; what came before it is skipped. A nil match takes the first.
func Told[E bridge.Event](m *Member, match func(E) bool) E {
	m.room.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		m.drain()
		for i, e := range m.next {
			if e, ok := e.(E); ok && (match == nil || match(e)) {
				m.next = m.next[i+1:]
				return e
			}
		}
		var e E
		if m.lost != nil {
			m.room.t.Fatalf("%s was not told %T; the seat was lost: %v", m.At.Self.Name, e, m.lost)
		}
		select {
		case <-m.Ready():
		case <-deadline.C:
			m.room.t.Fatalf("%s was not told %T, but: %+v", m.At.Self.Name, e, m.next)
		}
	}
}
