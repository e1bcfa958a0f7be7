// Package clustertest is a network in memory for tests of clusters: gossip under the
// real memberlist, and connections for links. It can lose packets, be split and
// healed, and lose a host as if its plug were pulled. In a synctest bubble all its
// time is virtual.
package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// delay is how long a packet, or the first byte of a connection, is on its way.
const delay = time.Millisecond

// Network joins hosts. Everything below mu is guarded by it.
type Network struct {
	mu     sync.Mutex
	rand   *rand.Rand
	loss   float64 // of packets
	hosts  map[netip.Addr]*Host
	groups map[*Host]int // those in different groups do not reach each other
	halves map[*half]struct{}
	sent   int
}

// New makes a network whose chance is that of the seed.
func New(seed uint64) *Network {
	return &Network{
		rand: rand.New(rand.NewPCG(seed, 2)), hosts: map[netip.Addr]*Host{}, halves: map[*half]struct{}{},
	}
}

// Host is a machine of the network.
type Host struct {
	Addr netip.Addr

	net       *Network
	dead      bool
	packets   map[uint16]*Transport
	listeners map[uint16]*listener
	conns     map[*end]struct{}
}

// Host adds a machine.
func (n *Network) Host() *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := len(n.hosts) + 1
	h := &Host{
		Addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), net: n,
		packets: map[uint16]*Transport{}, listeners: map[uint16]*listener{}, conns: map[*end]struct{}{},
	}
	n.hosts[h.Addr] = h
	return h
}

// Lose makes the network lose a part of all packets: 0 none, 1 all. Connections
// lose nothing, as TCP sends again.
func (n *Network) Lose(part float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = part
}

// Sent returns how many packets were sent so far.
func (n *Network) Sent() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent
}

// Split cuts the network between groups of hosts; whoever is in none is in a group
// of its own with the others that are in none. What was written to a connection
// across the cut arrives after Heal.
func (n *Network) Split(groups ...[]*Host) {
	of := map[*Host]int{}
	for i, g := range groups {
		for _, h := range g {
			of[h] = i + 1
		}
	}
	n.regroup(of)
}

// Heal ends a Split.
func (n *Network) Heal() { n.regroup(nil) }

func (n *Network) regroup(of map[*Host]int) {
	n.mu.Lock()
	n.groups = of
	halves := make([]*half, 0, len(n.halves))
	for h := range n.halves {
		halves = append(halves, h)
	}
	n.mu.Unlock()
	for _, h := range halves {
		h.wake()
	}
}

// reaches reports whether packets go between two hosts. The mutex is held.
func (n *Network) reaches(a, b *Host) bool {
	return !a.dead && !b.dead && n.groups[a] == n.groups[b]
}

func (n *Network) open(a, b *Host) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.groups[a] == n.groups[b]
}

// Reset resets all connections, as a firewall that forgets them does.
func (n *Network) Reset() {
	n.mu.Lock()
	var conns []*end
	for _, h := range n.hosts {
		for c := range h.conns {
			conns = append(conns, c)
		}
	}
	n.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// Kill ends the host as the end of its processes would: its connections are reset,
// its ports closed, and it says nothing more. What runs on it does not know.
func (h *Host) Kill() {
	h.net.mu.Lock()
	h.dead = true
	conns, listeners := h.conns, h.listeners
	h.conns, h.listeners = map[*end]struct{}{}, map[uint16]*listener{}
	h.net.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
	for _, l := range listeners {
		_ = l.Close()
	}
}

// Listen takes connections to a port.
func (h *Host) Listen(port uint16) net.Listener {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	l := &listener{host: h, port: port, conns: make(chan net.Conn, 128), closed: make(chan struct{})}
	h.listeners[port] = l
	return l
}

// At is the address of a port of the host.
func (h *Host) At(port uint16) string { return netip.AddrPortFrom(h.Addr, port).String() }

// Dial connects to an address of the network. To a host that is dead or cut off it
// takes until ctx ends.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	h.net.mu.Lock()
	peer := h.net.hosts[to.Addr()]
	reached := peer != nil && h.net.reaches(h, peer)
	var l *listener
	if reached {
		l = peer.listeners[to.Port()]
	}
	h.net.mu.Unlock()
	switch {
	case !reached:
		<-ctx.Done()
		return nil, fmt.Errorf("dial %s: %w", addr, ctx.Err())
	case l == nil:
		return nil, fmt.Errorf("dial %s: connection refused", addr)
	}
	near, far := h.net.pipe(h, peer, to.Port())
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", addr)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listener is a port that takes connections.
type listener struct {
	host   *Host
	port   uint16
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.host.net.mu.Lock()
		delete(l.host.listeners, l.port)
		l.host.net.mu.Unlock()
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return tcpAddr(l.host, l.port) }

func tcpAddr(h *Host, port uint16) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.Addr, port))
}

func portOf(addr string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return at, fmt.Errorf("%s: %w", strconv.Quote(addr), err)
	}
	return at, nil
}
