package cluster

import (
	"sync"
	"time"
)

// clock is a hybrid clock: its times are later than all that it gave or saw before,
// and close to the real time, in 1/65536 ms.
type clock struct {
	mu   sync.Mutex
	last uint64
}

// now returns the time.
func (c *clock) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+1, uint64(time.Now().UnixMilli())<<16)
	return c.last
}

// saw takes in a time of another node. One that is far ahead is not believed: a
// clock that is wrong by years would else spread.
func (c *clock) saw(t uint64) {
	const ahead = uint64(time.Hour/time.Millisecond) << 16
	c.mu.Lock()
	defer c.mu.Unlock()
	if t > c.last && t < uint64(time.Now().UnixMilli())<<16+ahead {
		c.last = t
	}
}
