package bridgetest

import (
	"context"
	"slices"
	"sync"

	"dragoman/bridge"
)

// Media is a bridge.Media that forwards nothing. It remembers what it was asked
// for, and lets a test say what a real engine would have found out. The zero value
// is ready.
type Media struct {
	// Connects makes each peer connected as soon as its negotiation is complete.
	Connects bool
	// Refuse, if not nil, is what NewPeer answers.
	Refuse error

	mu    sync.Mutex
	peers []*Peer
	gates []Gate
}

// Gate is one call of Media.Gate.
type Gate struct {
	Pub   bridge.PublicationID
	Track bridge.Track
	Open  bool
}

// NewPeer makes a fake peer.
func (m *Media) NewPeer(_ context.Context, cfg bridge.PeerConfig) (bridge.Peer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Refuse != nil {
		return nil, m.Refuse
	}
	p := &Peer{Config: cfg, connects: m.Connects, table: table{mark: cfg.Mark}}
	m.peers = append(m.peers, p)
	return p, nil
}

// Gate remembers the call.
func (m *Media) Gate(pub bridge.PublicationID, t bridge.Track, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gates = append(m.gates, Gate{pub, t, open})
}

// Gates returns every call of Gate, oldest first.
func (m *Media) Gates() []Gate {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.gates)
}

// Open reports whether a track is forwarded: until Gate says otherwise it is.
func (m *Media) Open(pub bridge.PublicationID, t bridge.Track) bool {
	for _, g := range slices.Backward(m.Gates()) {
		if g.Pub == pub && g.Track == t {
			return g.Open
		}
	}
	return true
}

// Peers returns every peer that was ever made, oldest first.
func (m *Media) Peers() []*Peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.peers)
}

// Of returns the open peers of a participant, oldest first.
func (m *Media) Of(owner bridge.ParticipantID) []*Peer {
	return slices.DeleteFunc(m.Peers(), func(p *Peer) bool { return p.Config.Owner != owner || p.Closed() })
}

// Peer returns the peer of an id, or nil.
func (m *Media) Peer(id bridge.PeerID) *Peer {
	for _, p := range m.Peers() {
		if p.Config.ID == id {
			return p
		}
	}
	return nil
}

// Receiving returns the open peer that receives a publication, or nil.
func (m *Media) Receiving(pub bridge.PublicationID) *Peer {
	for _, p := range slices.Backward(m.Peers()) {
		if !p.Closed() && slices.Contains(p.Receives(), pub) {
			return p
		}
	}
	return nil
}

// Sending returns the open peers that send a publication.
func (m *Media) Sending(pub bridge.PublicationID) []*Peer {
	return slices.DeleteFunc(m.Peers(), func(p *Peer) bool {
		return p.Closed() || !slices.Contains(p.Sends(), pub)
	})
}
