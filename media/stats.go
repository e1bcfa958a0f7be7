package media

import (
	"sync"

	"dragoman/bridge"
	"dragoman/media/forward"
)

// Stats is what an engine has counted since it started, of its clients, inlets and
// outlets. Counters of what has been closed are in it.
type Stats struct {
	Peers, Publications, Subscriptions int // now

	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64 // bytes of payload
	Repeated             uint64 // packets that subscribers got a second time
	Retransmitted        uint64 // of Repeated, in streams of their own
	Padding              uint64 // packets that show whether subscribers can take more; not in PacketsOut
	Unrepaired           uint64 // of NACKsIn, while too many repairs waited
	NACKsIn, NACKsOut    uint64 // packets asked for, by subscribers and by us
	Lost                 uint64 // packets of publishers that never came
	KeyFrameRequests     uint64 // to publishers
	Placeholders         uint64

	Dropped Drops
}

// Drops are packets that were not forwarded, by reason.
type Drops struct {
	Malformed uint64 // not RTP or RTCP
	Forged    uint64 // not from the client, or damaged; counted by the fast engine
	Replayed  uint64 // the same packet again; counted by the fast engine
	Unknown   uint64 // from addresses that no connection has; counted by the fast engine
	Unrouted  uint64 // of no m-line or codec that was negotiated
	Duplicate uint64
	Stale     uint64 // too late
	Oversized uint64
	Padding   uint64 // left out: nothing but padding
	Congested uint64 // no room in a socket, and the rest of that frame
	Outrun    uint64 // left out of the beginning of a subscription: it took too long
	Socket    uint64 // packets that a socket had no room for
	Failed    uint64 // writes to a connection that is no more
}

// totals keeps the counters of peers that are closed.
type totals struct {
	mu   sync.Mutex
	past Stats
}

func (s *Stats) add(o Stats) {
	s.PacketsIn += o.PacketsIn
	s.BytesIn += o.BytesIn
	s.PacketsOut += o.PacketsOut
	s.BytesOut += o.BytesOut
	s.Repeated += o.Repeated
	s.Retransmitted += o.Retransmitted
	s.Padding += o.Padding
	s.NACKsIn += o.NACKsIn
	s.NACKsOut += o.NACKsOut
	s.Lost += o.Lost
	s.KeyFrameRequests += o.KeyFrameRequests
	s.Placeholders += o.Placeholders
	s.Dropped.Malformed += o.Dropped.Malformed
	s.Dropped.Forged += o.Dropped.Forged
	s.Dropped.Replayed += o.Dropped.Replayed
	s.Dropped.Unrouted += o.Dropped.Unrouted
	s.Dropped.Duplicate += o.Dropped.Duplicate
	s.Dropped.Stale += o.Dropped.Stale
	s.Dropped.Oversized += o.Dropped.Oversized
	s.Dropped.Padding += o.Dropped.Padding
	s.Dropped.Outrun += o.Dropped.Outrun
	s.Unrepaired += o.Unrepaired
	s.Dropped.Congested += o.Dropped.Congested
	s.Dropped.Failed += o.Dropped.Failed
}

// Stats returns the engine's counters.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	peers := make([]*peer, 0, len(e.peers))
	for p := range e.peers {
		peers = append(peers, p)
	}
	e.totals.mu.Lock()
	s := e.totals.past
	e.totals.mu.Unlock()
	s.Peers = len(peers)
	for in := range e.inlets {
		peers = append(peers, in.p)
	}
	outlets := *e.outlets.Load()
	e.mu.Unlock()
	for _, p := range peers {
		s.add(p.counts())
	}
	for _, o := range outlets {
		s.send(o.down.Stats())
	}
	for _, pub := range e.pubs.all() {
		s.Publications++
		s.Subscriptions += max(pub.tracks[bridge.Audio].Receivers(), pub.tracks[bridge.Video].Receivers())
	}
	if e.port != nil {
		c := e.port.Stats()
		s.Dropped.Socket, s.Dropped.Unknown = c.Full, c.Unknown
	} else {
		s.Dropped.Socket = e.udp.full.Load()
	}
	if e.tcp != nil {
		s.Dropped.Socket += e.tcp.full.Load()
	}
	return s
}

