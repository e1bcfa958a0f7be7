package forward

import (
	"sync"
	"sync/atomic"
	"time"
)

// Spec is what is known of a layer when it is made.
type Spec struct {
	RID    string // RFC 8851; empty without simulcast
	Codec  Codec
	Format int // number of the negotiated format, see Down.Formats
	Rate   int // of the RTP clock, in Hz
	SSRC   uint32
	Repair bool // the sender repeats what NACKs ask for
	Due    *Due // marked when Tick has something to do
}

// Arrival is what a connection knows of a packet beside what is in it.
type Arrival struct {
	At       int64
	Level    uint8 // RFC 6464, with the voice bit
	HasLevel bool
	// Out is handed to Writers with what is forwarded now, in Packet.Out: where they may
	// collect what is to be sent when Push has returned. That may be packets of a Burst, too.
	Out any
	// Burst lets the packet wait until all that came together can be forwarded together;
	// nil: it is forwarded now.
	Burst *Burst
}

// A Layer is one incoming stream: the only one of a track, or one of a simulcast
// track.
type Layer struct {
	Spec
	source *Source
	downs  atomic.Pointer[[]*Down] // replaced, never changed

	asked  atomic.Int64 // when a key frame was last asked for; 0: never
	wanted atomic.Bool  // somebody waits for a key frame
	lastAt atomic.Int64 // when the last packet came; 0: none yet
	size   atomic.Uint64
	rate   atomic.Int64 // bit/s, measured
	run    run          // of those who push

	// Guards what follows, against those who answer feedback.
	mu       sync.Mutex
	ring     ring
	begun    bool
	high     uint64
	stale    int // packets in a row that are older than the ring
	key      keyFrame
	pid      uint16 // of the newest packet
	numbered bool   // it has one
	missing  missing
	line     timeline
	counts   reception

	measured struct {
		at    int64
		bytes uint64
	}
}

// keyFrame is where the last key frame begins.
type keyFrame struct {
	known bool
	seq   uint64
	ts    uint32
	at    int64
}

const (
	ringVideo = 512
	ringSound = 32
	// restart is how many packets in a row may be out of range before the sender is
	// taken to have begun anew.
	restart    = 20
	measureGap = 500 * time.Millisecond
	// keyGap is the shortest time between two key frame requests.
	keyGap = int64(500 * time.Millisecond)
)

func newLayer(s *Source, spec Spec) *Layer {
	l := &Layer{Spec: spec, source: s}
	size := ringSound
	if spec.Codec != Sound {
		size = ringVideo
	}
	l.ring.init(size)
	l.line = timeline{clock: s.clock, rate: int64(spec.Rate)}
	l.downs.Store(&[]*Down{})
	return l
}

// Push takes a packet that was received, and forwards it, or lets it wait in a
// Burst. Only the connection that the layer's source belongs to calls it, in one
// goroutine. It reports false for one that is not new, or too long.
func (l *Layer) Push(h *Header, a Arrival) bool {
	if l.run.n > 0 && (a.Burst == nil || h.Seq != uint16(l.run.from)+uint16(l.run.n)) {
		l.release(a.Out) // what waits keeps its place before anything but the next one
	}
	p, fresh := l.accept(h, a)
	if p == nil {
		return false
	}
	if fresh {
		l.source.begin(l, a.At)
	}
	if p.picture.begins && p.picture.width > 0 {
		l.size.Store(uint64(p.picture.width)<<32 | uint64(p.picture.height))
	}
	if !l.hold(p, a.Burst, a.Out) {
		l.release(a.Out)
		l.fan(p.seq, 1, p.seq != l.high, a.Out)
	}
	return true
}

// accept puts a packet into the ring. It returns nil if it is not to be
// forwarded. The first packet ever is fresh.
func (l *Layer) accept(h *Header, a Arrival) (p *packet, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(h.Payload) > slotSize {
		l.counts.oversized++
		return nil, false
	}
	seq := l.unwrap(h.Seq)
	if l.begun && seq+uint64(len(l.ring.slots)) <= l.high {
		l.counts.stale++
		if l.stale++; l.stale < restart {
			return nil, false
		}
		l.begun = false
		seq = l.unwrap(h.Seq)
	}
	l.stale = 0
	if l.ring.get(seq) != nil {
		l.counts.duplicates++
		return nil, false
	}
	fresh = l.lastAt.Swap(a.At) == 0
	newest := !l.begun || seq > l.high
	l.follow(seq, h, a, newest)
	p = l.ring.put(seq)
	p.at, p.sent = a.At, SendTime(a.At)
	p.ts, p.marker, p.pad = h.TS, h.Marker, h.Padding
	p.level, p.heard = a.Level, a.HasLevel
	p.n = uint16(copy(p.buf[:], h.Payload))
	p.picture = picture{}
	if p.n > 0 {
		p.picture = l.Codec.look(p.payload())
		l.widen(&p.picture.vp8, newest)
	}
	if p.picture.begins && l.Codec != Sound && (!l.key.known || p.ts != l.key.ts) {
		l.key = keyFrame{known: true, seq: seq, ts: p.ts, at: a.At}
		l.wanted.Store(false)
	}
	l.counts.add(p, h)
	return p, fresh
}

// widen makes a picture id one of 15 bits.
func (l *Layer) widen(d *descriptor, newest bool) {
	if d.pidAt == 0 {
		return
	}
	if d.narrow() && l.numbered {
		d.widen(l.pid)
	}
	if newest {
		l.numbered, l.pid = true, d.pid
	}
}

