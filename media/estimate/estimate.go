package estimate

import (
	"math"
	"time"
)

const (
	growth  = 0.08                   // per second, while all is well
	lossy   = 0.10                   // more loss than this is congestion
	clean   = 0.02                   // less than this is none
	backoff = 0.85                   // of what arrives, when queues grow
	between = 500 * time.Millisecond // the least time between two cuts
	shaken  = 10 * time.Second       // how long after a cut a REMB is not believed at once
	ample   = 8                      // an estimate of so many times what is sent is none
	floor   = 30_000                 // bit/s; nobody is thought to have less
	fresh   = 3 * time.Second        // how long transport-wide feedback is better than all else
	leap    = 1.5                    // of what arrives: without a probe, nobody is thought to have more
)

// Bandwidth is the guess of one client's bandwidth. It has no opinion until it is
// told one, or sees congestion: more than a tenth lost, or packets that queue. From
// then on it has a rate that is cut when that happens again, and rises slowly, or
// when a probe has shown that there is more.
//
// Of REMB: a receiver that is sent little reports little, at most half more than
// what arrives. So a report well above what is sent is not taken for a limit, and
// the rate may grow past it; otherwise nobody would ever get back to a higher
// layer. Nor is one that rises: where suddenly more is sent, a picture after none,
// the receiver follows by some percent a second, and says less at once if that is
// too much.
type Bandwidth struct {
	rate  float64       // bit/s; 0: no opinion
	told  float64       // by the last REMB; 0: none
	moved time.Duration // when rate was touched last
	cutAt time.Duration
	sent  meter

	// Of transport-wide feedback.
	numbered bool // there is any
	reported time.Duration
	clock    reference
	acked    meter
	delays   delays
	probe    probe
	losses   losses
}

// New returns a Bandwidth without an opinion.
func New() *Bandwidth { return &Bandwidth{cutAt: math.MinInt64 / 2} }

// Sent says how many bytes have left since it was told last, repairs and padding
// excluded.
func (b *Bandwidth) Sent(now time.Duration, size int) { b.sent.add(now, size) }

// Numbered reports whether the guess is of the packets alone that are numbered for the
// whole transport.
func (b *Bandwidth) Numbered(now time.Duration) bool {
	return b.numbered && now-b.reported < fresh
}

// REMB takes a receiver's estimate (draft-alvestrand-rmcat-remb), in bit/s.
func (b *Bandwidth) REMB(now time.Duration, bps int) {
	if b.Numbered(now) {
		return
	}
	told := math.Max(float64(bps), floor)
	rises := b.told > 0 && told > b.told
	b.told = told
	limit := told < 1.1*b.sent.rate(now) && !rises // of the path; otherwise of what is sent
	switch {
	case limit && (told < b.rate || b.rate == 0 || now-b.cutAt >= shaken):
		b.rate, b.moved = told, now
	case !limit && b.rate > 0 && told > b.rate && now-b.cutAt >= shaken:
		b.rate, b.moved = told, now
	default:
		b.grow(now)
	}
}

// Loss takes the fraction lost of a receiver report (RFC 3550, 6.4.1), in 256ths.
func (b *Bandwidth) Loss(now time.Duration, fraction uint8) {
	if !b.Numbered(now) {
		b.loss(now, float64(fraction)/256)
	}
}

// TWCC takes transport-wide feedback, an RTCP packet with its header, on packets that
// h has numbered. It does not allocate. It reports false if the packet is malformed.
func (b *Bandwidth) TWCC(now time.Duration, h *History, feedback []byte) bool {
	if !IsFeedback(feedback) {
		return false
	}
	b.numbered, b.reported = true, now
	whole := read(feedback, &b.clock, func(seq uint16, received bool, arrived time.Duration) {
		if left, size, ok := h.take(seq, now); ok { // if it comes after all, it was late enough to be called lost
			b.fate(now, left, arrived, size, received)
		}
	})
	if bps, _, over := b.probe.judge(now); over && bps > b.rate && b.rate > 0 {
		b.rate, b.moved = bps, now
	}
	switch sent, part := b.losses.judge(); {
	case sent > 0:
		if b.rate > 0 {
			sent = math.Min(sent, b.rate)
		}
		b.cut(now, sent*(1-part/2))
	case part < clean:
		b.grow(now)
	}
	return whole
}

