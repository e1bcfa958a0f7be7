package estimate

import (
	"encoding/binary"
	"time"
)

// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1) is
// read here because it comes ten times a second from every client, and Pion's reader
// allocates for each packet that it is about.

const (
	feedbackHeader = 20
	smallTick      = 250 * time.Microsecond
	referenceTick  = 64 * time.Millisecond

	notReceived = 0
	smallDelta  = 1
	largeDelta  = 2
)

// IsFeedback reports whether an RTCP packet with its header is transport-wide feedback.
func IsFeedback(b []byte) bool {
	const format, transport = 15, 205
	return len(b) >= feedbackHeader && b[0]&0x1f == format && b[1] == transport
}

// read calls f with what feedback says of each packet; arrived is by the receiver's
// clock. It reports false if the feedback is malformed, from where it is.
func read(b []byte, clock *reference, f func(seq uint16, received bool, arrived time.Duration)) bool {
	if !IsFeedback(b) {
		return false
	}
	seq, count := binary.BigEndian.Uint16(b[12:]), int(binary.BigEndian.Uint16(b[14:]))
	arrived := clock.read(uint32(b[16])<<16 | uint32(b[17])<<8 | uint32(b[18]))
	b = b[feedbackHeader:]
	chunks := 0
	for covered := 0; covered < count; chunks++ {
		if len(b) < 2*chunks+2 {
			return false
		}
		covered += chunk(binary.BigEndian.Uint16(b[2*chunks:])).symbols()
	}
	deltas := b[2*chunks:]
	for at := 0; count > 0; at++ {
		c := chunk(binary.BigEndian.Uint16(b[2*at:]))
		n := min(c.symbols(), count)
		count -= n
		for i := range n {
			symbol := c.symbol(i)
			switch {
			case symbol == smallDelta && len(deltas) >= 1:
				arrived += time.Duration(deltas[0]) * smallTick
				deltas = deltas[1:]
			case symbol == largeDelta && len(deltas) >= 2:
				arrived += time.Duration(int16(binary.BigEndian.Uint16(deltas))) * smallTick
				deltas = deltas[2:]
			case symbol != notReceived:
				return false
			}
			f(seq, symbol != notReceived, arrived)
			seq++
		}
	}
	return true
}

// chunk is what became of some packets: a symbol that is repeated, or a list of
// symbols of one bit or two.
type chunk uint16

const (
	chunkList = 1 << 15
	chunkWide = 1 << 14
)

func (c chunk) symbols() int {
	switch {
	case c&chunkList == 0:
		return int(c & 0x1fff)
	case c&chunkWide == 0:
		return 14
	}
	return 7
}

func (c chunk) symbol(i int) uint8 {
	switch {
	case c&chunkList == 0:
		return uint8(c >> 13 & 3)
	case c&chunkWide == 0:
		return uint8(c >> (13 - i) & 1)
	}
	return uint8(c >> (12 - 2*i) & 3)
}

// reference unwraps the receiver's clock, which has 24 bits of 64 ms.
type reference struct {
	begun bool
	last  uint32
	total int64
}

func (r *reference) read(ticks uint32) time.Duration {
	if r.begun {
		r.total += int64(int32((ticks-r.last)<<8) >> 8) // the shortest way round
	}
	r.begun, r.last = true, ticks
	return time.Duration(r.total) * referenceTick
}
