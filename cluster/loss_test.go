package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/cluster"
	"dragoman/cluster/clustertest"
)

// town is a cluster with people in a room.
type town struct {
	*clustertest.Cluster
	t      *testing.T
	people []*dweller
}

// dweller is a client of one of the nodes. What it is told, it checks.
type dweller struct {
	*bridge.Session
	t    *testing.T
	node *clustertest.Node
	name string
	view *bridgetest.View
	told []bridge.Event
	lost error
}

func inTown(t *testing.T, nodes int, f func(t *testing.T, c *town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log *slog.Logger
		if os.Getenv("CLUSTER_LOG") != "" {
			log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		inner, err := clustertest.NewCluster(nodes, log, func() bridge.LocalConfig {
			return bridge.LocalConfig{Media: &bridgetest.Media{}}
		})
		c := &town{Cluster: inner, t: t}
		defer func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		if err == nil {
			err = c.Settle(time.Minute)
		}
		if err != nil {
			t.Fatal(err)
		}
		f(t, c)
	})
}

// roomOf returns the name of a room that runs on a node.
func (c *town) roomOf(n *clustertest.Node) bridge.RoomID {
	for i := range 10_000 {
		room := bridge.RoomID(fmt.Sprint("room-", i))
		if home, ok := cluster.HomeOf(room, n.Gossip.View().Nodes); ok && home.ID == n.ID() {
			return room
		}
	}
	c.t.Fatal("no room has that home")
	return ""
}

func (c *town) join(n *clustertest.Node, req bridge.JoinRequest) *dweller {
	c.t.Helper()
	req.Shows = bridge.ShowsPrivateChat
	if req.Create == nil {
		req.Create = &bridge.Spec{KeepChat: 100}
	}
	s, err := n.Join(c.t.Context(), req)
	if err != nil {
		c.t.Fatalf("%s joins at %s: %v", req.Name, n.ID(), err)
	}
	d := &dweller{Session: s, t: c.t, node: n, name: req.Name, view: bridgetest.NewView(s.At)}
	d.view.KeepChat = 100
	d.view.Hidden = c.known // what was said while one was cut off may be of one who is not back yet
	c.people = append(c.people, d)
	return d
}

// meet has three people at each node join a room that runs on the first.
func (c *town) meet(nodes ...*clustertest.Node) (room bridge.RoomID) {
	room = c.roomOf(nodes[0])
	for i, n := range nodes {
		for j := range 3 {
			d := c.join(n, bridge.JoinRequest{Room: room, Name: fmt.Sprintf("p%d%d", i, j), AtMost: []bridge.Role{bridge.Moderator, bridge.Speaker, bridge.Listener}[j]})
			if j < 2 {
				d.must(bridge.Publish{Publication: bridge.Publication{ID: bridge.NewPublicationID(), Audio: bridge.Live, Video: bridge.Live}})
			}
		}
	}
	c.read()
	return room
}

func (d *dweller) must(cmd bridge.Command) {
	d.t.Helper()
	if err := d.Do(context.Background(), cmd); err != nil {
		d.t.Fatalf("%s: %T: %v", d.name, cmd, err)
	}
}

// read has everybody read what it was told.
func (c *town) read() {
	c.t.Helper()
	synctest.Wait()
	for _, d := range c.people {
		events, err := d.Drain(context.Background())
		for _, e := range events {
			d.told = append(d.told, e)
			if err := d.view.Apply(e); err != nil {
				c.t.Errorf("%s was told %T%+v: %v", d.name, e, e, err)
			}
		}
		if err != nil && d.lost == nil {
			d.lost = err
		}
	}
}

// same demands that everybody who is still there knows the room as its owner has it.
func (c *town) same(owner *clustertest.Node, room bridge.RoomID, names ...string) {
	c.t.Helper()
	c.read()
	s, _, err := owner.Local.Take(context.Background(), room, bridge.NewTrunk(0), nil)
	if err != nil {
		c.t.Fatalf("the room is not at %s: %v", owner.ID(), err)
	}
	have := []string{}
	for _, m := range s.Members {
		have = append(have, m.Participant.Name)
	}
	slices.Sort(have)
	slices.Sort(names)
	if !slices.Equal(have, names) {
		c.t.Errorf("in the room are %v, want %v", have, names)
	}
	for _, d := range c.people {
		if !slices.Contains(names, d.name) {
			continue
		}
		at, ok := s.As(d.At.Self.ID)
		if d.lost != nil || !ok {
			c.t.Errorf("%s has lost its seat: %v", d.name, d.lost)
			continue
		}
		sortPeople(d.view.Participants)
		sortPeople(at.Participants)
		sortPubs(d.view.Publications)
		sortPubs(at.Publications)
		sortChat(d.view.Chat)
		sortChat(at.Chat)
		d.view.Room.Members = at.Room.Members
		if err := d.view.Diff(at); err != nil {
			c.t.Errorf("%s: %v", d.name, err)
		}
	}
}

// Who has joined at the same time may be in any order after a room was reborn.
func sortPeople(p []bridge.Participant) {
	slices.SortFunc(p, func(a, b bridge.Participant) int { return strings.Compare(a.ID.String(), b.ID.String()) })
}

// What was said at the same time on both sides of a split was told in either order.
func sortChat(s []bridge.Said) {
	slices.SortFunc(s, func(a, b bridge.Said) int { return strings.Compare(a.ID.String(), b.ID.String()) })
}