// unwrap extends a sequence number.
func (l *Layer) unwrap(seq uint16) uint64 {
	if !l.begun {
		// A new beginning is far behind all that was, so that nothing is mixed up.
		return (l.high>>16+2)<<16 | uint64(seq)
	}
	return l.high + uint64(int64(int16(seq-uint16(l.high))))
}

// follow notes gaps, and what comes late.
func (l *Layer) follow(seq uint64, h *Header, a Arrival, newest bool) {
	switch {
	case !l.begun:
		l.begun, l.missing.n = true, 0
		l.counts.begin(seq)
	case !newest:
		if l.missing.remove(seq) {
			l.counts.repaired++
		}
		if seq < l.counts.first { // the beginning came out of order
			if l.Repair {
				l.missing.add(seq+1, l.counts.first, a.At)
				l.Due.Mark()
			}
			l.counts.first = seq
		}
		return
	case seq > l.high+1 && l.Repair:
		if !l.missing.add(l.high+1, seq, a.At) {
			l.wanted.Store(true)
		}
		l.Due.Mark()
	}
	l.high = seq
	l.line.packet(h.TS, a.At)
	l.counts.arrive(a.At, h.TS, l.line.rate)
}

// WantKey asks for a key frame, at most twice a second whoever asks; a wish that
// comes too early is kept.
func (l *Layer) WantKey(now int64) {
	if l.Codec == Sound {
		return
	}
	l.wanted.Store(true)
	l.askKey(now)
	if l.wanted.Load() {
		l.Due.Mark()
	}
}

// askKey sends a wish that is due.
func (l *Layer) askKey(now int64) {
	last := l.asked.Load()
	if !l.wanted.Load() || last != 0 && now-last < keyGap {
		return
	}
	if l.asked.CompareAndSwap(last, max(now, 1)) {
		l.mu.Lock()
		l.counts.keyRequests++
		l.mu.Unlock()
		l.source.up.RequestKey(l)
	}
}

// Tick sends a wish for a key frame that is due, and appends to nack the
// sequence numbers to ask the sender for.
func (l *Layer) Tick(now int64, nack []uint16) []uint16 {
	before := len(nack)
	l.mu.Lock()
	_, oldest := l.span()
	nack, lost := l.missing.due(now, oldest, nack)
	l.counts.nacked += uint64(len(nack) - before)
	l.counts.lost += uint64(lost)
	more := l.missing.n > 0
	l.mu.Unlock()
	if lost > 0 && l.Codec != Sound {
		l.wanted.Store(true)
	}
	l.askKey(now)
	if more || l.wanted.Load() {
		l.Due.Mark()
	}
	return nack
}

// SenderReport takes a sender report (RFC 3550, 6.4.1) that arrived now.
func (l *Layer) SenderReport(ntp uint64, ts uint32, now int64) {
	at := l.source.clock.observe(ntp, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line.report(ts, at)
	l.counts.lastReport, l.counts.reportAt = uint32(ntp>>16), now
}

// when returns the timestamp that the layer has at a time.
func (l *Layer) when(now int64) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line.when(now)
}

// Last returns when the last packet came, 0 if none ever did.
func (l *Layer) Last() int64 { return l.lastAt.Load() }

// Begun reports whether a packet ever came.
func (l *Layer) Begun() bool { return l.lastAt.Load() != 0 }

// Idle returns for how long no packet has come.
func (l *Layer) Idle(now int64) time.Duration { return time.Duration(now - l.lastAt.Load()) }

// Size returns the size of the last key frame's picture in pixels, zero if it is
// not known.
func (l *Layer) Size() (width, height int) {
	s := l.size.Load()
	return int(s >> 32), int(s & 0xffffffff)
}

// Bitrate returns what the layer has lately been sent with, in bit/s.
func (l *Layer) Bitrate() int { return int(l.rate.Load()) }

// measure updates the bit rate; it is called every so often.
func (l *Layer) measure(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.measured
	passed := now - m.at
	if m.at != 0 && passed < int64(measureGap) {
		return
	}
	if m.at != 0 {
		rate := int64(float64(l.counts.bytes-m.bytes) * 8e9 / float64(passed))
		if last := l.rate.Load(); last != 0 {
			rate = (rate + last) / 2
		}
		l.rate.Store(rate)
	}
	m.at, m.bytes = now, l.counts.bytes
}

// recent returns where a subscription that is new can begin: at the last key
// frame, if all since is still there and not too much.
func (l *Layer) recent(now int64) (from, to uint64, ok bool) {
	const (
		atMost = 160
		since  = int64(2 * time.Second)
	)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.key.known || !l.begun || now-l.key.at > since || l.high-l.key.seq >= atMost {
		return 0, 0, false
	}
	for seq := l.key.seq; seq <= l.high; seq++ {
		if l.ring.get(seq) == nil {
			return 0, 0, false
		}
	}
	return l.key.seq, l.high, true
}

// bounds returns the newest packet and the oldest that the ring may have.
func (l *Layer) bounds() (high, oldest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.span()
}

// span is bounds with the lock held.
func (l *Layer) span() (high, oldest uint64) {
	if n := uint64(len(l.ring.slots)); l.high >= n {
		oldest = l.high - n + 1
	}
	return l.high, oldest
}

// fetch copies a packet, its payload to buf.
func (l *Layer) fetch(seq uint64, into *packet, buf *slot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.ring.get(seq)
	if p == nil {
		return false
	}
	*into = *p
	into.buf = buf
	copy(buf[:], p.payload())
	return true
}
