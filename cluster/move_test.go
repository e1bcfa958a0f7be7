package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/clustertest"
)

var everybody = []string{"p00", "p01", "p02", "p10", "p11", "p12", "p20", "p21", "p22"}

// lost are those whose sessions are over.
func (c *town) lost() (names []string) {
	for _, d := range c.people {
		if d.lost != nil {
			names = append(names, d.name)
		}
	}
	return names
}

// said returns what somebody was told was said, in order.
func (d *dweller) said() (texts []string) {
	for _, e := range d.told {
		if s, ok := e.(bridge.Said); ok {
			texts = append(texts, s.Text)
		}
	}
	return texts
}

// TestInFlight: commands on their way when the owner dies are applied once, those that
// were answered are not lost, and everybody sees one order.
func TestInFlight(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		room := c.meet(c.Nodes...)
		var all sync.WaitGroup
		var mu sync.Mutex
		answered := map[string]bool{}
		for i := range 20 {
			d := c.people[3+i%6]
			all.Go(func() {
				if i == 10 {
					c.Kill(c.Nodes[0])
					return
				}
				time.Sleep(time.Duration(i-10) * 100 * time.Microsecond) // in a synctest bubble
				text := fmt.Sprint("line ", i)
				err := d.Do(context.Background(), bridge.Say{ID: bridge.NewMessageID(), Text: text})
				mu.Lock()
				defer mu.Unlock()
				answered[text] = err == nil
				if code := bridge.CodeOf(err); code != 0 && code != bridge.Unavailable {
					t.Errorf("%s: %v", text, err)
				}
			})
		}
		all.Wait()
		owner := c.owner(room, 10*time.Second, c.Nodes[1:]...)
		time.Sleep(10 * time.Second) // in a synctest bubble
		c.same(owner, room, everybody[3:]...)
		order := c.people[3].said()
		times := map[string]int{}
		for _, text := range order {
			times[text]++
		}
		for text, ok := range answered {
			if times[text] != 1 && (ok || times[text] > 1) {
				t.Errorf("%q was said %d times, answered: %v", text, times[text], ok)
			}
		}
		for _, d := range c.people[4:] {
			if !slices.Equal(d.said(), order) {
				t.Errorf("%s was told %q,\nand %s %q", d.name, d.said(), c.people[3].name, order)
			}
		}
		t.Logf("%d of %d lines are there", len(order), len(answered))
	})
}

// TestLinkBreaks: a way that is lost for seconds costs nobody a seat; what happened
// meanwhile is told as differences.
func TestLinkBreaks(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		room := c.meet(c.Nodes...)
		machines := []*clustertest.Host{c.Nodes[0].Machine, c.Nodes[1].Machine, c.Nodes[2].Machine}
		c.Net.Split(machines[:1], machines[1:2], machines[2:])
		time.Sleep(2500 * time.Millisecond) // in a synctest bubble: not yet lost
		c.people[0].must(bridge.Rename{Name: "p00"})
		c.people[0].must(bridge.Say{ID: bridge.NewMessageID(), Text: "you do not hear this at once"})
		c.Net.Heal()
		time.Sleep(time.Second) // in a synctest bubble
		c.same(c.Nodes[0], room, everybody...)
		c.Net.Split(machines[:1], machines[1:2], machines[2:])
		time.Sleep(4 * time.Second) // in a synctest bubble: the links are lost
		late := make(chan error, 1)
		go func() { late <- c.people[4].Do(context.Background(), bridge.RaiseHand{Up: true}) }()
		c.people[0].must(bridge.Say{ID: bridge.NewMessageID(), Text: "nor this"})
		c.people[0].must(bridge.Mute{Targets: []bridge.ParticipantID{c.people[4].At.Self.ID}, Force: true})
		time.Sleep(500 * time.Millisecond) // in a synctest bubble
		c.Net.Heal()
		if err := <-late; bridge.CodeOf(err) != 0 && bridge.CodeOf(err) != bridge.Unavailable {
			t.Errorf("a command meanwhile: %v", err)
		}
		time.Sleep(20 * time.Second) // in a synctest bubble
		owner := c.owner(room, 10*time.Second, c.Nodes...)
		c.same(owner, room, everybody...)
		if said := c.people[5].said(); !slices.Contains(said, "nor this") {
			t.Errorf("was told %q", said)
		}
		if names := c.lost(); len(names) > 0 {
			t.Errorf("lost are %v", names)
		}
	})
}

