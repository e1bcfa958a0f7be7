package cluster

import (
	"sync"
	"time"
)

// moves is what an epoch leaves for the moves of a room. An epoch is the time when the
// room was born, in 1/256 ms, and behind that how often it may still be handed over:
// each time it becomes less by one. So the lesser of two epochs of a room is that of
// the owner who has it by right: the one where it was born first, or of two of the
// same birth the one to which it was handed over last.
const moves = 0xff

// moved is the epoch of a room that is handed over.
func moved(epoch uint64) uint64 { return epoch - 1 }

// sameBirth reports whether two epochs are of one room, born once.
func sameBirth(a, b uint64) bool { return a|moves == b|moves }

// clock is a hybrid clock: its times, which are epochs, are later than all that it
// gave or saw before, and close to the real time.
type clock struct {
	mu   sync.Mutex
	last uint64
}

// now returns the time.
func (c *clock) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+moves+1, uint64(time.Now().UnixMilli())<<16|moves)
	return c.last
}

// saw takes in a time of another node. One that is far ahead is not believed: a
// clock that is wrong by years would else spread.
func (c *clock) saw(t uint64) {
	const ahead = uint64(time.Hour/time.Millisecond) << 16
	c.mu.Lock()
	defer c.mu.Unlock()
	if t > c.last && t < uint64(time.Now().UnixMilli())<<16+ahead {
		c.last = t | moves
	}
}
