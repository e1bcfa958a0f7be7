package bridge_test

import (
	"slices"
	"testing"

	"dragoman/bridge"
)

// TestDismiss: who is sent away hears what the end of the room would tell; the room
// goes on, and the others are told that it left.
func TestDismiss(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	l := c.Local
	list := l.Seated()
	equal(t, "sessions", len(list), 4)
	i := slices.IndexFunc(list, func(s bridge.Seated) bool { return s.Self == id(c.ann) })
	ann := list[i]
	equal(t, "room", ann.Room, c.ID)
	equal(t, "kind", ann.Kind, c.ann.At.Self.Kind)
	code(t, ann.Dismiss(ctx(t)), 0)
	code(t, ann.Dismiss(ctx(t)), 0)
	lost := c.ann.Lost()
	if e, ok := c.ann.Unread()[0].(bridge.Ended); !ok || e.Reason != bridge.ByShutdown {
		t.Errorf("told %+v first", e)
	}
	code(t, lost, bridge.Closed)
	equal(t, "sessions", len(l.Seated()), 3)
	c.bob.Lost() // reads
	left := 0
	for _, e := range c.bob.Unread() {
		if e, ok := e.(bridge.Left); ok && e.P.ID == id(c.ann) && e.Reason == bridge.ByShutdown {
			left++
		}
	}
	equal(t, "told of it", left, 1)
	c.bob.Does(bridge.RaiseHand{Up: true})
	code(t, ann.Dismiss(ctx(t)), 0)
}
