package cluster

import (
	"context"
	"maps"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

const (
	// pastTime is how long a node knows where a room has gone.
	pastTime = 2 * time.Minute
	// calmTime is how long a room that was opened anew takes no commands, so that
	// all nodes can bring their people first. Each of them knows a beginning of what
	// the lost owner has told; the longest is what all are told, in that order,
	// before anything new.
	calmTime = 500 * time.Millisecond
)

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
		case <-h.news:
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

// ownUnlessGone is own for whoever learned a while ago that a room is to run here: it
// may have been handed over since, and is not to be opened a second time.
func (h *Host) ownUnlessGone(at link.Holding) (to link.Holding, gone bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p, ok := h.past[at.Room]; ok && sameBirth(at.Epoch, p.was) && at.Epoch >= p.was {
		return p.to, true
	}
	h.ownLocked(at)
	return link.Holding{}, false
}

func (h *Host) ownLocked(at link.Holding) {
	delete(h.past, at.Room)
	if _, ok := h.owned[at.Room]; !ok {
		h.owned[at.Room] = owning{epoch: at.Epoch, since: time.Now()}
	}
}

// runs notes that a room runs here now, so that its home is told.
func (h *Host) runs(room bridge.RoomID) {
	h.mu.Lock()
	told := h.owned[room].told
	h.mu.Unlock()
	if told == "" {
		signal(h.news)
	}
}

// movedTo returns where a room has gone that ran here. Who comes with an epoch to
// which it was handed over later, or of another birth, does not mean the room that
// has gone.
func (h *Host) movedTo(room bridge.RoomID, epoch uint64) (link.Holding, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.past[room]
	return p.to, ok && sameBirth(epoch, p.was) && epoch >= p.was
}

// gone returns where a room has gone that ran here, if any did.
func (h *Host) gone(room bridge.RoomID) (to link.Holding, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.past[room]
	return p.to, ok
}

// calm returns when a room that was opened anew here takes commands again.
func (h *Host) calm(room bridge.RoomID) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calmed[room]
}

// reconcile compares the rooms that run here with what homes know, and tells them.
func (h *Host) reconcile() {
	for home, a := range h.unannounced(h.nodes(true), time.Now()) {
		h.tasks.Go(func() { h.announce(home, *a) })
	}
	if h.drains() {
		_ = h.evacuate(h.ctx) // what has come since
	}
	h.dir.sweep(h.self)
	for _, p := range h.presences() {
		p.sweep()
	}
}

// unannounced returns what homes have to be told.
func (h *Host) unannounced(nodes []Node, now time.Time) map[bridge.NodeID]*link.Announce {
	news := map[bridge.NodeID]*link.Announce{}
	of := func(home bridge.NodeID) *link.Announce {
		if news[home] == nil {
			news[home] = &link.Announce{}
		}
		return news[home]
	}
	running := map[bridge.RoomID]bool{}
	for _, room := range h.local.Rooms() {
		running[room] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.adopt(running, now)
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
	return news
}

// adopt takes rooms as owned that were made by somebody else in this process. The
// mutex is held.
func (h *Host) adopt(running map[bridge.RoomID]bool, now time.Time) {
	for room := range running {
		_, known := h.owned[room]
		if _, going := h.past[room]; !known && !going {
			h.owned[room] = owning{epoch: h.clock.now(), since: now}
		}
	}
}

// tidy forgets what is old. The mutex is held.
func (h *Host) tidy(now time.Time) {
	maps.DeleteFunc(h.calmed, func(_ bridge.RoomID, t time.Time) bool { return now.After(t) })
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
func (h *Host) enter(g *guests, epoch uint64) (to link.Holding, moved bool) {
	h.mu.Lock()
	h.guests[g] = struct{}{}
	h.mu.Unlock()
	return h.movedTo(g.room, epoch)
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
		h.mu.Lock()
		h.calmed[was.Estate.Spec.ID] = time.Now().Add(calmTime)
		h.mu.Unlock()
	}
	return err
}
