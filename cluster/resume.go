package cluster

import (
	"context"
	"sync"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// Resume takes a seat again that was left by Detach, on this node or on another one:
// then the session has neither peers nor a Memo, and its streams have ended. A token
// says nothing but itself, so all nodes are asked for it. NotFound: the seat is gone,
// or with its node.
func (h *Host) Resume(ctx context.Context, token bridge.ResumeToken) (*bridge.Session, error) {
	s, err := h.local.Resume(ctx, token)
	if bridge.CodeOf(err) != bridge.NotFound || token == "" {
		return s, err
	}
	at, ok := h.release(ctx, token)
	if !ok {
		return nil, err
	}
	return h.local.JoinAt(ctx, h, bridge.JoinRequest{Room: at.Room, ID: at.ID, Again: true})
}

// release asks all other nodes for a seat.
func (h *Host) release(ctx context.Context, token bridge.ResumeToken) (at link.Released, found bool) {
	ctx, cancel := bounded(ctx, askTime)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, n := range h.nodes(false) {
		if n.ID == h.self {
			continue
		}
		all.Go(func() {
			answer, err := h.ask(ctx, n.ID, link.Release{Token: token})
			if one, ok := answer.(link.Released); err == nil && ok {
				mu.Lock()
				defer mu.Unlock()
				at, found = one, true
				cancel() // there is one
			}
		})
	}
	all.Wait()
	return at, found
}

func (h *Host) answerRelease(_ context.Context, _ bridge.NodeID, q link.Release) (any, error) {
	room, id, err := h.local.Release(q.Token)
	if err != nil {
		return nil, err
	}
	return link.Released{Room: room, ID: id}, nil
}
