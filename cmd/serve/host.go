package serve

import (
	"context"
	"sync/atomic"

	"dragoman/bridge"
)

// host is the rooms as dialects reach them. Nobody new comes in while the server
// drains; who is in stays. A room that is stored is made from what is stored,
// whoever asks for it in whatever dialect: its password and its waiting room bind
// everybody. So is a room of the configuration that the cluster has lost with its node.
type host struct {
	bridge.Host
	stored   bridge.Store
	kept     map[bridge.RoomID]bridge.Spec // of the configuration
	draining *atomic.Bool
}

func errDraining() error {
	return bridge.Errorf(bridge.Unavailable, "the server goes down: try again in a moment")
}

// Create implements bridge.Host. Exists: there is one, or one is stored that is not
// running.
func (h *host) Create(ctx context.Context, s bridge.Spec) error {
	if h.draining.Load() {
		return errDraining()
	}
	spec, err := h.spec(ctx, s.ID)
	if err != nil {
		return err
	}
	if spec != nil {
		return bridge.Errorf(bridge.Exists, "there is such a room already")
	}
	return h.Host.Create(ctx, s)
}

// Lookup implements bridge.Host.
func (h *host) Lookup(ctx context.Context, id bridge.RoomID) (bridge.Info, error) {
	info, err := h.Host.Lookup(ctx, id)
	if bridge.CodeOf(err) != bridge.NotFound {
		return info, err
	}
	spec, missing := h.spec(ctx, id)
	if missing != nil {
		return info, missing
	}
	if spec == nil {
		return info, err
	}
	return spec.Info(), nil
}

// Join implements bridge.Host.
func (h *host) Join(ctx context.Context, req bridge.JoinRequest) (*bridge.Session, error) {
	if h.draining.Load() {
		return nil, errDraining()
	}
	if !req.Kind.Hidden() { // programs of ours look at what runs
		if _, err := h.Host.Lookup(ctx, req.Room); bridge.CodeOf(err) == bridge.NotFound {
			spec, err := h.spec(ctx, req.Room)
			if err != nil {
				return nil, err
			}
			if spec != nil {
				req.Create = spec
			}
		}
	}
	return h.Host.Join(ctx, req)
}

// spec returns what a room is made from that is stored or configured; nil: there is
// none of that id.
func (h *host) spec(ctx context.Context, id bridge.RoomID) (*bridge.Spec, error) {
	if s, ok := h.kept[id]; ok {
		return &s, nil
	}
	r, err := h.stored.Rooms().Get(ctx, id)
	switch bridge.CodeOf(err) {
	case 0:
		return &r.Spec, nil
	case bridge.NotFound, bridge.BadRequest:
		return nil, nil
	}
	return nil, err
}
