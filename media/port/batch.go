package port

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync/atomic"
)

const (
	// roomBytes and batchPackets are how much a Batch holds until it sends. The room is small
	// enough to be in a core's cache still when the kernel copies it, and large enough for a
	// frame to fifty subscriptions: what goes to one target together is seldom torn apart.
	roomBytes    = 512 << 10
	batchPackets = 4096
	// segmentsMost is how many packets are one message (Linux, UDP_MAX_SEGMENTS), and
	// messageMost how many bytes.
	segmentsMost = 64
	messageMost  = 65000
	// LoopsMost is how many loops a Port may have.
	LoopsMost = 8
	// patientBelow is the size of a packet, in bytes, below which it waits for room in
	// the socket: sound, RTCP, STUN. There is little of it.
	patientBelow = 400
)

// ErrFull is what Send says when it had to drop a packet.
var ErrFull = errFull

// Target is an address to send to. It never changes.
type Target struct {
	to netip.AddrPort
	at [LoopsMost]place // by batch, whose loop alone uses it
}

// place is where a batch has a target's packets.
type place struct {
	turn uint32 // of the batch
	dest int32
}

// NewTarget makes a target.
func NewTarget(to netip.AddrPort) *Target { return &Target{to: to} }

// Flow is told what became of the packets of a stream.
type Flow struct{ dropped atomic.Uint64 }

const happened = 1 << 32

// Dropped returns the RTP timestamp of the last packet that found no room, if one
// was dropped since it was asked for last.
func (f *Flow) Dropped() (ts uint32, ok bool) {
	v := f.dropped.Load()
	if v == 0 {
		return 0, false
	}
	f.dropped.CompareAndSwap(v, 0)
	return uint32(v), true
}

func (f *Flow) drop(b []byte) {
	if f != nil && len(b) >= 8 {
		f.dropped.Store(happened | uint64(binary.BigEndian.Uint32(b[4:])))
	}
}

// Batch is what a loop sends when it has handled all that came together. Only
// that loop uses it, within Handler's methods and Job.Finish.
type Batch struct {
	p    *Port
	dev  device
	id   int
	turn uint32

	room    []byte // as much of it is in memory as was ever used at once
	used    int    // bytes of it
	packets []packet
	dests   []dest
	jobs    []Job

	// Made by plan.
	messages []message
	pieces   [][]byte
	flows    []*Flow
}

// A Job is what a Handler does when all that came together has been handled.
type Job interface{ Finish(out *Batch) }

// Later has a job done when all that was read together has been handled. A Handler may ask
// for one with each packet; a job may not.
func (b *Batch) Later(j Job) { b.jobs = append(b.jobs, j) }

// finish does the jobs and sends what there is.
func (b *Batch) finish() {
	for _, j := range b.jobs {
		j.Finish(b)
	}
	clear(b.jobs)
	b.jobs = b.jobs[:0]
	b.Flush()
}

// packet is one of a batch.
type packet struct {
	b    []byte
	flow *Flow
	next int32 // to the same target; -1: none
}

// dest is a target with its packets.
type dest struct {
	to          *Target
	first, last int32
}

// message is what is sent as one: pieces of equal size but for the last, which
// may be shorter.
type message struct {
	to          *Target
	first, last int // in pieces, last excluded
}

func (b *Batch) init(p *Port, d device, id int) {
	b.p, b.dev, b.id, b.turn = p, d, id, 1
	b.room = make([]byte, roomBytes)
}

// Reserve returns room for a packet of at most n bytes, of length 0. It is the
// caller's until Add, or until the next Reserve.
func (b *Batch) Reserve(n int) []byte {
	if n > len(b.room) {
		return make([]byte, 0, n)
	}
	if b.used+n > len(b.room) || len(b.packets) == batchPackets {
		b.Flush()
	}
	return b.room[b.used : b.used : b.used+n]
}

