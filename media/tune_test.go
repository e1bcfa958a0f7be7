package media

import (
	"runtime/debug"
	"testing"
)

func TestTune(t *testing.T) {
	const before = 123
	was := debug.SetGCPercent(before)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	for _, tt := range []struct {
		variable      string
		percent, want int
	}{
		{"", 0, gcPercent}, {"", 70, 70}, {"100", 0, before}, {"100", 70, 70},
	} {
		debug.SetGCPercent(before)
		t.Setenv("GOGC", tt.variable)
		Tune(tt.percent)
		if got := debug.SetGCPercent(before); got != tt.want {
			t.Errorf("GOGC %q, %d: %d, want %d", tt.variable, tt.percent, got, tt.want)
		}
	}
}
