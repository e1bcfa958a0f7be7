package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/e2e/driver"
)

// TestMeeting: one client of each dialect, spread over three nodes, in one room: all
// see each other come, read each other, and see who is thrown out and who leaves once.
func TestMeeting(t *testing.T) {
	c := three(t)
	people := c.spread("meeting")
	c.attend(patience, "meeting", names(people)...)
	for _, p := range people {
		c.see(people, driver.Sight{What: driver.Came, Who: p.Name})
	}
	c.look(people)
	for _, p := range talkers(people) {
		c.say(p, "words of "+p.Name)
	}
	for _, p := range talkers(people) {
		s := driver.Sight{What: driver.Said, Who: p.Name, Text: "words of " + p.Name}
		c.see(people, s)
		c.times(people, s, 1)
	}
	c.locked(people)

	out := people[len(people)-1]
	c.nodes[1].do(http.MethodPost, "rooms/meeting/kick", map[string]any{"participant": c.nodes[2].id("meeting", out.Name)})
	c.do("kicked", func(ctx context.Context) error { return out.Saw(ctx, driver.Sight{What: driver.ThrownOut}) })
	out.Close()
	people = without(people, out)
	gone := people[0]
	c.see(people, driver.Sight{What: driver.Left, Who: out.Name})
	c.do("leave", gone.Leave)
	people = people[1:]
	c.see(people, driver.Sight{What: driver.Left, Who: gone.Name})
	c.attend(patience, "meeting", names(people)...)
	c.times(people, driver.Sight{What: driver.Left, Who: out.Name}, 1)
	c.times(people, driver.Sight{What: driver.Left, Who: gone.Name}, 1)
	c.times(people, driver.Sight{What: driver.Left, Who: people[0].Name}, 0)
}

// locked: a room that is locked at one node is locked at all.
func (c *town) locked(people []*person) {
	c.Helper()
	c.nodes[0].do(http.MethodPost, "rooms/meeting/lock", map[string]any{"on": true})
	for i, p := range people {
		n := c.nodes[(i+1)%len(c.nodes)]
		x := p.d.New(driver.Options{Addr: n.ports.HTTP, Path: "/" + p.d.Name, Name: "Late"})
		ctx, cancel := context.WithTimeout(c.Context(), patience)
		err := x.Join(ctx, "meeting", bridge.NoRole)
		if err == nil && p.d.ByMedia {
			err = x.Publish(ctx, bridge.Camera)
		}
		if _, ok := errors.AsType[*driver.Refused](err); !ok {
			c.Errorf("%s comes into a locked room by %s: %v", p.d.Name, n.name, err)
		}
		cancel()
		x.Close()
	}
	c.nodes[2].do(http.MethodPost, "rooms/meeting/lock", map[string]any{"on": false})
}

// nine are three people on each node.
func (c *town) nine(room string) (people []*person) {
	c.Helper()
	all := driver.Dialects()
	for i := range 9 {
		d := all[i%len(all)]
		people = append(people, c.enter(c.nodes[i/3], d, room, fmt.Sprintf("P%d %s", i, d.Name)))
	}
	c.attend(patience, room, names(people)...)
	return people
}

