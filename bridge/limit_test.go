package bridge_test

import (
	"testing"

	"dragoman/bridge"
)

// TestPeerLimit: a client's video can be limited anew, but not beyond what the room
// allows.
func TestPeerLimit(t *testing.T) {
	for _, c := range []struct{ room, first, then, before, after int }{
		{0, 0, 100_000, 0, 100_000},
		{0, 200_000, 0, 200_000, 0},
		{300_000, 0, 500_000, 300_000, 300_000},
		{300_000, 100_000, 0, 100_000, 300_000},
		{300_000, 100_000, 200_000, 100_000, 200_000},
	} {
		s := connect(t, bridge.Spec{MaxBitrate: c.room}, bridge.PeerOptions{MaxBitrate: c.first})
		equal(t, "before", s.upF.MaxBitrate(), c.before)
		code(t, s.up.Limit(c.then), 0)
		equal(t, "after", s.upF.MaxBitrate(), c.after)
		code(t, s.up.Close(), 0)
		code(t, s.up.Limit(1), bridge.Closed)
	}
}
