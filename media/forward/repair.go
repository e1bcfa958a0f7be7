package forward

import "slices"

// Repeat answers a NACK with the packets that are still there. It reports how
// many it wrote. Where retransmissions have not been negotiated, they are the same as
// before to the last bit, with the time at which they were sent first, because they
// are encrypted with the same numbers. out is as in Arrival.
func (d *Down) Repeat(seqs []uint16, now int64, out any) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.Out, d.out.At = out, now
	defer func() { d.out.Out = nil }()
	d.counts.Nacked += uint64(len(seqs))
	if !d.live {
		return 0
	}
	n := 0
	for _, seq := range seqs {
		switch {
		case d.pace.left() > 0:
			n += d.mend(seq, now)
		case slices.Contains(d.pace.queue, seq):
		case len(d.pace.queue) < repairsMost:
			d.pace.queue = append(d.pace.queue, seq)
		default:
			d.counts.Unrepaired++
		}
	}
	return n
}

// mend repeats a packet if that makes sense, and returns how many it wrote.
func (d *Down) mend(seq uint16, now int64) int {
	number := d.lastOut + uint64(int64(int16(seq-uint16(d.lastOut))))
	s, in := d.sent(number)
	if s == nil || d.credit <= 0 || !d.due(number, now) || !d.again(s, in, now) {
		return 0
	}
	r := &d.repeats[number%repeatsSize]
	r.at = now
	r.tries++
	d.spend()
	d.counts.Repeated++
	return 1
}

// due reports whether a packet should be sent again, being asked for.
func (d *Down) due(out uint64, now int64) bool {
	if d.repeats == nil {
		d.repeats = new([repeatsSize]repeat)
	}
	r := &d.repeats[out%repeatsSize]
	if r.out != out {
		*r = repeat{out: out}
	}
	switch {
	case r.tries == 0:
		return true
	case r.tries >= fewRepeats && d.credit <= maxCredit/2:
		return false // so that there is something left for what was not repeated yet
	}
	return r.tries < maxRepeats && now-r.at >= repeatGap<<(r.tries-1)
}

// again repeats a packet, if it is still there.
func (d *Down) again(s *segment, in uint64, now int64) bool {
	var p packet
	room := s.layer.ring.borrow()
	defer s.layer.ring.pool.Put(room)
	if !s.layer.fetch(in, &p, room) {
		return false
	}
	before := d.counts.Bytes
	switch pt, ok := d.repairType(s); {
	case ok && (p.n > 0 || d.numbered):
		d.retransmit(s, &p, pt, now)
	case d.numbered:
		return false
	default:
		d.send(s, &p, true)
	}
	d.credit--
	d.counts.RepeatedBytes += d.counts.Bytes - before
	return true
}

// repairType returns the payload type that packets of a segment are retransmitted
// with.
func (d *Down) repairType(s *segment) (uint8, bool) {
	at := s.layer.Format
	pt := d.repairs[at]
	return pt, d.repair != 0 && pt != NoFormat && d.formats[at] == s.pt
}

// retransmit sends a packet in the stream of retransmissions (RFC 4588, 4).
func (d *Down) retransmit(s *segment, p *packet, pt uint8, now int64) {
	o := &d.out
	seq := d.compose(s, p, SendTime(now))
	o.Head = append(append(d.original[:0], byte(seq>>8), byte(seq)), o.Head...)
	o.PT, o.SSRC, o.Seq, o.Padding = pt, d.repair, d.repairSeq, 0
	d.repairSeq++
	d.counts.Retransmitted++
	d.write(false)
	o.SSRC = d.ssrc
}

// padSize is the padding of a packet that is nothing else, in bytes.
const padSize = 240

// Pad sends at least that many bytes of padding in the stream of retransmissions, for
// the client to say what came of it, if there is such a stream and it is in use. It
// reports how many it sent.
func (d *Down) Pad(now int64, bytes int) (sent int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.live || d.current == nil || !d.numbered {
		return 0
	}
	pt, ok := d.repairType(&d.now)
	if !ok {
		return 0
	}
	for ; sent < bytes; sent += padSize {
		o := &d.out
		*o = Packet{
			PT: pt, SSRC: d.repair, Seq: d.repairSeq, TS: d.lastTS, Time: SendTime(now), At: now, Padding: padSize,
		}
		d.repairSeq++
		if d.writer.Write(o) != nil {
			break
		}
		d.counts.Padding++
	}
	d.out = Packet{SSRC: d.ssrc}
	return sent
}
