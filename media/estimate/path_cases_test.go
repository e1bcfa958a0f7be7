package estimate

import (
	"testing"
	"time"
)

// Who looks at a picture of 150, 500 and 1500 kbit/s over a path of a kind settles on
// the best layer that the path takes, soon, without going up and down, and without
// filling the path's queue.
func TestPaths(t *testing.T) {
	for name, test := range map[string]struct {
		path
		best    int
		changes int           // in the last minute, that are put up with
		worst   time.Duration // delay of a packet in the last minute
		losses  int           // packets in the last minute, padding included
	}{
		"a wide path":            {path{rate: 5e6, queue: 200 * ms}, 2, 0, 200 * ms, 0},
		"wide and far":           {path{rate: 5e6, queue: 200 * ms, delay: 150 * ms, jitter: 30 * ms}, 2, 0, 300 * ms, 0},
		"a deep queue":           {path{rate: 800_000, queue: 2 * s}, 1, 0, 600 * ms, 0},
		"deep and far":           {path{rate: 800_000, queue: 2 * s, delay: 150 * ms}, 1, 0, 800 * ms, 0},
		"a shallow queue":        {path{rate: 800_000, queue: 60 * ms}, 1, 2, 200 * ms, 600},
		"with jitter":            {path{rate: 800_000, queue: 500 * ms, jitter: 40 * ms}, 1, 2, 600 * ms, 0},
		"lossy and wide":         {path{rate: 5e6, queue: 200 * ms, loss: 0.05}, 2, 0, 200 * ms, 2000},
		"lossy and narrow":       {path{rate: 800_000, queue: 500 * ms, loss: 0.05}, 1, 2, 600 * ms, 1000},
		"beside others":          {path{rate: 1.6e6, queue: 500 * ms, beside: 0.5}, 1, 0, 600 * ms, 0},
		"enough for the least":   {path{rate: 250_000, queue: 300 * ms}, 0, 0, 400 * ms, 100},
		"hardly anything":        {path{rate: 100_000, queue: 300 * ms}, 0, 0, 400 * ms, 3000},
		"just not enough for it": {path{rate: 1.45e6, queue: 500 * ms}, 1, 2, 700 * ms, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := newViewer(newPath(test.path))
			v.watch(20 * s)
			v.forget()
			v.watch(20 * s)
			if v.at[test.best] < 17*s {
				t.Errorf("soon after the beginning the layers were sent for %v", v.at)
			}
			v.watch(time.Minute)
			v.forget()
			v.watch(time.Minute)
			if v.at[test.best] < 54*s {
				t.Errorf("the layers were sent for %v", v.at)
			}
			if v.changes > test.changes || v.path.worst > test.worst || v.path.dropped > test.losses {
				t.Errorf("%d changes, %s late at most, %d lost, %d bytes of padding", v.changes, v.path.worst, v.path.dropped, v.padding)
			}
		})
	}
}

// A path that becomes narrow takes the picture along within some seconds, and when it
// becomes wide again, the picture comes back within some seconds more.
func TestPathChanges(t *testing.T) {
	for name, queue := range map[string]time.Duration{"bufferbloat": 3 * s, "a usual queue": 300 * ms} {
		t.Run(name, func(t *testing.T) {
			v := newViewer(newPath(path{rate: 5e6, queue: queue}))
			v.watch(20 * s)
			v.path.rate = 300_000
			v.watch(3 * s)
			v.forget()
			v.watch(10 * s)
			if v.at[0] < 9*s {
				t.Errorf("narrow: the layers were sent for %v", v.at)
			}
			v.path.rate = 5e6
			v.watch(10 * s)
			v.forget()
			v.watch(10 * s)
			if v.at[2] < 9*s {
				t.Errorf("wide again: the layers were sent for %v", v.at)
			}
		})
	}
}

// A way that becomes longer is not congestion for long.
func TestPathBecomesLonger(t *testing.T) {
	v := newViewer(newPath(path{rate: 5e6, queue: 300 * ms}))
	v.watch(20 * s)
	v.path.delay = 180 * ms
	v.watch(12 * s)
	v.forget()
	v.watch(10 * s)
	if v.at[2] < 9*s {
		bps, _ := v.b.Estimate()
		t.Errorf("the layers were sent for %v; the guess is %d", v.at, bps)
	}
}

// A key frame is a queue, and no congestion.
func TestKeyFramesAreNoCongestion(t *testing.T) {
	v := newViewer(newPath(path{rate: 800_000, queue: s}))
	v.layers = v.layers[:2]
	v.video.Layers = v.layers
	v.watch(3 * time.Minute)
	if bps, known := v.b.Estimate(); known || v.keys < 40 || v.at[1] < 170*s {
		t.Errorf("a guess of %d after %d key frames, layers %v", bps, v.keys, v.at)
	}
}
