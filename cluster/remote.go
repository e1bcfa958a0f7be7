package cluster

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// run keeps the way to a room of another node. When it is lost it is looked for, and
// when the owner is lost the room is asked for at its home, which finds it another
// one. It ends with the last seat, or when the room runs here.
func (p *presence) run() {
	lost := time.Time{}
	for p.ctx.Err() == nil {
		began := time.Now()
		err := p.attach()
		if p.ctx.Err() != nil {
			return
		}
		if err == nil || time.Since(began) > time.Second {
			lost = time.Time{} // it was reached
		}
		if lost.IsZero() {
			lost = time.Now()
		}
		switch code := bridge.CodeOf(err); {
		case err == nil: // the room has moved, and we know where
		case code == bridge.Closed:
			p.giveUp(bridge.Errorf(bridge.Closed, "the room has ended"), bridge.Ended{Reason: bridge.ByEnd})
			return
		case time.Since(lost) > patience:
			p.giveUp(bridge.Errorf(bridge.Closed, "the room cannot be reached"), bridge.Relocated{})
			return
		default:
			p.h.log.Debug("no way to a room", "room", string(p.room), "err", err)
			pause(p.ctx, 50*time.Millisecond+rand.N(150*time.Millisecond))
		}
		if p.find(err) && p.settle() {
			return
		}
	}
}

// find asks for the owner of the room anew where the last is not usable, or says that
// it is not the owner. It reports whether the room is to run here.
func (p *presence) find(err error) (here bool) {
	p.mu.Lock()
	at := p.at
	p.mu.Unlock()
	_, moved := isMoved(err)
	if at.Owner != p.h.self && (moved || !p.h.mesh.Usable(at.Owner)) {
		ctx, cancel := bounded(p.ctx, 2*askTime)
		defer cancel()
		found, err := p.h.locate(ctx, p.room, true)
		if err != nil {
			return false
		}
		at = link.Holding{Room: p.room, Owner: found.Owner, Epoch: found.Epoch}
		p.mu.Lock()
		p.at = at
		p.mu.Unlock()
	}
	return at.Owner == p.h.self
}

// attach opens a stream to the owner, takes the seats there, and is told what
// happens, until the stream ends. Without an error the room has moved.
func (p *presence) attach() error {
	p.mu.Lock()
	at := p.at
	claims, seats := p.claims()
	hello := link.Attach{Room: p.room, Epoch: at.Epoch, Claims: claims}
	if len(claims) > 0 && p.known != at.Epoch {
		was := p.mirror.state()
		hello.Was = &was
	}
	p.mu.Unlock()
	stream, err := p.h.mesh.Open(p.ctx, at.Owner)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Send(&link.Envelope{Body: hello}); err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	if answer.Err != nil {
		return answer.Err
	}
	attached, ok := answer.Body.(link.Attached)
	if !ok || attached.State != nil && len(attached.Taken) != len(claims) {
		return bridge.Errorf(bridge.Internal, "the owner of the room does not answer what it was asked")
	}
	p.mu.Lock()
	p.known = at.Epoch
	if attached.State != nil {
		p.adopt(*attached.State, seats, func(i int) bool { return attached.Taken[i] })
	}
	p.mu.Unlock()
	defer p.detach(stream)
	p.h.tasks.Go(func() { p.sendAll(stream) })
	return p.listen(stream)
}

// sendAll sends what has not been answered, and then opens the stream to whoever
// wants to send.
func (p *presence) sendAll(stream *link.Stream) {
	for {
		p.mu.Lock()
		var unsent []*call
		for _, c := range p.calls {
			if c.on != stream {
				unsent = append(unsent, c)
				c.on = stream
			}
		}
		if len(unsent) == 0 {
			if stream.Context().Err() == nil {
				p.stream = stream
				p.wake()
			}
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		slices.SortFunc(unsent, func(a, b *call) int { return cmp.Compare(a.number, b.number) })
		for _, c := range unsent {
			p.send(stream.Context(), stream, c)
		}
	}
}

func (p *presence) detach(stream *link.Stream) {
	stream.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stream == stream {
		p.stream = nil
		p.wake()
	}
}

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
	idle = !p.closed && len(p.seats) == 0 && len(p.calls) == 0
	if idle {
		p.closed = true
		p.wake()
	}
	return idle
}

