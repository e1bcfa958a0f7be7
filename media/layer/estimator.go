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
	// (draft-holmer-rmcat-transport-wide-cc-extensions-01) and its size in bytes. Where
	// there are no such numbers, they are 0, and the bytes of many packets may be
	// told as one. It does not allocate.
	Sent(now time.Duration, seq uint16, size int)
	// REMB takes a receiver's estimate (draft-alvestrand-rmcat-remb), in bit/s.
	REMB(now time.Duration, bps int)
	// Loss takes the fraction lost of a receiver report (RFC 3550, 6.4.1), in 256ths.
	Loss(now time.Duration, fraction uint8)
	// TWCC takes transport-wide feedback.
	TWCC(now time.Duration, feedback *rtcp.TransportLayerCC)
	// Estimate returns the guess in bit/s, for all that is sent to the peer; ok is
	// false when there is none.
	Estimate() (bps int, ok bool)
}

// None is an Estimator that never knows.
type None struct{}

// Sent does nothing.
func (None) Sent(time.Duration, uint16, int) {}

// REMB does nothing.
func (None) REMB(time.Duration, int) {}

// Loss does nothing.
func (None) Loss(time.Duration, uint8) {}

// TWCC does nothing.
func (None) TWCC(time.Duration, *rtcp.TransportLayerCC) {}

// Estimate returns that there is none.
func (None) Estimate() (int, bool) { return 0, false }

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
// A receiver that is sent little reports little: REMB is at most half more than
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
	acked meter

	ring     []packet // nil until there is feedback
	clock    reference
	delay    float64          // smoothed queueing delay, ns
	shortest [2]time.Duration // way of a packet, in the window before and in this one
	windowed bool
	windowAt time.Duration
	lost     int
	counted  int
}

// packet is what is remembered of one that was sent.
type packet struct {
	at   time.Duration
	size uint16
	seq  uint16
	open bool // no feedback yet
}

// NewBandwidth returns a Bandwidth without an opinion.
func NewBandwidth() *Bandwidth { return &Bandwidth{cutAt: math.MinInt64 / 2} }

// Sent implements Estimator.
func (b *Bandwidth) Sent(now time.Duration, seq uint16, size int) {
	b.sent.add(now, size)
	if b.ring != nil {
		b.ring[seq%ringSize] = packet{at: now, size: uint16(min(size, math.MaxUint16)), seq: seq, open: true}
	}
}

// REMB implements Estimator.
func (b *Bandwidth) REMB(now time.Duration, bps int) {
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

// Loss implements Estimator.
func (b *Bandwidth) Loss(now time.Duration, fraction uint8) {
	b.loss(now, float64(fraction)/256)
}

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
}

// grow raises the rate for the time since it was moved. A rate far above what is
// sent limits nothing any more and is forgotten.
func (b *Bandwidth) grow(now time.Duration) {
	if b.rate == 0 {
		return
	}
	elapsed := min(max(now-b.moved, 0), time.Second)
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

// peak returns what has just been measured where that is more than rate: a step
// up is seen before the half second is over.
func (m *meter) peak(now time.Duration) float64 {
	m.roll(now)
	d := now - m.from
	if d < slice/5 {
		return m.last
	}
	return math.Max(m.last, float64(m.bytes)*8/d.Seconds())
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
