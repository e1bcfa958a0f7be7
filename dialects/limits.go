package dialects

import (
	"cmp"
	"sync/atomic"
	"time"
)

// Limits bounds what one connection may cost.
type Limits struct {
	Read  int64         // bytes of a frame; larger: close code 1009
	Rate  float64       // frames per second, on average; what is above waits in the socket
	Burst int           // frames at once
	Ping  time.Duration // between pings
	Pong  time.Duration // without a pong: the client is gone
	Talks bool          // any frame is as good as a pong
	Write time.Duration // deadline of a write
	First time.Duration // until the first frame; negative: none
	Join  time.Duration // until the first session; negative: none
}

// DefaultLimits holds for a dialect that says nothing else.
var DefaultLimits = Limits{
	Read: 256 << 10, Rate: 20, Burst: 60,
	Ping: 20 * time.Second, Pong: 45 * time.Second, Write: 10 * time.Second,
	First: 5 * time.Second, Join: 30 * time.Second,
}

// Or fills the zero fields of l from other.
func (l Limits) Or(other Limits) Limits {
	return Limits{
		Read: cmp.Or(l.Read, other.Read), Rate: cmp.Or(l.Rate, other.Rate), Burst: cmp.Or(l.Burst, other.Burst),
		Ping: cmp.Or(l.Ping, other.Ping), Pong: cmp.Or(l.Pong, other.Pong), Talks: l.Talks || other.Talks, Write: cmp.Or(l.Write, other.Write),
		First: cmp.Or(l.First, other.First), Join: cmp.Or(l.Join, other.Join),
	}
}

// Counts counts what connections of one dialect do. All fields only rise, but
// for Open.
type Counts struct {
	Open, Accepted, FramesIn, FramesOut, BytesIn, BytesOut atomic.Int64
	Throttled                                              atomic.Int64 // frames that had to wait
	Refused                                                atomic.Int64 // bad frames, as the dialect reports them
	Lagged, Timeouts                                       atomic.Int64 // connections closed for that
}

// A bucket is a token bucket (one token a frame). It is used by one goroutine.
type bucket struct {
	rate   float64
	burst  float64
	tokens float64
	last   time.Time
}

func newBucket(l Limits) *bucket {
	return &bucket{rate: l.Rate, burst: float64(l.Burst), tokens: float64(l.Burst), last: time.Now()}
}

// take takes a token and returns how long the caller has to wait for it.
func (b *bucket) take(now time.Time) time.Duration {
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds()) - 1
	b.last = now
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}