// Add takes a packet that is in the room that was reserved. f may be nil.
func (b *Batch) Add(p []byte, to *Target, f *Flow) {
	if len(p) == 0 {
		return
	}
	b.used += len(p)
	i := int32(len(b.packets))
	b.packets = append(b.packets, packet{b: p, flow: f, next: -1})
	at := &to.at[b.id]
	if at.turn != b.turn {
		*at = place{turn: b.turn, dest: int32(len(b.dests))}
		b.dests = append(b.dests, dest{to: to, first: i, last: i})
		return
	}
	d := &b.dests[at.dest]
	b.packets[d.last].next = i
	d.last = i
}

// Flush sends what there is.
func (b *Batch) Flush() {
	if len(b.packets) == 0 {
		return
	}
	b.plan()
	b.transmit()
	clear(b.packets)
	clear(b.pieces)
	clear(b.flows)
	clear(b.dests)
	clear(b.messages)
	b.packets, b.dests, b.used = b.packets[:0], b.dests[:0], 0
	if b.turn++; b.turn == 0 {
		b.turn = 1
	}
}

// plan puts packets to the same target together, and makes messages of them.
func (b *Batch) plan() {
	b.messages, b.pieces, b.flows = b.messages[:0], b.pieces[:0], b.flows[:0]
	together := b.dev.segments()
	for _, d := range b.dests {
		var m message
		var size, total int
		open := false
		for i := d.first; i >= 0; i = b.packets[i].next {
			p := &b.packets[i]
			n := len(p.b)
			fits := open && together && n <= size && total+n <= messageMost && m.last-m.first < segmentsMost
			if !fits {
				if m.to != nil {
					b.messages = append(b.messages, m)
				}
				m = message{to: d.to, first: len(b.pieces), last: len(b.pieces)}
				size, total = n, 0
			}
			b.pieces, b.flows = append(b.pieces, p.b), append(b.flows, p.flow)
			m.last++
			total += n
			open = n == size // a shorter one ends a message
		}
		b.messages = append(b.messages, m)
	}
}

// transmit sends the messages. When there is no room any more, only small ones
// are sent.
func (b *Batch) transmit() {
	full := false
	for rest := b.messages; len(rest) > 0; {
		if full {
			b.single(rest[0], true)
			rest = rest[1:]
			continue
		}
		n, err := b.dev.send(rest, b.pieces)
		rest = rest[n:]
		if err == nil || len(rest) == 0 {
			continue
		}
		switch {
		case errors.Is(err, errFull):
			full = true
		case errors.Is(err, errSplit):
			b.p.counts.splits.Add(1)
			full = b.single(rest[0], false)
			rest = rest[1:]
		default:
			b.p.counts.failed.Add(uint64(rest[0].last - rest[0].first))
			rest = rest[1:]
		}
	}
}

// single sends a message packet by packet. Where the socket is full only small
// packets are sent, and wait. It reports whether the socket is full.
func (b *Batch) single(m message, full bool) bool {
	for i := m.first; i < m.last; i++ {
		piece := b.pieces[i]
		small := len(piece) < patientBelow
		err := errFull
		if small || !full {
			err = b.dev.write(piece, m.to, small)
		}
		switch {
		case err == nil:
		case errors.Is(err, errFull):
			full = true
			b.p.counts.full.Add(1)
			b.flows[i].drop(piece)
		default:
			b.p.counts.failed.Add(1)
		}
	}
	return full
}

// Send sends one packet at once, from any goroutine. A big one does not wait for
// room, but is dropped.
func (p *Port) Send(b []byte, to *Target) error {
	err := p.loops[0].dev.write(b, to, len(b) < patientBelow)
	switch {
	case err == nil:
	case errors.Is(err, errFull):
		p.counts.full.Add(1)
	default:
		p.counts.failed.Add(1)
	}
	return err
}

// Addr is where the target is.
func (t *Target) Addr() netip.AddrPort { return t.to }
