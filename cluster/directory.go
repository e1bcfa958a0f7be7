package cluster

import (
	"context"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// The times of the directory.
const (
	// unsure is how long after a change of the cluster a home does not trust that it
	// knows of all its rooms, and asks everybody.
	unsure = 3 * time.Second
	// pending is how long a place that was given to a new room is kept for it.
	pending = 10 * time.Second
	// askTime bounds one question to another node.
	askTime = 2 * time.Second
)

// directory is what a node knows as the home of rooms: who owns them. It is not
// replicated; a home that is new asks, and owners tell it.
type directory struct {
	clock *clock
	nodes func(place bool) []Node // those that answer; with place, that rooms may be placed on
	has   func(bridge.NodeID) bool
	ask   func(ctx context.Context, id bridge.NodeID, question any) (any, error)

	mu      sync.Mutex
	entries map[bridge.RoomID]entry
	flights map[bridge.RoomID]chan struct{} // rooms that are being looked for
	changed time.Time                       // of the cluster
}

// entry is a room and its owner. It is kept until its owner is gone or says that the
// room is; a place that was only given is kept until expires.
type entry struct {
	link.Holding
	expires time.Time // zero: the owner has announced it
}

// unsettle notes that the cluster has changed.
func (d *directory) unsettle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = time.Now()
}

// get returns a valid entry, or says that there was one: those of owners that are gone
// are dropped, and those of owners that have not announced the room.
func (d *directory) get(room bridge.RoomID) (e entry, ok, dropped bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok = d.entries[room]
	if ok && (!e.expires.IsZero() && !time.Now().Before(e.expires) || !d.has(e.Owner)) {
		delete(d.entries, room)
		return entry{}, false, true
	}
	return e, ok, false
}

func (d *directory) put(h link.Holding, expires time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries[h.Room] = entry{Holding: h, expires: expires}
}

// locate answers who owns a room; with create it gives a place to one that nobody
// has. NotFound: nobody has it. Of several who ask for one room at once, one looks
// for it.
func (d *directory) locate(ctx context.Context, room bridge.RoomID, create bool) (link.Located, error) {
	for {
		e, ok, dropped := d.get(room)
		if ok {
			return link.Located{Owner: e.Owner, Epoch: e.Epoch}, nil
		}
		d.mu.Lock()
		flight, flying := d.flights[room]
		if !flying {
			flight = make(chan struct{})
			d.flights[room] = flight
		}
		sure := time.Since(d.changed) > unsure && !dropped
		d.mu.Unlock()
		if !flying {
			found, err := d.find(ctx, room, create, sure)
			d.mu.Lock()
			delete(d.flights, room)
			d.mu.Unlock()
			close(flight)
			return found, err
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return link.Located{}, interrupted(ctx.Err())
		}
	}
}

func interrupted(cause error) error {
	return &bridge.Error{Code: bridge.Unavailable, Msg: "the cluster did not answer in time", Err: cause}
}

// find looks for a room that has no entry.
func (d *directory) find(ctx context.Context, room bridge.RoomID, create, sure bool) (link.Located, error) {
	if !sure {
		if h, ok := d.askAll(ctx, room); ok {
			d.put(h, time.Time{})
			return link.Located{Owner: h.Owner, Epoch: h.Epoch}, nil
		}
	}
	if !create {
		return link.Located{}, bridge.Errorf(bridge.NotFound, "there is no such room")
	}
	n, ok := settle(room, d.nodes(true))
	if !ok {
		return link.Located{}, bridge.Errorf(bridge.Unavailable, "no node takes new rooms")
	}
	h := link.Holding{Room: room, Owner: n.ID, Epoch: d.clock.now()}
	d.put(h, time.Now().Add(pending))
	return link.Located{Owner: h.Owner, Epoch: h.Epoch}, nil
}

// askAll asks every node whether it owns a room, and returns the oldest owner.
func (d *directory) askAll(ctx context.Context, room bridge.RoomID) (oldest link.Holding, found bool) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, n := range d.nodes(false) {
		all.Go(func() {
			answer, err := d.ask(ctx, n.ID, link.Holds{Room: room})
			at, ok := answer.(link.Located)
			if err != nil || !ok {
				return
			}
			d.clock.saw(at.Epoch)
			h := link.Holding{Room: room, Owner: at.Owner, Epoch: at.Epoch}
			mu.Lock()
			defer mu.Unlock()
			if !found || older(h, oldest) {
				oldest, found = h, true
			}
		})
	}
	all.Wait()
	return oldest, found
}

// older reports whether a holding wins over another one of the same room.
func older(a, b link.Holding) bool {
	return a.Epoch < b.Epoch || a.Epoch == b.Epoch && a.Owner < b.Owner
}

// moved notes that a room was handed over, if this node is asked about it.
func (d *directory) moved(to link.Holding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.entries[to.Room]; ok {
		d.entries[to.Room] = entry{Holding: to, expires: time.Now().Add(pending)}
	}
}

// announced takes in what an owner has and had. It returns the rooms that the owner
// must hand over to older ones, and those that others must hand over to it.
func (d *directory) announced(from bridge.NodeID, a link.Announce) (lost []link.Holding, won []link.Holding) {
	for _, h := range a.Have {
		h.Owner = from
		d.clock.saw(h.Epoch)
		was, ok, _ := d.get(h.Room)
		switch {
		case !ok || was.Owner == from || !was.expires.IsZero() && older(h, was.Holding):
			d.put(h, time.Time{})
		case older(h, was.Holding):
			d.put(h, time.Time{})
			won = append(won, was.Holding)
		default:
			lost = append(lost, was.Holding)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, room := range a.Gone {
		if d.entries[room].Owner == from {
			delete(d.entries, room)
		}
	}
	return lost, won
}

// sweep drops places that nobody has taken, owners that are gone, and rooms whose home
// is another node now: their owners tell that one.
func (d *directory) sweep(self bridge.NodeID) {
	nodes := d.nodes(true)
	d.mu.Lock()
	rooms := make([]bridge.RoomID, 0, len(d.entries))
	for room := range d.entries {
		if home, ok := homeOf(room, nodes); ok && home.ID != self {
			delete(d.entries, room)
			continue
		}
		rooms = append(rooms, room)
	}
	d.mu.Unlock()
	for _, room := range rooms {
		d.get(room)
	}
}
