package e2e

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// TestHabits lets clients of other kinds than the usual one meet each dialect:
// those that escape their descriptions, send numbers for flags, or wait to be
// called.
func TestHabits(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, first := range driver.Dialects() {
		for _, habit := range first.Habits {
			for _, second := range driver.Dialects() {
				if !habit.Foreign || second.Name != first.Name {
					meet(t, n, scenario{name: habit.Name, alone: true, play: habits(habit)}, first, second)
				}
			}
		}
	}
}

func habits(habit driver.Habit) func(m *meeting) {
	return func(m *meeting) {
		m.b = m.enter(m.pair[1], "Ben")
		m.a = m.enter(m.pair[0], "Anna", func(o *driver.Options) { o.Habit = habit.Name })
		m.look(m.all(), m.all())
		m.after(m.a, m.b)
		m.after(m.b, m.a)
		m.do("leave", m.a.Leave)
		m.saw(m.b, driver.Sight{What: driver.Left, Who: "Anna"})
	}
}

// TestNothingIsLeft: when everybody has gone, nothing of them runs any more on a
// server that goes on, and their memory is given back.
func TestNothingIsLeft(t *testing.T) {
	n := node.Start(t, node.Options{})
	before := goleak.IgnoreCurrent()
	// Each of ten shows nine something twice: few pictures leave room for it.
	slow := func(o *driver.Options) { o.Media.FPS, o.Media.Bitrate = 5, 40_000 }
	gather := func(round string) {
		m := &meeting{T: t, ctx: t.Context(), node: n, room: "left " + round}
		var people []driver.Member
		for _, d := range driver.Dialects() {
			for _, name := range []string{"Anna", "Ben"} {
				people = append(people, m.enter(d, name+" "+d.Name, slow))
			}
		}
		m.look(people, people)
		for _, p := range people[1:] {
			if d, _ := driver.Lookup(p.Dialect); !d.NoScreen {
				m.do("share", func(ctx context.Context) error { return p.Publish(ctx, bridge.Screen) })
			}
		}
		for i, p := range people {
			if i%2 == 0 {
				m.do("leave", p.Leave)
			}
			p.Close()
		}
	}
	gather("first")
	settle(t, before)
	first := live()
	for round := range 5 {
		gather(strconv.Itoa(round))
	}
	settle(t, before)
	if grown := live() - first; grown > 32<<20 {
		t.Errorf("five more meetings have left %d MiB", grown>>20)
	}
}

// settle waits until nothing runs any more that did not before: seats that are kept
// for a while end, too. Rooms outlive their last participant for longer.
func settle(t *testing.T, before goleak.Option) {
	t.Helper()
	rooms := goleak.IgnoreAnyFunction("dragoman/bridge.(*room).loop")
	for deadline := time.Now().Add(2 * patience); ; {
		err := goleak.Find(before, rooms) // looks again and again for a while
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// live returns how much memory is in use after a collection.
func live() int64 {
	runtime.GC()
	return heap()
}
