package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"

	"dragoman/config"
)

// listener is one TCP listener and the HTTP server on it.
type listener struct {
	name    string // "http", "admin", or a dialect's
	net     net.Listener
	server  *http.Server
	pending sync.WaitGroup // requests, WebSockets among them
	served  chan struct{}  // closed when the server's loop has ended
}

// binding is what a listener needs to begin.
type binding struct {
	name    string
	key     string // of the configuration
	address string
	handler http.Handler
	tls     *tls.Config   // nil: plain
	slots   chan struct{} // one token per connection; nil: no limit
}

// listen opens the listener and begins to serve. Requests get a context that
// ends with base.
func listen(ctx, base context.Context, b binding, c config.HTTP, log *slog.Logger) (*listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", b.address)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", b.name, taken(err, b.key))
	}
	out := &listener{name: b.name, net: l, served: make(chan struct{})}
	out.server = &http.Server{
		Handler:           out.count(b.handler),
		ReadHeaderTimeout: c.HeaderTimeout,
		MaxHeaderBytes:    int(c.HeaderSize),
		IdleTimeout:       c.IdleTimeout,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes of port scanners and the like
	}
	if b.slots != nil {
		l = &limited{Listener: l, slots: b.slots, closed: make(chan struct{})}
	}
	if b.tls != nil {
		l = tls.NewListener(l, b.tls)
	}
	go func() {
		defer close(out.served)
		if err := out.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("listener ended", "listener", b.name, "err", err)
		}
	}()
	return out, nil
}

// taken adds to an error about a port that is in use how to choose another.
func taken(err error, key string) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return fmt.Errorf("%w: does a node run already? Choose another port with --%s or %s; 0 is any", err, config.FlagName(key), config.EnvName(key))
}

// count makes close wait for requests that the server has lost sight of because
// they became WebSockets.
func (l *listener) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.pending.Add(1)
		defer l.pending.Done()
		h.ServeHTTP(w, r)
	})
}

// close ends the listener and waits for all requests. Their context has ended.
func (l *listener) close(ctx context.Context) {
	if err := l.server.Shutdown(ctx); err != nil {
		_ = l.server.Close() // cuts who did not go in time
	}
	l.pending.Wait()
	<-l.served
}

// limited serves no more connections than there are slots. Who comes later waits:
// one per listener here, the rest in the kernel's queue.
type limited struct {
	net.Listener
	slots  chan struct{} // shared by listeners
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.slots <- struct{}{}:
		return &slotted{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
	case <-l.closed:
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// slotted gives its slot back when it is closed.
type slotted struct {
	net.Conn
	free func()
}

// Close implements net.Conn.
func (c *slotted) Close() error {
	defer c.free()
	return c.Conn.Close()
}
