package media

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v4"
)

// tcpMux is the TCP listener as the ICE agent of one link has it: RTP and RTCP
// are taken out of what comes in.
type tcpMux struct {
	*ice.TCPMuxDefault
	l *link
}

// GetConnByUfrag implements ice.TCPMux.
func (m tcpMux) GetConnByUfrag(ufrag string, v6 bool, local net.IP) (net.PacketConn, error) {
	c, err := m.TCPMuxDefault.GetConnByUfrag(ufrag, v6, local)
	if err != nil {
		return nil, err
	}
	path := &tcpPath{PacketConn: c, l: m.l}
	m.l.mu.Lock()
	defer m.l.mu.Unlock()
	m.l.paths = append(m.l.paths, path)
	return path, nil
}

// tcpPath is a TCP candidate of ours.
type tcpPath struct {
	net.PacketConn
	l *link

	mu      sync.Mutex
	remotes []netip.AddrPort // that we have heard of, newest last
	touched int64            // of the agent's reader
}

// remotesMost is how many connections of a client are told apart.
const remotesMost = 16

// ReadFrom implements net.PacketConn.
func (t *tcpPath) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := t.PacketConn.ReadFrom(b)
		if err != nil || n == 0 {
			return n, from, err
		}
		t.hear(from)
		if b[0] < 20 || b[0] >= 192 || b[0] >= 64 && b[0] < 128 {
			return n, from, nil // STUN, or nothing that there is
		}
		now := t.l.p.e.now()
		if !t.l.Packet(b[:n], now, nil) {
			return n, from, nil
		}
		if now-t.touched > int64(time.Second) {
			t.touched = now
			return 0, from, nil // ICE hears that the client is alive
		}
	}
}

// hear notes where a connection comes from.
func (t *tcpPath) hear(from net.Addr) {
	a, ok := from.(*net.TCPAddr)
	if !ok {
		return
	}
	at := a.AddrPort()
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.remotes, at) {
		return
	}
	if len(t.remotes) == remotesMost {
		t.remotes = append(t.remotes[:0], t.remotes[1:]...)
	}
	t.remotes = append(t.remotes, at)
}

func (t *tcpPath) heard(at netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Contains(t.remotes, at)
}

// Close implements net.PacketConn.
func (t *tcpPath) Close() error {
	t.l.mu.Lock()
	t.l.paths = slices.DeleteFunc(t.l.paths, func(p *tcpPath) bool { return p == t })
	t.l.mu.Unlock()
	return t.PacketConn.Close()
}
