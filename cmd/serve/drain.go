package serve

import (
	"context"
	"sync"
	"time"

	"dragoman/bridge"
)

// Drain makes the node ready to go, or with on false takes that back: it takes no new
// clients, hands its rooms over if it is one of a cluster, and sends its clients away
// when drain.timeout has passed. It goes on running. Drain does not wait.
func (s *Server) Drain(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.final || on == (s.stay != nil):
	case on:
		ctx, cancel := context.WithCancel(s.base)
		s.stay = cancel
		s.draining.Store(true)
		s.tasks.Go(func() { s.empty(ctx) })
	default:
		s.stay()
		s.stay = nil
		s.draining.Store(false)
		if s.node != nil {
			node := s.node
			s.tasks.Go(func() { _ = node.Drain(s.base, false) }) // only tells; it has no way to fail
		}
		s.log.Info("draining no longer")
	}
}

// drain is what the node does before it ends. Hurry ends it.
func (s *Server) drain() {
	s.mu.Lock()
	if s.stay != nil {
		s.stay() // an operator's; this one is final
	}
	s.final = true
	s.mu.Unlock()
	s.empty(s.patience)
}

// empty takes no new clients, lets the meetings go on for a while, and then sends
// away who is left, one after another, so that they do not all come back at once. In
// a cluster only this node's clients have to go: the rooms go on elsewhere.
func (s *Server) empty(ctx context.Context) {
	s.draining.Store(true)
	s.log.Info("draining", "timeout", s.cfg.Drain.Timeout.String(), "connections", s.connections())
	node := s.clustered()
	if node != nil {
		if err := node.Drain(ctx, true); err != nil {
			s.log.Warn("some rooms have not been handed over", "err", err)
		}
	}
	nobody := func() bool { return s.connections() == 0 }
	s.until(ctx, time.Now().Add(s.cfg.Drain.Timeout), nobody)
	if nobody() {
		return
	}
	ends := s.endings(ctx)
	if node != nil {
		ends = s.dismissals()
	}
	begin := time.Now()
	for i, end := range ends {
		at := begin.Add(s.cfg.Drain.Spread * time.Duration(i) / time.Duration(len(ends)))
		if !s.until(ctx, at, func() bool { return false }) {
			return
		}
		end()
	}
	// The farewells are on their way; a connection that is over goes by itself.
	s.until(ctx, time.Now().Add(farewell), nobody)
}

const (
	farewell = 300 * time.Millisecond
	peek     = 50 * time.Millisecond // how often draining looks whether all are gone
)

// until waits for a time or for done; false: it is not to wait any more.
func (s *Server) until(ctx context.Context, at time.Time, done func() bool) bool {
	tick := time.NewTicker(peek)
	defer tick.Stop()
	for !done() && time.Now().Before(at) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// endings end the rooms, one each.
func (s *Server) endings(ctx context.Context) (ends []func()) {
	rooms, err := s.rooms.List(ctx)
	if err != nil {
		return nil
	}
	for _, info := range rooms {
		ends = append(ends, func() { s.end(info.ID) })
	}
	return ends
}

// dismissals send this node's clients away, one session each. Those by which a client
// hears of more than one room come first: what ends them ends its connection.
func (s *Server) dismissals() (ends []func()) {
	var later []func()
	for _, x := range s.rooms.Seated() {
		end := func() {
			ctx, cancel := context.WithTimeout(s.base, time.Second)
			defer cancel()
			if err := x.Dismiss(ctx); err != nil {
				s.log.Warn("sending somebody away", "room", string(x.Room), "participant", x.Self, "err", err)
			}
		}
		switch {
		case x.Dialect == federation: // it sees to its own seats: those of people of LiveKit
		case x.Dialect == "admin": // who looks on goes last
		case x.Kind.Hidden():
			ends = append(ends, end)
		default:
			later = append(later, end)
		}
	}
	return append(ends, later...)
}

// end closes a room.
func (s *Server) end(room bridge.RoomID) {
	ctx, cancel := context.WithTimeout(s.base, time.Second)
	defer cancel()
	x, err := s.rooms.Join(ctx, bridge.JoinRequest{Room: room, Kind: bridge.Service, AtMost: bridge.Moderator, Dialect: "admin"})
	if err == nil {
		err = x.Do(ctx, bridge.CloseRoom{Reason: bridge.ByShutdown})
		_ = x.Leave(ctx, bridge.ByShutdown) // it ended with the room
	}
	if err != nil && bridge.CodeOf(err) != bridge.NotFound {
		s.log.Warn("ending a room", "room", string(room), "err", err)
	}
}

// depart ends this node's part in the cluster: its clients are out of their rooms, and
// those rooms go on elsewhere.
func (s *Server) depart(ctx context.Context) error {
	node := s.clustered()
	if node == nil {
		return nil
	}
	var all sync.WaitGroup
	for _, end := range s.dismissals() {
		all.Go(end)
	}
	all.Wait()
	s.part() // after those who are seen there
	s.relays.Close()
	return node.Leave(ctx)
}

// connections counts the clients of all dialects.
func (s *Server) connections() (n int64) {
	for _, c := range s.counts {
		n += c.Open.Load()
	}
	return n
}
