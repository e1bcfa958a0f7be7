package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/media/mediatest"
)

func TestMain(m *testing.M) {
	if ran, err := Engine(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(mediatest.Stuck))
}

func TestRun(t *testing.T) {
	r, err := Run(t.Context(), Options{
		Scenarios: []Scenario{
			{Name: "one to three", Publishers: 1, Subscribers: 3},
			{Name: "meeting of three", Publishers: 3, Meeting: true},
			{Name: "two rooms of two", Publishers: 2, Meeting: true, Rooms: 2, Audio: true},
		},
		Duration: time.Second,
		Bitrate:  300_000,
		Progress: func(s string) { t.Log(s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ subscribers, frames, packets int }{{3, 60, 200}, {3, 60, 200}, {4, 0, 150}} {
		x := r[i]
		if x.Subscribers != want.subscribers || x.Received < uint64(want.packets) || x.CPU <= 0 || x.PacketsPerSecond() <= 0 ||
			x.Frames < want.frames || x.Damaged > 0 || x.Median <= 0 || x.Worst < x.Median || x.Memory < 1<<20 || x.Idle < 1<<20 {
			t.Errorf("%+v", x)
		}
	}
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\n"); lines != 4 || !strings.Contains(b.String(), "one to three") {
		t.Errorf("table:\n%s", b.String())
	}
	t.Logf("\n%s", b.String())
}

// How much is resident after few joins says nothing; package media holds that none
// leaves anything behind.
func TestSoak(t *testing.T) {
	s := Soak()
	s.Joins = 60
	r, err := Run(t.Context(), Options{Scenarios: []Scenario{s}, Bitrate: 50_000, LiveKit: "/not/started"})
	if err != nil {
		t.Fatal(err)
	}
	x := r[0]
	if len(r) != 1 || x.Received != 60 || x.CPU <= 0 || x.Join <= 0 || x.Before < 1<<20 || x.Memory < x.Before/2 {
		t.Errorf("%+v", r)
	}
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil || !strings.Contains(b.String(), "resident after the first tenth") {
		t.Error(b.String(), err)
	}
}

func TestMedian(t *testing.T) {
	of := func(cpu, p50, p99 time.Duration) Result {
		return Result{Received: 1e6, CPU: cpu, Median: p50, Worst: p99}
	}
	m := median([]Result{of(3, 10, 50), of(1, 30, 70), of(2, 20, 60)})
	if m.CPU != 2 || m.Median != 20 || m.Worst != 60 {
		t.Errorf("%+v", m)
	}
	r := Report{{Subject: ours, Received: 1e6, CPU: time.Second, Median: 1}, {Subject: theirs, Received: 1e6, CPU: 4 * time.Second, Median: 2}}
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil || !strings.Contains(b.String(), "0.25") || !strings.Contains(b.String(), "0.50") {
		t.Error(b.String(), err)
	}
}

func TestPerSubscriber(t *testing.T) {
	r := Result{Memory: 60 << 20, Idle: 20 << 20, Subscribers: 200}
	if all, above := r.perSubscriber(); all != 307 || above != 204 {
		t.Error(all, above)
	}
	if all, above := (Result{Memory: 2 << 10, Idle: 1 << 10}).perSubscriber(); all != 2 || above != 1 {
		t.Error(all, above)
	}
	odd := func(memory, idle int) Result { return Result{Received: 1, Memory: memory, Idle: idle} }
	if m := median([]Result{odd(30, 1), odd(10, 3), odd(20, 2)}); m.Memory != 20 || m.Idle != 2 {
		t.Errorf("%+v", m)
	}
}

func TestEngineIsNotAskedFor(t *testing.T) {
	if ran, err := Engine(); ran || err != nil {
		t.Error(ran, err)
	}
}
