package turn

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/pion/turn/v5"
)

// generator makes the relay's end of an allocation: a socket on this machine.
type generator struct{ s *Server }

var errOnlyUDP = errors.New("media is relayed over UDP only")

// Validate implements turn.RelayAddressGenerator.
func (g generator) Validate() error {
	if len(g.s.cfg.Media) == 0 {
		return errors.New("there is no media to relay to")
	}
	return nil
}

// AllocatePacketConn implements turn.RelayAddressGenerator. The socket is where the
// media is, so that packets never leave the machine.
func (g generator) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	for _, local := range g.s.cfg.Media {
		if (c.Network == "udp6") != local.Addr().Is6() {
			continue
		}
		conn, err := net.ListenUDP(c.Network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(local.Addr(), 0)))
		if err != nil {
			return nil, nil, err
		}
		return &relay{UDPConn: conn, s: g.s, told: map[netip.AddrPort]netip.AddrPort{}}, conn.LocalAddr(), nil
	}
	return nil, nil, errors.New("no media has an address of that family")
}

// AllocateListener implements turn.RelayAddressGenerator.
func (generator) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errOnlyUDP
}

// AllocateConn implements turn.RelayAddressGenerator.
func (generator) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errOnlyUDP }

// relay is a socket that reaches this node's media by the addresses that clients
// are told of it, and nobody else.
type relay struct {
	*net.UDPConn
	s *Server

	mu   sync.Mutex
	told map[netip.AddrPort]netip.AddrPort // by local address: by which the client has written to it last
}

// WriteTo implements net.PacketConn. What is for others is dropped.
func (r *relay) WriteTo(b []byte, to net.Addr) (int, error) {
	at, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not an address of UDP")
	}
	told := unmap(at.AddrPort())
	local, ours := r.s.cfg.Media[told]
	if !ours {
		r.s.counts.strangers.Add(1)
		return len(b), nil
	}
	r.mu.Lock()
	r.told[local] = told // as many as there are media addresses
	r.mu.Unlock()
	return r.WriteToUDPAddrPort(b, local)
}

// ReadFrom implements net.PacketConn. What comes from others is dropped.
func (r *relay) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := r.ReadFromUDPAddrPort(b)
		if err != nil {
			return n, nil, err
		}
		r.mu.Lock()
		told, ours := r.told[unmap(from)]
		r.mu.Unlock()
		if ours {
			return n, net.UDPAddrFromAddrPort(told), nil
		}
		r.s.counts.strangers.Add(1)
	}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// quota counts allocations by credential.
type quota struct {
	mu  sync.Mutex
	of  map[string]int
	sum int
}

func (q *quota) add(user string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.of[user]++
	q.sum++
}

func (q *quota) drop(user string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sum--
	if q.of[user]--; q.of[user] <= 0 {
		delete(q.of, user)
	}
}

func (q *quota) count(user string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.of[user]
}

func (q *quota) all() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sum
}
