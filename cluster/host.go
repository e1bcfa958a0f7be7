package cluster

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// Members is what a Host has to know of the cluster. Gossip is one.
type Members interface {
	// Self is this node.
	Self() Node
	// View is the cluster as it is known now.
	View() *View
	// Drain tells the others that this node takes nothing new, or does again.
	Drain(on bool)
}

// Config is what a Host is made of.
type Config struct {
	Local    *bridge.Local // the rooms and sessions of this process
	Members  Members
	Listener net.Listener   // where other nodes reach this one
	Identity *link.Identity // nil: no TLS, which is for loopback only
	Dial     func(ctx context.Context, addr string) (net.Conn, error)
	Beat     time.Duration // between heartbeats of links; default 1 s: see link.Config
	// Asked is called when another node asks this one to make ready to go, or to take
	// that back. It does not wait for the end of it. nil: nobody may ask.
	Asked func(drain bool)
	// Report says how something of this node does, by topic, to nodes that ask: see
	// Host.Reports. NotSupported: there is no such topic. nil: there is none.
	Report func(ctx context.Context, topic string) ([]byte, error)
	Log    *slog.Logger // default: none
}

// Stats is what a Host has counted.
type Stats struct {
	Links   link.Stats
	Owned   int    // rooms that run here
	Remote  int    // rooms of other nodes in which this one has clients
	Guests  int    // streams of other nodes to rooms that run here
	Homes   int    // rooms whose owner this node tells others
	Reborn  uint64 // rooms that were opened anew here
	Yielded uint64 // rooms that were handed over
	Lagged  uint64 // streams of nodes that did not read fast enough
}

// Host is all the rooms of a cluster, as a bridge.Host: those that run here and those
// that run on other nodes look the same.
type Host struct {
	cfg     Config
	self    bridge.NodeID
	log     *slog.Logger
	local   *bridge.Local
	mesh    *link.Mesh
	dir     *directory
	clock   clock
	answers map[reflect.Type]answerer
	news    chan struct{} // a room is new here; capacity 1
	leaving chan struct{} // held by who hands rooms over; capacity 1
	ctx     context.Context
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	calls   atomic.Uint64 // numbers of calls: none is used twice, or an old answer would be taken for the new one
	reborn  atomic.Uint64
	yielded atomic.Uint64
	lagged  atomic.Uint64
	relays  atomic.Pointer[link.Handler] // nil: there are none

	mu       sync.Mutex
	draining bool
	rooms    map[bridge.RoomID]*presence // where this node has clients
	owned    map[bridge.RoomID]owning    // that run here, or are about to
	past     map[bridge.RoomID]past      // that ran here, and go on elsewhere
	calmed   map[bridge.RoomID]time.Time // that were opened anew: when they take commands
	guests   map[*guests]struct{}
	replays  map[replayKey]*replay
}

// owning is a room of this node, and which home has been told.
type owning struct {
	epoch uint64
	told  bridge.NodeID
	since time.Time
}

// past is where a room has gone.
type past struct {
	to  link.Holding
	was uint64 // the epoch that it had here
	at  time.Time
}

type replayKey struct {
	node bridge.NodeID
	room bridge.RoomID
}

var (
	_ bridge.Host  = (*Host)(nil)
	_ bridge.Place = (*Host)(nil)
)

