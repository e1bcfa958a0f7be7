package clustertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"dragoman/bridge"
	"dragoman/cluster"
	"dragoman/cluster/link"
)

// LinkPort is where nodes link.
const LinkPort = 7947

// Key is the key of gossip and links in tests.
func Key() cluster.Key { return cluster.Key("a key of 32 bytes for tests only") }

// Node is a node of a cluster in memory.
type Node struct {
	*cluster.Host
	Machine *Host
	Local   *bridge.Local
	Gossip  *cluster.Gossip

	dead bool
}

// ID is the node's id.
func (n *Node) ID() bridge.NodeID { return n.Gossip.Self().ID }

// Cluster is some nodes that gossip and link in memory.
type Cluster struct {
	Net   *Network
	Nodes []*Node
	Log   *slog.Logger
	local func() bridge.LocalConfig
}

// NewCluster starts nodes. What their rooms are made of, local says; nil: nothing
// special. They know each other soon; see Settle.
func NewCluster(n int, log *slog.Logger, local func() bridge.LocalConfig) (*Cluster, error) {
	if local == nil {
		local = func() bridge.LocalConfig { return bridge.LocalConfig{} }
	}
	c := &Cluster{Net: New(1), Log: log, local: local}
	for range n {
		if _, err := c.Add(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Add starts one more node; change edits how.
func (c *Cluster) Add(change ...func(*cluster.Config)) (*Node, error) {
	machine, name := c.Net.Host(), fmt.Sprintf("n%d", len(c.Nodes))
	cfg := cluster.GossipConfig{
		Cluster: "test", Node: name, Keys: []cluster.Key{Key()}, Link: machine.At(LinkPort),
		Transport: machine.Gossip(), Log: c.Log,
	}
	if len(c.Nodes) > 0 {
		cfg.Seeds = []string{c.Nodes[0].Machine.Addr.String()}
	}
	gossip, err := cluster.NewGossip(cfg)
	if err != nil {
		return nil, err
	}
	identity, err := link.FromKeys(name, []cluster.Key{Key()})
	if err != nil {
		return nil, err
	}
	local := bridge.NewLocal(c.local())
	n := &Node{Machine: machine, Local: local, Gossip: gossip}
	hosts := cluster.Config{
		Local: local, Members: gossip, Identity: identity,
		Listener: machine.Listen(LinkPort), Dial: machine.Dial, Log: c.Log,
	}
	for _, f := range change {
		f(&hosts)
	}
	n.Host = cluster.New(hosts)
	c.Nodes = append(c.Nodes, n)
	return n, nil
}

// Settle waits until all nodes that live are linked with each other.
func (c *Cluster) Settle(most time.Duration) error {
	for end := time.Now().Add(most); ; {
		live, linked := 0, true
		for _, n := range c.Nodes {
			if !n.dead {
				live++
			}
		}
		for _, n := range c.Nodes {
			linked = linked && (n.dead || n.Stats().Links.Usable == live-1)
		}
		if linked {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not all of %d nodes are linked after %v", live, most)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// Kill ends a node as kill -9 does.
func (c *Cluster) Kill(n *Node) {
	n.dead = true
	n.Machine.Kill()
	n.Close()
	_ = n.Gossip.Close()
	_ = n.Local.Close(context.Background())
}

// Close ends all nodes.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.Nodes {
		if !n.dead {
			n.Close()
			errs = append(errs, n.Gossip.Close(), n.Local.Close(context.Background()))
		}
	}
	// Memberlist's last probes end by themselves.
	<-time.After(time.Minute)
	return errors.Join(errs...)
}

// fixed is a membership that never changes.
type fixed struct {
	self cluster.Node
	view *cluster.View
}

func (f fixed) Self() cluster.Node  { return f.self }
func (f fixed) View() *cluster.View { return f.view }
func (fixed) Drain(bool)            {}

// Elsewhere is a Host whose rooms all run on another node: what dialects are tested
// on beside a bridge.Local, as they must not notice.
type Elsewhere struct {
	*cluster.Host
	Owner *bridge.Local // where the rooms run

	Edge  *bridge.Local // whose sessions they are
	There *cluster.Host // the host of the other node

	net *Network
}

// Break breaks the link between the two nodes. It comes back by itself.
func (e *Elsewhere) Break() { e.net.Reset() }

// NewElsewhere makes one, whose sessions are of cfg, in a network in memory.
func NewElsewhere(cfg bridge.LocalConfig) (*Elsewhere, error) {
	net := New(1)
	view := &cluster.View{Version: 1}
	machines := [2]*Host{net.Host(), net.Host()}
	for i, name := range []string{"edge", "owner"} {
		view.Nodes = append(view.Nodes, cluster.Node{
			ID: bridge.NodeID(name + "-0"), Name: name, Link: machines[i].At(LinkPort), Proto: cluster.Proto,
		})
	}
	view.Nodes[0].State = cluster.Draining // so that no room is placed there
	there := cfg
	there.Media = nil
	e := &Elsewhere{net: net, Edge: bridge.NewLocal(cfg), Owner: bridge.NewLocal(there)}
	hosts := [2]*cluster.Host{}
	for i, local := range []*bridge.Local{e.Edge, e.Owner} {
		identity, err := link.FromKeys(view.Nodes[i].Name, []cluster.Key{Key()})
		if err != nil {
			return nil, err
		}
		hosts[i] = cluster.New(cluster.Config{
			Local: local, Members: fixed{view.Nodes[i], view}, Identity: identity,
			Listener: machines[i].Listen(LinkPort), Dial: machines[i].Dial,
			Beat: time.Hour, // scripts wait for months
		})
	}
	e.Host, e.There = hosts[0], hosts[1]
	for e.Stats().Links.Usable == 0 || e.There.Stats().Links.Usable == 0 {
		<-time.After(10 * time.Millisecond)
	}
	return e, nil
}

// Rooms is a Host as tests make it.
type Rooms interface {
	bridge.Host
	// Counts is what the Locals have counted, together.
	Counts() bridge.Stats
	Close(ctx context.Context) error
}

// Topologies are the ways in which the rooms of a dialect's test can run, by name: on
// the node of its clients, and on another one.
func Topologies() map[string]func(bridge.LocalConfig) (Rooms, error) {
	return map[string]func(bridge.LocalConfig) (Rooms, error){
		"here":      func(cfg bridge.LocalConfig) (Rooms, error) { return here{bridge.NewLocal(cfg)}, nil },
		"elsewhere": func(cfg bridge.LocalConfig) (Rooms, error) { return NewElsewhere(cfg) },
	}
}

type here struct{ *bridge.Local }

func (h here) Counts() bridge.Stats { return h.Stats() }

// Counts implements Rooms: rooms are the owner's, sessions and peers the edge's.
func (e *Elsewhere) Counts() bridge.Stats {
	s, owner := e.Edge.Stats(), e.Owner.Stats()
	s.Rooms, s.Participants, s.Commands = owner.Rooms, owner.Participants, owner.Commands
	return s
}

// Close ends both nodes.
func (e *Elsewhere) Close(ctx context.Context) error {
	e.Host.Close()
	e.There.Close()
	return errors.Join(e.Edge.Close(ctx), e.Owner.Close(ctx))
}
