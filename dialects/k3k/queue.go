package k3k

import (
	"context"
	"slices"
	"time"

	"dragoman/bridge"
)

// How long a negotiation keeps others waiting (reference 13.1).
const (
	subscribeTime = 500 * time.Millisecond // from an announcement to the subscribe
	promptTime    = 2 * time.Second        // the same, of a client that asked for the last one
	connectTime   = 5 * time.Second        // from then on, and from a publish
	completeTime  = 500 * time.Millisecond // from webrtc_up to publish_complete
)

// key names a media session: whose, and which of the two.
type key struct {
	who  bridge.ParticipantID
	sort sort
}

// A slot is one negotiation, or the announcement that leads to one.
type slot struct {
	key  key
	time time.Duration // that it may take
	// open begins it. It may end it, too, by done.
	open func(context.Context) error
}

// queue is the negotiations of one connection, one at a time. One of the clients
// has a single waiter per type of message, which the first of that type takes
// away whomever it is about: of two negotiations at once it loses one, and then
// never publishes (reference 13.1).
//
// It holds at most one slot per key, so it is bounded by what is shown in the room.
type queue struct {
	after   func(time.Duration, func(context.Context) error) (cancel func())
	waiting []slot
	current *slot  // nil: none
	expiry  func() // takes back the end of the current one's time
	running bool   // in next
}

// add appends a slot. One of the same key that waits keeps its place, and does
// what the new one says; the current one of the same key is over.
func (q *queue) add(ctx context.Context, s slot) error {
	if i := q.find(s.key); i >= 0 {
		q.waiting[i] = s
		return nil
	}
	q.waiting = append(q.waiting, s)
	return q.done(ctx, s.key)
}

// occupy makes a slot the current one, if there is none, without opening it.
func (q *queue) occupy(k key, d time.Duration) {
	if q.current == nil {
		q.begin(slot{key: k, time: d})
	}
}

// extend gives the current slot more time, counted from now, if it is of that key.
func (q *queue) extend(k key, d time.Duration) {
	if q.at(k) {
		q.clock(d)
	}
}

// done ends the slot of a key, waiting ones excepted, and goes on.
func (q *queue) done(ctx context.Context, k key) error {
	if q.at(k) {
		q.end()
	}
	return q.next(ctx)
}

// drop forgets the slot of a key, whether it waits or not, and goes on.
func (q *queue) drop(ctx context.Context, k key) error {
	if i := q.find(k); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return q.done(ctx, k)
}

// waits reports whether a slot of that key has not been opened yet.
func (q *queue) waits(k key) bool { return q.find(k) >= 0 }

// at reports whether the current slot is of that key.
func (q *queue) at(k key) bool { return q.current != nil && q.current.key == k }

// stop forgets everything.
func (q *queue) stop() {
	q.waiting = nil
	q.end()
}

func (q *queue) find(k key) int {
	return slices.IndexFunc(q.waiting, func(s slot) bool { return s.key == k })
}

// next opens slots until one stays open.
func (q *queue) next(ctx context.Context) error {
	if q.running {
		return nil // a slot has ended while it was opened
	}
	q.running = true
	defer func() { q.running = false }()
	for q.current == nil && len(q.waiting) > 0 {
		s := q.waiting[0]
		q.waiting = slices.Delete(q.waiting, 0, 1)
		q.begin(s)
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (q *queue) begin(s slot) {
	q.current = &s
	q.clock(s.time)
}

func (q *queue) end() {
	q.current = nil
	if q.expiry != nil {
		q.expiry()
		q.expiry = nil
	}
}

// clock ends the current slot after a time.
func (q *queue) clock(d time.Duration) {
	if q.expiry != nil {
		q.expiry()
	}
	mine := q.current
	q.expiry = q.after(d, func(ctx context.Context) error {
		if q.current != mine {
			return nil
		}
		q.end()
		return q.next(ctx)
	})
}
