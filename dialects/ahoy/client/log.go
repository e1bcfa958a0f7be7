package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// What the log has beside the messages of the server.
const (
	Answered     = "answered"     // an offer was answered; Use says which
	Failed       = "failed"       // an answer could not be made; Text says why
	Disconnected = "disconnected" // the connection is over; Code is of the close frame, 0: there was none
)

// Event is something that happened to the client.
type Event struct {
	N      int    // counts from 1
	Type   string // messageType, or one of the above
	Member Member // whom it is about; for chat: who said it
	Text   string // chat text without its wrapping, description, or the event of MEDIA_event
	Code   int    // of Disconnected
	Use    Use    // of Answered and Failed
	Raw    json.RawMessage
}

// maxLog is how many events are kept; older ones are forgotten.
const maxLog = 4096

// record is the log. It belongs to the loop, or to nobody once closed.
type record struct {
	events  []Event
	count   int
	waiters []waiter
	closed  bool
}

type waiter struct {
	match func(Event) bool
	found chan Event // capacity 1
}

func (r *record) add(e Event) {
	r.count++
	e.N = r.count
	if len(r.events) >= maxLog {
		r.events = append(r.events[:0], r.events[maxLog/4:]...)
	}
	r.events = append(r.events, e)
	waiting := r.waiters[:0]
	for _, w := range r.waiters {
		if w.match(e) {
			w.found <- e
		} else {
			waiting = append(waiting, w)
		}
	}
	clear(r.waiters[len(waiting):])
	r.waiters = waiting
}

// close ends all waiting.
func (r *record) close() {
	for _, w := range r.waiters {
		close(w.found)
	}
	r.waiters, r.closed = nil, true
}

// find looks for what has happened already.
func (r *record) find(match func(Event) bool) (Event, bool) {
	for _, e := range r.events {
		if match(e) {
			return e, true
		}
	}
	return Event{}, false
}

// Wait returns the first event of the log that matches, and waits for one if
// there is none yet. ErrClosed: the connection is over, and there was none.
func (c *Client) Wait(ctx context.Context, match func(Event) bool) (Event, error) {
	found := make(chan Event, 1)
	look := func() {
		if e, ok := c.log.find(match); ok {
			found <- e
		} else if c.log.closed {
			close(found)
		} else {
			c.log.waiters = append(c.log.waiters, waiter{match, found})
		}
	}
	if err := c.look(ctx, look); err != nil {
		return Event{}, err
	}
	select {
	case e, ok := <-found:
		if !ok {
			return Event{}, ErrClosed
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, fmt.Errorf("wait for an event: %w", ctx.Err())
	}
}

// Log returns the events so far.
func (c *Client) Log(ctx context.Context) (events []Event, err error) {
	err = c.look(ctx, func() { events = append(events, c.log.events...) })
	return events, err
}

// look reads the client's state in the loop, or after it.
func (c *Client) look(ctx context.Context, f func()) error {
	if err := c.do(ctx, f); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		<-c.after
		f()
	}
	return nil
}

// OfType matches events of a type.
func OfType(kind string) func(Event) bool { return func(e Event) bool { return e.Type == kind } }