// hear takes an event, once for all the seats that are told it.
func (p *presence) hear(env *link.Envelope, e bridge.Event) {
	p.mirror.version = max(p.mirror.version, env.Version)
	if len(env.To) == 0 {
		p.mirror.apply(e)
		return
	}
	applied := false
	for _, n := range env.To {
		s := p.seats[n]
		switch {
		case s == nil && p.joining(n) != nil: // not answered yet
			s = p.joining(n)
			s.early = append(s.early, e)
		case s == nil:
		case applied:
			s.note(e)
			s.tell(e)
		default:
			p.hearFor(s, e)
			applied = true
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
		p.seats[s.n] = s
		if !s.waiting {
			p.mirror.enter(at)
			p.mirror.add(at.Self)
		}
	}
	early := s.early
	s.early = nil
	for _, e := range early {
		p.hearFor(s, e)
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

// giveUp ends all seats.
func (p *presence) giveUp(err error, last bridge.Event) {
	p.mu.Lock()
	p.closed = true
	for _, s := range p.seats {
		s.end(err, last)
	}
	for _, c := range p.calls {
		c.done <- err
	}
	clear(p.seats)
	clear(p.calls)
	p.wake()
	p.mu.Unlock()
	p.h.drop(p)
	p.stop()
}

// settle opens the room on this node, for the seats that are here and those that
// other nodes will bring. It reports whether it runs here now.
func (p *presence) settle() bool {
	p.mu.Lock()
	was, at := p.mirror.state(), p.at
	claims, seats := p.claims()
	p.mu.Unlock()
	if len(claims) == 0 {
		return false
	}
	p.h.own(at)
	if err := p.h.revive(was); err != nil {
		p.h.log.Warn("a room was not opened anew", "room", string(p.room), "err", err)
		return false
	}
	outs := make([]*bridge.Outbox, len(seats))
	for i, s := range seats {
		outs[i] = s.out
	}
	_, links, err := p.h.local.TakeAll(p.ctx, p.room, claims, outs, &was, func(is bridge.State, links []bridge.Link) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.adopt(is, seats, func(i int) bool { return links[i] != nil })
	})
	if err != nil {
		return false
	}
	p.mu.Lock()
	for i, s := range seats {
		s.link = links[i]
	}
	p.local = true
	pending := p.calls
	p.calls = map[uint64]*call{}
	p.wake()
	p.mu.Unlock()
	p.h.log.Info("room reborn", "room", string(p.room))
	for _, c := range pending {
		p.h.tasks.Go(func() { p.redo(c) })
	}
	return true
}

// redo posts what the lost owner has not answered to the room that runs here now.
func (p *presence) redo(c *call) {
	in, _ := c.seat.here()
	ctx := p.ctx
	switch body := c.body.(type) {
	case link.Join:
		c.done <- errGone // asked anew by who joins
	case link.Leave:
		if in != nil {
			_ = in.Leave(ctx, body.Reason)
		}
		c.done <- nil
	case link.Away:
		if in != nil {
			_ = in.Away(ctx, body.Away, body.Grace)
		}
		c.done <- nil
	case link.Retake:
		if in == nil {
			c.done <- bridge.Errorf(bridge.NotFound, "the seat is gone")
			return
		}
		var err error
		c.at, err = in.(bridge.Retaker).Retake(ctx, c.seat.out)
		c.done <- err
	case bridge.Command:
		if in == nil {
			c.done <- bridge.Errorf(bridge.Closed, "you are not in the room any more")
			return
		}
		c.done <- in.Do(ctx, body)
	}
}
