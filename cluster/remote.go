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
	if at.Owner != p.h.self && err != nil && !p.h.mesh.Usable(at.Owner) {
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
	if moving, ok := answer.Body.(link.Moving); ok {
		p.mu.Lock()
		p.at = moving.To
		p.mu.Unlock()
		return nil
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
	if to, gone := p.h.ownUnlessGone(at); gone {
		p.mu.Lock()
		p.at, p.known = to, 0
		p.mu.Unlock()
		return false
	}
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
	if to, gone := p.h.movedTo(p.room, at.Epoch); gone {
		// It was handed over before it was known here that it runs here.
		p.at, p.known = to, 0
		p.mu.Unlock()
		return false
	}
	p.local, p.calm = true, p.h.calm(p.room)
	pending := p.calls
	p.calls = map[uint64]*call{}
	p.wake()
	p.mu.Unlock()
	p.h.runs(p.room)
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
		c.seat.calm(ctx)
		c.done <- in.Do(ctx, body)
	}
}