// counts adds up what a peer has counted.
func (p *peer) counts() (s Stats) {
	f := &p.feedback
	s.PacketsIn, s.BytesIn = f.packetsIn.Load(), f.bytesIn.Load()
	s.Dropped.Malformed, s.Dropped.Unrouted = f.malformed.Load(), f.unrouted.Load()
	s.Dropped.Forged, s.Dropped.Replayed = f.forged.Load(), f.replayed.Load()
	for _, in := range *f.ins.Load() {
		for _, l := range *in.layers.Load() {
			c := l.Stats()
			s.NACKsOut += c.Nacked
			s.Lost += c.Lost
			s.KeyFrameRequests += c.KeyRequests
			s.Dropped.Duplicate += c.Duplicates
			s.Dropped.Stale += c.Stale
			s.Dropped.Oversized += c.Oversized
		}
	}
	for _, o := range *f.outs.Load() {
		s.send(o.down.Stats())
	}
	return s
}

// send adds what a subscription has counted.
func (s *Stats) send(c forward.DownStats) {
	s.PacketsOut += c.Packets
	s.BytesOut += c.Bytes
	s.Repeated += c.Repeated
	s.Retransmitted += c.Retransmitted
	s.Padding += c.Padding
	s.NACKsIn += c.Nacked
	s.Placeholders += c.Blanks
	s.Dropped.Padding += c.Skipped
	s.Dropped.Outrun += c.Outrun
	s.Unrepaired += c.Unrepaired
	s.Dropped.Congested += c.Congested + c.Cut
	s.Dropped.Failed += c.Failed
}

// PeerStats is what the operator sees of a peer.
type PeerStats struct {
	ID        bridge.PeerID
	Room      bridge.RoomID
	Owner     bridge.ParticipantID
	State     bridge.PeerState
	Path      string // of what we send, "udp" or "tcp"; empty: through Pion
	Estimate  int    // what the client can take, in bit/s; 0: not known
	Receives  []StreamStats
	Sends     []StreamStats
	PacketsIn uint64
	BytesIn   uint64
}

// StreamStats is what the operator sees of a track on a peer.
type StreamStats struct {
	Publication bridge.PublicationID // zero: unclaimed, or freed
	Track       bridge.Track
	Layers      []forward.LayerStats // of what comes in
	Layer       string               // rid that is sent
	Sent        forward.DownStats    // of what goes out
}

// PeerStats returns what there is to know of every peer.
func (e *Engine) PeerStats() []PeerStats {
	var all []PeerStats
	for _, p := range *e.snapshot.Load() {
		if !p.far() {
			all = append(all, p.stats())
		}
	}
	return all
}

func (p *peer) stats() PeerStats {
	f := &p.feedback
	f.capacity.Lock()
	rate, _ := f.capacity.guess.Estimate()
	f.capacity.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PeerStats{
		ID: p.cfg.ID, Room: p.cfg.Room, Owner: p.cfg.Owner, State: p.told, Estimate: rate,
		PacketsIn: f.packetsIn.Load(), BytesIn: f.bytesIn.Load(), Path: p.link.describe(),
	}
	for _, l := range p.lines {
		if l.in != nil {
			in := StreamStats{Publication: l.in.claimed(), Track: trackOf(l.kind)}
			for _, layer := range *l.in.layers.Load() {
				in.Layers = append(in.Layers, layer.Stats())
			}
			s.Receives = append(s.Receives, in)
		}
		if l.out != nil {
			out := StreamStats{Track: trackOf(l.kind), Sent: l.out.down.Stats()}
			out.Layer, _ = l.out.down.Current()
			if l.send != nil {
				out.Publication = l.send.id
			}
			s.Sends = append(s.Sends, out)
		}
	}
	return s
}
