package forward

import (
	"errors"
	"time"
)

// push takes n packets of a layer that the subscription is listed with, from a number on.
// It reports whether the subscription switched to that layer.
func (d *Down) push(l *Layer, from uint64, n int, late bool, out any) (switched bool) {
	d.mu.Lock()
	d.out.Out = out
	for seq := from; seq < from+uint64(n); seq++ {
		if !late && l == d.current && seq <= d.caught {
			continue // catching up found it in the ring
		}
		p := l.ring.slot(seq)
		d.out.At = p.at
		switched = d.one(l, p) || switched
	}
	d.out.Out = nil
	d.mu.Unlock()
	return switched
}

// one takes one packet.
func (d *Down) one(l *Layer, p *packet) (switched bool) {
	if l == d.current && p.seq > d.lastIn+jump {
		d.stop() // the sender began anew
	}
	switch {
	case l == d.current:
		switched = d.goOn(l, p)
	case l != d.wanted || !d.live:
	case d.held != 0:
		switched = p.at-d.held > holdLimit && d.swap(p.at)
	case !p.picture.begins:
	case d.current != nil && d.open && !d.sound:
		d.held = max(p.at, 1)
	default:
		d.enter(l, p)
		d.pass(l, p)
		switched = true
	}
	return switched
}

// goOn takes a packet of the current layer, and may begin with a key frame of the next.
func (d *Down) goOn(l *Layer, p *packet) (switched bool) {
	if d.chased(p.seq) {
		return false
	}
	d.pass(l, p)
	return d.held != 0 && !d.open && d.swap(p.at)
}

// holdLimit is how long a key frame waits for the end of a frame of the layer
// before.
const holdLimit = int64(100 * time.Millisecond)

// swap begins with a key frame that was held.
func (d *Down) swap(now int64) bool {
	l := d.wanted
	d.held = 0
	if d.catchUp(l, now) {
		return true
	}
	l.wanted.Store(true)
	return false
}

// enter begins a segment with a packet that begins a key frame.
func (d *Down) enter(l *Layer, p *packet) {
	ts := d.align(l, p)
	if d.current != nil {
		d.archive(d.lastIn)
	}
	d.now = segment{
		layer: l, from: p.seq, delta: int64(d.lastOut+1) - int64(p.seq),
		ts: ts - p.ts, pt: d.formats[l.Format],
	}
	if d.begun {
		v := &p.picture.vp8
		next := d.last.pid + 1 + d.tail // what is missing at the end may be as many frames
		d.now.shift = shift{pid: next - v.pid, tl0: d.last.tl0 + 1 - v.tl0, key: d.last.key + 1 - v.key}
	}
	d.current, d.lastIn, d.caught, d.chase, d.held, d.tail = l, p.seq-1, 0, 0, 0, 0
}

// align returns the timestamp that the first packet of a segment gets. Between
// layers whose senders report, the same moment keeps the same timestamp;
// otherwise the time that has passed counts.
func (d *Down) align(l *Layer, p *packet) uint32 {
	if !d.begun {
		return d.lastTS
	}
	ts := d.lastTS + max(ticks(p.at-d.lastAt, d.rate), 1)
	if was := d.current; was != nil && was.source.clock == l.source.clock {
		moment := p.at
		ts = was.when(moment) + d.now.ts - l.when(moment) + p.ts
	}
	if int32(ts-d.lastTS) <= 0 {
		ts = d.lastTS + 1
	}
	return ts
}

// pass forwards a packet of the current layer.
func (d *Down) pass(l *Layer, p *packet) {
	s := &d.now
	if p.seq < s.from {
		if s = d.received(l, p.seq); s == nil {
			return
		}
	}
	late := p.seq <= d.lastIn
	if p.n == 0 && !late {
		d.skip(p.seq)
		return
	}
	if !late {
		d.lastIn = p.seq
	}
	d.send(s, p, late)
}

