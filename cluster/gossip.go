package cluster

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"dragoman/bridge"
)

// Lookup finds the addresses of a host.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// GossipConfig is what a Gossip is made of. Zero fields are defaults where that is
// said.
type GossipConfig struct {
	Cluster   string   // name of the cluster: nodes of another one are not heard
	Node      string   // name of this node; unique among those that are up
	Bind      string   // host:port to gossip at, UDP and TCP; default ":7946"
	Advertise string   // host:port that others are told; default: what Bind says, or a private address
	Seeds     []string // some nodes, or DNS names of many: host, or host:port
	Keys      []Key    // the first one encrypts, all are accepted; none: no encryption
	Link      string   // host:port of links, as others are told
	Media     string   // host:port of relays, as others are told; may be empty
	Version   string   // of the program
	Log       *slog.Logger

	// For tests. Default: the network, and the system's resolver.
	Transport memberlist.Transport
	Lookup    Lookup
}

// The times of membership. They were measured: a crash is seen in 2.4 to 3.9 s, a
// leave or a change of what a node says in 0.1 s.
const (
	probeInterval    = 500 * time.Millisecond
	probeTimeout     = 200 * time.Millisecond
	suspicionMult    = 3
	suspicionMaxMult = 2
	gossipInterval   = 50 * time.Millisecond
	pushPullInterval = 10 * time.Second
	gossipToTheDead  = 30 * time.Second
	dialTimeout      = 3 * time.Second

	rejoinInterval = 10 * time.Second
	remember       = time.Hour       // how long missing nodes are sought
	maxRejoins     = 8               // missing nodes that are sought at once
	loadInterval   = 5 * time.Second // how often others are told of another load
	leaveTime      = 5 * time.Second
)

// GossipStats is what a Gossip has counted.
type GossipStats struct {
	Members     int    // in the view, this node included
	Views       uint64 // changes of it
	Joins       uint64 // nodes that answered when they were sought
	JoinsFailed uint64 // that did not, or not with our key
	Rejected    uint64 // messages that could not be decrypted, or were of another cluster
}

// Gossip is this node's membership in the cluster, by memberlist: it finds other
// nodes, notices when they come, change and go, and goes on seeking those that are
// missing, so that the parts of a cluster become one again. It carries membership
// and nothing else.
type Gossip struct {
	cfg    GossipConfig
	log    *slog.Logger
	list   *memberlist.Memberlist
	lines  *lines // of list
	ring   *memberlist.Keyring
	id     bridge.NodeID
	view   atomic.Pointer[View]
	meta   atomic.Pointer[[]byte]
	notice chan struct{} // something has changed; capacity 1
	tell   chan struct{} // self is to be told anew at once; capacity 1
	ctx    context.Context
	stop   context.CancelFunc
	tasks  sync.WaitGroup

	joins, failed, rejected atomic.Uint64

	telling sync.Mutex // memberlist tells of this node one at a time

	mu      sync.Mutex
	self    Node
	members map[bridge.NodeID]Node // as memberlist told
	left    []bridge.NodeID        // who said that it goes, and went, since they were last sought
	closed  bool
}

// NewGossip starts to gossip and to seek the seeds. It does not wait for them.
// Leave or Close end it.
func NewGossip(cfg GossipConfig) (*Gossip, error) {
	g, err := prepareGossip(cfg)
	if err != nil {
		return nil, err
	}
	mc, err := g.memberlistConfig()
	if err != nil {
		return nil, err
	}
	if g.list, err = memberlist.Create(mc); err != nil {
		return nil, fmt.Errorf("gossip at %s: %w", cfg.Bind, err)
	}
	g.see()
	g.tasks.Go(g.watch)
	g.tasks.Go(g.rejoin)
	g.tasks.Go(g.announce)
	return g, nil
}

