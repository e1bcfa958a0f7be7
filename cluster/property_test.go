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
func TestRandomCommands(t *testing.T) { crowds(t, false) }

// TestRandomBreaks: it holds also if the link between the two breaks now and then.
func TestRandomBreaks(t *testing.T) { crowds(t, true) }

func crowds(t *testing.T, breaks bool) {
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
					s := bridgetest.Stage{Host: e, Owner: e.Owner, Counts: e.Counts}
					if breaks {
						s.Disturb = e.Break
					}
					return s
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
