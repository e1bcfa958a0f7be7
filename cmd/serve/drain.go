package serve

import (
	"context"
	"time"

	"dragoman/bridge"
)

// drain takes no new clients, lets the meetings go on for a while, and then ends
// them one after another, so that their clients do not all come back at once.
func (s *Server) drain() {
	s.draining.Store(true)
	s.log.Info("draining", "timeout", s.cfg.Drain.Timeout.String(), "connections", s.connections())
	deadline := time.Now().Add(s.cfg.Drain.Timeout)
	s.until(deadline, func() bool { return s.connections() == 0 })
	if s.connections() == 0 {
		return
	}
	rooms, err := s.rooms.List(s.base)
	if err != nil {
		return
	}
	begin := time.Now()
	for i, info := range rooms {
		at := begin.Add(s.cfg.Drain.Spread * time.Duration(i) / time.Duration(len(rooms)))
		if !s.until(at, func() bool { return false }) {
			return
		}
		s.end(info.ID)
	}
	// The farewells are on their way; a connection that is over goes by itself.
	s.until(time.Now().Add(farewell), func() bool { return s.connections() == 0 })
}

const (
	farewell = 300 * time.Millisecond
	peek     = 50 * time.Millisecond // how often draining looks whether all are gone
)

// until waits for a time or for done; false: the server is to stop at once.
func (s *Server) until(at time.Time, done func() bool) bool {
	tick := time.NewTicker(peek)
	defer tick.Stop()
	for !done() && time.Now().Before(at) {
		select {
		case <-tick.C:
		case <-s.now:
			return false
		}
	}
	return true
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

// connections counts the clients of all dialects.
func (s *Server) connections() (n int64) {
	for _, c := range s.counts {
		n += c.Open.Load()
	}
	return n
}
