package estimate

import (
	"math"
	"time"
)

const (
	queueing = 50 * time.Millisecond  // more delay than this is a queue
	lasting  = 300 * time.Millisecond // one that does not go away for so long is congestion
	window   = 10 * time.Second       // in which the shortest way is looked for
	rigid    = 2 * time.Second        // a queue that neither grows nor shrinks for so long is none: the way has become longer
	wobble   = 0.2                    // by how much it may vary, in parts
)

// delays finds out whether packets queue on their way, and how fast they come
// while they do.
type delays struct {
	known    bool
	shortest [2]time.Duration // way of a packet, in the window before and in this one
	windowAt time.Duration
	queued   time.Duration // of the newest packet

	busy  bool          // there is a queue …
	from  time.Duration // … and since then, by the receiver's clock, it is counted …
	bytes int           // … what arrives, and …
	least time.Duration // … the least delay
	since time.Duration // since when the least delays have been between …
	low   time.Duration
	high  time.Duration // … these
}

// add takes a packet that left and arrived. If by now there is congestion, it returns
// what the path carries, in bit/s, otherwise 0.
func (d *delays) add(now, left, arrived time.Duration, size int) float64 {
	way := arrived - left // plus what the clocks differ by
	switch {
	case !d.known:
		d.known, d.windowAt, d.shortest = true, now, [2]time.Duration{way, way}
	case now-d.windowAt >= window:
		d.windowAt, d.shortest = now, [2]time.Duration{d.shortest[1], way}
	}
	d.shortest[1] = min(d.shortest[1], way)
	d.queued = way - min(d.shortest[0], d.shortest[1])
	if d.queued < queueing {
		d.busy = false
		return 0
	}
	if !d.busy {
		d.busy, d.since, d.low, d.high = true, arrived, math.MaxInt64, 0
		d.count(arrived)
		return 0
	}
	d.bytes += size
	d.least = min(d.least, d.queued)
	passed := arrived - d.from
	if passed < lasting {
		return 0
	}
	rate := float64(d.bytes) * 8 / passed.Seconds()
	d.low, d.high = min(d.low, d.least), max(d.high, d.least)
	if float64(d.high-d.low) > wobble*float64(d.high) {
		d.since, d.low, d.high = arrived, d.least, d.least
	}
	d.count(arrived)
	if arrived-d.since >= rigid {
		// It is no queue: what is sent has been cut, and nothing has changed.
		d.shortest = [2]time.Duration{way, way}
		d.windowAt, d.busy = now, false
		return 0
	}
	return rate
}

// count begins to count what arrives.
func (d *delays) count(arrived time.Duration) {
	d.from, d.bytes, d.least = arrived, 0, math.MaxInt64
}
