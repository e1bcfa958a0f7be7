package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"dragoman/cluster"
	"dragoman/cluster/clustertest"
)

var testKey = cluster.Key("a key of 32 bytes of this test..")

// swarm is nodes that gossip in memory.
type swarm struct {
	t     *testing.T
	net   *clustertest.Network
	hosts []*clustertest.Host
	nodes []*cluster.Gossip
}

func newSwarm(t *testing.T, n int) *swarm {
	s := &swarm{t: t, net: clustertest.New(1)}
	for range n {
		s.add(nil)
	}
	return s
}

// add starts a node whose seed is the first one.
func (s *swarm) add(change func(*cluster.GossipConfig)) *cluster.Gossip {
	s.t.Helper()
	h := s.net.Host()
	cfg := cluster.GossipConfig{
		Cluster: "test", Node: fmt.Sprintf("n%03d", len(s.nodes)), Keys: []cluster.Key{testKey},
		Link: h.At(7947), Version: "1.0", Transport: h.Gossip(),
	}
	if len(s.hosts) > 0 {
		cfg.Seeds = []string{s.hosts[0].Addr.String()}
	}
	if change != nil {
		change(&cfg)
	}
	g, err := cluster.NewGossip(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.hosts, s.nodes = append(s.hosts, h), append(s.nodes, g)
	return g
}

func (s *swarm) close() {
	for _, g := range s.nodes {
		_ = g.Close()
	}
	time.Sleep(time.Minute) // in a synctest bubble: a last probe ends
}

// await waits until all of some nodes see as many members, and returns how long
// that took.
func (s *swarm) await(most time.Duration, members int, nodes ...*cluster.Gossip) time.Duration {
	s.t.Helper()
	begin := time.Now()
	for _, g := range nodes {
		for v := g.View(); len(v.Nodes) != members; v = g.View() {
			select {
			case <-v.Replaced():
			case <-time.After(most - time.Since(begin)):
				s.t.Fatalf("%s sees %d members after %v, not %d", g.Self().ID, len(v.Nodes), most, members)
			}
		}
	}
	return time.Since(begin)
}

func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestCrash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 5)
		defer s.close()
		s.await(time.Minute, 5, s.nodes...)
		s.hosts[4].Kill()
		took := s.await(5*time.Second, 4, s.nodes[:4]...)
		t.Logf("seen after %v", took)
		if took < time.Second {
			t.Errorf("a node is given up after %v", took)
		}
	})
}

func TestLeave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 5)
		defer s.close()
		s.await(time.Minute, 5, s.nodes...)
		time.Sleep(time.Minute) // in a synctest bubble: until it has been noted as one to seek
		before := s.nodes[0].Stats().JoinsFailed
		if err := s.nodes[4].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("seen after %v", s.await(time.Second, 4, s.nodes[:4]...))
		time.Sleep(time.Minute) // in a synctest bubble
		if after := s.nodes[0].Stats().JoinsFailed; after != before {
			t.Errorf("a node that has left was sought %d times", after-before)
		}
	})
}

func TestStateAndLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 3)
		defer s.close()
		s.await(time.Minute, 3, s.nodes...)
		s.nodes[1].Drain(true)
		seen := func(ok func(cluster.Node) bool) {
			t.Helper()
			synctest.Wait()
			for _, g := range s.nodes {
				if n, known := g.View().Get(s.nodes[1].Self().ID); !known || !ok(n) {
					t.Errorf("%s sees %+v", g.Self().ID, n)
				}
			}
		}
		time.Sleep(300 * time.Millisecond) // in a synctest bubble
		seen(func(n cluster.Node) bool {
			return n.State == cluster.Draining && n.Version == "1.0" && n.Link == s.hosts[1].At(7947) && n.Name == "n001"
		})
		s.nodes[1].Drain(false)
		s.nodes[1].SetLoad(7)
		time.Sleep(6 * time.Second) // in a synctest bubble
		seen(func(n cluster.Node) bool { return n.State == cluster.Up && n.Load == 7 })
	})
}