func prepareGossip(cfg GossipConfig) (*Gossip, error) {
	if err := checkName(cfg.Node); err != nil {
		return nil, err
	}
	if len(cfg.Cluster) > memberlist.LabelMaxSize {
		return nil, bridge.Errorf(bridge.BadRequest, "the cluster's name is longer than %d bytes", memberlist.LabelMaxSize)
	}
	for _, addr := range []string{cfg.Link, cfg.Media} {
		if addr != "" {
			if err := checkAddress(addr); err != nil {
				return nil, err
			}
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Lookup == nil {
		cfg.Lookup = lookupIP
	}
	cfg.Bind = cmp.Or(cfg.Bind, net.JoinHostPort("", strconv.Itoa(defaultPort)))
	g := &Gossip{
		cfg: cfg, id: bridge.NodeID(cfg.Node + "-" + boot()),
		notice: make(chan struct{}, 1), tell: make(chan struct{}, 1), members: map[bridge.NodeID]Node{},
	}
	g.log = cfg.Log.With("node", string(g.id))
	g.lines = &lines{g: g}
	g.self = Node{ID: g.id, Name: cfg.Node, Link: cfg.Link, Media: cfg.Media, Version: cfg.Version, Proto: Proto}
	if err := g.encodeSelf(); err != nil {
		return nil, err
	}
	g.view.Store(&View{Nodes: []Node{g.self}, replaced: make(chan struct{})})
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g, nil
}

// memberlistConfig returns what memberlist is told. The times are those of the
// package; what is not set here is what memberlist recommends for a local network.
func (g *Gossip) memberlistConfig() (*memberlist.Config, error) {
	mc := memberlist.DefaultLANConfig()
	mc.Name, mc.Label = string(g.id), g.cfg.Cluster
	mc.ProbeInterval, mc.ProbeTimeout = probeInterval, probeTimeout
	mc.SuspicionMult, mc.SuspicionMaxTimeoutMult = suspicionMult, suspicionMaxMult
	mc.GossipInterval, mc.PushPullInterval = gossipInterval, pushPullInterval
	mc.GossipToTheDeadTime, mc.TCPTimeout = gossipToTheDead, dialTimeout
	mc.EnableCompression = false // messages are small, and what is encrypted anyway is dear enough
	mc.Delegate, mc.Events = delegate{g}, delegate{g}
	mc.Logger = log.New(g.lines, "", 0)
	if len(g.cfg.Keys) > 0 {
		ring, err := memberlist.NewKeyring(rawKeys(g.cfg.Keys), g.cfg.Keys[0])
		if err != nil {
			return nil, err
		}
		g.ring, mc.Keyring = ring, ring
	}
	var err error
	if mc.BindAddr, mc.BindPort, err = hostPort(g.cfg.Bind); err != nil {
		return nil, err
	}
	mc.BindAddr = cmp.Or(mc.BindAddr, "0.0.0.0")
	mc.AdvertisePort = mc.BindPort
	if g.cfg.Advertise != "" {
		if mc.AdvertiseAddr, mc.AdvertisePort, err = g.advertised(); err != nil {
			return nil, err
		}
	}
	mc.Transport = g.cfg.Transport
	return mc, nil
}

func rawKeys(keys []Key) [][]byte {
	raw := make([][]byte, len(keys))
	for i, k := range keys {
		raw[i] = k
	}
	return raw
}

func hostPort(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, bridge.Errorf(bridge.BadRequest, "the address %q is not host:port", addr)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, bridge.Errorf(bridge.BadRequest, "the port of %q is not a number", addr)
	}
	return host, int(n), nil
}

// Self returns this node.
func (g *Gossip) Self() Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.self
}

// View returns the cluster as it is known now.
func (g *Gossip) View() *View { return g.view.Load() }

// Stats returns what was counted.
func (g *Gossip) Stats() GossipStats {
	v := g.View()
	return GossipStats{
		Members: len(v.Nodes), Views: v.Version, Joins: g.joins.Load(),
		JoinsFailed: g.failed.Load(), Rejected: g.rejected.Load(),
	}
}

// Drain tells the others that this node takes nothing new any more, or with on
// false that it does again.
func (g *Gossip) Drain(on bool) {
	g.change(func(n *Node) {
		n.State = Up
		if on {
			n.State = Draining
		}
	})
	signal(g.tell)
}

// SetLoad says how loaded this node is. The others are told within seconds.
func (g *Gossip) SetLoad(class uint8) { g.change(func(n *Node) { n.Load = class }) }

// change changes what the others will be told.
func (g *Gossip) change(f func(*Node)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(&g.self)
	_ = g.encodeSelf() // the texts, which alone can be too long, do not change
}