// skip leaves out a packet that is only padding, so that no gap is left. It is
// not left out where it fills a gap.
func (d *Down) skip(seq uint64) {
	d.counts.Skipped++
	if seq > d.now.from {
		d.archive(seq - 1)
		// What is missing before it keeps its numbers.
		d.lastOut = max(d.lastOut, uint64(int64(seq-1)+d.now.delta))
		d.tail += uint16(min(seq-1-d.lastIn, 1<<10))
	}
	d.now.from, d.lastIn = seq+1, seq
	d.now.delta--
}

// received returns the segment that an incoming packet belongs to, if it is a
// past one.
func (d *Down) received(l *Layer, seq uint64) *segment {
	for i := len(d.before) - 1; i >= 0; i-- {
		if s := &d.before[i]; s.layer == l && seq >= s.from && seq <= s.to {
			return s
		}
	}
	return nil
}

// sent returns the segment that an outgoing packet was in.
func (d *Down) sent(out uint64) (s *segment, in uint64) {
	if d.current != nil && out >= uint64(int64(d.now.from)+d.now.delta) {
		in = uint64(int64(out) - d.now.delta)
		if in > d.lastIn {
			return nil, 0
		}
		return &d.now, in
	}
	for i := len(d.before) - 1; i >= 0; i-- {
		s = &d.before[i]
		in = uint64(int64(out) - s.delta)
		if in >= s.from && in <= s.to {
			return s, in
		}
	}
	return nil, 0
}

// send writes a packet with the numbers of its segment. A late one, or one that
// is repeated, does not count as the last.
func (d *Down) send(s *segment, p *packet, late bool) {
	o := &d.out
	out := d.compose(s, p, p.sent)
	d.follow(s, p, out)
	if !late {
		d.lastAt, d.open, d.tail = p.at, !p.marker, 0
		if d.credit < maxCredit {
			d.credit++
		}
		if d.cut {
			if o.TS == d.cutTS {
				d.counts.Cut++
				return
			}
			d.cut = false
		}
	}
	d.write(p.picture.begins && !d.sound)
}

// compose makes the packet in d.out, with the numbers of its segment. It returns
// its number.
func (d *Down) compose(s *segment, p *packet, time uint32) uint64 {
	o := &d.out
	out := uint64(int64(p.seq) + s.delta)
	o.Marker, o.PT, o.Seq, o.TS = p.marker, s.pt, uint16(out), p.ts+s.ts
	o.Level, o.HasLevel, o.Time, o.Padding = p.level, p.heard, time, 0
	o.Head, o.Body = nil, p.payload()
	if p.n == 0 {
		o.Padding = max(p.pad, 1)
	}
	v := &p.picture.vp8
	if v.size > 0 && (s.shift != (shift{}) || v.narrow()) {
		o.Head = v.rewrite(d.head[:], o.Body, s.shift)
		o.Body = o.Body[v.size:]
	}
	return out
}

// follow remembers the highest numbers that were ever sent.
func (d *Down) follow(s *segment, p *packet, out uint64) {
	d.lastOut = max(d.lastOut, out)
	newer := !d.begun || int32(d.out.TS-d.lastTS) > 0
	if newer {
		d.lastTS = d.out.TS
	}
	v := &p.picture.vp8
	if v.size > 0 && (newer || d.out.TS == d.lastTS) {
		d.last = shift{pid: v.pid + s.shift.pid, tl0: v.tl0 + s.shift.tl0, key: v.key + s.shift.key}
	}
	d.begun = true
}

// write hands the packet in d.out to the writer.
func (d *Down) write(key bool) {
	o := &d.out
	if err := d.writer.Write(o); err != nil {
		if errors.Is(err, ErrCongested) {
			d.counts.Congested++
			if o.SSRC == d.ssrc {
				d.cut, d.cutTS = !d.sound, o.TS
			}
			return
		}
		d.counts.Failed++
		return
	}
	d.counts.Packets++
	d.counts.Bytes += uint64(len(o.Head) + len(o.Body))
	if key {
		d.counts.KeyFrames++
	}
}