// TestSplit: both sides of a split go on, and are one room soon after it heals.
func TestSplit(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		room := c.meet(c.Nodes...)
		one, other := c.Nodes[:1], c.Nodes[1:]
		c.Net.Split([]*clustertest.Host{one[0].Machine}, []*clustertest.Host{other[0].Machine, other[1].Machine})
		time.Sleep(60 * time.Second) // in a synctest bubble
		c.same(c.owner(room, time.Second, one...), room, everybody[:3]...)
		c.same(c.owner(room, time.Second, other...), room, everybody[3:]...)
		c.people[0].must(bridge.Say{ID: bridge.NewMessageID(), Text: "here"})
		c.people[3].must(bridge.Say{ID: bridge.NewMessageID(), Text: "there"})
		c.people[5].must(bridge.RaiseHand{Up: true})
		c.Net.Heal()
		begin := time.Now()
		var owner *clustertest.Node
		for whole := false; !whole && time.Since(begin) < 15*time.Second; time.Sleep(100 * time.Millisecond) { // in a synctest bubble
			c.read()
			whole = true
			for _, d := range c.people {
				whole = whole && len(d.view.Participants) == 8
			}
		}
		owner = c.owner(room, time.Second, c.Nodes...)
		t.Logf("one room at %s after %v", owner.ID(), time.Since(begin))
		if owner != c.Nodes[0] {
			t.Errorf("the room is at %s, and %s is the older owner", owner.ID(), c.Nodes[0].ID())
		}
		time.Sleep(3 * time.Second) // in a synctest bubble
		c.same(owner, room, everybody...)
		if names := c.lost(); len(names) > 0 {
			t.Errorf("lost are %v", names)
		}
		for _, d := range c.people {
			if said := d.said(); !slices.Contains(said, "here") || !slices.Contains(said, "there") {
				t.Errorf("%s was told %q", d.name, said)
			}
		}
	})
}

// TestRollingDrain: one node after another goes and comes back, and nobody whose own
// node stays is lost.
func TestRollingDrain(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		room := c.meet(c.Nodes...)
		for _, n := range c.Nodes {
			if err := n.Drain(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if rooms := n.Local.Rooms(); len(rooms) > 0 {
				t.Errorf("%s still has %v", n.ID(), rooms)
			}
			if _, err := n.Join(t.Context(), bridge.JoinRequest{Room: room}); bridge.CodeOf(err) != bridge.Unavailable {
				t.Errorf("joined a node that drains: %v", err)
			}
			time.Sleep(2 * time.Second) // in a synctest bubble
			owner := c.owner(room, time.Second, c.Nodes...)
			if owner == n {
				t.Errorf("the room is back at %s", n.ID())
			}
			c.same(owner, room, everybody...)
			c.people[4].must(bridge.Say{ID: bridge.NewMessageID(), Text: "still here"})
			if err := n.Drain(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // in a synctest bubble
		}
		if names := c.lost(); len(names) > 0 {
			t.Errorf("lost are %v", names)
		}
		c.read()
		if said := c.people[8].said(); len(said) != 3 {
			t.Errorf("was told %q", said)
		}
	})
}

// TestSlowNode: a node that does not take what a room tells it loses the stream, not
// its people: they get the room as it is then.
func TestSlowNode(t *testing.T) {
	inTown(t, 2, func(t *testing.T, c *town) {
		room := c.meet(c.Nodes...)
		c.Net.Split([]*clustertest.Host{c.Nodes[0].Machine}, []*clustertest.Host{c.Nodes[1].Machine})
		text := string(make([]byte, 200<<10))
		for range 150 { // 30 MB in no time
			c.people[0].must(bridge.Send{Topic: "x/y", Data: []byte(text)})
		}
		c.people[0].must(bridge.Rename{Name: "p00"})
		c.people[0].must(bridge.Say{ID: bridge.NewMessageID(), Text: "the last"})
		if c.Nodes[0].Stats().Lagged == 0 {
			c.Net.Heal()
		}
		time.Sleep(time.Second) // in a synctest bubble
		if n := c.Nodes[0].Stats().Lagged; n != 1 {
			t.Errorf("%d streams were too slow", n)
		}
		time.Sleep(3 * time.Second) // in a synctest bubble
		c.same(c.Nodes[0], room, everybody[:6]...)
		if said := c.people[4].said(); !slices.Contains(said, "the last") {
			t.Errorf("was told %q", said)
		}
	})
}