// New makes a host of the rooms of a cluster. Close ends it; the Local and the
// membership are their owners'.
func New(cfg Config) *Host {
	h := &Host{
		cfg: cfg, self: cfg.Members.Self().ID, local: cfg.Local, log: cfg.Log,
		rooms: map[bridge.RoomID]*presence{}, owned: map[bridge.RoomID]owning{}, past: map[bridge.RoomID]past{}, calmed: map[bridge.RoomID]time.Time{},
		guests: map[*guests]struct{}{}, replays: map[replayKey]*replay{}, answers: answers(), leaving: make(chan struct{}, 1), news: make(chan struct{}, 1),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.cfg.Beat = cmp.Or(cfg.Beat, time.Second)
	h.log = h.log.With("node", string(h.self))
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.dir = &directory{
		clock: &h.clock, nodes: h.nodes, has: func(id bridge.NodeID) bool { return h.mesh.Usable(id) }, ask: h.ask,
		entries: map[bridge.RoomID]entry{}, flights: map[bridge.RoomID]chan struct{}{}, changed: time.Now(),
	}
	h.mesh = link.New(link.Config{
		Self: h.self, Identity: cfg.Identity, Listener: cfg.Listener, Dial: cfg.Dial, Handler: h, Beat: cfg.Beat, Log: h.log,
	})
	h.tasks.Go(h.watch)
	return h
}

// Close ends all links. Clients of this node in rooms of others lose their seats, and
// rooms of this node their clients of others. It waits until all has ended.
func (h *Host) Close() {
	h.mu.Lock()
	h.stop() // nothing begins any more
	rooms := slices.Collect(maps.Values(h.rooms))
	h.mu.Unlock()
	for _, p := range rooms {
		p.mu.Lock()
		local := p.local
		p.mu.Unlock()
		if !local {
			p.giveUp(bridge.Errorf(bridge.Closed, "the server is shutting down"), bridge.Ended{Reason: bridge.ByShutdown})
		}
	}
	h.mesh.Close()
	h.tasks.Wait()
}

// Stats returns what was counted.
func (h *Host) Stats() Stats {
	s := Stats{Links: h.mesh.Stats(), Reborn: h.reborn.Load(), Yielded: h.yielded.Load(), Lagged: h.lagged.Load()}
	h.dir.mu.Lock()
	s.Homes = len(h.dir.entries)
	h.dir.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Owned, s.Guests = len(h.owned), len(h.guests)
	for _, p := range h.rooms {
		p.mu.Lock()
		if !p.local {
			s.Remote++
		}
		p.mu.Unlock()
	}
	return s
}

// nodes are those that answer; with place, that new rooms may be placed on. By ID.
func (h *Host) nodes(place bool) (nodes []Node) {
	for _, n := range h.cfg.Members.View().Nodes {
		if n.ID == h.self {
			n = h.cfg.Members.Self()
		}
		if n.Speaks() && h.mesh.Usable(n.ID) && (!place || n.State == Up) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// ask asks a node, which may be this one.
func (h *Host) ask(ctx context.Context, id bridge.NodeID, question any) (any, error) {
	if id == h.self {
		return h.reply(ctx, h.self, question)
	}
	return h.mesh.Ask(ctx, id, question)
}

// locate finds out who owns a room, or is to own it, from its home.
func (h *Host) locate(ctx context.Context, room bridge.RoomID, create bool) (link.Located, error) {
	for {
		err := bridge.Error{Code: bridge.Unavailable, Msg: "no node takes new rooms"}
		home, ok := homeOf(room, h.nodes(true))
		if !ok && !create {
			home, ok = homeOf(room, h.nodes(false))
		}
		if ok {
			inner, cancel := context.WithTimeout(ctx, 2*askTime)
			answer, failed := h.ask(inner, home.ID, link.Locate{Room: room, Make: create})
			cancel()
			found, is := answer.(link.Located)
			if failed == nil && is {
				h.clock.saw(found.Epoch)
				return found, nil
			}
			if bridge.CodeOf(failed) != bridge.Unavailable {
				return link.Located{}, cmp.Or[error](failed, bridge.Errorf(bridge.Internal, "the home of the room does not answer what it was asked"))
			}
			err.Err = failed
		}
		pause(ctx, 100*time.Millisecond)
		if ctx.Err() != nil {
			return link.Located{}, &err
		}
	}
}

// bounded gives a context that has no end one.
func bounded(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, most)
}

// Create makes a room where its home wants it. Exists: there is one of that id.
func (h *Host) Create(ctx context.Context, s bridge.Spec) error {
	id, err := bridge.Normalize(string(s.ID))
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, joinTime)
	defer cancel()
	at, err := h.locate(ctx, id, true)
	if err != nil {
		return err
	}
	_, err = h.ask(ctx, at.Owner, link.Create{Spec: s, Epoch: at.Epoch})
	return err
}

// Lookup tells what may be known of a room. NotFound: there is none.
func (h *Host) Lookup(ctx context.Context, id bridge.RoomID) (bridge.Info, error) {
	ctx, cancel := bounded(ctx, joinTime)
	defer cancel()
	at, err := h.locate(ctx, id, false)
	if err != nil {
		return bridge.Info{}, err
	}
	answer, err := h.ask(ctx, at.Owner, link.LookUp{Room: id})
	found, _ := answer.(link.Found)
	return found.Info, err
}

// List tells of all rooms of all nodes that answer and that are not unlisted, by id.
func (h *Host) List(ctx context.Context) ([]bridge.Info, error) {
	list := []bridge.Info{}
	for _, rooms := range h.Where(ctx) {
		list = append(list, rooms...)
	}
	slices.SortFunc(list, func(a, b bridge.Info) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return slices.CompactFunc(list, func(a, b bridge.Info) bool { return a.ID == b.ID }), nil
}

// Where tells of the nodes that answer, and of the rooms of each that are not unlisted,
// by id.
func (h *Host) Where(ctx context.Context) map[bridge.NodeID][]bridge.Info {
	where := map[bridge.NodeID][]bridge.Info{}
	for id, listed := range askAll[link.Listed](ctx, h, h.nodes(false), link.ListRooms{}) {
		where[id] = listed.Rooms
	}
	return where
}

// Reports asks the other nodes how something of theirs does, and returns what those say
// that answer: what their Config.Report has returned.
func (h *Host) Reports(ctx context.Context, topic string) map[bridge.NodeID][]byte {
	others := slices.DeleteFunc(h.nodes(false), func(n Node) bool { return n.ID == h.self })
	told := map[bridge.NodeID][]byte{}
	for id, one := range askAll[link.Reported](ctx, h, others, link.Report{Topic: topic}) {
		told[id] = one.Data
	}
	return told
}

// askAll asks nodes the same at once, and returns the answers of those that give one in
// time.
func askAll[T any](ctx context.Context, h *Host, nodes []Node, question any) map[bridge.NodeID]T {
	ctx, cancel := bounded(ctx, askTime)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[bridge.NodeID]T{}
	for _, n := range nodes {
		all.Go(func() {
			answer, err := h.ask(ctx, n.ID, question)
			told, ok := answer.(T)
			if err != nil || !ok {
				h.log.Warn("a node does not answer", "peer", string(n.ID), "question", fmt.Sprintf("%T", question), "err", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[n.ID] = told
		})
	}
	all.Wait()
	return answers
}

// AskDrain asks a node to make ready to go, or to take that back. NotFound: no node of
// that name or id answers.
func (h *Host) AskDrain(ctx context.Context, node string, on bool) error {
	for _, n := range h.nodes(false) {
		if n.Name == node || string(n.ID) == node {
			_, err := h.ask(ctx, n.ID, link.Drain{On: on})
			return err
		}
	}
	return bridge.Errorf(bridge.NotFound, "no node %q answers", node)
}

// Join takes a seat in a room, wherever it runs. Unavailable also while the node
// drains.
func (h *Host) Join(ctx context.Context, req bridge.JoinRequest) (*bridge.Session, error) {
	if h.drains() && !req.Kind.Hidden() { // programs of ours look at what runs
		return nil, bridge.Errorf(bridge.Unavailable, "this server takes nobody any more: try another one")
	}
	return h.local.JoinAt(ctx, h, req)
}

func (h *Host) drains() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

// Seat takes a seat in a room, wherever it runs.
func (h *Host) Seat(ctx context.Context, req bridge.JoinRequest, out *bridge.Outbox) (bridge.Link, bridge.Snapshot, error) {
	if err := req.Check(); err != nil {
		return nil, bridge.Snapshot{}, err
	}
	ctx, cancel := bounded(ctx, joinTime)
	defer cancel()
	for {
		p, err := h.presence(ctx, req.Room, req.Create != nil)
		if err != nil {
			return nil, bridge.Snapshot{}, err
		}
		l, at, err := p.join(ctx, req, out)
		if _, moved := isMoved(err); !moved || ctx.Err() != nil {
			return l, at, err
		}
		if out.Over() { // the room was handed over as the client sat down
			return nil, bridge.Snapshot{}, bridge.Errorf(bridge.Unavailable, "the room is moving: try again")
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// presence returns what this node has of a room, and begins it where there is
// nothing.
func (h *Host) presence(ctx context.Context, room bridge.RoomID, create bool) (*presence, error) {
	h.mu.Lock()
	p := h.rooms[room]
	h.mu.Unlock()
	if p != nil {
		return p, nil
	}
	at, err := h.locate(ctx, room, create)
	if err != nil {
		return nil, err
	}
	if to, gone := h.movedTo(room, at.Epoch); gone && at.Owner == h.self {
		at.Owner, at.Epoch = to.Owner, to.Epoch // its home has not heard of it yet
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.rooms[room]; p != nil {
		return p, nil
	}
	if h.ctx.Err() != nil {
		return nil, bridge.Errorf(bridge.Unavailable, "the server is shutting down")
	}
	p = newPresence(h, link.Holding{Room: room, Owner: at.Owner, Epoch: at.Epoch})
	p.calm = h.calmed[room]
	h.rooms[room] = p
	if p.local {
		h.ownLocked(p.at)
	} else {
		h.tasks.Go(p.run)
	}
	return p, nil
}

// drop forgets a presence that has ended.
func (h *Host) drop(p *presence) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[p.room] == p {
		delete(h.rooms, p.room)
	}
}
