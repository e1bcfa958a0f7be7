package forward

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkForward is one packet to that many subscriptions, without encryption
// and sockets.
func BenchmarkForward(b *testing.B) {
	for _, n := range []int{1, 50, 500} {
		for _, rewritten := range []bool{false, true} {
			b.Run(fmt.Sprintf("subscribers=%d/descriptor=%v", n, rewritten), func(b *testing.B) {
				track, src := NewTrack(), NewSource(newSink(), &Clock{})
				track.Feed(src, 0)
				l := video(src, "a")
				for range n {
					d := subscribed(track, discard{}, 0)
					if rewritten {
						d.begun = true // as if there had been another layer before
						d.last = shift{pid: 1000, tl0: 7, key: 3}
					}
				}
				h := rtp{payload: vp8Frame{begins: true, key: true, body: strings.Repeat("x", 1000)}.payload()}.header(b)
				l.Push(h, Arrival{At: ms})
				h.Payload[6] = 0x11
				now, seq := ms, uint16(0)
				b.ReportAllocs()
				for b.Loop() {
					seq++
					now += ms
					h.Seq, h.TS = seq, uint32(seq)*90
					l.Push(h, Arrival{At: now})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/subscriber")
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	raw := (&Packet{PT: 96, Seq: 1, TS: 2, SSRC: 3, HasLevel: true, Body: make([]byte, 1100)}).
		AppendTo(nil, Extensions{Level: 1, Time: 3})
	b.ReportAllocs()
	var h Header
	for b.Loop() {
		if h.Parse(raw) != nil || h.Extension(3) == nil {
			b.Fatal("not parsed")
		}
	}
}

func BenchmarkRewriteDescriptor(b *testing.B) {
	payload := vp8Frame{begins: true, pid: 1, body: "x"}.payload()
	dst := make([]byte, maxDescriptor)
	b.ReportAllocs()
	for b.Loop() {
		d := describe(payload)
		d.rewrite(dst, payload, shift{1, 2, 3})
	}
}

func BenchmarkRepeat(b *testing.B) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := video(src, "a")
	d := subscribed(track, discard{}, 0)
	for seq := range uint16(100) {
		l.Push(rtp{seq: seq, payload: vp8Frame{begins: true, key: seq == 0, body: strings.Repeat("x", 1000)}.payload()}.header(b), Arrival{At: int64(seq) * ms})
	}
	seqs := []uint16{uint16(d.lastOut) - 50}
	b.ReportAllocs()
	for b.Loop() {
		d.credit = maxCredit
		if d.Repeat(seqs, 0, nil) != 1 {
			b.Fatal("not repeated")
		}
	}
}
