package media

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// tcpListener accepts ICE-TCP connections: no more than a bound at once, and
// with a queue each, so that a client that does not read holds up nobody.
type tcpListener struct {
	net.Listener
	open    atomic.Int64
	refused atomic.Uint64
	full    atomic.Uint64 // packets that found no room in a queue
}

const (
	maxTCP = 4096
	// tcpQueue is how many bytes may wait for a client; above videoQueue only small
	// packets are taken.
	tcpQueue   = 128 << 10
	videoQueue = 96 << 10
	// tcpPatience is how long a client may take to read anything.
	tcpPatience = 10 * time.Second
)

func listenTCP(addr string) (*tcpListener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &tcpListener{Listener: l}, nil
}

// Accept implements net.Listener.
func (l *tcpListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) > maxTCP {
			l.open.Add(-1)
			l.refused.Add(1)
			_ = conn.Close()
			continue
		}
		c := &tcpConn{Conn: conn, l: l}
		c.ready.L = &c.mu
		c.wg.Go(c.write)
		return c, nil
	}
}

// tcpConn is a connection that is written to by a goroutine of its own.
type tcpConn struct {
	net.Conn
	l    *tcpListener
	wg   sync.WaitGroup
	once sync.Once

	mu     sync.Mutex
	ready  sync.Cond // something waits, or closed
	queue  []byte
	closed bool
}

// Write puts a packet, with its length before it (RFC 4571), into the queue.
func (c *tcpConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := tcpQueue
	if len(b) >= patientBelow {
		limit = videoQueue
	}
	if c.closed {
		return 0, io.ErrClosedPipe
	}
	if len(c.queue)+len(b) > limit {
		c.l.full.Add(1)
		return 0, errFull
	}
	c.queue = append(c.queue, b...)
	c.ready.Signal()
	return len(b), nil
}

func (c *tcpConn) write() {
	var out []byte
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && !c.closed {
			c.ready.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return
		}
		out, c.queue = c.queue, out[:0]
		c.mu.Unlock()
		_ = c.Conn.SetWriteDeadline(time.Now().Add(tcpPatience))
		if _, err := c.Conn.Write(out); err != nil {
			c.mu.Lock()
			c.closed = true
			c.mu.Unlock()
			_ = c.Conn.Close() // its reader notices
			return
		}
	}
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.ready.Signal()
	c.mu.Unlock()
	err := c.Conn.Close()
	c.wg.Wait()
	c.once.Do(func() { c.l.open.Add(-1) })
	return err
}

// SetWriteDeadline does nothing: writes do not wait.
func (c *tcpConn) SetWriteDeadline(time.Time) error { return nil }
