package bridge_test

import (
	"context"
	"slices"
	"testing"

	"dragoman/bridge"
)

// past is a history in memory.
type past struct {
	kept map[bridge.RoomID][]bridge.Said
	err  error
}

func (p *past) Append(_ context.Context, room bridge.RoomID, said bridge.Said, most int) error {
	if p.err != nil {
		return p.err
	}
	all := append(p.kept[room], said)
	p.kept[room] = all[max(0, len(all)-most):]
	return nil
}

func (p *past) Last(_ context.Context, room bridge.RoomID, most int) ([]bridge.Said, error) {
	all := slices.Clone(p.kept[room])
	slices.Reverse(all) // whatever the order in which they were appended
	return all[max(0, len(all)-most):], p.err
}

func (p *past) Clear(_ context.Context, room bridge.RoomID) error {
	delete(p.kept, room)
	return p.err
}

// TestHistory: the chat of a room that is kept is there for the next process, and
// has been written when the command is answered; that of others is not.
func TestHistory(t *testing.T) {
	h := &past{kept: map[bridge.RoomID][]bridge.Said{}}
	process := func() *bridge.Local {
		l := bridge.NewLocal(bridge.LocalConfig{History: h})
		t.Cleanup(func() { fine(t, l.Close(context.Background())) })
		return l
	}
	enter := func(l *bridge.Local, room bridge.RoomID) *bridge.Session {
		t.Helper()
		s, err := l.Join(t.Context(), bridge.JoinRequest{Room: room, Create: &bridge.Spec{KeepChat: 5}, Name: "Ann", AtMost: bridge.Moderator, Shows: bridge.ShowsPrivateChat})
		fine(t, err)
		return s
	}
	say := func(s *bridge.Session, text string) {
		t.Helper()
		fine(t, s.Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), Text: text}))
	}
	texts := func(all []bridge.Said) (out string) {
		for _, s := range all {
			out += s.Text
		}
		return out
	}
	hall := bridge.Spec{ID: "hall", Keep: true, KeepChat: 2}

	first := process()
	fine(t, first.Create(t.Context(), hall))
	s := enter(first, "hall")
	for _, text := range []string{"1", "2", "3"} {
		say(s, text)
	}
	fine(t, s.Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), To: s.At.Self.ID, Text: "psst"}))
	equal(t, "kept", texts(h.kept["hall"]), "23")
	say(enter(first, "passing"), "x")
	equal(t, "of a room that is not kept", len(h.kept["passing"]), 0)

	second := process()
	fine(t, second.Create(t.Context(), hall))
	s = enter(second, "hall")
	equal(t, "chat", texts(s.At.Chat), "23")
	h.err = bridge.Errorf(bridge.Unavailable, "the database is away")
	say(s, "4") // nobody is stopped from talking
	equal(t, "unkept", second.Stats().Unkept, 1)
	h.err = nil
	say(s, "5")
	equal(t, "number", enter(second, "hall").At.Chat[1].Number, 5)
	fine(t, s.Do(t.Context(), bridge.ClearChat{}))
	equal(t, "cleared", len(h.kept["hall"]), 0)

	h.err = bridge.Errorf(bridge.Unavailable, "the database is away")
	code(t, process().Create(t.Context(), hall), bridge.Unavailable)
	_, err := process().Join(t.Context(), bridge.JoinRequest{Room: "hall", Create: &hall})
	code(t, err, bridge.Unavailable)
}

func fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
