package livekit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/config"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
	"dragoman/media/mediatest"
)

// TestThreeNodes: three nodes have one LiveKit room. Each takes a track at most once per
// layer, however many watch it there, and only while somebody does. Nobody appears twice.
// When the node with the roster is killed, another one takes it over.
func TestThreeNodes(t *testing.T) {
	lk := livekittest.Start(t, livekittest.Options{})
	c := newTown(t, lk, 3)
	var people []driver.Member
	at := map[string]*process{}
	for i, n := range []*process{c.nodes[0], c.nodes[1], c.nodes[1], c.nodes[1], c.nodes[2]} {
		name := fmt.Sprint("P", i)
		at[name] = n
		people = append(people, c.enter(n, "k3k", "r", name))
	}
	lara, inside := c.guest(lk, "r", "Lara", livekittest.JoinOptions{Media: mediatest.Config{Simulcast: true, Bitrate: highRate}})
	names := []string{"P0", "P1", "P2", "P3", "P4", "Lara"}
	all := append(slices.Clone(people), lara)
	c.look(all, all)
	c.attend(patience, []string{c.nodes[0].root(), c.nodes[1].root(), c.nodes[2].root()}, "r", names...)
	c.alone(lk, "r", names...)

	for _, p := range people {
		c.choose(p, "Lara", -1)
	}
	for _, n := range c.nodes {
		c.below(15*time.Second, "no picture comes to "+n.name, atMost, c.bytes(n.root(), "r", "lk", false))
	}
	c.below(15*time.Second, "nobody sends the best layer", lowRate/8, func() uint64 { return uint64(inside.SentBytes(livekittest.Camera, "f")) })
	c.layer(people[1], "Lara", 2)
	one := c.rate(c.bytes(c.nodes[1].root(), "r", "lk", false))
	c.layer(people[2], "Lara", 2)
	c.layer(people[3], "Lara", 2)
	three := c.rate(c.bytes(c.nodes[1].root(), "r", "lk", false))
	t.Logf("for one viewer %d bytes a second come, for three %d", one, three)
	if one < atMost || three > one*3/2 {
		t.Errorf("the best layer of %d bytes a second comes more than once", highRate/8)
	}
	c.layer(people[2], "Lara", 0)
	for _, tt := range []struct {
		node, most int // streams: the sound, and a layer
	}{{0, 1}, {1, 3}, {2, 1}} {
		n := c.nodes[tt.node]
		c.until(patience, "streams of "+n.name, func() error {
			p, err := c.show(n.root(), "r", "lk")
			if err == nil && p.Views > tt.most {
				err = fmt.Errorf("%s takes %d streams, want at most %d", n.name, p.Views, tt.most)
			}
			return err
		})
	}
	if rate := c.rate(c.bytes(c.nodes[0].root(), "r", "lk", false)); rate > atMost {
		t.Errorf("%d bytes a second come to a node where nobody watches", rate)
	}
	c.dies(lk, all, at)
}

// dies kills the node with the roster. The others go on; nobody of LiveKit goes or comes.
func (c *town) dies(lk *livekittest.Server, all []driver.Member, at map[string]*process) {
	c.Helper()
	owner := c.owner(c.nodes[0], "r")
	var names, roots []string
	var left []driver.Member
	for _, m := range all {
		if at[m.Name] != owner {
			left, names = append(left, m), append(names, m.Name)
		}
	}
	for _, n := range c.nodes {
		if n != owner {
			roots = append(roots, n.root())
		}
	}
	owner.kill()
	took := c.attend(20*time.Second, roots, "r", names...)
	c.Logf("%s is gone: the room is complete after %s", owner.name, took.Round(10*time.Millisecond))
	c.alone(lk, "r", names...)
	for _, m := range left {
		if m.Name != "Lara" {
			c.choose(m, "Lara", 2)
		}
	}
	c.look(left, left)
	luc, _ := c.guest(lk, "r", "Luc", livekittest.JoinOptions{})
	for _, m := range left {
		c.saw(m, driver.Sight{What: driver.Came, Who: "Luc"})
		if m.Name != "Lara" {
			c.times(m, driver.Sight{What: driver.Came, Who: "Lara"}, 1)
			c.times(m, driver.Sight{What: driver.Left, Who: "Lara"}, 0)
		}
	}
	c.do("chat", func(ctx context.Context) error { return luc.Say(ctx, "", "who is there?") })
	for _, m := range left {
		c.saw(m, driver.Sight{What: driver.Said, Who: "Luc", Text: "who is there?"})
	}
	c.settle()
	c.attend(patience, roots, "r", append(names, "Luc")...)
	for _, m := range left {
		c.times(m, driver.Sight{What: driver.Said, Who: "Luc"}, 1)
	}
}

