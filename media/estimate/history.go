package estimate

import (
	"sync/atomic"
	"time"
)

// historySize is how many packets are remembered: a second of 10 Mbit/s. Feedback
// comes many times a second.
const historySize = 1024

// What a slot has of a packet: its number and size in 16 bits each, and when it left
// in 31 bits of ticks, so that one word holds all and several loops may number
// packets at once without a lock. The lowest bit says that no feedback has come yet.
const (
	tickShift  = 14 // a tick is 2^14 ns
	tickLength = time.Duration(1 << tickShift)
	tickBits   = 31
	tickMask   = 1<<tickBits - 1
	openBit    = 1
)

// History numbers the packets of a transport and remembers when they left. The zero
// value is ready.
type History struct {
	last  atomic.Uint32
	slots [historySize]atomic.Uint64
}

// Next returns the transport-wide sequence number
// (draft-holmer-rmcat-transport-wide-cc-extensions-01) of a packet of size bytes
// that leaves now. Any goroutine may call it; it neither waits nor allocates.
func (h *History) Next(now time.Duration, size int) uint16 {
	seq := h.last.Add(1) & 0xffff
	at := uint64(now>>tickShift) & tickMask
	h.slots[seq%historySize].Store(uint64(seq)<<48 | uint64(min(size, 0xffff))<<32 | at<<1 | openBit)
	return uint16(seq)
}

// take returns what is remembered of a packet, once.
func (h *History) take(seq uint16, now time.Duration) (at time.Duration, size int, ok bool) {
	slot := &h.slots[seq%historySize]
	v := slot.Load()
	if v&openBit == 0 || uint16(v>>48) != seq || !slot.CompareAndSwap(v, v&^openBit) {
		return 0, 0, false
	}
	// The time is the last one that ends in these ticks.
	ago := (uint64(now>>tickShift) - v>>1) & tickMask
	return now>>tickShift<<tickShift - time.Duration(ago)*tickLength, int(v >> 32 & 0xffff), true
}