func TestCutAndHeal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 6)
		defer s.close()
		s.await(time.Minute, 6, s.nodes...)
		s.net.Split(s.hosts[:3], s.hosts[3:])
		s.await(10*time.Second, 3, s.nodes...)
		time.Sleep(5 * time.Minute) // in a synctest bubble: longer than memberlist remembers the dead
		s.net.Heal()
		// At the next try, which may have to wait until the one before has given up.
		t.Logf("healed after %v", s.await(30*time.Second, 6, s.nodes...))
	})
}

// TestLoss: a network that loses a tenth of all packets throws nobody out.
func TestLoss(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 8)
		defer s.close()
		s.await(time.Minute, 8, s.nodes...)
		views := s.nodes[0].Stats().Views
		s.net.Lose(0.1)
		time.Sleep(2 * time.Minute) // in a synctest bubble
		if now := s.nodes[0].Stats(); now.Members != 8 || now.Views != views {
			t.Errorf("have %+v, had %d views", now, views)
		}
	})
}

func TestHundredNodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 100)
		defer s.close()
		t.Logf("100 nodes know each other after %v and %d packets", s.await(time.Minute, 100, s.nodes...), s.net.Sent())
		s.hosts[50].Kill()
		rest := append(append([]*cluster.Gossip(nil), s.nodes[:50]...), s.nodes[51:]...)
		t.Logf("a crash is known after %v", s.await(15*time.Second, 99, rest...))
	})
}

func TestWrongKeyAndCluster(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 3)
		defer s.close()
		s.await(time.Minute, 3, s.nodes...)
		for _, change := range []func(*cluster.GossipConfig){
			func(c *cluster.GossipConfig) { c.Keys = []cluster.Key{cluster.Key("another key of 32 bytes ........")} },
			func(c *cluster.GossipConfig) { c.Keys = nil },
			func(c *cluster.GossipConfig) { c.Cluster = "other" },
		} {
			before := s.nodes[0].Stats().Rejected
			stranger := s.add(change)
			time.Sleep(time.Minute) // in a synctest bubble
			if n := stranger.Stats(); n.Members != 1 || n.JoinsFailed == 0 || n.Joins != 0 {
				t.Errorf("a stranger has %+v", n)
			}
			if n := s.nodes[0].Stats(); n.Members != 3 || n.Rejected == before {
				t.Errorf("after a stranger: %+v", n)
			}
		}
	})
}

func TestRotateKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 3)
		defer s.close()
		s.await(time.Minute, 3, s.nodes...)
		fresh := cluster.Key("the next key of this test, 32 by")
		for _, keys := range [][]cluster.Key{{testKey, fresh}, {fresh, testKey}, {fresh}} {
			for _, g := range s.nodes {
				if err := g.Rekey(keys); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Second) // in a synctest bubble: a node after the other
			}
			s.await(time.Second, 3, s.nodes...)
		}
		late := s.add(func(c *cluster.GossipConfig) { c.Keys = []cluster.Key{fresh} })
		s.await(time.Minute, 4, append(s.nodes[:3:3], late)...)
		old := s.add(nil)
		time.Sleep(time.Minute) // in a synctest bubble
		if n := old.Stats().Members; n != 1 {
			t.Errorf("the old key still opens: %d members", n)
		}
		if n := s.nodes[0].Stats().Rejected; n == 0 {
			t.Error("nothing was rejected")
		}
		if err := s.nodes[0].Rekey(nil); err == nil {
			t.Error("encryption was ended")
		}
	})
}

