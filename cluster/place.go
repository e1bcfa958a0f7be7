package cluster

import (
	"context"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// What relays of media need of a node: see package relay.

// Self is this node.
func (h *Host) Self() bridge.NodeID { return h.self }

// Usable reports whether a node answers.
func (h *Host) Usable(id bridge.NodeID) bool { return h.mesh.Usable(id) }

// Ask puts a question about relays to another node and returns the answer.
func (h *Host) Ask(ctx context.Context, id bridge.NodeID, question any) (any, error) {
	return h.mesh.Ask(ctx, id, question)
}

// Open opens a stream to another node.
func (h *Host) Open(ctx context.Context, id bridge.NodeID) (*link.Stream, error) {
	return h.mesh.Open(ctx, id)
}

// Relay hands what other nodes say of relays to a handler. Before, they are told that
// there are none.
func (h *Host) Relay(handler link.Handler) { h.relays.Store(&handler) }

// isRelay reports whether a stream that begins with that is one for relays.
func isRelay(body any) bool {
	switch body.(type) {
	case link.RelayEnd, link.RelayBye, link.RelayPull:
		return true
	}
	return false
}

// Place asks the owner of a room in which this node has clients from which nodes
// streams come, in their order, empty where that is not known, and whether a node has a
// seat there that may receive them. NotFound: this node has no client in the room.
func (h *Host) Place(ctx context.Context, q link.Place) (link.Placed, error) {
	h.mu.Lock()
	p := h.rooms[q.Room]
	h.mu.Unlock()
	if p == nil {
		return link.Placed{}, bridge.Errorf(bridge.NotFound, "nobody of this node is in the room")
	}
	p.mu.Lock()
	owner := p.at.Owner
	if p.local {
		owner = h.self
	}
	p.mu.Unlock()
	ctx, cancel := bounded(ctx, answerTime)
	defer cancel()
	answer, err := h.ask(ctx, owner, q)
	placed, ok := answer.(link.Placed)
	if err == nil && (!ok || len(placed.At) != len(q.Pubs)) {
		err = bridge.Errorf(bridge.Internal, "the owner of the room does not answer what it was asked")
	}
	return placed, err
}

func (h *Host) answerPlace(ctx context.Context, _ bridge.NodeID, q link.Place) (any, error) {
	at, sitting := h.seatsOf(q.Room, q.Node)
	owners, can, err := h.local.Whose(ctx, q.Room, q.Pubs, sitting)
	if err != nil {
		return nil, err
	}
	placed := link.Placed{At: make([]bridge.NodeID, len(owners))}
	for i, id := range owners {
		placed.At[i] = at[id]
	}
	for _, may := range can {
		placed.Sits = placed.Sits || may.Has(bridge.Subscribing)
	}
	return placed, nil
}

// seatsOf returns which node has the client of each participant of a room that runs
// here, and whom one of them has.
func (h *Host) seatsOf(room bridge.RoomID, node bridge.NodeID) (at map[bridge.ParticipantID]bridge.NodeID, sitting []bridge.ParticipantID) {
	h.mu.Lock()
	here := h.rooms[room]
	var there []*guests
	for g := range h.guests {
		if g.room == room {
			there = append(there, g)
		}
	}
	h.mu.Unlock()
	at = map[bridge.ParticipantID]bridge.NodeID{}
	note := func(id bridge.ParticipantID, of bridge.NodeID) {
		at[id] = of
		if of == node {
			sitting = append(sitting, id)
		}
	}
	for _, g := range there {
		g.mu.Lock()
		for _, s := range g.seats {
			note(s.id, g.s.Peer)
		}
		g.mu.Unlock()
	}
	if here != nil {
		here.mu.Lock()
		for _, s := range here.seats {
			if here.local {
				note(s.self.ID, h.self)
			}
		}
		here.mu.Unlock()
	}
	return at, sitting
}
