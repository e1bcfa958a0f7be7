package layer

import (
	"math"
	"time"

	"github.com/pion/rtcp"
)

// An Estimator guesses how much a peer can take, from what it says of what it
// gets. Its methods are called by one goroutine at a time.
type Estimator interface {
	// Sent says that a packet left: its transport-wide sequence number
	// (draft-holmer-rmcat-transport-wide-cc-extensions-01), 0 where there is none, and
	// its size in bytes. It does not allocate.
	Sent(now time.Time, seq uint16, size int)
	// REMB takes a receiver's estimate (draft-alvestrand-rmcat-remb), in bit/s.
	REMB(now time.Time, bps int)
	// Loss takes the fraction lost of a receiver report (RFC 3550, 6.4.1), in 256ths.
	Loss(now time.Time, fraction uint8)
	// TWCC takes transport-wide feedback.
	TWCC(now time.Time, feedback *rtcp.TransportLayerCC)
	// Estimate returns the guess in bit/s; ok is false when there is none.
	Estimate(now time.Time) (bps int, ok bool)
}

// None is an Estimator that never knows.
type None struct{}

// Sent does nothing.
func (None) Sent(time.Time, uint16, int) {}

// REMB does nothing.
func (None) REMB(time.Time, int) {}

// Loss does nothing.
func (None) Loss(time.Time, uint8) {}

// TWCC does nothing.
func (None) TWCC(time.Time, *rtcp.TransportLayerCC) {}

// Estimate returns that there is none.
func (None) Estimate(time.Time) (int, bool) { return 0, false }

const (
	growth   = 0.08                   // per second, while all is well
	lossy    = 0.10                   // more loss than this is congestion
	clean    = 0.02                   // less than this is none
	backoff  = 0.85                   // of what arrives, when queues grow
	queueing = 100 * time.Millisecond // more delay than this is a queue
	between  = 500 * time.Millisecond // the least time between two cuts
	shaken   = 10 * time.Second       // how long after a cut nothing is believed at once
	ample    = 8                      // an estimate of so many times what is sent is none
	floor    = 30_000                 // bit/s; nobody is thought to have less
	ringSize = 1024                   // packets; two seconds of 5 Mbit/s
	window   = 10 * time.Second       // in which the shortest delay is looked for
	sample   = 32                     // packets that a loss rate is taken of
)

// Bandwidth is an Estimator that has no opinion until it is told one, or sees
// congestion: more than a tenth lost, or packets that queue. From then on it has a
// rate that is cut when that happens again and grows slowly while it does not.
//
// A receiver that is sent little reports little: REMB is bounded by half more than
// what arrives. So a report well above what is sent is not taken for a bound, and
// the rate may grow past it; otherwise nobody would ever get back to a higher
// layer.
type Bandwidth struct {
	rate  float64   // bit/s; 0: no opinion
	moved time.Time // when rate was touched last
	cutAt time.Time
	sent  meter
	acked meter

	ring     []packet // nil until there is feedback
	epoch    time.Time
	clock    reference
	delay    float64 // smoothed queueing delay, ns
	shortest [2]time.Duration
	windowAt time.Time
	lost     int
	counted  int
}

// packet is what is remembered of one that was sent.
type packet struct {
	at   time.Duration // since epoch
	size uint16
	seq  uint16
	open bool // no feedback yet
}

// NewBandwidth returns a Bandwidth without an opinion.
func NewBandwidth() *Bandwidth { return &Bandwidth{} }

// Sent implements Estimator.
func (b *Bandwidth) Sent(now time.Time, seq uint16, size int) {
	b.sent.add(now, size)
	if b.ring != nil {
		b.ring[seq%ringSize] = packet{at: now.Sub(b.epoch), size: uint16(min(size, math.MaxUint16)), seq: seq, open: true}
	}
}

// REMB implements Estimator.
func (b *Bandwidth) REMB(now time.Time, bps int) {
	told := math.Max(float64(bps), floor)
	sent := b.sent.rate(now)
	limited := told < 1.3*sent // by the path, not by what is sent
	calm := b.cutAt.IsZero() || now.Sub(b.cutAt) >= shaken
	switch {
	case b.rate == 0 || limited && told < b.rate || told > b.rate && calm:
		if limited && told < sent {
			b.cutAt = now
		}
		b.rate, b.moved = told, now
	case !limited || told > b.rate:
		b.grow(now)
	}
}

// Loss implements Estimator.
func (b *Bandwidth) Loss(now time.Time, fraction uint8) {
	b.loss(now, float64(fraction)/256)
}

func (b *Bandwidth) loss(now time.Time, part float64) {
	switch {
	case part > lossy:
		b.cut(now, b.sent.rate(now)*(1-part/2))
	case part < clean:
		b.grow(now)
	}
}

// cut lowers the rate to at most bps. A second cut waits until the first one can
// have shown.
func (b *Bandwidth) cut(now time.Time, bps float64) {
	if !b.cutAt.IsZero() && now.Sub(b.cutAt) < between || bps <= 0 {
		return
	}
	if b.rate == 0 || bps < b.rate {
		b.rate = math.Max(bps, floor)
	}
	b.cutAt, b.moved = now, now
}

// grow raises the rate for the time since it was moved. A rate far above what is
// sent limits nothing any more and is forgotten.
func (b *Bandwidth) grow(now time.Time) {
	if b.rate == 0 {
		return
	}
	elapsed := min(max(now.Sub(b.moved), 0), time.Second)
	b.moved = now
	if b.delay > float64(queueing)/2 {
		return
	}
	b.rate *= 1 + growth*elapsed.Seconds()
	if b.rate > ample*math.Max(b.sent.rate(now), floor) {
		b.rate = 0
	}
}

// Estimate implements Estimator.
func (b *Bandwidth) Estimate(time.Time) (int, bool) { return int(b.rate), b.rate > 0 }

// meter measures a bitrate.
type meter struct {
	from  time.Time
	bytes int
	last  float64
}

const slice = 500 * time.Millisecond

func (m *meter) add(now time.Time, size int) {
	m.roll(now)
	m.bytes += size
}

// rate returns bit/s of the last half second that is complete.
func (m *meter) rate(now time.Time) float64 {
	m.roll(now)
	return m.last
}

func (m *meter) roll(now time.Time) {
	if m.from.IsZero() {
		m.from = now
		return
	}
	if d := now.Sub(m.from); d >= slice {
		m.last = float64(m.bytes) * 8 / d.Seconds()
		m.from, m.bytes = now, 0
	}
}
