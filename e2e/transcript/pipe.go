package transcript

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pipeSize is how many bytes one direction of a connection holds before its
// writer has to wait, like the buffers of a TCP connection.
const pipeSize = 64 << 10

// pipe returns both ends of a connection in memory. Unlike net.Pipe it has a
// buffer, so that one end may write while the other does not read, and it has
// addresses of loopback.
func pipe(client, server net.Addr) (net.Conn, net.Conn) {
	up, down := newHalf(), newHalf()
	return &end{in: down, out: up, local: client, remote: server},
		&end{in: up, out: down, local: server, remote: client}
}

// half is one direction. Everything below mu is guarded by it.
type half struct {
	mu         sync.Mutex
	changed    *sync.Cond
	data       []byte
	eof, abort bool // nobody writes any more; nobody reads any more
	read       deadline
	write      deadline
}

func newHalf() *half {
	h := new(half)
	h.changed = sync.NewCond(&h.mu)
	return h
}

// deadline is guarded by the mutex of its half.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (h *half) set(d *deadline, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed.Broadcast()
		})
	}
	h.changed.Broadcast()
}

func (h *half) Read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.abort:
			return 0, net.ErrClosed
		case h.read.passed():
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0:
			n := copy(b, h.data)
			h.data = h.data[n:]
			h.changed.Broadcast()
			return n, nil
		case h.eof:
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

func (h *half) Write(b []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch room := pipeSize - len(h.data); {
		case h.eof:
			return n, net.ErrClosed
		case h.abort:
			return n, io.ErrClosedPipe
		case h.write.passed():
			return n, os.ErrDeadlineExceeded
		case n == len(b):
			return n, nil
		case room > 0:
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
	for _, d := range []*deadline{&h.read, &h.write} {
		if d.timer != nil && h.eof && h.abort {
			d.timer.Stop()
		}
	}
	h.changed.Broadcast()
}

// end is one end of a pipe.
type end struct {
	in, out       *half
	local, remote net.Addr
}

// Read implements net.Conn.
func (e *end) Read(b []byte) (int, error) { return e.in.Read(b) }

// Write implements net.Conn.
func (e *end) Write(b []byte) (int, error) { return e.out.Write(b) }

// Close lets the other end read what was written, and then nothing more.
func (e *end) Close() error {
	e.out.stop(&e.out.eof)
	e.in.stop(&e.in.abort)
	return nil
}

// LocalAddr implements net.Conn.
func (e *end) LocalAddr() net.Addr { return e.local }

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return e.remote }

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error {
	e.in.set(&e.in.read, t)
	e.out.set(&e.out.write, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (e *end) SetReadDeadline(t time.Time) error {
	e.in.set(&e.in.read, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.set(&e.out.write, t)
	return nil
}

// listener accepts connections in memory.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	port   atomic.Int32 // of the last client
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func loopback(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return loopback(80) }

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
	l.once.Do(func() { close(l.closed) })
	return nil
}

// dial connects to the listener.
func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	const firstPort = 40_000
	client, server := pipe(loopback(firstPort+int(l.port.Add(1))), l.Addr())
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
