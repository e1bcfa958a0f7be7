package cluster

import (
	"dragoman/bridge"
	"dragoman/cluster/link"
)

// listen takes what the owner says.
func (p *presence) listen(stream *link.Stream) error {
	for {
		e, err := stream.Recv()
		if err != nil && e == nil {
			return err
		}
		if moving, ok := e.Body.(link.Moving); ok {
			p.mu.Lock()
			p.at = moving.To
			p.mu.Unlock()
			return nil
		}
		if err != nil {
			continue // of a newer node: an event that we could not render
		}
		if idle := p.take(e); idle {
			p.h.drop(p)
			p.stop()
			return nil
		}
	}
}

// take takes one thing that the owner says. It reports whether nobody is left.
func (p *presence) take(e *link.Envelope) (idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch body := e.Body.(type) {
	case link.Restart:
		if s := p.seats[e.Seat]; s != nil {
			_ = s.out.Restart() // one that has ended says so to whoever drains it
		}
	case link.Over:
		if s := p.seats[e.Seat]; s != nil {
			s.end(e.Err)
			delete(p.seats, e.Seat)
		}
	case bridge.Event:
		p.hear(e, body)
	default:
		p.answered(e)
	}
	p.mirror.live = p.mirror.live && p.inside()
	idle = !p.closed && len(p.seats) == 0 && len(p.calls) == 0
	if idle {
		p.closed = true
		p.wake()
	}
	return idle
}

// inside reports whether one of the seats is inside, so that what all are told is told
// to this node.
func (p *presence) inside() bool {
	for _, s := range p.seats {
		if !s.waiting {
			return true
		}
	}
	return false
}

// hear takes an event, once for all the seats that are told it.
func (p *presence) hear(env *link.Envelope, e bridge.Event) {
	if len(env.To) == 0 {
		p.mirror.apply(e)
		return
	}
	// An event may come in two parts, if it was taken from the trunk while the room
	// was still telling it.
	applied := p.mirror.version == env.Version
	for _, n := range env.To {
		s := p.seats[n]
		switch {
		case s == nil && p.joining(n) != nil: // not answered yet
			s = p.joining(n)
			s.early = append(s.early, early{e, env.Version})
		case s == nil:
		case applied:
			s.note(e)
			s.tell(e)
		default:
			p.hearFor(s, e)
			p.mirror.version, applied = env.Version, true
		}
	}
}

// hearFor takes an event in for the first of the seats that are told it.
func (p *presence) hearFor(s *seat, e bridge.Event) {
	switch k, own := e.(bridge.Knocked); {
	case own && k.P.ID == s.self.ID: // put into the waiting room
	default:
		if entered, ok := e.(bridge.Entered); ok {
			p.mirror.enter(entered.At)
			p.mirror.add(entered.At.Self)
		}
		p.mirror.apply(e)
	}
	s.note(e)
	s.tell(e)
}

// joining returns the seat of a number that has been asked for.
func (p *presence) joining(n uint32) *seat {
	for _, c := range p.calls {
		if _, ok := c.body.(link.Join); ok && c.seat.n == n {
			return c.seat
		}
	}
	return nil
}

// answered gives an answer to who waits for it.
func (p *presence) answered(e *link.Envelope) {
	c := p.calls[e.Number]
	delete(p.calls, e.Number)
	if c == nil {
		// Nobody waits any more. A seat that was taken for nobody is given up.
		if _, ok := e.Body.(link.Seated); ok && p.seats[e.Seat] == nil {
			p.later(&seat{p: p, n: e.Seat}, link.Leave{Reason: bridge.ByLoss})
		}
		return
	}
	if seated, ok := e.Body.(link.Seated); ok && e.Err == nil {
		c.at = seated.At
		p.sit(c.seat, seated.At)
	}
	c.done <- e.Err
}

// sit takes in that the owner has given a seat, or told it the room anew, and then
// what the seat was told before the answer came.
func (p *presence) sit(s *seat, at bridge.Snapshot) {
	if p.seats[s.n] == nil {
		s.self, s.waiting = at.Self, at.Waiting
		s.req.Secret, s.req.Create = "", nil // not needed any more
		p.seats[s.n] = s
		if !s.waiting {
			p.mirror.enter(at)
			p.mirror.add(at.Self)
		}
	}
	early := s.early
	s.early = nil
	for _, e := range early {
		if e.version <= p.mirror.version {
			s.note(e.Event)
			s.tell(e.Event)
			continue
		}
		p.hearFor(s, e.Event)
		p.mirror.version = e.version
	}
}

// later sends something whose answer nobody waits for. The mutex is held.
func (p *presence) later(s *seat, body any) {
	c := &call{number: p.h.calls.Add(1), seat: s, body: body, done: make(chan error, 1), on: p.stream}
	p.calls[c.number] = c
	if stream := p.stream; stream != nil {
		p.h.tasks.Go(func() { p.send(stream.Context(), stream, c) })
	}
}
