package port

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// queueSize is how many packets wait for an ICE agent.
	queueSize = 64
	// strangersMost is how many of them may be from addresses that are not the
	// connection's.
	strangersMost = queueSize / 2
	// addressesMost is how many addresses a connection has at once.
	addressesMost = 64
	// touchGap is after how long without a packet an agent hears that some come which it
	// does not get: it takes a client for gone after 5 s. askedGap is the same for requests,
	// the next of which may be more than 2 s away.
	touchGap = int64(4500 * time.Millisecond)
	askedGap = int64(2400 * time.Millisecond)
	// consentGap is how often an agent may ask an address that is heard from whether it may
	// still send. Pion would every 2 s; RFC 7675 (5.1) has 5 s.
	consentGap = int64(3500 * time.Millisecond)
	// heardGap is how exactly it is known when something was heard.
	heardGap = int64(time.Second)
	// silentAfter is for how long an address counts as heard from.
	silentAfter = int64(5 * time.Second)
)

// conn is a connection as its ICE agent knows it by one name. The agent's
// candidates have handles of it.
type conn struct {
	p     *Port
	name  name
	h     Handler
	heard atomic.Int64 // when a packet came that the agent did not get, to a second
	told  atomic.Int64 // when the agent had a packet
	asked atomic.Int64 // when it asked for consent

	mu        sync.Mutex
	ready     sync.Cond // something in the queue, or closed
	queue     []waiting
	refs      int
	closed    bool
	addresses []netip.AddrPort // oldest use first
}

// waiting is a packet in a queue.
type waiting struct {
	buf  *buffer // nil: an empty packet
	n    int
	from netip.AddrPort
}

// buffer is as long as the longest packet that is read.
type buffer [bufferSize]byte

func newConn(p *Port, n name, h Handler) *conn {
	c := &conn{p: p, name: n, h: h}
	c.ready.L = &c.mu
	return c
}

// deliver gives a packet from one of its addresses to the agent.
func (c *conn) deliver(b []byte, from netip.AddrPort, now int64) {
	c.told.Store(max(now, 1))
	c.put(b, from, false)
}

// put copies a packet into the queue.
func (c *conn) put(b []byte, from netip.AddrPort, stranger bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return
	case stranger && len(c.queue) >= strangersMost:
		c.p.counts.strangers.Add(1)
		return
	case len(c.queue) >= queueSize:
		c.p.counts.queueFull.Add(1)
		return
	}
	w := waiting{n: len(b), from: from}
	if len(b) > 0 {
		w.buf = c.p.pool.Get().(*buffer) //nolint:forcetypeassert // the pool has nothing else
		copy(w.buf[:], b)
	}
	c.queue = append(c.queue, w)
	c.ready.Signal()
}

// touch tells the agent that its peer is alive, if it has heard nothing for a while.
func (c *conn) touch(from netip.AddrPort, now, gap int64) {
	if last := c.heard.Load(); last == 0 || now-last > heardGap {
		c.heard.Store(max(now, 1))
	}
	if last := c.told.Load(); last == 0 || now-last > gap {
		c.deliver(nil, from, now)
	}
}

// spare reports whether a request of the agent's need not be sent, because it asks an
// address that is heard from for no more than consent, and has just done so.
func (c *conn) spare(to netip.AddrPort) bool {
	if c.h == nil || !c.h.Settled(to) {
		return false
	}
	now, heard := c.p.cfg.Now(), c.heard.Load()
	if heard == 0 || now-heard > silentAfter || now-c.asked.Load() > consentGap {
		c.asked.Store(now)
		return false
	}
	return true
}

func (c *conn) release(w waiting) {
	if w.buf != nil {
		c.p.pool.Put(w.buf)
	}
}

// use notes that the agent sends to an address.
func (c *conn) use(to netip.AddrPort, proven bool) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return io.ErrClosedPipe
	}
	at := -1
	for i, a := range c.addresses {
		if a == to {
			at = i
		}
	}
	known := at >= 0
	var oldest netip.AddrPort
	if known {
		c.addresses = append(c.addresses[:at], c.addresses[at+1:]...)
	} else if len(c.addresses) == addressesMost {
		oldest = c.addresses[0]
		c.addresses = append(c.addresses[:0], c.addresses[1:]...)
	}
	c.addresses = append(c.addresses, to)
	c.mu.Unlock()
	if oldest.IsValid() {
		c.p.disclaim(c, oldest)
	}
	if !known || proven {
		c.p.claim(c, to, proven)
	}
	return nil
}

// owns reports whether an address is one of the connection's.
func (c *conn) owns(at netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.addresses {
		if a == at {
			return true
		}
	}
	return false
}

// end closes the connection, whoever has handles of it.
func (c *conn) end() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	for _, w := range c.queue {
		c.release(w)
	}
	addresses := c.addresses
	c.queue, c.addresses = nil, nil
	c.ready.Broadcast()
	c.mu.Unlock()
	c.p.remove(c, addresses)
}

// handle makes a handle; nil: the connection is closed.
func (c *conn) handle() *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.refs++
	return &handle{c: c}
}

// handle is a connection as one candidate has it. It implements net.PacketConn
// and ice.AddrPortReaderWriter.
type handle struct {
	c      *conn
	closed bool // guarded by c.mu
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (h *handle) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	c := h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.closed && !h.closed {
		c.ready.Wait()
	}
	if c.closed || h.closed {
		c.ready.Signal() // what has woken us may be for another handle
		return 0, netip.AddrPort{}, io.EOF
	}
	w := c.queue[0]
	c.queue = append(c.queue[:0], c.queue[1:]...)
	defer c.release(w)
	if len(b) < w.n {
		return 0, w.from, io.ErrShortBuffer
	}
	if w.n == 0 {
		return 0, w.from, nil
	}
	return copy(b, w.buf[:w.n]), w.from, nil
}

// ReadFrom implements net.PacketConn.
func (h *handle) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := h.ReadFromAddrPort(b)
	if !from.IsValid() {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), err
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (h *handle) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if kindOf(b) == request && h.c.spare(to) {
		return len(b), nil
	}
	if err := h.c.use(to, proves(b)); err != nil {
		return 0, err
	}
	if err := h.c.p.Send(b, NewTarget(to)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteTo implements net.PacketConn.
func (h *handle) WriteTo(b []byte, to net.Addr) (int, error) {
	at, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, &net.AddrError{Err: "not a UDP address", Addr: to.String()}
	}
	return h.WriteToAddrPort(b, at.AddrPort())
}

// Close implements net.PacketConn. The last handle closes the connection.
func (h *handle) Close() error {
	c := h.c
	c.mu.Lock()
	last := false
	if !h.closed {
		h.closed = true
		c.refs--
		last = c.refs == 0
	}
	c.ready.Broadcast()
	c.mu.Unlock()
	if last {
		c.end()
	}
	return nil
}

// LocalAddr implements net.PacketConn.
func (h *handle) LocalAddr() net.Addr { return h.c.p.local }

// SetDeadline implements net.PacketConn. Nothing waits but for Close.
func (h *handle) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (h *handle) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (h *handle) SetWriteDeadline(time.Time) error { return nil }
