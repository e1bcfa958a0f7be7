package forward

import "slices"

// A Burst is packets of a connection that came together, in one read as a rule, and are not
// forwarded yet. They are forwarded subscription by subscription, all of a layer's at once,
// and not packet by packet: so the state of a subscription is looked at once for each read,
// and what goes to one address lies together. Sound, and what comes out of order, does not
// wait; and what came of one layer may be forwarded before what came earlier of another. The
// zero value is an empty one; it is used by those who call Push, one at a time.
type Burst struct {
	n      int
	layers [burstLayers]*Layer
}

const (
	// burstLayers is how many layers wait at once; packets of others are forwarded as they
	// come.
	burstLayers = 8
	// runMost is how many packets of a layer wait at once. Its ring is much longer.
	runMost = 64
)

// run is packets of a layer that follow each other and are not forwarded yet.
type run struct {
	from uint64
	n    int
}

// Empty reports whether nothing waits.
func (b *Burst) Empty() bool { return b.n == 0 }

// Forward forwards what waits. out takes the place of Arrival.Out.
func (b *Burst) Forward(out any) {
	for _, l := range b.layers[:b.n] {
		l.release(out)
	}
	b.clear()
}

// Drop forgets what waits.
func (b *Burst) Drop() {
	for _, l := range b.layers[:b.n] {
		l.run = run{}
	}
	b.clear()
}

func (b *Burst) clear() {
	clear(b.layers[:b.n])
	b.n = 0
}

// list makes a layer be forwarded with the others. It reports false if there are too many.
func (b *Burst) list(l *Layer) bool {
	if slices.Contains(b.layers[:b.n], l) {
		return true
	}
	if b.n == burstLayers {
		return false
	}
	b.layers[b.n] = l
	b.n++
	return true
}

// hold lets the newest packet of a layer wait, after those that do, which it follows. It
// reports false if it may not. What comes while the track is closed does not wait until it
// may be open.
func (l *Layer) hold(p *packet, b *Burst, out any) bool {
	r := &l.run
	if b == nil || l.Codec == Sound || p.seq != l.high || l.open() == nil || !b.list(l) {
		return false
	}
	if r.n == runMost {
		l.release(out)
	}
	if r.n == 0 {
		r.from = p.seq
	}
	r.n++
	return true
}

// release forwards what waits of a layer.
func (l *Layer) release(out any) {
	r := &l.run
	if r.n == 0 {
		return
	}
	from, n := r.from, r.n
	r.n = 0
	l.fan(from, n, false, out)
}

// fan forwards n packets from a number on; late ones are such that others were forwarded
// before that came after them.
//
// It begins with another subscription each time: where the network does not take all, those
// who come last get nothing.
func (l *Layer) fan(from uint64, n int, late bool, out any) {
	t := l.open()
	if t == nil {
		return
	}
	const golden = 0x9e3779b9 // 2^32 divided by the golden ratio: steps that cover the circle evenly
	all := *l.downs.Load()
	begin := int(uint64(uint32(from)*golden) * uint64(len(all)) >> 32)
	switched := false
	for _, part := range [2][]*Down{all[begin:], all[:begin]} {
		for _, d := range part {
			switched = d.push(l, from, n, late, out) || switched
		}
	}
	if switched {
		t.relist()
	}
}

// open returns the track that the layer feeds, nil if there is none or its gate is closed.
func (l *Layer) open() *Track {
	if t := l.source.track.Load(); t != nil && !t.closed.Load() {
		return t
	}
	return nil
}