// fate takes what became of one packet.
func (b *Bandwidth) fate(now, left, arrived time.Duration, size int, received bool) {
	probed := b.probe.take(left, arrived, size, received)
	if !probed && left > b.cutAt { // otherwise it says nothing new
		b.losses.add(left, size, received)
	}
	if !received {
		return
	}
	b.acked.add(now, size)
	if carried := b.delays.add(now, left, arrived, size); carried > 0 {
		b.cut(now, backoff*carried)
	}
}

// Probe says that somebody could use a rate, in bit/s of all packets that are
// numbered. Where the guess is less, it may begin to ask for padding.
func (b *Bandwidth) Probe(now time.Duration, bps int) {
	if want := float64(bps) * probeExcess; b.rate > 0 && float64(bps) > b.rate && b.Numbered(now) && !b.delays.busy {
		b.probe.begin(now, math.Min(want, probeStep*b.rate), b.acked.rate(now))
	}
}

// Padding returns how many bytes of padding are to be sent now. It is called every
// 20 ms, and costs nothing while there is no probe.
func (b *Bandwidth) Padding(now time.Duration) int { return b.probe.padding(now) }

// Probing reports whether there is a probe that Padding may have more for.
func (b *Bandwidth) Probing(now time.Duration) bool { return b.probe.goal > 0 && now < b.probe.until }

func (b *Bandwidth) loss(now time.Duration, part float64) {
	switch {
	case part > lossy:
		b.cut(now, b.sent.rate(now)*(1-part/2))
	case part < clean:
		b.grow(now)
	}
}

// cut lowers the rate to at most bps. A second cut waits until the first one can
// have shown.
func (b *Bandwidth) cut(now time.Duration, bps float64) {
	if now-b.cutAt < between || bps <= 0 {
		return
	}
	if b.rate == 0 || bps < b.rate {
		b.rate = math.Max(bps, floor)
	}
	b.cutAt, b.moved = now, now
	b.probe.wait(now)
	b.losses = losses{part: b.losses.part}
}

// grow raises the rate for the time since it was moved. A rate far above what is
// sent limits nothing any more and is forgotten, where no probe can tell what it is.
func (b *Bandwidth) grow(now time.Duration) {
	if b.rate == 0 {
		return
	}
	elapsed := min(max(now-b.moved, 0), time.Second)
	b.moved = now
	most := ample * math.Max(b.sent.rate(now), floor)
	if b.Numbered(now) {
		if most = leap*b.acked.rate(now) + floor; b.delays.busy || b.rate > most {
			return
		}
	}
	b.rate *= 1 + growth*elapsed.Seconds()
	if b.rate > most && !b.Numbered(now) {
		b.rate = 0
	}
}

// Estimate returns the guess in bit/s; ok is false when there is none.
func (b *Bandwidth) Estimate() (int, bool) { return int(b.rate), b.rate > 0 }

// meter measures a bitrate.
type meter struct {
	begun bool
	from  time.Duration
	bytes int
	last  float64
}

const slice = 500 * time.Millisecond

func (m *meter) add(now time.Duration, size int) {
	m.roll(now)
	m.bytes += size
}

// rate returns bit/s of the last half second that is complete.
func (m *meter) rate(now time.Duration) float64 {
	m.roll(now)
	return m.last
}

func (m *meter) roll(now time.Duration) {
	d := now - m.from
	switch {
	case !m.begun:
		m.begun, m.from = true, now
	case d >= slice:
		m.last = float64(m.bytes) * 8 / d.Seconds()
		m.from, m.bytes = now, 0
	}
}