// TestOwnerDies: the node that runs a room of nine is killed. Those of the other nodes
// go on seeing each other, and have their room back within ten seconds, nobody twice,
// and all that was said.
func TestOwnerDies(t *testing.T) {
	c := three(t)
	people := c.nine("meeting")
	owner := c.owner("meeting")
	var before []string
	for round := range 5 {
		for _, p := range talkers(people) {
			if p.at != owner {
				text := fmt.Sprintf("line %d of %s", round, p.Name)
				c.say(p, text)
				before = append(before, text)
			}
		}
	}
	c.look(people)
	everybody := people
	people = slices.DeleteFunc(slices.Clone(people), func(p *person) bool { return p.at == owner })
	longest := c.flow(people)
	owner.signal(syscall.SIGKILL)
	took := c.attend(10*time.Second, "meeting", names(people)...)
	t.Logf("the room is back after %s", took.Round(time.Millisecond))
	gap := longest()
	t.Logf("nobody has missed anybody's picture for longer than %s", gap.Round(time.Millisecond))
	if gap >= took {
		t.Error("media have waited for the room")
	}
	c.look(people)
	for _, p := range talkers(people) {
		c.say(p, "afterwards, "+p.Name)
		c.see(people, driver.Sight{What: driver.Said, Who: p.Name, Text: "afterwards, " + p.Name})
	}
	for _, text := range before {
		for _, p := range people { // its own words are not told to who said them
			if own := text[len("line 0 of "):]; p.Name != own {
				c.see([]*person{p}, driver.Sight{What: driver.Said, Text: text})
				c.times([]*person{p}, driver.Sight{What: driver.Said, Text: text}, 1)
			}
		}
	}
	for _, p := range everybody {
		left := 0
		if p.at == owner {
			left = 1
		}
		c.times(people, driver.Sight{What: driver.Left, Who: p.Name}, left)
		c.times(people, driver.Sight{What: driver.Came, Who: p.Name}, 1)
	}
	late := c.enter(people[0].at, dialect(t, "ahoy"), "meeting", "Late")
	c.see(people, driver.Sight{What: driver.Came, Who: "Late"})
	c.attend(patience, "meeting", append(names(people), late.Name)...)
}

// TestRollingDrain: all nodes are told to go and started anew, one after another. Each
// client that is sent away comes back to another node, and in the end nobody is lost.
func TestRollingDrain(t *testing.T) {
	c := three(t)
	people := c.spread("meeting")
	c.attend(patience, "meeting", names(people)...)
	for i, n := range c.nodes {
		n.signal(syscall.SIGTERM)
		next := c.nodes[(i+1)%len(c.nodes)]
		for j, p := range people {
			if p.at == n {
				c.do(p.Name+" is sent away", func(ctx context.Context) error { return p.Saw(ctx, driver.Sight{What: driver.Gone}) })
				p.Close()
				people[j] = c.enter(next, p.d, "meeting", fmt.Sprint("Of ", p.Dialect, " again ", i))
			}
		}
		c.within(patience, n.name+" ends", func() bool {
			select {
			case <-n.over:
				return true
			default:
				return false
			}
		})
		if code := n.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s ends with %d", n.name, code)
		}
		c.attend(patience, "meeting", names(people)...)
		for _, p := range people { // who stayed has seen nobody go who is here
			c.times(people, driver.Sight{What: driver.Left, Who: p.Name}, 0)
		}
		n.extra = []string{"DRAGOMAN_CLUSTER_SEEDS=" + next.ports.Gossip}
		n.start()
		c.settled()
	}
	for _, p := range talkers(people) {
		c.say(p, "still here, "+p.Name)
		c.see(people, driver.Sight{What: driver.Said, Who: p.Name, Text: "still here, " + p.Name})
	}
	c.look(people)
}

// TestSecondSignal: who tells a node to go twice does not wait.
func TestSecondSignal(t *testing.T) {
	c := newTown(t)
	a, b := c.add("a"), c.add("b", "DRAGOMAN_DRAIN_TIMEOUT=1h")
	c.settled()
	ann := c.enter(a, dialect(t, "ahoy"), "meeting", "Ann")
	c.enter(b, dialect(t, "k3k"), "meeting", "Ben")
	b.signal(syscall.SIGTERM)
	c.until("it drains", func() bool { return c.owner("meeting") == a && len(a.list()) == 2 && a.list()[1].State == "draining" })
	b.signal(syscall.SIGTERM)
	took := c.within(10*time.Second, "it ends", func() bool { return len(c.live()) == 1 })
	t.Logf("ended after %s", took.Round(time.Millisecond))
	c.see([]*person{ann}, driver.Sight{What: driver.Left, Who: "Ben"})
	c.attend(patience, "meeting", "Ann")
}
