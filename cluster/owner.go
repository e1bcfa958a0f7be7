package cluster

import (
	"context"
	"maps"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// pastTime is how long a node knows where a room has gone.
const pastTime = 2 * time.Minute

// watch follows the cluster, and sees to it that homes know of the rooms of this
// node.
func (h *Host) watch() {
	ticker := time.NewTicker(h.cfg.Beat)
	defer ticker.Stop()
	for {
		view, changed := h.cfg.Members.View(), h.mesh.Changed()
		h.mesh.Update(peersOf(view))
		select {
		case <-view.Replaced():
			h.dir.unsettle()
		case <-changed:
			h.dir.unsettle()
		case <-ticker.C:
		case <-h.ctx.Done():
			return
		}
		h.reconcile()
	}
}

func peersOf(v *View) (peers []link.Peer) {
	for _, n := range v.Nodes {
		if n.Speaks() {
			peers = append(peers, link.Peer{ID: n.ID, Addr: n.Link})
		}
	}
	return peers
}

// own notes that a room runs here, or is about to.
func (h *Host) own(at link.Holding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ownLocked(at)
}

func (h *Host) ownLocked(at link.Holding) {
	delete(h.past, at.Room)
	if _, ok := h.owned[at.Room]; !ok {
		h.owned[at.Room] = owning{epoch: at.Epoch, since: time.Now()}
	}
}

// movedTo returns where a room has gone that ran here.
func (h *Host) movedTo(room bridge.RoomID) (link.Holding, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.past[room]
	return p.to, ok
}

// reconcile compares the rooms that run here with what homes know, and tells them.
func (h *Host) reconcile() {
	running := map[bridge.RoomID]bool{}
	for _, room := range h.local.Rooms() {
		running[room] = true
	}
	nodes := h.nodes(true)
	news := map[bridge.NodeID]*link.Announce{}
	of := func(home bridge.NodeID) *link.Announce {
		if news[home] == nil {
			news[home] = &link.Announce{}
		}
		return news[home]
	}
	now := time.Now()
	h.mu.Lock()
	for room := range running {
		if _, ok := h.owned[room]; !ok {
			h.owned[room] = owning{epoch: h.clock.now(), since: now}
		}
	}
	for room, o := range h.owned {
		home, ok := homeOf(room, nodes)
		switch {
		case !running[room] && now.Sub(o.since) > pending:
			delete(h.owned, room)
			if o.told != "" {
				a := of(o.told)
				a.Gone = append(a.Gone, room)
			}
		case running[room] && ok && home.ID != o.told:
			a := of(home.ID)
			a.Have = append(a.Have, link.Holding{Room: room, Epoch: o.epoch})
		}
	}
	h.tidy(now)
	h.mu.Unlock()
	for home, a := range news {
		h.tasks.Go(func() { h.announce(home, *a) })
	}
	h.dir.sweep()
	for _, p := range h.presences() {
		p.sweep()
	}
}

// tidy forgets what is old. The mutex is held.
func (h *Host) tidy(now time.Time) {
	maps.DeleteFunc(h.past, func(_ bridge.RoomID, p past) bool { return now.Sub(p.at) > pastTime })
	inUse := map[*replay]bool{}
	for g := range h.guests {
		inUse[g.again] = true
	}
	maps.DeleteFunc(h.replays, func(_ replayKey, r *replay) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !inUse[r] && now.Sub(r.used) > pastTime
	})
}

func (h *Host) presences() []*presence {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.rooms))
}

// announce tells a home about rooms of this node, and hands over those that it says
// an older owner has.
func (h *Host) announce(home bridge.NodeID, a link.Announce) {
	ctx, cancel := context.WithTimeout(h.ctx, askTime)
	defer cancel()
	answer, err := h.ask(ctx, home, a)
	conflicts, ok := answer.(link.Conflicts)
	if err != nil || !ok {
		h.log.Debug("a home was not told", "peer", string(home), "err", err)
		return
	}
	h.mu.Lock()
	for _, have := range a.Have {
		if o, ok := h.owned[have.Room]; ok {
			o.told = home
			h.owned[have.Room] = o
		}
	}
	h.mu.Unlock()
	for _, to := range conflicts.Rooms {
		h.yield(to)
	}
}

// yield hands a room over to another node: its people with it, whether they are
// clients of this node or of others.
func (h *Host) yield(to link.Holding) {
	if to.Owner == h.self {
		return
	}
	h.mu.Lock()
	p := h.rooms[to.Room]
	h.past[to.Room] = past{to: to, at: time.Now()}
	delete(h.owned, to.Room)
	h.mu.Unlock()
	if p != nil {
		p.mu.Lock()
		p.moving = p.local
		p.mu.Unlock()
	}
	state, err := h.local.Surrender(h.ctx, to.Room)
	if err == nil {
		h.yielded.Add(1)
		h.log.Info("room handed over", "room", string(to.Room), "peer", string(to.Owner))
	}
	for _, g := range h.guestsOf(to.Room) {
		g.trunk.Put(&link.Envelope{Body: link.Moving{To: to}})
	}
	if p != nil {
		p.follow(to, state)
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

func (h *Host) guestsOf(room bridge.RoomID) (of []*guests) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for g := range h.guests {
		if g.room == room {
			of = append(of, g)
		}
	}
	return of
}

// enter notes a stream of guests. The room may have gone meanwhile.
func (h *Host) enter(g *guests) (to link.Holding, moved bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guests[g] = struct{}{}
	p, moved := h.past[g.room]
	return p.to, moved
}

func (h *Host) leave(g *guests) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.guests, g)
}

func (h *Host) replayOf(node bridge.NodeID, room bridge.RoomID) *replay {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := replayKey{node, room}
	if h.replays[key] == nil {
		h.replays[key] = &replay{answers: map[uint64]error{}, used: time.Now()}
	}
	return h.replays[key]
}

// revive opens a room anew, unless it runs already.
func (h *Host) revive(was bridge.State) error {
	err := h.local.Revive(was)
	if bridge.CodeOf(err) == bridge.Exists {
		return nil
	}
	if err == nil {
		h.reborn.Add(1)
	}
	return err
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
	others := slices.DeleteFunc(h.nodes(true), func(n Node) bool { return n.ID == h.self })
	for _, room := range h.local.Rooms() {
		if ctx.Err() != nil {
			return interrupted(ctx.Err())
		}
		if next, ok := settle(room, others); ok {
			h.yield(link.Holding{Room: room, Owner: next.ID, Epoch: h.clock.now()})
		}
	}
	return nil
}
