package bridge_test

import (
	"fmt"
	"slices"
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// carried returns what a trunk carries, in words.
func carried(parcels []bridge.Parcel) (words []string) {
	for _, p := range parcels {
		switch {
		case p.Event == bridge.Event(nil):
		case isEstate(p.Event):
			continue
		}
		switch {
		case p.Event != nil:
			words = append(words, fmt.Sprintf("%T%d", p.Event, p.To)[len("bridge."):])
		case p.Over != nil:
			words = append(words, fmt.Sprint("over", p.To))
		case p.Restart:
			words = append(words, fmt.Sprint("restart", p.To))
		default:
			words = append(words, fmt.Sprint(p.Note))
		}
	}
	return words
}

func isEstate(e bridge.Event) bool { _, ok := e.(bridge.Estate); return ok }

func sit(t *testing.T, c *bridgetest.Room, out *bridge.Outbox, name string) bridge.Link {
	t.Helper()
	l, _, err := c.Seat(t.Context(), bridge.JoinRequest{Room: c.ID, Name: name, AtMost: bridge.Moderator}, out)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestTrunk: an event goes once for all seats, answers behind what they caused, and
// what is old is merged only for the same seats.
func TestTrunk(t *testing.T) {
	c := bridgetest.NewRoom(t, bridge.Spec{})
	trunk := bridge.NewTrunk(0)
	a, b := sit(t, c, trunk.Branch(1), "Ann"), sit(t, c, trunk.Branch(2), "Bob")
	expect := func(want ...string) {
		t.Helper()
		got, err := trunk.Take()
		if words := carried(got); err != nil || !slices.Equal(words, want) {
			t.Errorf("carries %q, %v, want %q", words, err, want)
		}
	}
	if first, _ := trunk.Take(); !slices.ContainsFunc(first, func(p bridge.Parcel) bool { return p.Event != nil && isEstate(p.Event) }) {
		t.Error("a node is not told the estate")
	} else if words := carried(first); !slices.Equal(words, []string{"Joined[1]"}) {
		t.Errorf("carries %q", words)
	}
	do := func(l bridge.Link, cmd bridge.Command) {
		t.Helper()
		if err := l.Do(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	do(a, bridge.Rename{Name: "An"})
	do(a, bridge.RaiseHand{Up: true})
	trunk.Put("answer")
	do(a, bridge.Rename{Name: "Anna"})
	parcels, _ := trunk.Take()
	if words := carried(parcels); !slices.Equal(words, []string{"Changed[1 2]", "answer", "Changed[1 2]"}) {
		t.Errorf("carries %q", words)
	} else if e := parcels[0].Event.(bridge.Changed); e.P.Name != "An" || e.What != bridge.NameChanged|bridge.HandChanged {
		t.Errorf("merged into %+v", e)
	}
	retaken := trunk.Branch(1)
	if _, err := a.(bridge.Retaker).Retake(t.Context(), retaken); err != nil {
		t.Fatal(err)
	}
	expect("over[1]", "restart[1]")
	do(b, bridge.Say{ID: bridge.NewMessageID(), Text: "hello"})
	if err := b.Leave(t.Context(), bridge.ByWish); err != nil {
		t.Fatal(err)
	}
	expect("Said[1 2]", "over[2]", "Left[1]")
}

// TestTrunkLost: whoever is too slow loses the trunk, not the seats.
func TestTrunkLost(t *testing.T) {
	c := bridgetest.NewRoom(t, bridge.Spec{})
	trunk := bridge.NewTrunk(3)
	a := sit(t, c, trunk.Branch(1), "Ann")
	for i := range 40 { // merged, and so not too much
		if err := a.Do(t.Context(), bridge.Rename{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := trunk.Take(); err != nil || len(carried(got)) != 1 {
		t.Fatalf("carries %q, %v", carried(got), err)
	}
	for range 9 {
		if err := a.Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	<-trunk.Ready()
	if got, err := trunk.Take(); len(got) != 0 || bridge.CodeOf(err) != bridge.Lagged {
		t.Errorf("carries %q, %v", carried(got), err)
	}
	next := bridge.NewTrunk(0)
	if at, err := a.(bridge.Retaker).Retake(t.Context(), next.Branch(1)); err != nil || at.Self.Name != "39" {
		t.Errorf("the seat: %+v, %v", at.Self, err)
	}
}

// TestTrunkBytes: long messages count.
func TestTrunkBytes(t *testing.T) {
	c := bridgetest.NewRoom(t, bridge.Spec{})
	trunk := bridge.NewTrunk(0)
	a := sit(t, c, trunk.Branch(1), "Ann")
	for i := range 100 {
		_ = a.Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), Text: string(make([]byte, 200<<10))})
		if _, err := a.(bridge.Retaker).Retake(t.Context(), trunk.Branch(1)); i < 20 && err != nil {
			t.Fatal(err)
		}
	}
	if _, err := trunk.Take(); bridge.CodeOf(err) != bridge.Lagged {
		t.Errorf("20 MB were kept: %v", err)
	}
}
