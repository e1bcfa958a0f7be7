package bridge_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// TestRandomCommands has people do whatever comes to their minds and demands that
// the invariants of architecture.md 16.2 hold: what a session was told, replayed
// over its snapshot, is what a fresh snapshot says; no event names what the session
// does not know; private messages and the room behind the waiting room are seen by
// nobody else; nobody may more than was granted; and after all have left, nothing
// remains.
func TestRandomCommands(t *testing.T) {
	seeds, steps := 60, 500
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var local *bridge.Local
				bridgetest.Crowd(t, uint64(seed), steps, func(cfg bridge.LocalConfig) bridgetest.Stage {
					local = newLocal(t, cfg)
					return bridgetest.Stage{Host: local, Owner: func() *bridge.Local { return local }, Counts: local.Stats}
				})
				left, err := local.Leftovers(ctx(t), "r")
				if err != nil || left != "" {
					t.Errorf("there is left: %s, %v", left, err)
				}
				equal(t, "sessions are left", local.Holds(), 0)
			})
		})
	}
}
