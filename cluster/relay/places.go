package relay

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
	"dragoman/media"
)

// places is what is known of where publications come from. Owners of rooms are asked,
// once for each publication, and again when it is not there any more.
type places struct {
	r *Relays

	mu     sync.Mutex
	known  map[bridge.PublicationID]place
	asking map[bridge.RoomID]bool
}

// place is where a publication comes from.
type place struct {
	node bridge.NodeID // empty: not known
	wait time.Duration // between questions
	next time.Time     // when to ask again, if it is not known
}

func newPlaces(r *Relays) *places {
	return &places{r: r, known: map[bridge.PublicationID]place{}, asking: map[bridge.RoomID]bool{}}
}

// find returns where what is wanted comes from, as far as it is known, and asks for the
// rest. What is not wanted is forgotten.
func (p *places) find(wishes map[bridge.PublicationID]media.RelayWish, now time.Time) map[bridge.PublicationID]bridge.NodeID {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := map[bridge.PublicationID]bridge.NodeID{}
	ask := map[bridge.RoomID][]bridge.PublicationID{}
	for id, w := range wishes {
		if p.r.cfg.Elsewhere != nil && p.r.cfg.Elsewhere(w.Room, id) {
			continue
		}
		is := p.known[id]
		switch {
		case p.good(is.node):
			at[id] = is.node
			continue
		case is.node != "" && is.node != p.r.cfg.Cluster.Self():
			at[id] = is.node // until it is known to be elsewhere
		}
		switch {
		case now.Before(is.next) || p.asking[w.Room]:
		default:
			ask[w.Room] = append(ask[w.Room], id)
		}
	}
	maps.DeleteFunc(p.known, func(id bridge.PublicationID, _ place) bool {
		_, wanted := wishes[id]
		return !wanted
	})
	for room, ids := range ask {
		if p.r.ctx.Err() == nil {
			p.asking[room] = true
			p.r.tasks.Go(func() { p.ask(room, ids) })
		}
	}
	return at
}

// good reports whether a node is another one that answers.
func (p *places) good(node bridge.NodeID) bool {
	return node != "" && node != p.r.cfg.Cluster.Self() && p.r.cfg.Cluster.Usable(node)
}

// ask asks the owner of a room.
func (p *places) ask(room bridge.RoomID, ids []bridge.PublicationID) {
	placed, err := p.r.cfg.Cluster.Place(p.r.ctx, link.Place{Room: room, Pubs: ids})
	if err != nil {
		p.r.log.Debug("it is not known where streams come from", "room", string(room), "err", err)
		placed.At = make([]bridge.NodeID, len(ids))
	}
	p.mu.Lock()
	delete(p.asking, room)
	for i, id := range ids {
		p.note(id, placed.At[i])
	}
	p.mu.Unlock()
	p.r.nudge()
}

// note notes an answer. The mutex is held.
func (p *places) note(id bridge.PublicationID, node bridge.NodeID) {
	is := p.known[id]
	is.node = cmp.Or(node, is.node)
	if !p.good(node) {
		is.wait = min(max(2*is.wait, minWait), maxWait)
		is.next = time.Now().Add(is.wait)
	}
	p.known[id] = is
}

// lose says that a publication does not come from a node any more.
func (p *places) lose(id bridge.PublicationID, node bridge.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if is := p.known[id]; is.node == node {
		is.node = ""
		p.known[id] = is
		p.note(id, "")
	}
}

// found says that it does.
func (p *places) found(id bridge.PublicationID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if is, ok := p.known[id]; ok {
		is.wait = 0
		p.known[id] = is
	}
}

// loudest returns whose sound is taken, of all who are wanted: in each room those who
// talk, or talked last.
func (r *Relays) loudest(wishes map[bridge.PublicationID]media.RelayWish, now time.Time) map[bridge.PublicationID]bool {
	rooms := map[bridge.RoomID][]bridge.PublicationID{}
	for id, w := range wishes {
		if w.Sound {
			rooms[w.Room] = append(rooms[w.Room], id)
		}
	}
	r.mu.Lock()
	for _, p := range r.pullers {
		for _, id := range p.talkers() {
			r.spoke[id] = now
		}
	}
	r.mu.Unlock()
	maps.DeleteFunc(r.spoke, func(id bridge.PublicationID, _ time.Time) bool { return !wishes[id].Sound })
	loud := map[bridge.PublicationID]bool{}
	for _, ids := range rooms {
		for _, id := range choose(ids, r.spoke, r.cfg.MaxSpeakers) {
			loud[id] = true
		}
	}
	return loud
}

// choose returns at most so many, who spoke last first; 0: all.
func choose(ids []bridge.PublicationID, spoke map[bridge.PublicationID]time.Time, most int) []bridge.PublicationID {
	if most == 0 || len(ids) <= most {
		return ids
	}
	slices.SortFunc(ids, func(a, b bridge.PublicationID) int {
		return cmp.Or(spoke[b].Compare(spoke[a]), cmp.Compare(a.String(), b.String()))
	})
	return ids[:most]
}

// seats reports whether a node has a seat in a room that may receive; known is false
// where the owner of the room does not answer.
func (r *Relays) seats(ctx context.Context, room bridge.RoomID, node bridge.NodeID) (sits, known bool) {
	placed, err := r.cfg.Cluster.Place(ctx, link.Place{Room: room, Node: node})
	if code := bridge.CodeOf(err); code == bridge.NotFound {
		return false, true
	}
	return placed.Sits, err == nil
}
