package clustertest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeSize is how many bytes one direction of a connection holds before its writer
// has to wait.
const pipeSize = 256 << 10

// half is one direction of a connection. Everything below mu is guarded by it; open
// is called with it held, and takes the network's.
type half struct {
	open func() bool // whether what was written arrives

	mu         sync.Mutex
	changed    *sync.Cond
	data       []byte
	eof, abort bool // nobody writes any more; nobody reads any more
	deadlines  [2]time.Time
	timers     [2]*time.Timer
}

// The deadlines of a half.
const (
	reading = iota
	writing
)

// pipe joins two hosts.
func (n *Network) pipe(a, b *Host, port uint16) (near, far *end) {
	open := func() bool { return n.open(a, b) }
	up, down := &half{open: open}, &half{open: open}
	up.changed, down.changed = sync.NewCond(&up.mu), sync.NewCond(&down.mu)
	const ephemeral = 40_000
	near = &end{host: a, in: down, out: up, local: tcpAddr(a, ephemeral), remote: tcpAddr(b, port)}
	far = &end{host: b, in: up, out: down, local: tcpAddr(b, port), remote: tcpAddr(a, ephemeral)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.halves[up], n.halves[down] = struct{}{}, struct{}{}
	a.conns[near], b.conns[far] = struct{}{}, struct{}{}
	return near, far
}

func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed.Broadcast()
}

func (h *half) passed(which int) bool {
	at := h.deadlines[which]
	return !at.IsZero() && !time.Now().Before(at)
}

func (h *half) set(which int, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.timers[which]; t != nil {
		t.Stop()
		h.timers[which] = nil
	}
	h.deadlines[which] = at
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		h.timers[which] = time.AfterFunc(wait, h.wake)
	}
	h.changed.Broadcast()
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.abort:
			return 0, net.ErrClosed
		case h.passed(reading):
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0 && h.open():
			n := copy(b, h.data)
			h.data = h.data[n:]
			h.changed.Broadcast()
			return n, nil
		case h.eof && len(h.data) == 0 && h.open():
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

func (h *half) write(b []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch room := pipeSize - len(h.data); {
		case h.eof:
			return n, net.ErrClosed
		case h.abort && h.open():
			return n, io.ErrClosedPipe
		case h.passed(writing):
			return n, os.ErrDeadlineExceeded
		case n == len(b):
			return n, nil
		case room > 0 && !h.abort:
			k := min(room, len(b)-n)
			h.data = append(h.data, b[n:n+k]...)
			n += k
			h.changed.Broadcast()
			continue
		}
		h.changed.Wait()
	}
}

func (h *half) stop(flag *bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*flag = true
	for _, t := range h.timers {
		if t != nil && h.eof && h.abort {
			t.Stop()
		}
	}
	h.changed.Broadcast()
}

// end is one end of a connection.
type end struct {
	host          *Host
	in, out       *half
	local, remote net.Addr
}

// Read implements net.Conn.
func (e *end) Read(b []byte) (int, error) { return e.in.read(b) }

// Write implements net.Conn.
func (e *end) Write(b []byte) (int, error) { return e.out.write(b) }

// Close lets the other end read what was written, and then nothing more.
func (e *end) Close() error {
	e.out.stop(&e.out.eof)
	e.in.stop(&e.in.abort)
	over := []*half{}
	for _, h := range []*half{e.in, e.out} {
		h.mu.Lock()
		if h.eof && h.abort {
			over = append(over, h)
		}
		h.mu.Unlock()
	}
	n := e.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(e.host.conns, e)
	for _, h := range over {
		delete(n.halves, h)
	}
	return nil
}

// LocalAddr implements net.Conn.
func (e *end) LocalAddr() net.Addr { return e.local }

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return e.remote }

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error {
	e.in.set(reading, t)
	e.out.set(writing, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (e *end) SetReadDeadline(t time.Time) error {
	e.in.set(reading, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.set(writing, t)
	return nil
}
