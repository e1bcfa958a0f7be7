package bridge

import (
	"slices"
	"sync"
)

// DefaultOutbox is how many events a session may leave unread.
const DefaultOutbox = 256

// Outbox holds the unread events of one session. A room, or a link to one, and
// the session's peers push; the session drains. It never blocks: an event that
// tells a state takes the place of the unread one that told it before, and a
// reader that still has too much unread has lost its seat (Lagged).
//
// What is merged is where the newer event is, not where the older one was: in
// front of what came between, it might name somebody who had not joined, or be
// undone by an event that tells the same among other things.
type Outbox struct {
	size  int
	count *counters
	trunk *Trunk // where events go instead, for the seat of this number; or nil
	seat  uint32

	mu     sync.Mutex
	wake   chan struct{}
	woken  bool           // signalled since the last take
	events []Event        // nil where one was merged into a newer one
	unread int            // that are not nil
	at     map[string]int // where in events the event of a key is
	old    []Event        // what Restart took away
	end    error          // why nothing is taken any more
	pushed uint64         // not counted yet, as counting takes longer than pushing
	merges uint64
}

// NewOutbox makes an outbox for at most size events, DefaultOutbox if 0. It
// signals wake, which has a capacity of 1, whenever there is something to drain;
// nil: a channel of its own.
func NewOutbox(size int, wake chan struct{}) *Outbox {
	return newOutbox(size, wake, new(counters))
}

func newOutbox(size int, wake chan struct{}, count *counters) *Outbox {
	if size <= 0 {
		size = DefaultOutbox
	}
	if wake == nil {
		wake = make(chan struct{}, 1)
	}
	return &Outbox{size: size, count: count, wake: wake, at: map[string]int{}}
}

// Push adds an event and never blocks. It reports whether the seat still stands:
// false means that the reader lags, or that the outbox has ended.
func (o *Outbox) Push(e Event) bool { return o.push(e, e.key(), 0) }

// push is Push for a caller that pushes one event to many and asks for its key
// only once. Many that are told the same have the same version; 0: nobody else has.
func (o *Outbox) push(e Event, key string, version uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return false
	}
	if o.trunk != nil {
		o.trunk.push(o.seat, e, key, version)
		return true
	}
	if i, ok := o.at[key]; ok {
		o.merges++
		e = merged(o.events[i], e)
		if i == len(o.events)-1 {
			o.events[i] = e
			return true
		}
		o.events[i] = nil
		o.unread--
	} else if o.unread >= o.size {
		o.count.lagged.Add(1)
		o.finish(Errorf(Lagged, "the connection is too slow for this room"))
		return false
	}
	if len(o.events) >= 2*o.size {
		o.compact()
	}
	o.add(e, key)
	o.pushed++
	o.signal()
	return true
}

// add appends an event.
func (o *Outbox) add(e Event, key string) {
	if key != "" {
		o.at[key] = len(o.events)
	}
	o.events = append(o.events, e)
	o.unread++
}

// compact closes the gaps that merging has left.
func (o *Outbox) compact() {
	events := o.reset()
	for _, e := range events {
		if e != nil {
			o.add(e, e.key())
		}
	}
}

// reset empties the outbox and returns what was in it.
func (o *Outbox) reset() []Event {
	events := o.events
	o.events, o.unread = nil, 0
	clear(o.at)
	return events
}

// End refuses all further events. Drain returns the unread ones with err. Only the
// first End counts.
func (o *Outbox) End(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end == nil {
		o.finish(err)
		if o.trunk != nil {
			o.trunk.add(Parcel{Over: err, To: []uint32{o.seat}})
		}
	}
}

// Over reports whether the outbox has ended.
func (o *Outbox) Over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.end != nil
}

// Ready is signalled when there is something to drain.
func (o *Outbox) Ready() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wake
}

// Drain returns the unread events, and the error that the outbox ended with.
func (o *Outbox) Drain() ([]Event, error) { return o.take(nil) }

// Restart takes away the unread events of the room, because a new snapshot tells
// all that they told; those of the session's peers stay. It is for whoever
// implements Retaker, and called at the very moment of the snapshot. The error is
// the one that the outbox ended with.
func (o *Outbox) Restart() error {
	old, err := o.take(isPeerEvent)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trunk != nil && err == nil {
		o.trunk.add(Parcel{Restart: true, To: []uint32{o.seat}})
	}
	o.old = append(o.old, old...)
	return err
}

// outdated returns what Restart took away.
func (o *Outbox) outdated() []Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := o.old
	o.old = nil
	return old
}

// take returns the unread events but those that keep, if it is not nil, wants to
// stay.
func (o *Outbox) take(keep func(Event) bool) ([]Event, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.woken = false
	o.count.events.Add(o.pushed)
	o.count.merged.Add(o.merges)
	o.pushed, o.merges = 0, 0
	taken := slices.DeleteFunc(o.reset(), func(e Event) bool {
		if e == nil {
			return true
		}
		if keep == nil || !keep(e) {
			return false
		}
		o.add(e, e.key())
		return true
	})
	return taken, o.end
}

// rewake signals another channel from now on, at once if there is something to
// drain.
func (o *Outbox) rewake(wake chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wake, o.woken = wake, false
	if o.unread > 0 || o.end != nil {
		o.signal()
	}
}

func (o *Outbox) finish(err error) {
	o.end, o.woken = err, false
	o.signal()
}

func (o *Outbox) signal() {
	if o.woken {
		return
	}
	o.woken = true
	select {
	case o.wake <- struct{}{}:
	default: // a signal is waiting already
	}
}

// merged returns what replaces an unread event of the same key.
func merged(old, e Event) Event {
	if c, ok := e.(Changed); ok {
		if what := c.What | old.(Changed).What; what != c.What {
			c.What = what
			return c
		}
	}
	return e
}
