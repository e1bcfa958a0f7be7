package port

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/pion/ice/v4"
)

// Config is how a Port is opened.
type Config struct {
	// Addr is where to listen, "host:port", as for net.ListenUDP.
	Addr string
	// Loops is how many sockets share the port; 0: one.
	Loops int
	// Buffer is what the kernel is asked to buffer for each socket, in bytes.
	Buffer int
	// Loopback makes loopback addresses some to be offered where the socket listens
	// on all.
	Loopback bool
	// Now is the clock that handlers are given, in nanoseconds.
	Now func() int64
	// Log takes what happens seldom.
	Log *slog.Logger
}

// Handler takes the RTP and RTCP of a connection, and sees its STUN requests and its DTLS.
type Handler interface {
	// Packet takes a packet, which is not empty, and which it may change but not keep.
	// It may add to out what is to be sent. It reports false if it has left the packet
	// as it was and the ICE agent is to have it. Loops call it, usually always the same.
	Packet(b []byte, now int64, out *Batch) bool
	// Request takes a STUN request to the connection from an address that is its own, and
	// adds the answer to out. It reports false if the ICE agent is to have the request.
	Request(b []byte, from netip.AddrPort, now int64, out *Batch) bool
	// Settled reports whether ICE has chosen to send to an address, so that the agent has
	// to ask it only now and then whether it may.
	Settled(to netip.AddrPort) bool
}

// Port is one UDP port.
type Port struct {
	cfg    Config
	local  *net.UDPAddr
	loops  []*loop
	wg     sync.WaitGroup
	counts counts
	pool   sync.Pool // of *buffer

	mu     sync.RWMutex
	closed bool
	names  map[name]*conn
	owners map[netip.AddrPort]*conn
}

// name is what a STUN request calls a connection.
type name struct {
	ufrag string
	v6    bool
}

// counts are counters of what was not as it should be.
type counts struct {
	unknown, strangers, queueFull, truncated, full, failed, splits atomic.Uint64
}

// Stats are what a Port has counted.
type Stats struct {
	Unknown   uint64 // packets from nobody we know
	Strangers uint64 // STUN requests of strangers beyond what is queued
	QueueFull uint64 // packets that an ICE agent was too slow for
	Truncated uint64 // packets longer than any that we read
	Full      uint64 // packets that the socket had no room for
	Failed    uint64 // packets that could not be sent
	Splits    uint64 // messages that had to be sent packet by packet
}

// Open opens a port and starts its loops. errors.ErrUnsupported: this system has
// no such sockets.
func Open(cfg Config) (*Port, error) {
	devices, local, err := listen(cfg.Addr, max(cfg.Loops, 1), cfg.Buffer)
	if err != nil {
		return nil, err
	}
	return start(cfg, local, devices), nil
}

func start(cfg Config, local *net.UDPAddr, devices []device) *Port {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Port{cfg: cfg, local: local, names: map[name]*conn{}, owners: map[netip.AddrPort]*conn{}}
	p.pool.New = func() any { return new(buffer) }
	for i, d := range devices {
		p.loops = append(p.loops, newLoop(p, i, d))
	}
	for _, l := range p.loops {
		p.wg.Go(l.run)
	}
	return p
}

// LocalAddr is where the port listens.
func (p *Port) LocalAddr() net.Addr { return p.local }

// Segments reports whether the kernel splits what is sent.
func (p *Port) Segments() bool { return p.loops[0].dev.segments() }

// Loops returns how many loops there are.
func (p *Port) Loops() int { return len(p.loops) }

// Stats returns the counters.
func (p *Port) Stats() Stats {
	c := &p.counts
	return Stats{
		Unknown: c.unknown.Load(), Strangers: c.strangers.Load(), QueueFull: c.queueFull.Load(),
		Truncated: c.truncated.Load(), Full: c.full.Load(), Failed: c.failed.Load(), Splits: c.splits.Load(),
	}
}

// Close closes the sockets and all connections, and returns when the loops have
// ended.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.wg.Wait()
		return nil
	}
	p.closed = true
	var all []*conn
	for _, c := range p.names {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		c.end()
	}
	var errs []error
	for _, l := range p.loops {
		errs = append(errs, l.dev.close())
	}
	p.wg.Wait()
	return errors.Join(errs...)
}

// Mux returns the port as one connection's ICE agent uses it. h takes what is
// not ICE's or DTLS's.
func (p *Port) Mux(h Handler) ice.UDPMux { return mux{p, h} }

// mux is what one connection's ICE agent has of a Port.
type mux struct {
	p *Port
	h Handler
}

// Close implements io.Closer. The port belongs to all connections, so nothing
// happens.
func (m mux) Close() error { return nil }

// GetListenAddresses implements ice.UDPMux.
func (m mux) GetListenAddresses() []net.Addr {
	at := m.p.local
	if !at.IP.IsUnspecified() {
		return []net.Addr{at}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		m.p.cfg.Log.Warn("no addresses to offer", "err", err)
	}
	var list []net.Addr
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLinkLocalUnicast() || n.IP.IsLoopback() && !m.p.cfg.Loopback {
			continue
		}
		if at.IP.To4() != nil && n.IP.To4() == nil {
			continue
		}
		list = append(list, &net.UDPAddr{IP: n.IP, Port: at.Port})
	}
	return list
}

// GetConn implements ice.UDPMux. Candidates of one agent share a connection, as
// long as it is for the same kind of address.
func (m mux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	at, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, &net.AddrError{Err: "not a UDP address", Addr: addr.String()}
	}
	p := m.p
	key := name{ufrag, at.IP.To4() == nil}
	for {
		c, err := p.conn(key, m.h)
		if err != nil {
			return nil, err
		}
		if h := c.handle(); h != nil {
			return h, nil
		}
		p.remove(c, nil) // it is about to be
	}
}

// conn returns a connection, and makes it if need be.
func (p *Port) conn(key name, h Handler) (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, io.ErrClosedPipe
	}
	c := p.names[key]
	if c == nil {
		c = newConn(p, key, h)
		p.names[key] = c
	}
	return c, nil
}

// RemoveConnByUfrag implements ice.UDPMux.
func (m mux) RemoveConnByUfrag(ufrag string) {
	p := m.p
	var ended []*conn
	p.mu.RLock()
	for _, v6 := range []bool{false, true} {
		if c := p.names[name{ufrag, v6}]; c != nil {
			ended = append(ended, c)
		}
	}
	p.mu.RUnlock()
	for _, c := range ended {
		c.end()
	}
}

// claim makes a connection the owner of an address. Only proof takes an address
// away from another connection.
func (p *Port) claim(c *conn, at netip.AddrPort, proven bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.names[c.name] != c {
		return
	}
	if was := p.owners[at]; was != nil && was != c && !proven {
		return
	}
	p.owners[at] = c
}

// disclaim gives an address up.
func (p *Port) disclaim(c *conn, at netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owners[at] == c {
		delete(p.owners, at)
	}
}

// remove forgets a connection.
func (p *Port) remove(c *conn, addresses []netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names[c.name] == c {
		delete(p.names, c.name)
	}
	for _, at := range addresses {
		if p.owners[at] == c {
			delete(p.owners, at)
		}
	}
}
