package forward

import "sync"

// packet is a received packet in a ring. It is as long as a line of the cache: with many
// rings none is in the cache when its turn comes.
type packet struct {
	seq     uint64 // extended: the low 16 bits are on the wire
	at      int64  // when it arrived
	buf     *slot  // always the same
	ts      uint32
	n       uint16
	held    bool
	marker  bool
	pad     uint8
	level   uint8
	heard   bool // level is known
	picture picture
	sent    uint32 // at, as abs-send-time has it
	_       [4]byte
}

func (p *packet) payload() []byte { return p.buf[:p.n] }

const (
	slotSize = 1500 // bytes of the longest payload that is forwarded
	slabSize = 32   // slots that are allocated at once
)

// ring keeps the last packets of a layer. A slot's memory is allocated when the
// ring first gets there, and never freed.
type ring struct {
	slots []packet
	mask  uint64
	slab  []slot
	pool  sync.Pool // of *slot, for packets that are copied
}

// slot is room for a payload.
type slot [slotSize]byte

// borrow returns room for a copy, which goes back to the pool.
func (r *ring) borrow() *slot {
	if b, ok := r.pool.Get().(*slot); ok {
		return b
	}
	return new(slot)
}

func (r *ring) init(size int) {
	r.slots, r.mask = make([]packet, size), uint64(size-1)
}

// slot returns the place of a sequence number, whoever is in it.
func (r *ring) slot(seq uint64) *packet { return &r.slots[seq&r.mask] }

// put gives a place to a sequence number.
func (r *ring) put(seq uint64) *packet {
	p := r.slot(seq)
	if p.buf == nil {
		if len(r.slab) == 0 {
			r.slab = make([]slot, slabSize)
		}
		p.buf, r.slab = &r.slab[0], r.slab[1:]
	}
	p.seq, p.held = seq, true
	return p
}

// get returns a packet, nil if it is not there.
func (r *ring) get(seq uint64) *packet {
	if p := r.slot(seq); p.held && p.seq == seq {
		return p
	}
	return nil
}
