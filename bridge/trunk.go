package bridge

import (
	"slices"
	"sync"
)

// DefaultTrunk is how many events a trunk may leave unread.
const DefaultTrunk = 4096

// maxTrunkBytes is about how many bytes of messages they may hold.
const maxTrunkBytes = 16 << 20

// Trunk carries what a room tells several seats to whoever speaks for them all, as
// another node does for its clients: an event that many are told is in it once,
// with the seats that it is for. Like an Outbox it never blocks; one that nobody
// reads fast enough is lost as a whole, and its seats stay: whoever reads it gets
// them back with Local.Take and another trunk.
type Trunk struct {
	size int
	wake chan struct{} // capacity 1

	mu     sync.Mutex
	queue  []Parcel
	unread int // events in it
	bytes  int
	at     map[string]int // where in queue the last event of a key is, but for the newest
	key    string         // of the newest event
	lost   error          // why nothing is taken any more
	begun  bool
}

// Parcel is one thing that a Trunk carries: one of Event, Over, Restart and Note.
type Parcel struct {
	Version uint64   // of the room, at an Event
	Event   Event    // what is told
	To      []uint32 // the seats that it is for; none: the node itself
	Over    error    // the seat To[0] is lost
	Restart bool     // the seat To[0] is told anew from here on: see Outbox.Restart
	Note    any      // what Put was given
}

// NewTrunk makes a trunk for at most size events, DefaultTrunk if 0.
func NewTrunk(size int) *Trunk {
	if size <= 0 {
		size = DefaultTrunk
	}
	return &Trunk{size: size, wake: make(chan struct{}, 1), at: map[string]int{}}
}

// Branch returns an outbox for a seat whose events go into the trunk. It is given to
// a Place, and never drained.
func (t *Trunk) Branch(seat uint32) *Outbox {
	o := NewOutbox(1, nil)
	o.trunk, o.seat = t, seat
	return o
}

// Ready is signalled when there is something to take.
func (t *Trunk) Ready() <-chan struct{} { return t.wake }

// Put adds something of its owner's, in its place between what the room tells:
// behind everything that followed from a command, if it is put after the command was
// answered.
func (t *Trunk) Put(note any) { t.add(Parcel{Note: note}) }

// Take returns all that is unread. The error is Lagged when the trunk was lost
// because it was not read fast enough, and what Lose was given.
func (t *Trunk) Take() ([]Parcel, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seal()
	queue := slices.DeleteFunc(t.queue, func(p Parcel) bool {
		return p.Event == nil && p.Over == nil && !p.Restart && p.Note == nil // merged into a newer one
	})
	t.reset()
	return queue, t.lost
}

// Lose makes the trunk throw away whatever comes. Its seats stay.
func (t *Trunk) Lose(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lose(why)
}

func (t *Trunk) lose(why error) {
	if t.lost == nil {
		t.lost = why
		t.reset()
		t.signal()
	}
}

func (t *Trunk) reset() {
	t.queue, t.unread, t.bytes, t.key = nil, 0, 0, ""
	clear(t.at)
}

func (t *Trunk) signal() {
	select {
	case t.wake <- struct{}{}:
	default: // a signal is waiting already
	}
}

// add appends something that is no event for many.
func (t *Trunk) add(p Parcel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.seal()
		clear(t.at) // nothing moves from in front of it to behind it
		t.queue = append(t.queue, p)
		t.signal()
	}
}

// begins reports whether this is the first time that it is asked.
func (t *Trunk) begins() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	begun := t.begun
	t.begun = true
	return !begun
}

// tell adds an event for the node itself.
func (t *Trunk) tell(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.seal()
		t.queue = append(t.queue, Parcel{Event: e})
		t.key = e.key()
		t.signal()
	}
}

// push adds an event for a seat. It always stands: a trunk that is lost keeps its
// seats. Version is 0 for an event that no other seat is told.
func (t *Trunk) push(seat uint32, e Event, key string, version uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost != nil {
		return
	}
	if n := len(t.queue); n > 0 && version != 0 {
		if last := &t.queue[n-1]; last.Event != nil && last.Version == version {
			last.To = append(last.To, seat)
			return
		}
	}
	t.seal()
	if t.unread >= t.size || t.bytes > maxTrunkBytes {
		t.lose(Errorf(Lagged, "the link to another node is too slow for this room"))
		return
	}
	t.queue = append(t.queue, Parcel{Version: version, Event: e, To: []uint32{seat}})
	t.unread++
	t.bytes += weight(e)
	t.key = key
	t.signal()
}

// seal notes that nobody else is told the newest event, and merges what it makes
// old: an event of the same key for the same seats.
func (t *Trunk) seal() {
	key, now := t.key, len(t.queue)-1
	t.key = ""
	if key == "" {
		return
	}
	if was, ok := t.at[key]; ok && slices.Equal(t.queue[was].To, t.queue[now].To) {
		t.queue[now].Event = merged(t.queue[was].Event, t.queue[now].Event)
		t.bytes -= weight(t.queue[was].Event)
		t.queue[was] = Parcel{}
		t.unread--
	}
	t.at[key] = now
	if len(t.queue) >= 4*t.size {
		t.compact()
	}
}

// compact closes the gaps that merging has left.
func (t *Trunk) compact() {
	at, n := make(map[string]int, len(t.at)), 0
	for i, p := range t.queue {
		if p.Event == nil && p.Over == nil && !p.Restart && p.Note == nil {
			continue
		}
		t.queue[n] = p
		if p.Event != nil && p.Event.key() != "" && t.at[p.Event.key()] == i {
			at[p.Event.key()] = n
		}
		n++
	}
	clear(t.queue[n:])
	t.queue, t.at = t.queue[:n], at
}

// weight is about what an event takes, in bytes, beyond what all take.
func weight(e Event) int {
	switch e := e.(type) {
	case Said:
		return e.size()
	case Data:
		return len(e.Data)
	case DocChanged:
		return len(e.Doc.Value)
	}
	return 0
}
