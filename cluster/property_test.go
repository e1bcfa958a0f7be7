package cluster_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/cluster/clustertest"
)

// TestRandomCommands: what holds for a room of the node of its clients holds for one
// of another node.
func TestRandomCommands(t *testing.T) {
	crowds(t, func(*clustertest.Elsewhere) func() { return nil })
}

// TestRandomBreaks: it holds also if the link between the two breaks now and then.
func TestRandomBreaks(t *testing.T) {
	crowds(t, func(e *clustertest.Elsewhere) func() { return e.Break })
}

func crowds(t *testing.T, disturb func(*clustertest.Elsewhere) func()) {
	seeds, steps := 40, 500
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e *clustertest.Elsewhere
				bridgetest.Crowd(t, uint64(seed), steps, func(cfg bridge.LocalConfig) bridgetest.Stage {
					var err error
					if e, err = clustertest.NewElsewhere(cfg); err != nil {
						t.Fatal(err)
					}
					return bridgetest.Stage{
						Host: e, Counts: func() bridge.Stats { return sum(e.Edge.Stats(), e.Owner.Stats()) }, Disturb: disturb(e),
						Owner: func() *bridge.Local {
							if len(e.Edge.Rooms()) > 0 {
								return e.Edge
							}
							return e.Owner
						},
					}
				})
				if s := e.Stats(); s.Links.Streams != 0 || s.Remote != 0 {
					t.Errorf("there is left: %+v", s)
				}
				if err := e.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func sum(a, b bridge.Stats) bridge.Stats {
	a.Participants += b.Participants
	a.Sessions += b.Sessions
	return a
}
