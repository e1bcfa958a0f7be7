package media

import "errors"

// onceSize is how far behind the newest packet one may be that is sent late.
const onceSize = 512

// once remembers which packets of a stream were sent. Packets that are numbered for the
// whole transport differ each time, and two that differ may not be encrypted under one
// number of GCM.
type once struct {
	begun bool
	high  uint16
	sent  [onceSize / 64]uint64
}

var errTwice = errors.New("the packet was sent before")

// first reports whether a packet is sent for the first time. Of those before the very
// first one nobody knows.
func (o *once) first(seq uint16) bool {
	if !o.begun {
		o.begun, o.high = true, seq-1
		for i := range o.sent {
			o.sent[i] = ^uint64(0)
		}
	}
	switch ahead := int(int16(seq - o.high)); {
	case ahead > onceSize:
		o.sent = [onceSize / 64]uint64{}
		o.high = seq
	case ahead > 0:
		for ; o.high != seq; o.high++ {
			o.sent[(o.high+1)%onceSize/64] &^= 1 << ((o.high + 1) % 64)
		}
	case ahead <= -onceSize:
		return false
	}
	word, bit := &o.sent[seq%onceSize/64], uint64(1)<<(seq%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}
