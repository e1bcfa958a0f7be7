package dialects

import (
	"context"
	"slices"
	"time"
)

// timers are the pending calls of one connection, earliest first. A connection
// has a handful, so a sorted slice does.
type timers struct {
	due   []*timer
	clock *time.Timer
}

type timer struct {
	at time.Time
	f  func(context.Context) error
}

func newTimers() timers {
	clock := time.NewTimer(time.Hour)
	clock.Stop()
	return timers{clock: clock}
}

func (t *timers) add(at time.Time, f func(context.Context) error) (cancel func()) {
	n := &timer{at: at, f: f}
	i, _ := slices.BinarySearchFunc(t.due, at, func(x *timer, at time.Time) int {
		if x.at.After(at) {
			return 1
		}
		return -1 // equal ones stay in order
	})
	t.due = slices.Insert(t.due, i, n)
	t.wind()
	return func() {
		t.due = slices.DeleteFunc(t.due, func(x *timer) bool { return x == n })
		t.wind()
	}
}

// run calls what is due.
func (t *timers) run(ctx context.Context) error {
	now := time.Now()
	for len(t.due) > 0 && !t.due[0].at.After(now) {
		f := t.due[0].f
		t.due = slices.Delete(t.due, 0, 1)
		if err := f(ctx); err != nil {
			return err
		}
	}
	t.wind()
	return nil
}

func (t *timers) wind() {
	if len(t.due) == 0 {
		t.clock.Stop()
		return
	}
	t.clock.Reset(time.Until(t.due[0].at))
}
