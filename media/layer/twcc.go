package layer

import (
	"time"

	"github.com/pion/rtcp"
)

// TWCC implements Estimator.
func (b *Bandwidth) TWCC(now time.Duration, feedback *rtcp.TransportLayerCC) {
	if b.ring == nil {
		b.ring = make([]packet, ringSize)
		return
	}
	arrival := b.clock.read(feedback.ReferenceTime)
	seq, deltas := feedback.BaseSequenceNumber, feedback.RecvDeltas
	left := int(feedback.PacketStatusCount)
	each(feedback.PacketChunks, func(symbol uint16) bool {
		if left == 0 {
			return false
		}
		left--
		received := symbol == rtcp.TypeTCCPacketReceivedSmallDelta || symbol == rtcp.TypeTCCPacketReceivedLargeDelta
		if received && len(deltas) > 0 {
			arrival += time.Duration(deltas[0].Delta) * time.Microsecond
			deltas = deltas[1:]
		}
		b.fate(now, seq, received, arrival)
		seq++
		return true
	})
	b.judge(now)
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

// fate takes what became of one packet.
func (b *Bandwidth) fate(now time.Duration, seq uint16, received bool, arrival time.Duration) {
	p := &b.ring[seq%ringSize]
	if !p.open || p.seq != seq {
		return
	}
	p.open = false // if it comes after all, it was late enough to be called lost
	b.counted++
	if !received {
		b.lost++
		return
	}
	b.acked.add(now, int(p.size))
	way := arrival - p.at // plus what the clocks differ by
	switch {
	case !b.windowed:
		b.windowed, b.windowAt, b.shortest = true, now, [2]time.Duration{way, way}
	case now-b.windowAt >= window:
		b.windowAt, b.shortest = now, [2]time.Duration{b.shortest[1], way}
	}
	b.shortest[1] = min(b.shortest[1], way)
	queued := way - min(b.shortest[0], b.shortest[1])
	b.delay += (float64(queued) - b.delay) / 16
}

// judge draws the conclusions of a feedback packet.
func (b *Bandwidth) judge(now time.Duration) {
	if b.delay > float64(queueing) {
		b.cut(now, backoff*b.acked.peak(now))
	}
	if b.counted >= sample {
		part := float64(b.lost) / float64(b.counted)
		b.lost, b.counted = 0, 0
		b.loss(now, part)
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
