package forward

// reception counts what came of a layer, as receiver reports need it (RFC 3550,
// A.3 and A.8).
type reception struct {
	first    uint64
	packets  uint64
	bytes    uint64
	jitter   int64 // ticks, times 16
	transit  int64
	received uint64 // since first

	wasExpected, wasReceived uint64 // at the last report

	lastReport uint32 // middle of the NTP time stamp of the last sender report
	reportAt   int64

	duplicates, stale, oversized uint64
	nacked, repaired, lost       uint64
	keyRequests                  uint64
}

func (r *reception) begin(seq uint64) {
	r.first, r.received, r.wasExpected, r.wasReceived = seq, 0, 0, 0
}

func (r *reception) add(p *packet, h *Header) {
	r.packets++
	r.received++
	r.bytes += uint64(len(h.Payload))
}

// arrive updates the jitter.
func (r *reception) arrive(at int64, ts uint32, rate int64) {
	transit := int64(int32(ticks(at, rate) - ts))
	if r.transit != 0 {
		d := transit - r.transit
		if d < 0 {
			d = -d
		}
		r.jitter += d - (r.jitter+8)>>4
	}
	r.transit = transit
}

// Report is a reception report (RFC 3550, 6.4.1), and what a layer has counted.
type Report struct {
	SSRC       uint32
	Fraction   uint8 // lost since the last report, in 256ths
	Lost       uint32
	Highest    uint32
	Jitter     uint32
	LastReport uint32
	Delay      uint32 // since the last sender report, in 65536ths of a second
}

// Report makes the next reception report. It reports false if nothing has come
// since the last.
func (l *Layer) Report(now int64) (Report, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.counts
	if !l.begun || c.received == c.wasReceived {
		return Report{}, false
	}
	expected := l.high - c.first + 1
	r := Report{SSRC: l.SSRC, Highest: uint32(l.high), Jitter: uint32(c.jitter >> 4)}
	if lost := int64(expected) - int64(c.received); lost > 0 {
		r.Lost = uint32(min(lost, 0x7fffff))
	}
	due, got := expected-c.wasExpected, c.received-c.wasReceived
	if due > got {
		r.Fraction = uint8((due - got) << 8 / due)
	}
	c.wasExpected, c.wasReceived = expected, c.received
	if c.reportAt != 0 {
		const second = 1e9
		r.LastReport, r.Delay = c.lastReport, uint32((now-c.reportAt)*65536/second)
	}
	return r, true
}

// LayerStats is what a layer has counted.
type LayerStats struct {
	RID                          string
	SSRC                         uint32
	Width, Height                int
	Packets, Bytes               uint64
	Duplicates, Stale, Oversized uint64
	Nacked, Repaired, Lost       uint64
	KeyRequests                  uint64
	Jitter                       uint32 // ticks of the RTP clock
}

// Stats returns the layer's counters.
func (l *Layer) Stats() LayerStats {
	w, h := l.Size()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.counts
	return LayerStats{
		RID: l.RID, SSRC: l.SSRC, Width: w, Height: h, Packets: c.packets, Bytes: c.bytes,
		Duplicates: c.duplicates, Stale: c.stale, Oversized: c.oversized,
		Nacked: c.nacked, Repaired: c.repaired, Lost: c.lost,
		KeyRequests: c.keyRequests, Jitter: uint32(c.jitter >> 4),
	}
}