func (g *Gossip) encodeSelf() error {
	meta, err := appendMeta(nil, g.self)
	if err == nil {
		g.meta.Store(&meta)
	}
	return err
}

// Rekey makes the accepted keys those, the first of which encrypts from now on. See
// ParseKeys for how keys are rotated. Without encryption it cannot be begun.
func (g *Gossip) Rekey(keys []Key) error {
	if g.ring == nil || len(keys) == 0 {
		return bridge.Errorf(bridge.NotSupported, "encryption is neither begun nor ended while the node runs")
	}
	for _, k := range keys {
		if err := g.ring.AddKey(k); err != nil {
			return err
		}
	}
	if err := g.ring.UseKey(keys[0]); err != nil {
		return err
	}
	for _, old := range g.ring.GetKeys() {
		if !slices.ContainsFunc(keys, func(k Key) bool { return slices.Equal(k, old) }) {
			if err := g.ring.RemoveKey(old); err != nil {
				return err
			}
		}
	}
	return nil
}

// Leave tells the others that this node goes, and ends. They do not seek it.
func (g *Gossip) Leave(ctx context.Context) error {
	wait := leaveTime
	if at, ok := ctx.Deadline(); ok {
		wait = min(wait, max(time.Until(at), time.Millisecond))
	}
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed {
		return nil
	}
	g.change(func(n *Node) { n.State = Draining })
	_ = g.update(wait) // whoever misses it seeks this node for a while
	err := g.list.Leave(wait)
	return cmp.Or(g.Close(), err)
}

// Close ends at once; the others will find out. It is idempotent.
func (g *Gossip) Close() error {
	g.mu.Lock()
	closed := g.closed
	g.closed = true
	g.mu.Unlock()
	if closed {
		return nil
	}
	g.stop()
	err := g.list.Shutdown()
	g.lines.end()
	g.tasks.Wait()
	return err
}

// watch makes a new view whenever something has changed.
func (g *Gossip) watch() {
	for {
		select {
		case <-g.notice:
			g.see()
		case <-g.ctx.Done():
			return
		}
	}
}

// see replaces the view by what memberlist knows now, if that is something else.
func (g *Gossip) see() {
	g.mu.Lock()
	nodes := slices.Collect(maps.Values(g.members))
	g.mu.Unlock()
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	old := g.view.Load()
	if slices.Equal(nodes, old.Nodes) {
		return
	}
	g.logChange(old, nodes)
	g.view.Store(&View{Version: old.Version + 1, Nodes: nodes, replaced: make(chan struct{})})
	close(old.replaced)
}

func (g *Gossip) logChange(old *View, nodes []Node) {
	now := &View{Nodes: nodes}
	for _, n := range nodes {
		switch was, known := old.Get(n.ID); {
		case !known && n.ID != g.id:
			g.log.Info("node joined", "peer", string(n.ID), "link", n.Link, "version", n.Version)
			if !n.Speaks() {
				g.log.Warn("a node of another version is not linked to", "peer", string(n.ID), "proto", n.Proto)
			}
		case known && was.State != n.State:
			g.log.Info("node changed", "peer", string(n.ID), "state", n.State.String())
		}
	}
	for _, n := range old.Nodes {
		if _, there := now.Get(n.ID); !there {
			g.log.Info("node gone", "peer", string(n.ID), "state", n.State.String())
		}
	}
}

// announce tells the others what has changed about this node: at once what cannot
// wait, the rest now and then.
func (g *Gossip) announce() {
	told := *g.meta.Load()
	timer := time.NewTicker(loadInterval)
	defer timer.Stop()
	for {
		select {
		case <-g.tell:
		case <-timer.C:
		case <-g.ctx.Done():
			return
		}
		if meta := *g.meta.Load(); !slices.Equal(meta, told) {
			told = meta
			if err := g.update(time.Second); err != nil {
				g.log.Debug("nobody was told yet", "err", err)
			}
			signal(g.notice)
		}
	}
}

// update tells the others what this node says of itself.
func (g *Gossip) update(wait time.Duration) error {
	g.telling.Lock()
	defer g.telling.Unlock()
	return g.list.UpdateNode(wait)
}

// signal leaves a signal in a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one already
	}
}
