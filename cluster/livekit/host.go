package livekit

import (
	"context"
	"time"

	"dragoman/bridge"
)

// host is what dialects get: whoever comes is looked at at once.
type host struct {
	bridge.Host
	f *Federation
}

// Host returns a Host for dialects: next, and whoever joins through it is this node's.
func (f *Federation) Host(next bridge.Host) bridge.Host {
	if len(f.servers) == 0 {
		return next
	}
	return host{Host: next, f: f}
}

// Join implements bridge.Host.
func (h host) Join(ctx context.Context, req bridge.JoinRequest) (*bridge.Session, error) {
	s, err := h.Host.Join(ctx, req)
	if err == nil && !req.Kind.Hidden() {
		h.f.came(req.Room, s.At.Self.ID)
	}
	return s, err
}

// Resume implements bridge.Host.
func (h host) Resume(ctx context.Context, token bridge.ResumeToken) (*bridge.Session, error) {
	s, err := h.Host.Resume(ctx, token)
	if err == nil {
		nudge(h.f.wake)
	}
	return s, err
}

// arrival is somebody who has joined on this node.
type arrival struct {
	room bridge.RoomID
	who  bridge.ParticipantID
}

// maxArrivals is how many arrivals are remembered until they are looked at.
const maxArrivals = 4096

// came notes that somebody has joined on this node.
func (f *Federation) came(room bridge.RoomID, who bridge.ParticipantID) {
	f.mu.Lock()
	if len(f.arrivals) < maxArrivals {
		f.arrivals[arrival{room, who}] = time.Now()
	}
	f.mu.Unlock()
	nudge(f.wake)
}

// joinedSince reports whether somebody has joined on this node after some time.
func (f *Federation) joinedSince(room bridge.RoomID, who bridge.ParticipantID, at time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.arrivals[arrival{room, who}].After(at)
}
