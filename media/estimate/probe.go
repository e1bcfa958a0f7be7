package estimate

import "time"

const (
	probeLength = 160 * time.Millisecond
	probeAnswer = time.Second      // feedback is waited for so long
	probeFirst  = 2 * time.Second  // after a cut or a probe that failed, until the next one
	probeRarest = 10 * time.Second // … which doubles up to this while they fail
	probeExcess = 1.2              // of what is asked about, because less is believed than arrives
	probeStep   = 2                // of what is known: more would do harm if it is not there
	probeFew    = 8                // packets, which prove nothing
	probeLosses = 0.2              // parts lost, at which it has failed
	probeGood   = 0.9              // of the rate that was sent: if so much arrives, all may
	probeShare  = 0.95             // of what arrives is believed
	probeBurst  = 16 << 10         // bytes of padding at once
)

// probe is padding that is sent for a moment, to see whether more than the pictures
// would get through.
type probe struct {
	goal        float64 // bit/s, with pictures; 0: there is none
	beside      float64 // bit/s that are sent anyway
	from, until time.Duration
	padded      int // bytes
	due         time.Duration
	gap         time.Duration // to the next one, should this one fail

	// What became of the packets that left in that time.
	packets, lost int
	bytes         int
	left, arrived span
	over          bool // one that left later has been reported
}

// span is from the first to the last.
type span struct{ first, last time.Duration }

func (s *span) add(at time.Duration, begin bool) {
	if begin {
		s.first, s.last = at, at
	}
	s.first, s.last = min(s.first, at), max(s.last, at)
}

// rate returns what so many bytes in the span are, in bit/s.
func (s *span) rate(bytes int) float64 {
	return float64(bytes) * 8 / max(s.last-s.first, time.Millisecond).Seconds()
}

// begin sends a probe for a rate, unless it is too early for another.
func (p *probe) begin(now time.Duration, goal, beside float64) {
	if p.goal > 0 || now < p.due || goal <= beside {
		return
	}
	*p = probe{goal: goal, beside: beside, from: now, until: now + probeLength, gap: p.gap}
}

// padding returns how many bytes are due.
func (p *probe) padding(now time.Duration) int {
	if p.goal == 0 || now >= p.until {
		return 0
	}
	const tick = 20 * time.Millisecond // what is sent now lasts until the next call
	total := int((p.goal - p.beside) / 8 * (now + tick - p.from).Seconds())
	n := min(total-p.padded, probeBurst)
	p.padded = total
	return n
}

// take takes what became of a packet. It reports whether that was in a probe.
func (p *probe) take(left, arrived time.Duration, size int, received bool) bool {
	switch {
	case p.goal == 0 || left < p.from:
		return false
	case left > p.until:
		p.over = true
		return false
	}
	p.packets++
	if !received {
		p.lost++
		return true
	}
	first := p.packets-p.lost == 1
	p.left.add(left, first)
	p.arrived.add(arrived, first)
	if !first {
		p.bytes += size
	}
	return true
}

// judge returns what the path carries, 0 for not known, and whether that is all that
// it was asked for, if the probe is over.
func (p *probe) judge(now time.Duration) (bps float64, good, over bool) {
	if p.goal == 0 || now < p.until || !p.over && now < p.until+probeAnswer {
		return 0, false, false
	}
	sent, got := min(p.left.rate(p.bytes), p.goal), p.arrived.rate(p.bytes)
	switch {
	case p.packets-p.lost < probeFew || float64(p.lost) > probeLosses*float64(p.packets):
	case got >= probeGood*sent:
		bps, good = probeShare*min(got, sent), true
	default:
		bps = backoff * got
	}
	p.goal = 0
	p.due = now
	if good {
		p.gap = probeFirst
	} else {
		p.wait(now)
		p.gap = min(2*p.gap, probeRarest)
	}
	return bps, good, true
}

// wait makes the next probe wait.
func (p *probe) wait(now time.Duration) {
	p.gap = max(p.gap, probeFirst)
	p.due = now + p.gap
}
