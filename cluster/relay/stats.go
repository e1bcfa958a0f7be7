package relay

import (
	"maps"
	"slices"

	"dragoman/bridge"
	"dragoman/media"
)

// Counts are packets and bytes over relays. Bytes in are with headers of RTP, bytes out
// of payload only.
type Counts struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	Repeated             uint64 // of PacketsOut
}

func (c *Counts) add(o media.RelayCounts) {
	c.PacketsIn += o.PacketsIn
	c.BytesIn += o.BytesIn
	c.PacketsOut += o.PacketsOut
	c.BytesOut += o.BytesOut
	c.Repeated += o.Repeated
}

// Stats is what was counted since the start.
type Stats struct {
	Counts
	Lanes   int // open now
	Taken   int // layers that come in now
	Served  int // layers that go out now
	Opened  uint64
	Lost    uint64 // lanes that broke
	Failed  uint64 // lanes that did not come up
	Refused uint64 // layers that a node was not given, or did not have
	Pulled  uint64 // layers that were asked for
	Dropped uint64 // layers that were not wanted any more
}

// LaneStats is what an operator sees of the way to one node. There is one for each
// layer in it: too many for the labels of metrics.
type LaneStats struct {
	Node bridge.NodeID
	media.RelayStats
}

// Stats returns the counters.
func (r *Relays) Stats() Stats {
	c := &r.count
	s := Stats{
		Opened: c.opened.Load(), Lost: c.lost.Load(), Failed: c.failed.Load(), Refused: c.refused.Load(),
		Pulled: c.pulled.Load(), Dropped: c.dropped.Load(),
	}
	lanes := r.Lanes()
	r.mu.Lock()
	s.Counts = r.past
	r.mu.Unlock()
	for _, l := range lanes {
		s.Lanes++
		s.Taken += len(l.Takes)
		s.Served += len(l.Serves)
		s.add(l.RelayCounts)
	}
	return s
}

// Lanes returns what there is to know of the ways to other nodes, by node.
func (r *Relays) Lanes() (all []LaneStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, node := range slices.Sorted(maps.Keys(r.lanes)) {
		if l := r.lanes[node]; l.up() && !l.counted {
			all = append(all, LaneStats{Node: node, RelayStats: l.relay.Stats()})
		}
	}
	return all
}
