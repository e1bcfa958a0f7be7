package media

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTune(t *testing.T) {
	const before = 123
	was, threads := debug.SetGCPercent(before), runtime.GOMAXPROCS(0)
	t.Cleanup(func() {
		debug.SetGCPercent(was)
		runtime.GOMAXPROCS(threads)
	})
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
	// However often it is called, there is a thread for each processor beside the loops.
	want := processors
	if runtime.GOOS == "linux" {
		want += loops()
	}
	if got := runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%d threads, want %d", got, want)
	}
}
