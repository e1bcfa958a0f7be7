package forward

// DownStats is what a subscription has counted.
type DownStats struct {
	Packets, Bytes uint64 // written; bytes of payload
	KeyFrames      uint64
	Repeated       uint64 // of Packets, for NACKs
	RepeatedBytes  uint64 // of Bytes
	Retransmitted  uint64 // of Repeated, in a stream of their own (RFC 4588)
	Nacked         uint64 // that the client asked for
	Padding        uint64 // packets of nothing else; not in Packets
	Skipped        uint64 // padding that was left out
	Blanks         uint64 // still pictures
	Unrepaired     uint64 // asked for again while too many repairs waited
	Outrun         uint64 // left out of the beginning: the ring did not have them any more
	Congested      uint64 // dropped by the writer
	Cut            uint64 // dropped with the rest of a frame
	Failed         uint64 // the writer gave up
}

// Stats returns the subscription's counters.
func (d *Down) Stats() DownStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Report returns what a sender report (RFC 3550, 6.4.1) says of this moment. It
// reports false if nothing was ever sent.
func (d *Down) Report(now int64) (ts, packets, octets uint32, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.live || !d.begun {
		return 0, 0, 0, false
	}
	ts = d.lastTS + ticks(now-d.lastAt, d.rate)
	if d.current != nil {
		ts = d.current.when(now) + d.now.ts
	}
	c := &d.counts
	if d.repair == 0 {
		return ts, uint32(c.Packets), uint32(c.Bytes), true
	}
	return ts, uint32(c.Packets - c.Repeated), uint32(c.Bytes - c.RepeatedBytes), true
}

// WantKey passes on a subscriber's wish for a key frame.
func (d *Down) WantKey(now int64) {
	d.mu.Lock()
	l := d.wanted
	if l == nil {
		l = d.current
	}
	d.mu.Unlock()
	if l != nil {
		l.WantKey(now)
	}
}
