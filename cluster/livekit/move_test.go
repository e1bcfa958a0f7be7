package livekit_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"dragoman/bridge"
	"dragoman/cluster"
	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
)

// member is a node of a cluster.
type member struct {
	*cluster.Running
	*site
}

// newCluster starts nodes that federate, over real sockets.
func newCluster(t *testing.T, n int, set livekit.Settings) (nodes []member) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		s := cluster.DefaultSettings()
		s.Node, s.Bind, s.Link.Listen, s.KeyFile = fmt.Sprint("n", i), "127.0.0.1:0", "127.0.0.1:0", filepath.Join(dir, "keys")
		key := base64.StdEncoding.EncodeToString([]byte("a key of 32 bytes for tests only")) + "\n"
		must(t, os.WriteFile(s.KeyFile, []byte(key), 0o600))
		if i > 0 {
			s.Seeds = []string{nodes[0].Gossip.View().Nodes[0].Gossip}
		}
		local := bridge.NewLocal(bridge.LocalConfig{})
		running, err := cluster.Start(s, cluster.Parts{Local: local, Version: "test", Log: testLog("cluster")})
		must(t, err)
		t.Cleanup(func() {
			running.Close()
			_ = running.Gossip.Close()
			_ = local.Close(context.Background())
		})
		nodes = append(nodes, member{running, federate(t, "here", running.Gossip.Self().ID, local, running.Host, set)})
	}
	for _, m := range nodes {
		m.until(within(t), "links", func() bool { return m.Running.Stats().Links.Usable == n-1 })
	}
	return nodes
}

// roomOn makes a room that runs on a node.
func roomOn(t *testing.T, m member) bridge.RoomID {
	t.Helper()
	ctx := within(t)
	for i := 0; ; i++ {
		id := bridge.RoomID(fmt.Sprint("room-", i))
		must(t, m.Create(ctx, bridge.Spec{ID: id}), ctx.Err())
		if slices.Contains(m.local.Rooms(), id) {
			return id
		}
	}
}

// TestMove: whether the node where a room runs drains or dies, LiveKit's people keep
// their seats: nobody is told that they leave, or sees them twice.
func TestMove(t *testing.T) {
	for _, how := range []string{"drains", "dies"} {
		t.Run(how, func(t *testing.T) {
			server := livekittest.Start(t, livekittest.Options{})
			nodes := newCluster(t, 3, settings(server, "there"))
			ctx := within(t)
			room := roomOn(t, nodes[0])
			lucy := server.Join(t, string(room), "lucy", livekittest.JoinOptions{Name: "Lucy"})
			ann, ben := nodes[1].join(room, "Ann"), nodes[2].join(room, "Ben")
			ann.sees("Ben", "Lucy")
			ben.sees("Ann", "Lucy")
			nodes[0].until(ctx, "the roster to be where the room is", func() bool { return nodes[0].site.Stats().Rosters == 1 })
			id, err := lucy.WaitNamed(ctx, "Ann")
			must(t, err)
			_, err = lucy.WaitNamed(ctx, "Ben")
			must(t, err)
			lucy.Say("just for you", id) // the puppet is on another node than the roster
			event(ann, "a private message", func(e bridge.Said) bool { return e.Text == "just for you" && e.To == ann.At.Self.ID })
			ann.do(bridge.Say{ID: bridge.NewMessageID(), To: ann.who("Lucy").ID, Text: "and for you"})
			must(t, lucy.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Name: "Ann", Text: "and for you"}))
			nodes[1].Speak(room, "there", "lucy")
			must(t, lucy.Publish(livekittest.Microphone))
			seat := ann.who("Lucy").ID
			event(ben, "her stream", func(e bridge.Published) bool { return e.Pub.Owner == seat })

			if how == "drains" {
				must(t, nodes[0].Drain(ctx, true))
			} else {
				nodes[0].Running.Close()
				_ = nodes[0].Gossip.Close()
			}
			next := func() bool {
				return nodes[1].site.Stats().Rosters+nodes[2].site.Stats().Rosters == 1 && nodes[1].site.Stats().Seated+nodes[2].site.Stats().Seated == 1
			}
			nodes[1].until(ctx, "the next roster", next)
			lucy.Say("still here")
			for _, g := range []*guest{ann, ben} {
				event(g, "chat", func(e bridge.Said) bool { return e.Text == "still here" })
				g.wait("her stream", func() bool {
					n := 0
					for _, p := range g.pubs {
						if p.Owner == seat {
							n++
						}
					}
					return n == 1
				})
				g.mu.Lock()
				if n := times(g, func(e bridge.Left) bool { return e.P.Name == "Lucy" }); n > 0 {
					t.Errorf("%s was told that Lucy leaves", g.name)
				}
				if n := times(g, func(e bridge.Said) bool { return e.Text == "still here" }); n != 1 {
					t.Errorf("%s was told %d times", g.name, n)
				}
				g.mu.Unlock()
			}
			if n := lucy.Times(livekittest.Told{What: livekittest.Left}); n > 0 {
				t.Errorf("Lucy was told that %d leave", n)
			}
		})
	}
}
