package bridge

import "time"

// The usual times of rooms.
const (
	// DefaultNeverJoined is how long an unused room waits for its first participant
	// (ahoy.md 8.5).
	DefaultNeverJoined = 10 * time.Minute
	// DefaultEmptyTimeout is how long a room outlives its last participant (ahoy.md
	// 8.5).
	DefaultEmptyTimeout = 2 * time.Minute
)

// warnings is how long before its end a room says that it is near, longest first.
func warnings() [2]time.Duration { return [...]time.Duration{5 * time.Minute, time.Minute} }

// clock is what a room waits for. A zero time is not waited for.
type clock struct {
	ends  time.Time // the end of the room, if it has one
	warn  time.Time // when to say that the end is near
	empty time.Time // the end of an empty room
	away  map[*member]time.Time
	armed time.Time // what the loop's timer is set to
}

// due returns when the clock has something to do next; without anything, in a
// while.
func (r *room) due() time.Time {
	next := time.Time{}
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	sooner(r.clock.ends)
	sooner(r.clock.warn)
	sooner(r.clock.empty)
	for _, t := range r.clock.away {
		sooner(t)
	}
	if next.IsZero() && r.clock.armed.After(time.Now()) {
		return r.clock.armed
	}
	if next.IsZero() {
		return time.Now().Add(time.Hour)
	}
	return next
}

// expire does what is due.
func (r *room) expire(now time.Time) {
	past := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	for _, m := range append([]*member(nil), r.order...) { // in a fixed order
		if t, ok := r.clock.away[m]; ok && past(t) {
			r.remove(m, ByLoss, Errorf(Closed, "the connection was lost for too long"))
		}
	}
	switch {
	case past(r.clock.ends):
		r.end(ByTimeLimit)
	case past(r.clock.empty):
		r.end(Unused)
	case past(r.clock.warn):
		r.warnNext(now)
		r.tell(Ending{At: r.clock.ends})
	}
}

// started notes the first join ever, from which the time limit counts. Who joins
// first is not among the members yet, and learns of the end from its snapshot.
func (r *room) started(now time.Time) {
	r.clock.empty = time.Time{}
	if !r.joined.IsZero() {
		return
	}
	r.joined = now
	r.touch()
	if r.spec.Limit <= 0 {
		return
	}
	if end := now.Add(r.spec.Limit); r.clock.ends.IsZero() || end.Before(r.clock.ends) {
		r.endAt(end, now)
		r.tell(Ending{At: end})
	}
}

// endAt moves the end of the room; zero: none.
func (r *room) endAt(t, now time.Time) {
	r.clock.ends = t
	r.touch()
	r.warnNext(now)
}

func (r *room) warnNext(now time.Time) {
	r.clock.warn = time.Time{}
	if r.clock.ends.IsZero() {
		return
	}
	for _, before := range warnings() {
		if t := r.clock.ends.Add(-before); t.After(now) {
			r.clock.warn = t
			return
		}
	}
}

// emptied looks whether anybody is left. Nobody inside: the lock lifts, or nobody
// could. Nobody at all: the room's last time begins.
func (r *room) emptied(now time.Time) {
	if r.inside == 0 && r.locked {
		r.locked = false
		r.touch()
		r.tell(RoomChanged{Room: r.info()})
	}
	if r.inside == 0 && r.waiting == 0 && !r.spec.Keep {
		r.clock.empty = now.Add(r.spec.EmptyTimeout)
	}
}

func (c Touch) apply(r *room, m *member) error {
	if err := m.may(0); err != nil {
		return err
	}
	if r.clock.empty.IsZero() {
		return nil
	}
	grace := r.spec.EmptyTimeout
	if r.joined.IsZero() {
		grace = r.spec.NeverJoined
	}
	r.clock.empty = time.Now().Add(grace)
	return nil
}