// TestTwoClusters: two clusters have the same LiveKit room. People of one are seen in the
// other, once, and what is said comes once.
func TestTwoClusters(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	var nodes []*node.Node
	for _, name := range []string{"east", "west"} {
		nodes = append(nodes, node.Start(t, node.Options{Config: func(c *config.Config) {
			c.Cluster.Name, c.LiveKit = name, []livekit.Settings{peering(lk, "lk")}
		}}))
	}
	anna, ben := s.at(nodes[0], "ahoy", "r", "Anna"), s.at(nodes[1], "k3k", "r", "Ben")
	lara, _ := s.guest(lk, "r", "Lara", livekittest.JoinOptions{})
	all := []driver.Member{anna, ben, lara}
	s.look(all, all)
	for _, m := range all {
		s.do("say", func(ctx context.Context) error { return m.Say(ctx, "", "words of "+m.Name) })
	}
	for _, m := range all {
		for _, of := range all {
			if of.Name != m.Name {
				s.saw(m, driver.Sight{What: driver.Said, Who: of.Name, Text: "words of " + of.Name})
			}
		}
	}
	s.settle()
	s.attend(patience, []string{nodes[0].Admin(), nodes[1].Admin()}, "r", "Anna", "Ben", "Lara")
	s.alone(lk, "r", "Anna", "Ben", "Lara")
	for _, m := range all {
		for _, of := range all {
			if of.Name != m.Name {
				s.times(m, driver.Sight{What: driver.Said, Who: of.Name}, 1)
				s.times(m, driver.Sight{What: driver.Came, Who: of.Name}, 1)
			}
		}
	}
	s.do("leave", anna.Leave)
	s.saw(ben, driver.Sight{What: driver.Left, Who: "Anna"})
	s.alone(lk, "r", "Ben", "Lara")
}

// TestTwoRooms: two rooms of a node have the same LiveKit room, by two peerings. Their people
// do not meet each other by it, but all of LiveKit's.
func TestTwoRooms(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	only := func(room string) func(p *livekit.Settings) {
		return func(p *livekit.Settings) { p.Room, p.Rooms = "stage", []string{room} }
	}
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk", only("r")), peering(lk, "other", only("q")))})
	anna, ben := s.at(n, "ahoy", "r", "Anna"), s.at(n, "k3k", "q", "Ben")
	lara, _ := s.guest(lk, "stage", "Lara", livekittest.JoinOptions{})
	for _, m := range []driver.Member{anna, ben} {
		s.look([]driver.Member{m, lara}, []driver.Member{m, lara})
	}
	s.settle()
	s.attend(patience, []string{n.Admin()}, "r", "Anna", "Lara")
	s.attend(patience, []string{n.Admin()}, "q", "Ben", "Lara")
	s.alone(lk, "stage", "Anna", "Ben", "Lara")
	s.do("leave", func(ctx context.Context) error { return errors.Join(anna.Leave(ctx), lara.Leave(ctx)) })
	s.saw(ben, driver.Sight{What: driver.Left, Who: "Lara"})
}
