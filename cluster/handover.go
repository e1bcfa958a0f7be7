package cluster

import (
	"context"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// yield hands a room over to another node: its people with it, whether they are
// clients of this node or of others.
func (h *Host) yield(to link.Holding) {
	h.mu.Lock()
	p := h.rooms[to.Room]
	o, ok := h.owned[to.Room]
	if ok = ok && to.Owner != h.self; ok { // only one who asks for it finds it owned
		h.past[to.Room] = past{to: to, was: o.epoch, at: time.Now()}
		delete(h.owned, to.Room)
	}
	h.mu.Unlock()
	if !ok {
		return
	}
	h.dir.moved(to)
	if p != nil {
		p.mu.Lock()
		p.moving = p.local
		p.mu.Unlock()
	}
	state, err := h.local.Surrender(h.ctx, to.Room)
	if err != nil { // it has just ended: nobody has anything to follow
		h.log.Debug("a room that was to be handed over is gone", "room", string(to.Room), "err", err)
		if p != nil {
			p.mu.Lock()
			p.moving = false
			p.wake()
			p.mu.Unlock()
		}
		return
	}
	h.yielded.Add(1)
	h.log.Info("room handed over", "room", string(to.Room), "peer", string(to.Owner))
	h.give(to, state)
	for _, g := range h.guestsOf(to.Room) {
		g.trunk.Put(&link.Envelope{Body: link.Moving{To: to}})
	}
	if p != nil {
		p.follow(to, state)
	}
}

// give gives a room to its new owner, who else would not have it before somebody
// comes who knows it.
func (h *Host) give(to link.Holding, state bridge.State) {
	ctx, cancel := context.WithTimeout(h.ctx, askTime)
	defer cancel()
	if _, err := h.ask(ctx, to.Owner, link.Adopt{At: to, Was: state}); err != nil {
		h.log.Warn("a room was not given to its new owner", "room", string(to.Room), "peer", string(to.Owner), "err", err)
	}
}

// follow takes the seats of a room that ran here to its new owner.
func (p *presence) follow(to link.Holding, state bridge.State) {
	p.mu.Lock()
	if !p.moving {
		p.mu.Unlock()
		return
	}
	p.mirror, p.known = mirrorOf(state), 0
	for n, s := range p.seats {
		i := slices.IndexFunc(state.Members, func(m bridge.Member) bool { return m.Participant.ID == s.self.ID })
		if i < 0 || s.out.Over() {
			delete(p.seats, n)
			continue
		}
		m := state.Members[i]
		s.self, s.waiting, s.admitted = m.Participant, m.Waiting, m.Admitted
	}
	p.at, p.local, p.moving = to, false, false
	idle := len(p.seats) == 0
	p.closed = idle
	p.wake()
	p.mu.Unlock()
	if idle {
		p.h.drop(p)
		p.stop()
		return
	}
	p.h.tasks.Go(p.run)
}

// Drain makes the node ready to go, or with on false takes that back: it takes no new
// rooms and no new clients, and hands the rooms that run here over to other nodes.
// Its clients stay until they go, or the node ends. It returns when the rooms have
// gone, as far as there are nodes to take them.
func (h *Host) Drain(ctx context.Context, on bool) error {
	h.mu.Lock()
	h.draining = on
	h.mu.Unlock()
	h.cfg.Members.Drain(on)
	if !on {
		return nil
	}
	return h.evacuate(ctx)
}

// evacuate hands all rooms over, as far as there are nodes to take them.
func (h *Host) evacuate(ctx context.Context) error {
	select {
	case h.leaving <- struct{}{}:
		defer func() { <-h.leaving }()
	case <-ctx.Done():
		return interrupted(ctx.Err())
	}
	others := slices.DeleteFunc(h.nodes(true), func(n Node) bool { return n.ID == h.self })
	for _, room := range h.local.Rooms() {
		if ctx.Err() != nil {
			return interrupted(ctx.Err())
		}
		h.mu.Lock()
		o, known := h.owned[room]
		h.mu.Unlock()
		if next, ok := settle(room, others); ok && known {
			h.yield(link.Holding{Room: room, Owner: next.ID, Epoch: moved(o.epoch)})
		}
	}
	return nil
}
