package e2e

import (
	"context"
	"net"
	"sync"
)

// wire stands between clients and the server and can go wrong.
type wire struct {
	listener net.Listener
	server   string
	broken   chan struct{} // closed: nothing is forwarded any more, and nothing closed
	end      context.CancelFunc
	ctx      context.Context
	wg       sync.WaitGroup
}

// newWire listens on a free port and forwards to a server.
func newWire(server string) (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: l, server: server, broken: make(chan struct{})}
	w.ctx, w.end = context.WithCancel(context.Background())
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.forward(c) })
		}
	})
	return w, nil
}

// addr is where clients connect to.
func (w *wire) addr() string { return w.listener.Addr().String() }

// tear makes all connections half-open: both ends see nothing, not even an end.
func (w *wire) tear() { close(w.broken) }

// close ends everything.
func (w *wire) close() {
	w.end()
	w.listener.Close()
	w.wg.Wait()
}

func (w *wire) forward(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { w.copy(server, client) })
	both.Go(func() { w.copy(client, server) })
	stop := context.AfterFunc(w.ctx, func() {
		client.Close()
		server.Close()
	})
	defer stop()
	both.Wait()
}

// copy forwards one direction until it ends, or the wire breaks.
func (w *wire) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-w.broken:
			<-w.ctx.Done()
			return
		default:
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// deaf is a connection that can stop to read, with a small window.
type deaf struct {
	net.Conn
	stuck, closed chan struct{}
	once          sync.Once
}

// dialDeaf connects with the smallest window that there is.
func dialDeaf(ctx context.Context, network, addr string, stuck chan struct{}) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return nil, err
	}
	return &deaf{Conn: c, stuck: stuck, closed: make(chan struct{})}, nil
}

// Read implements net.Conn.
func (d *deaf) Read(b []byte) (int, error) {
	select {
	case <-d.stuck:
		<-d.closed
		return 0, net.ErrClosed
	default:
	}
	n, err := d.Conn.Read(b)
	select {
	case <-d.stuck:
		<-d.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

// Close implements net.Conn.
func (d *deaf) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Conn.Close()
}