// TestRestart: a node that comes again under its name at once is a member at once.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 3)
		defer s.close()
		s.await(time.Minute, 3, s.nodes...)
		s.hosts[2].Kill()
		again := s.add(func(c *cluster.GossipConfig) { c.Node = "n002" })
		s.await(5*time.Second, 3, s.nodes[0], s.nodes[1], again)
		if _, ok := s.nodes[0].View().Get(again.Self().ID); !ok {
			t.Error("the node that came again is not a member")
		}
	})
}

func TestSeedsByName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwarm(t, 2)
		defer s.close()
		asked, addrs := 0, []netip.Addr{s.hosts[0].Addr, s.hosts[1].Addr}
		late := s.add(func(c *cluster.GossipConfig) {
			c.Seeds = []string{"nodes.test:7946"}
			c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
				if asked++; asked == 1 || host != "nodes.test" {
					return nil, errors.New("no such host")
				}
				return addrs, nil
			}
		})
		s.await(time.Minute, 3, s.nodes...)
		if late.Stats().Joins == 0 {
			t.Error("no seed was joined")
		}
	})
}

// lastProbe is what memberlist leaves behind.
func lastProbe() goleak.Option {
	return goleak.IgnoreAnyFunction(clustertest.LastProbe)
}

// TestOverTheNetwork gossips over real sockets.
func TestOverTheNetwork(t *testing.T) {
	defer goleak.VerifyNone(t, lastProbe())
	start := func(name, seed string) *cluster.Gossip {
		cfg := cluster.GossipConfig{
			Cluster: "test", Node: name, Bind: "127.0.0.1:0", Keys: []cluster.Key{testKey}, Link: "127.0.0.1:1",
			Log: slog.New(slog.DiscardHandler),
		}
		if seed != "" {
			cfg.Seeds = []string{seed}
		}
		g, err := cluster.NewGossip(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	a := start("a", "")
	at := a.View().Nodes[0].Gossip
	if _, port, err := net.SplitHostPort(at); err != nil || port == "0" {
		t.Fatalf("gossips at %q", at)
	}
	b := start("b", at)
	s := &swarm{t: t}
	s.await(10*time.Second, 2, a, b)
	if err := b.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	s.await(10*time.Second, 1, a)
	if err := errors.Join(a.Close(), a.Close(), a.Leave(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestBadConfig(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, change := range map[string]func(*cluster.GossipConfig){
		"no name":        func(c *cluster.GossipConfig) { c.Node = "" },
		"bad name":       func(c *cluster.GossipConfig) { c.Node = "a b" },
		"long cluster":   func(c *cluster.GossipConfig) { c.Cluster = long },
		"no port":        func(c *cluster.GossipConfig) { c.Link = "host" },
		"long link":      func(c *cluster.GossipConfig) { c.Link = long + ":1" },
		"long version":   func(c *cluster.GossipConfig) { c.Version = long },
		"bad bind":       func(c *cluster.GossipConfig) { c.Bind = "nowhere" },
		"bad advertise":  func(c *cluster.GossipConfig) { c.Advertise = "a:b" },
		"key of 5 bytes": func(c *cluster.GossipConfig) { c.Keys = []cluster.Key{cluster.Key("short")} },
	} {
		cfg := cluster.GossipConfig{Node: "a", Bind: "127.0.0.1:0", Link: "127.0.0.1:1"}
		change(&cfg)
		if g, err := cluster.NewGossip(cfg); err == nil {
			_ = g.Close()
			t.Errorf("%s was taken", name)
		}
	}
}

// TestLinesEnd: memberlist does not wait for its own goroutines when it is shut down. What
// they say after that nobody hears, whose log may be closed.
func TestLinesEnd(t *testing.T) {
	var said strings.Builder
	s := newSwarm(t, 0)
	g := s.add(func(c *cluster.GossipConfig) { c.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	g.Say("[WARN] memberlist: before")
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g.Say("[WARN] memberlist: after")
	if text := said.String(); !strings.Contains(text, "before") || strings.Contains(text, "after") {
		t.Errorf("the log has %q", text)
	}
}
