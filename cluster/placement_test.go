package cluster

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

func manyNodes(n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		name := fmt.Sprintf("node-%d", i)
		nodes[i] = Node{Name: name, ID: bridge.NodeID(name + "-boot"), Proto: Proto}
	}
	return nodes
}

// TestSpread: rooms are spread within 20 % of even over a hundred nodes, and a node
// that joins takes at most 1.5/n of them, from nobody to anybody but itself.
func TestSpread(t *testing.T) {
	const rooms = 100_000
	for _, n := range []int{3, 10, 100} {
		nodes := manyNodes(n + 1)
		before, joined := nodes[:n], nodes[n]
		count, moved := map[bridge.NodeID]int{}, 0
		for i := range rooms {
			room := bridge.RoomID(fmt.Sprint("room ", i))
			was, _ := homeOf(room, before)
			is, _ := homeOf(room, nodes)
			count[was.ID]++
			if was.ID != is.ID {
				moved++
				if is.ID != joined.ID {
					t.Fatalf("%s moves from %s to %s, and %s has joined", room, was.ID, is.ID, joined.ID)
				}
			}
		}
		least, most := rooms, 0
		for _, c := range count {
			least, most = min(least, c), max(most, c)
		}
		even := float64(rooms) / float64(n)
		t.Logf("%d nodes: %.1f%% to %.1f%% of even; a join moves %.2f/n", n, 100*float64(least)/even, 100*float64(most)/even, float64(moved)/even)
		if float64(least) < 0.8*even || float64(most) > 1.2*even {
			t.Errorf("%d nodes have %d to %d rooms, even is %.0f", n, least, most, even)
		}
		if float64(moved) > 1.5*even {
			t.Errorf("with %d nodes a join moves %d of %d rooms", n, moved, rooms)
		}
	}
}

func TestHome(t *testing.T) {
	if _, ok := homeOf("r", nil); ok {
		t.Error("a room has a home though there are no nodes")
	}
	nodes := manyNodes(5)
	home, _ := homeOf("r", nodes)
	again := home
	again.ID = bridge.NodeID(home.Name + "-later")
	if now, _ := homeOf("r", append(nodes, again)); now.ID != again.ID {
		t.Errorf("the home is %s, and %s has started later", now.ID, again.ID)
	}
}

func TestSettle(t *testing.T) {
	nodes := manyNodes(5)
	home, _ := homeOf("r", nodes)
	for i := range nodes {
		nodes[i].Load = 3
	}
	at := func(load uint8) Node {
		for i := range nodes {
			if nodes[i].ID == home.ID {
				nodes[i].Load = load
			}
		}
		n, ok := settle("r", nodes)
		if !ok {
			t.Fatal("there is no place for the room")
		}
		return n
	}
	if n := at(4); n.ID != home.ID {
		t.Errorf("one class above the others, the room goes to %s", n.ID)
	}
	if n := at(5); n.ID == home.ID || n.Load != 3 {
		t.Errorf("two classes above the others, the room goes to %+v", n)
	}
	if _, ok := settle("r", nil); ok {
		t.Error("a room has a place though there are no nodes")
	}
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b clock
		last := a.now()
		for range 1000 {
			if next := a.now(); next <= last {
				t.Fatalf("%d after %d", next, last)
			} else {
				last = next
			}
		}
		b.saw(last)
		if now := b.now(); now <= last {
			t.Errorf("%d after %d was seen", now, last)
		}
		b.saw(last + 1<<60)
		if now := b.now(); now > last+1<<50 {
			t.Errorf("a clock from far ahead is believed: %d", now)
		}
		time.Sleep(time.Second) // in a synctest bubble
		if b.now() <= a.now()-2*moves {
			t.Error("clocks drift apart")
		}
	})
}

func TestEpochs(t *testing.T) {
	var c clock
	first, second := c.now(), c.now()
	if !older(link.Holding{Epoch: first}, link.Holding{Epoch: second}) || older(link.Holding{Epoch: second}, link.Holding{Epoch: first}) {
		t.Error("the room that was born later wins")
	}
	handed := moved(moved(second))
	if !older(link.Holding{Epoch: handed}, link.Holding{Epoch: second}) || older(link.Holding{Epoch: handed}, link.Holding{Epoch: first}) {
		t.Error("a room that was handed over does not win over its former owner, or wins over an older one")
	}
	if !sameBirth(handed, second) || sameBirth(handed, first) {
		t.Error("births are mixed up")
	}
}