func (c *town) known(id bridge.ParticipantID) bool {
	return slices.ContainsFunc(c.people, func(d *dweller) bool { return d.At.Self.ID == id })
}

func sortPubs(p []bridge.Publication) {
	slices.SortFunc(p, func(a, b bridge.Publication) int { return strings.Compare(a.ID.String(), b.ID.String()) })
}

// owner waits until a room runs on exactly one node that lives.
func (c *town) owner(room bridge.RoomID, most time.Duration, among ...*clustertest.Node) *clustertest.Node {
	c.t.Helper()
	for end := time.Now().Add(most); ; {
		var at []*clustertest.Node
		for _, n := range among {
			if slices.Contains(n.Local.Rooms(), room) {
				at = append(at, n)
			}
		}
		if len(at) == 1 {
			return at[0]
		}
		if time.Now().After(end) {
			c.t.Fatalf("the room runs on %d nodes after %v", len(at), most)
		}
		time.Sleep(50 * time.Millisecond) // in a synctest bubble
	}
}

// TestMeet: people at three nodes meet in a room that runs on one of them.
func TestMeet(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		room := c.meet(c.Nodes...)
		if owner := c.owner(room, time.Second, c.Nodes...); owner != c.Nodes[0] {
			t.Errorf("the room runs at %s", owner.ID())
		}
		c.same(c.Nodes[0], room, "p00", "p01", "p02", "p10", "p11", "p12", "p20", "p21", "p22")
		for i, n := range c.Nodes {
			list, err := n.List(t.Context())
			at := slices.IndexFunc(list, func(i bridge.Info) bool { return i.ID == room })
			if err != nil || len(list) != 1+i || at < 0 || list[at].Members != 9 {
				t.Errorf("%s lists %+v, %v", n.ID(), list, err)
			}
			if info, err := n.Lookup(t.Context(), room); err != nil || info.Members != 9 {
				t.Errorf("%s knows %+v, %v", n.ID(), info, err)
			}
			if err := n.Create(t.Context(), bridge.Spec{ID: room}); bridge.CodeOf(err) != bridge.Exists {
				t.Errorf("%s makes it again: %v", n.ID(), err)
			}
			id := bridge.RoomID(fmt.Sprint("made-", i))
			if err := n.Create(t.Context(), bridge.Spec{ID: id}); err != nil {
				t.Error(err)
			}
			if _, err := c.Nodes[2-i].Lookup(t.Context(), id); err != nil {
				t.Errorf("a room made by %s is not found: %v", n.ID(), err)
			}
		}
	})
}

// TestOwnerDies: the room is reborn with all who live, as it was, within ten seconds.
func TestOwnerDies(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		room := c.meet(c.Nodes...)
		mo, guest := c.people[3], c.people[7]
		for _, cmd := range []bridge.Command{
			bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m", bridge.Speaker: "s"}},
			bridge.Mute{Targets: []bridge.ParticipantID{guest.At.Self.ID}, Force: true},
			bridge.PutDoc{Key: "k/x", Value: []byte("doc")},
			bridge.Say{ID: bridge.NewMessageID(), Text: "before"},
			bridge.SetRole{Target: c.people[8].At.Self.ID, Role: bridge.Speaker},
			bridge.Lock{On: true},
		} {
			if _, isRole := cmd.(bridge.SetRole); isRole {
				continue // granted at most Listener
			}
			mo.must(cmd)
		}
		guest.must(bridge.RaiseHand{Up: true})
		c.read()
		media := guest.Published()
		c.Kill(c.Nodes[0])
		begin := time.Now()
		owner := c.owner(room, 10*time.Second, c.Nodes[1], c.Nodes[2])
		for until := begin.Add(10 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) { // in a synctest bubble
			c.read()
			if len(c.people[3].view.Participants) == 5 && len(c.people[8].view.Participants) == 5 {
				break
			}
		}
		t.Logf("reborn at %s after %v", owner.ID(), time.Since(begin))
		c.same(owner, room, "p10", "p11", "p12", "p20", "p21", "p22")
		for _, d := range c.people[3:] {
			for _, e := range d.told {
				if _, gone := e.(bridge.Relocated); gone {
					t.Errorf("%s was told that it has been moved", d.name)
				}
			}
		}
		if now := guest.Published(); !slices.EqualFunc(media, now, func(a, b bridge.Publication) bool { return a.ID == b.ID }) || now[0].Audio != bridge.Silenced {
			t.Errorf("has published %+v, and before %+v", now, media)
		}
		s, _, _ := owner.Local.Take(t.Context(), room, bridge.NewTrunk(0), nil)
		if e := s.Estate; !e.Locked || e.Spec.Secrets[bridge.Speaker] != "s" || len(s.Chat) != 1 || len(s.Docs) != 1 || len(e.Silenced) != 1 {
			t.Errorf("the estate is %+v, chat %+v", e, s.Chat)
		}
		if _, err := c.Nodes[1].Join(t.Context(), bridge.JoinRequest{Room: room, Secret: "s"}); bridge.CodeOf(err) != bridge.RoomLocked {
			t.Errorf("one more joins: %v", err)
		}
		mo.must(bridge.Say{ID: bridge.NewMessageID(), Text: "after"})
		c.same(owner, room, "p10", "p11", "p12", "p20", "p21", "p22")
	})
}
