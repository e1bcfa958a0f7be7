package forward

// What is sent beside what just comes in, the beginning of a new subscription and
// repairs, is paced: so many packets at once, and so many more at every tick. The
// beginning waits in the layer's ring, of which a subscription has a place; what the
// ring does not have any more is left out. Repairs wait in a queue; what finds no place
// there is asked for again.

const (
	// paceMost is how many packets a subscription gets at once, and at each tick, if
	// nothing is known of its client: 20 Mbit/s.
	paceMost = 48
	// paceLeast is the same for a client that takes hardly anything.
	paceLeast = 3
	// repairsMost is how many repairs wait.
	repairsMost = 128
	// pacedSize is the size of a packet, for what there is to calculate.
	pacedSize = 1100
	// paceExcess is how much faster than a client's estimate it is.
	paceExcess = 2.5
)

// pace is what a subscription may send now.
type pace struct {
	each  int      // packets; 0: paceMost
	spent int      // of them, since the last tick
	queue []uint16 // packets to be repeated; at most repairsMost
}

func (p *pace) left() int {
	each := p.each
	if each == 0 {
		each = paceMost
	}
	return each - p.spent
}

// SetPace says what the client takes, in bit/s, and how long it is from one Tick to the
// next, in ns; bps 0: that is not known.
func (d *Down) SetPace(bps int, tick int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pace.each = 0
	if bps > 0 {
		n := paceExcess * float64(bps) * float64(tick) / 1e9 / (8 * pacedSize)
		d.pace.each = min(max(int(n), paceLeast), paceMost)
	}
}

// Tick sends what waits. It costs next to nothing while nothing does.
func (d *Down) Tick(now int64) {
	if !d.waiting.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting.Store(false)
	d.pace.spent = 0
	if !d.live {
		return
	}
	d.out.At = now
	d.advance()
	queue := d.pace.queue
	done := 0
	for ; done < len(queue) && d.pace.left() > 0; done++ {
		d.mend(queue[done], now)
	}
	d.pace.queue = append(queue[:0], queue[done:]...)
	if len(d.pace.queue) > 0 {
		d.wait()
	}
}

// wait has Tick go on.
func (d *Down) wait() {
	d.waiting.Store(true)
	d.soon.Mark()
}

// spend takes a packet off what may be sent until the next tick.
func (d *Down) spend() {
	d.pace.spent++
	d.wait()
}

// catchUp begins a new subscription with what the layer remembers, if that
// begins with a key frame.
func (d *Down) catchUp(l *Layer, now int64) bool {
	if d.sound {
		return false
	}
	from, _, ok := l.recent(now)
	if !ok {
		return false
	}
	var p packet
	room := l.ring.borrow()
	defer l.ring.pool.Put(room)
	if !l.fetch(from, &p, room) {
		return false
	}
	d.out.At = now
	d.enter(l, &p)
	d.chase = from
	d.advance()
	return true
}

// chased reports whether a packet is one that catching up gets to.
func (d *Down) chased(seq uint64) bool { return d.chase != 0 && seq >= d.chase }

// advance goes on with catching up.
func (d *Down) advance() {
	l := d.current
	if d.chase == 0 || l == nil {
		return
	}
	var p packet
	room := l.ring.borrow()
	defer l.ring.pool.Put(room)
	high, oldest := l.bounds()
	if d.chase < oldest {
		d.counts.Outrun += oldest - d.chase
		d.chase = oldest
	}
	for ; d.chase <= high; d.chase++ {
		if d.pace.left() <= 0 {
			d.caught = d.chase - 1
			d.wait()
			return
		}
		if l.fetch(d.chase, &p, room) { // what is missing may come yet
			d.spend()
			d.pass(l, &p)
		}
	}
	d.caught, d.chase = high, 0
}
