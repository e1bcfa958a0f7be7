package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// desk is a directory with nodes that a test makes up.
type desk struct {
	*directory
	mu    sync.Mutex
	alive map[bridge.NodeID]bool
	holds map[bridge.NodeID]link.Holding // what a node says that it owns
	asked int
}

func newDesk() *desk {
	d := &desk{alive: map[bridge.NodeID]bool{}, holds: map[bridge.NodeID]link.Holding{}}
	nodes := manyNodes(3)
	for _, n := range nodes {
		d.alive[n.ID] = true
	}
	d.directory = &directory{
		clock: &clock{}, entries: map[bridge.RoomID]entry{}, flights: map[bridge.RoomID]chan struct{}{},
		nodes: func(bool) (up []Node) {
			for _, n := range nodes {
				if d.alive[n.ID] {
					up = append(up, n)
				}
			}
			return up
		},
		has: func(id bridge.NodeID) bool { return d.alive[id] },
		ask: func(ctx context.Context, id bridge.NodeID, question any) (any, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.asked++
			if h, ok := d.holds[id]; ok && h.Room == question.(link.Holds).Room {
				return link.Located{Owner: id, Epoch: h.Epoch}, nil
			}
			return nil, errors.New("no")
		},
	}
	return d
}

func (d *desk) find1(t *testing.T, create bool) (link.Located, bridge.Code) {
	t.Helper()
	at, err := d.locate(t.Context(), "r", create)
	return at, bridge.CodeOf(err)
}

// TestLocate: a room is found where it was placed, not at all if it never was, and
// again elsewhere when its owner is gone.
func TestLocate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		if _, code := d.find1(t, false); code != bridge.NotFound {
			t.Errorf("a room that is not there: %v", code)
		}
		at, code := d.find1(t, true)
		if code != 0 || d.asked != 0 {
			t.Fatalf("placed at %+v, %v, after %d questions", at, code, d.asked)
		}
		if again, code := d.find1(t, false); code != 0 || again != at {
			t.Errorf("found at %+v, %v", again, code)
		}
		d.announced(at.Owner, link.Announce{Have: []link.Holding{{Room: "r", Epoch: at.Epoch}}})
		time.Sleep(time.Hour) // in a synctest bubble
		if again, code := d.find1(t, false); code != 0 || again != at {
			t.Errorf("found at %+v, %v", again, code)
		}
		d.alive[at.Owner] = false
		next, code := d.find1(t, true)
		if code != 0 || next.Owner == at.Owner || next.Epoch <= at.Epoch {
			t.Errorf("placed again at %+v, %v", next, code)
		}
		d.announced(next.Owner, link.Announce{Gone: []bridge.RoomID{"r"}})
		if _, code := d.find1(t, false); code != bridge.NotFound {
			t.Errorf("a room that is gone: %v", code)
		}
		for id := range d.alive {
			d.alive[id] = false
		}
		if _, code := d.find1(t, true); code != bridge.Unavailable {
			t.Errorf("placed where there is no node: %v", code)
		}
	})
}

// TestUnsure: a home that is new, and one whose owner has not confirmed, asks all.
func TestUnsure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		owner, other := manyNodes(3)[0].ID, manyNodes(3)[1].ID
		d.holds[owner], d.holds[other] = link.Holding{Room: "r", Epoch: 7}, link.Holding{Room: "r", Epoch: 9}
		d.unsettle()
		if at, code := d.find1(t, true); code != 0 || at.Owner != owner || at.Epoch != 7 || d.asked != 3 {
			t.Errorf("found at %+v, %v, after %d questions", at, code, d.asked)
		}
		delete(d.entries, "r")
		time.Sleep(unsure + time.Second) // in a synctest bubble
		if _, code := d.find1(t, false); code != bridge.NotFound || d.asked != 3 {
			t.Errorf("a home that is sure: %v after %d questions", code, d.asked)
		}
		placed, _ := d.find1(t, true)
		time.Sleep(pending) // in a synctest bubble: the owner has not said that it has the room
		if at, code := d.find1(t, false); code != 0 || at.Owner != owner || d.asked != 6 {
			t.Errorf("found at %+v, %v, after %d questions; was placed at %+v", at, code, d.asked, placed)
		}
		d.put(link.Holding{Room: "s", Owner: owner}, time.Now())
		home, _ := homeOf("s", d.nodes(true))
		d.sweep(home.ID)
		if _, ok := d.entries["s"]; ok {
			t.Error("a place that nobody has taken is kept")
		}
		d.sweep("another node")
		if len(d.entries) != 0 {
			t.Errorf("a node that is not the home keeps %d entries", len(d.entries))
		}
	})
}

// TestOnce: of many who ask at once, one place comes.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.unsettle()
		var all sync.WaitGroup
		found := make(chan link.Located, 50)
		for range cap(found) {
			all.Go(func() {
				at, err := d.locate(t.Context(), "r", true)
				if err != nil {
					t.Error(err)
				}
				found <- at
			})
		}
		all.Wait()
		first := <-found
		for range cap(found) - 1 {
			if at := <-found; at != first {
				t.Errorf("placed at %+v and %+v", first, at)
			}
		}
		if d.asked != 3 {
			t.Errorf("all nodes were asked %d times", d.asked/3)
		}
	})
}

// TestConflict: of two owners the older one keeps the room, whoever announces first;
// a place that nobody has taken is no owner.
func TestConflict(t *testing.T) {
	nodes := manyNodes(3)
	old, young := link.Holding{Room: "r", Owner: nodes[0].ID, Epoch: 1000}, link.Holding{Room: "r", Owner: nodes[1].ID, Epoch: 2000}
	tell := func(d *desk, h link.Holding) (lost, won []link.Holding) {
		return d.announced(h.Owner, link.Announce{Have: []link.Holding{{Room: h.Room, Epoch: h.Epoch}}})
	}
	d := newDesk()
	if lost, won := tell(d, old); len(lost)+len(won) != 0 {
		t.Errorf("alone: %v, %v", lost, won)
	}
	if lost, won := tell(d, young); len(won) != 0 || len(lost) != 1 || lost[0] != old {
		t.Errorf("the younger one: %v, %v", lost, won)
	}
	d = newDesk()
	tell(d, young)
	if lost, won := tell(d, old); len(lost) != 0 || len(won) != 1 || won[0] != young {
		t.Errorf("the older one: %v, %v", lost, won)
	}
	d = newDesk()
	d.put(link.Holding{Room: "r", Owner: nodes[2].ID, Epoch: 3000}, time.Now().Add(time.Hour))
	if lost, won := tell(d, young); len(lost)+len(won) != 0 {
		t.Errorf("against a place that nobody has taken: %v, %v", lost, won)
	}
	d.moved(link.Holding{Room: "r", Owner: nodes[0].ID, Epoch: moved(2000)})
	if at, _, _ := d.get("r"); at.Owner != nodes[0].ID {
		t.Errorf("after it was handed over: %+v", at)
	}
}
