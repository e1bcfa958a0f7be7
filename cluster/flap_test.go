package cluster_test

import (
	"testing"
	"time"

	"dragoman/bridge"
)

// changed counts who was told to have left, and which streams to have ended.
func (d *dweller) changed() map[string]int {
	left := map[string]int{}
	for _, e := range d.told {
		switch e := e.(type) {
		case bridge.Left:
			left[e.P.Name]++
		case bridge.Unpublished:
			left["a stream"]++
		case bridge.Joined:
			left["joined "+e.P.Name]++
		}
	}
	return left
}

// TestNobodyFlickers: when a room is opened anew, by a handover or by a loss, nobody is
// told that those leave and come again, or their streams, who are there all the time.
func TestNobodyFlickers(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		c.meet(c.Nodes...)
		for _, d := range c.people {
			d.told = nil
		}
		for i, n := range c.Nodes {
			if err := n.Drain(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second) // in a synctest bubble
			if err := n.Drain(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second) // in a synctest bubble
			c.read()
			for _, d := range c.people {
				if got := d.changed(); len(got) > 0 || d.lost != nil {
					t.Errorf("handover %d: %s was told %v, and lost %v", i, d.name, got, d.lost)
				}
			}
		}
	})
	inTown(t, 3, func(t *testing.T, c *town) {
		c.meet(c.Nodes...) // its home is the first
		for _, d := range c.people {
			d.told = nil
		}
		c.Kill(c.Nodes[0])
		time.Sleep(20 * time.Second) // in a synctest bubble
		c.read()
		for _, d := range c.people[3:] {
			got := d.changed()
			if len(got) != 4 || got["p00"] != 1 || got["p01"] != 1 || got["p02"] != 1 || got["a stream"] != 2 {
				t.Errorf("%s was told %v", d.name, got)
			}
		}
	})
}
