package k3k

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
)

// line is a queue in virtual time with what it opened. Its timers run in the test's
// goroutine, as those of a connection run in the connection's.
type line struct {
	*queue
	t      *testing.T
	opened []string
	keys   map[string]key
	timers []*timeout
}

type timeout struct {
	at time.Time
	f  func(context.Context) error
}

func inQueue(t *testing.T, f func(l *line)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &line{t: t, keys: map[string]key{}}
		l.queue = &queue{after: func(d time.Duration, f func(context.Context) error) func() {
			own := &timeout{time.Now().Add(d), f}
			l.timers = append(l.timers, own)
			return func() { l.timers = slices.DeleteFunc(l.timers, func(o *timeout) bool { return o == own }) }
		}}
		f(l)
		l.stop()
		if len(l.timers) > 0 {
			t.Errorf("%d timers are left", len(l.timers))
		}
	})
}

func (l *line) key(name string) key {
	k, ok := l.keys[name]
	if !ok {
		k = key{bridge.NewParticipantID(), camera}
		l.keys[name] = k
	}
	return k
}

func (l *line) announce(names ...string) {
	l.t.Helper()
	for _, name := range names {
		l.put(name, subscribeTime, nil)
	}
}

func (l *line) put(name string, d time.Duration, then func() error) {
	l.t.Helper()
	err := l.add(l.t.Context(), slot{key: l.key(name), time: d, open: func(context.Context) error {
		l.opened = append(l.opened, name)
		if then != nil {
			return then()
		}
		return nil
	}})
	if err != nil {
		l.opened = append(l.opened, err.Error())
	}
}

func (l *line) ends(name string) {
	l.t.Helper()
	if err := l.done(l.t.Context(), l.key(name)); err != nil {
		l.t.Error(err)
	}
}

func (l *line) forgets(name string) {
	l.t.Helper()
	if err := l.drop(l.t.Context(), l.key(name)); err != nil {
		l.t.Error(err)
	}
}

// pass lets time pass.
func (l *line) pass(d time.Duration) {
	for end := time.Now().Add(d); ; {
		var next *timeout
		for _, o := range l.timers {
			if !o.at.After(end) && (next == nil || o.at.Before(next.at)) {
				next = o
			}
		}
		if next == nil {
			time.Sleep(time.Until(end)) // synctest
			return
		}
		time.Sleep(time.Until(next.at)) // synctest
		l.timers = slices.DeleteFunc(l.timers, func(o *timeout) bool { return o == next })
		if err := next.f(l.t.Context()); err != nil {
			l.opened = append(l.opened, err.Error())
		}
	}
}

func (l *line) want(names string) {
	l.t.Helper()
	if got := strings.Join(l.opened, " "); got != names {
		l.t.Errorf("opened %q, want %q", got, names)
	}
}

func TestQueueOneAtATime(t *testing.T) {
	inQueue(t, func(l *line) {
		l.announce("a", "b", "c")
		l.want("a")
		l.ends("b") // not its turn yet
		l.want("a")
		l.ends("a")
		l.want("a b")
		l.ends("a") // over long since
		l.want("a b")
		l.ends("b")
		l.want("a b c")
	})
}

func TestQueueTimes(t *testing.T) {
	inQueue(t, func(l *line) {
		l.announce("a", "b", "c")
		l.pass(subscribeTime - 1)
		l.want("a")
		l.pass(1)
		l.want("a b")
		l.extend(l.key("b"), connectTime) // subscribed
		l.extend(l.key("c"), time.Hour)   // not its turn
		l.pass(connectTime - 1)
		l.want("a b")
		l.pass(1)
		l.want("a b c")
		l.ends("c")
		l.pass(time.Hour)
		l.announce("d")
		l.want("a b c d")
	})
}

func TestQueueDropAndReplace(t *testing.T) {
	inQueue(t, func(l *line) {
		l.announce("a", "b", "c")
		l.forgets("b")
		l.forgets("x")
		if l.waits(l.key("b")) || !l.waits(l.key("c")) || l.waits(l.key("a")) {
			t.Error("the wrong ones wait")
		}
		l.put("c", connectTime, nil) // says it anew, and keeps its place
		l.announce("d")
		l.forgets("a")
		l.want("a c")
		l.pass(subscribeTime)
		l.want("a c") // it has the time of the second
		l.put("c", connectTime, nil)
		l.want("a c d") // the current one is over; the new one comes after those who wait
		l.ends("d")
		l.want("a c d c")
	})
}

func TestQueueOccupy(t *testing.T) {
	inQueue(t, func(l *line) {
		l.occupy(l.key("a"), subscribeTime)
		l.occupy(l.key("b"), time.Hour) // there is one
		l.announce("c")
		l.want("")
		l.pass(subscribeTime)
		l.want("c")
	})
}

// A slot may end while it is opened, and an error ends the run but not the queue.
func TestQueueInside(t *testing.T) {
	inQueue(t, func(l *line) {
		l.announce("a")
		l.put("b", connectTime, func() error { return l.done(t.Context(), l.key("b")) })
		l.put("c", connectTime, func() error { return errors.New("broken") })
		l.put("d", connectTime, nil)
		l.pass(subscribeTime)
		l.want("a b c broken")
		l.ends("c")
		l.want("a b c broken d")
	})
}

func TestQueueStop(t *testing.T) {
	inQueue(t, func(l *line) {
		l.announce("a", "b")
		l.stop()
		l.pass(time.Hour)
		l.want("a")
	})
}

// Whatever happens, there is one current slot at most, nobody waits while there is
// none, and everybody who is not dropped gets a turn.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 1, 2, 16, 33, 50, 99})
	f.Fuzz(func(t *testing.T, steps []byte) {
		inQueue(t, func(l *line) {
			waiting := map[string]bool{}
			for _, b := range steps {
				name := fmt.Sprint(b % 8)
				before := len(l.opened)
				switch b >> 4 % 5 {
				case 0, 1:
					waiting[name] = true
					l.announce(name)
				case 2:
					l.ends(name)
				case 3:
					delete(waiting, name)
					l.forgets(name)
				case 4:
					l.pass(subscribeTime)
				}
				for _, opened := range l.opened[before:] {
					if !waiting[opened] {
						t.Fatalf("%s was opened, and did not wait", opened)
					}
				}
				if l.current == nil && len(l.waiting) > 0 {
					t.Fatal("somebody waits for nothing")
				}
				if slices.ContainsFunc(l.waiting, func(s slot) bool { return l.at(s.key) }) {
					t.Fatal("one is current and waits")
				}
			}
			l.pass(10 * subscribeTime)
			if len(l.waiting) > 0 {
				t.Fatal("somebody never gets a turn")
			}
		})
	})
}
