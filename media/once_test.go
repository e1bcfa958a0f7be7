package media

import (
	"math/rand/v2"
	"testing"
)

func TestOnce(t *testing.T) {
	var o once
	for i, step := range []struct {
		seq   uint16
		first bool
	}{
		{65530, true},
		{65530, false},
		{65529, false}, // before the beginning
		{65531, true},
		{65535, true},
		{65534, true},
		{65534, false},
		{3, true},
		{0, true},
		{65533, true},
		{65533, false},
		{3, false},
		{514, true},
		{3, false},
		{2, false},
		{4, true}, // just within the window; 2 is behind it
		{5000, true},
		{514, false},
		{4600, true},
		{4600, false},
	} {
		if got := o.first(step.seq); got != step.first {
			t.Fatalf("step %d: %d is sent for the first time: %v", i, step.seq, got)
		}
	}
}

// No packet is ever called the first twice, in whatever order they come.
func TestOnceAtRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var o once
	seen, high := map[int]bool{}, 1<<16
	accepted := 0
	for range 100_000 {
		at := high + rnd.IntN(40) - 30
		if rnd.IntN(500) == 0 {
			at = high + rnd.IntN(2000)
		}
		if o.first(uint16(at)) {
			if seen[at] {
				t.Fatalf("%d twice", at)
			}
			seen[at] = true
			accepted++
		}
		high = max(high, at)
	}
	if accepted < 20_000 {
		t.Errorf("only %d were taken", accepted)
	}
}
