package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"dragoman/config"
	"dragoman/dialects"
)

// rawPort is where a dialect's clients may come by plain TCP.
type rawPort struct {
	name, key, address string
	serve              func(context.Context, net.Conn)
}

// rawPorts asks the dialects, which are mounted, for theirs. In development mode they
// are for this machine only.
func (s *Server) rawPorts(mounted []dialects.Route) error {
	for _, r := range mounted {
		d, ok := r.Dialect.(dialects.RawDialect)
		if !ok {
			continue
		}
		address, serve := d.Raw()
		if address == "" {
			continue
		}
		p := rawPort{d.Name(), "dialects." + d.Name() + ".raw_listen", address, serve}
		if err := s.cfg.Local(p.key, p.address); err != nil {
			return err
		}
		s.raw = append(s.raw, p)
	}
	return nil
}

// RawListeners returns where clients of a configuration may come by plain TCP, by key.
// The error says what is wrong with the configuration.
func RawListeners(cfg config.Config) (map[string]string, error) {
	s, err := New(cfg, Options{})
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, p := range s.raw {
		all[p.key] = p.address
	}
	return all, s.Close()
}

// rawListener accepts clients that come by plain TCP.
type rawListener struct {
	name  string
	net   net.Listener
	tasks sync.WaitGroup // the accepting, and one for each connection
}

// listenRaw opens the listener and begins to serve. Connections end with base.
func (s *Server) listenRaw(ctx context.Context, p rawPort, slots chan struct{}) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.address)
	if err != nil {
		return fmt.Errorf("listener %s: %w", p.name, taken(err, p.key))
	}
	if slots != nil {
		l = &limited{Listener: l, slots: slots, closed: make(chan struct{})}
	}
	r := &rawListener{name: p.name, net: l}
	r.tasks.Go(func() {
		for {
			c, err := l.Accept()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil: // of one client, or too many files: those who are there go on
				s.log.Warn("a client by plain TCP was not accepted", "listener", p.name, "err", err)
				if !pause(s.base) {
					return
				}
				continue
			}
			r.tasks.Go(func() {
				defer c.Close()
				p.serve(s.base, c)
			})
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rawListeners = append(s.rawListeners, r)
	return nil
}

// acceptAgain is how long accepting pauses after an error.
const acceptAgain = 100 * time.Millisecond

// pause waits a moment; false: ctx has ended.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(acceptAgain):
		return true
	case <-ctx.Done():
		return false
	}
}

// close ends the listener and waits for all connections. Their context has ended.
func (r *rawListener) close() {
	r.net.Close()
	r.tasks.Wait()
}
