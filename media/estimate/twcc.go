package estimate

import (
	"time"

	"github.com/pion/rtcp"
)

// read calls f with what feedback says of each packet; arrived is by the receiver's
// clock.
func read(feedback *rtcp.TransportLayerCC, clock *reference, f func(seq uint16, received bool, arrived time.Duration)) {
	arrived := clock.read(feedback.ReferenceTime)
	seq, deltas := feedback.BaseSequenceNumber, feedback.RecvDeltas
	left := int(feedback.PacketStatusCount)
	each(feedback.PacketChunks, func(symbol uint16) bool {
		if left == 0 {
			return false
		}
		left--
		received := symbol == rtcp.TypeTCCPacketReceivedSmallDelta || symbol == rtcp.TypeTCCPacketReceivedLargeDelta
		if received && len(deltas) > 0 {
			arrived += time.Duration(deltas[0].Delta) * time.Microsecond
			deltas = deltas[1:]
		}
		f(seq, received, arrived)
		seq++
		return true
	})
}

// each calls f with the status symbols of the chunks until it returns false.
func each(chunks []rtcp.PacketStatusChunk, f func(symbol uint16) bool) {
	for _, c := range chunks {
		switch c := c.(type) {
		case *rtcp.RunLengthChunk:
			for range c.RunLength {
				if !f(c.PacketStatusSymbol) {
					return
				}
			}
		case *rtcp.StatusVectorChunk:
			for _, symbol := range c.SymbolList {
				if !f(symbol) {
					return
				}
			}
		}
	}
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
	return time.Duration(r.total) * 64 * time.Millisecond
}
