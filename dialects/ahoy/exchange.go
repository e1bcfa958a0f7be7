package ahoy

import (
	"context"
	"time"

	"dragoman/dialects"
)

// exchange is requests of ours of one sort, one at a time: clients cannot tell
// the answers of two apart (7.2, 7.3). While one is unanswered the latest of
// those that come waits; it goes out when the first was answered or has timed
// out.
type exchange struct {
	c       *dialects.Conn
	id      string // transactionID of the one that is unanswered; empty: none is
	expired func()
	next    func(context.Context) error
}

// free calls send now, or once there is no unanswered request any more.
func (x *exchange) free(ctx context.Context, send func(context.Context) error) error {
	if x.id != "" {
		x.next = send
		return nil
	}
	return send(ctx)
}

// sent notes a request. fail is called unless it is answered in time.
func (x *exchange) sent(id string, within time.Duration, fail func(context.Context) error) {
	x.id = id
	x.expired = x.c.After(within, func(ctx context.Context) error {
		x.id = ""
		if err := fail(ctx); err != nil {
			return err
		}
		return x.proceed(ctx)
	})
}

// take ends the unanswered request if id is its own. Whoever takes goes on with
// proceed.
func (x *exchange) take(id string) bool {
	if x.id == "" || x.id != id {
		return false
	}
	x.id = ""
	x.expired()
	return true
}

// waiting reports whether a newer request waits, which makes the answer to the
// last one useless.
func (x *exchange) waiting() bool { return x.next != nil }

// proceed sends the request that waits, if any.
func (x *exchange) proceed(ctx context.Context) error {
	send := x.next
	if x.id != "" || send == nil {
		return nil
	}
	x.next = nil
	return send(ctx)
}

// drop forgets what waits. What is unanswered stays so: its answer may still
// come, and must not be taken for another's.
func (x *exchange) drop() { x.next = nil }

// end forgets everything.
func (x *exchange) end() {
	x.drop()
	if x.id != "" {
		x.id = ""
		x.expired()
	}
}
