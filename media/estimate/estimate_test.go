package estimate

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

const (
	ms = time.Millisecond
	s  = time.Second
	// start is any point in time.
	start = 100 * time.Hour
)

// rates is what an estimator is told, second by second.
type rates struct {
	sent int // bit/s
	remb int // 0: no report
	loss uint8
}

func TestBandwidthReports(t *testing.T) {
	const k = 1000
	for name, test := range map[string]struct {
		told     []rates
		low, top int // bounds of the estimate; 0, 0: none
	}{
		"nothing":                           {[]rates{{sent: 1000 * k}}, 0, 0},
		"a limit":                           {[]rates{{sent: 1000 * k}, {1000 * k, 600 * k, 0}}, 600 * k, 600 * k},
		"a limit that moves":                {[]rates{{sent: 1000 * k}, {1000 * k, 600 * k, 0}, {1000 * k, 700 * k, 0}}, 700 * k, 700 * k},
		"far more than is sent":             {[]rates{{sent: 100 * k}, {100 * k, 600 * k, 0}}, 0, 0},
		"grows past what little is sent":    {[]rates{{sent: 1000 * k}, {1000 * k, 200 * k, 0}, {150 * k, 225 * k, 0}, {150 * k, 225 * k, 0}, {150 * k, 225 * k, 0}}, 240 * k, 280 * k},
		"rises behind what is sent":         {[]rates{{sent: 100 * k}, {100 * k, 300 * k, 0}, {1000 * k, 320 * k, 0}, {1000 * k, 340 * k, 0}}, 0, 0},
		"falls behind what is sent":         {[]rates{{sent: 100 * k}, {100 * k, 300 * k, 0}, {1000 * k, 320 * k, 0}, {1000 * k, 310 * k, 0}}, 310 * k, 310 * k},
		"stays behind what is sent":         {[]rates{{sent: 100 * k}, {100 * k, 300 * k, 0}, {1000 * k, 300 * k, 0}}, 300 * k, 300 * k},
		"next to nothing":                   {[]rates{{sent: 1000 * k}, {1000 * k, 5, 0}}, floor, floor},
		"a tenth lost is borne":             {[]rates{{sent: 1000 * k}, {1000 * k, 0, 25}}, 0, 0},
		"a quarter lost is not":             {[]rates{{sent: 1000 * k}, {1000 * k, 0, 64}}, 870 * k, 880 * k},
		"some loss holds":                   {[]rates{{sent: 1000 * k}, {1000 * k, 0, 64}, {1000 * k, 0, 12}, {1000 * k, 0, 12}}, 870 * k, 880 * k},
		"no loss raises":                    {[]rates{{sent: 1000 * k}, {1000 * k, 0, 64}, {1000 * k, 0, 0}, {1000 * k, 0, 0}}, 1000 * k, 1030 * k},
		"a report does not undo a loss":     {[]rates{{sent: 1000 * k}, {1000 * k, 0, 64}, {1000 * k, 1200 * k, 0}}, 930 * k, 960 * k},
		"a lower report does count":         {[]rates{{sent: 1000 * k}, {1000 * k, 0, 64}, {1000 * k, 100 * k, 0}}, 100 * k, 100 * k},
		"far above what is sent, forgotten": {[]rates{{sent: 1000 * k}, {1000 * k, 0, 64}, {40 * k, 0, 0}, {40 * k, 0, 0}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := New()
			now := start
			for i, r := range test.told {
				for range 50 {
					b.Sent(now, r.sent/8/50)
					now += 20 * ms
				}
				if r.remb > 0 {
					b.REMB(now, r.remb)
				} else if i > 0 {
					b.Loss(now, r.loss)
				}
			}
			got, ok := b.Estimate()
			if ok != (test.top > 0) || got < test.low || got > test.top {
				t.Errorf("got %d, %v, want %d to %d", got, ok, test.low, test.top)
			}
		})
	}
}

// Two bad reports in a row are one congestion.
func TestCutsWait(t *testing.T) {
	b := New()
	for i := range 100 {
		b.Sent(start+time.Duration(i)*20*ms, 2500)
	}
	b.Loss(start+2*s, 128)
	once, _ := b.Estimate()
	b.Loss(start+2*s+100*ms, 255)
	if twice, _ := b.Estimate(); twice != once {
		t.Errorf("cut to %d, and at once to %d", once, twice)
	}
}

// Lists of equal symbols come as runs, and the receiver's clock wraps.
func TestTWCCRuns(t *testing.T) {
	b, h := New(), &History{}
	now := start
	h.last.Store(math.MaxUint16 - 50)
	reference := uint32(1<<24 - 2)
	for range 20 {
		var first uint16
		for i := range 20 {
			seq := h.Next(now, 1000)
			if b.Sent(now, 1000); i == 0 {
				first = seq
			}
			now += 10 * ms
		}
		cc := &rtcp.TransportLayerCC{
			BaseSequenceNumber: first, PacketStatusCount: 20, ReferenceTime: reference & (1<<24 - 1),
			PacketChunks: []rtcp.PacketStatusChunk{
				&rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketReceivedSmallDelta, RunLength: 12},
				&rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketNotReceived, RunLength: 500}, // more than there are
			},
		}
		for range 12 {
			cc.RecvDeltas = append(cc.RecvDeltas, &rtcp.RecvDelta{Delta: 10_000})
		}
		b.TWCC(now, h, marshal(cc))
		b.TWCC(now, h, marshal(cc)) // once more changes nothing
		reference += 3              // 192 ms, while 200 pass
	}
	got, ok := b.Estimate()
	// 800 kbit/s are sent and 8 of 20 lost, which is seen several times.
	if !ok || got > 700_000 || got < 300_000 {
		t.Errorf("got %d, %v", got, ok)
	}
	if b.delays.queued > queueing {
		t.Errorf("a clock that wraps looks like a queue of %s", b.delays.queued)
	}
	b.REMB(now, 100_000)
	b.Loss(now, 255)
	if again, _ := b.Estimate(); again != got || !b.Numbered(now) || b.Numbered(now+time.Minute) {
		t.Errorf("what says less counts beside feedback on all packets: %d", again)
	}
}

func TestHistory(t *testing.T) {
	h := &History{}
	if _, _, ok := h.take(0, start); ok {
		t.Error("a packet that nobody sent")
	}
	for _, now := range []time.Duration{0, tickLength << tickBits, start, start*2 + 5*ms} {
		seq := h.Next(now, 1100)
		at, size, ok := h.take(seq, now+3*s)
		if !ok || size != 1100 || now-at > tickLength || at > now {
			t.Errorf("sent at %s: %s, %d bytes, %v", now, at, size, ok)
		}
		if _, _, again := h.take(seq, now+3*s); again {
			t.Error("the same packet twice")
		}
		if _, _, old := h.take(seq-historySize, now+3*s); old {
			t.Error("a packet in the place of another")
		}
	}
	var wg sync.WaitGroup
	seen := make([]atomic.Int32, 1<<16)
	for range 4 {
		wg.Go(func() {
			for range 10_000 {
				seen[h.Next(start, 1)].Add(1)
			}
		})
	}
	wg.Wait()
	for seq := range seen {
		if seen[seq].Load() > 1 {
			t.Fatalf("number %d was given twice", seq)
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	h, now := &History{}, start
	if n := testing.AllocsPerRun(1000, func() {
		now += ms
		h.Next(now, 1100)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// compare reads feedback as Pion does.
func compare(t *testing.T, raw []byte) {
	t.Helper()
	var cc rtcp.TransportLayerCC
	if cc.Unmarshal(raw) != nil {
		return
	}
	var ours []time.Duration
	var clock reference
	if !read(raw, &clock, func(seq uint16, received bool, arrived time.Duration) {
		if received {
			ours = append(ours, arrived)
		}
	}) {
		return // Pion takes lists that say less than they are to say
	}
	at := time.Duration(0)
	for i, d := range cc.RecvDeltas {
		at += time.Duration(d.Delta) * time.Microsecond
		if i < len(ours) && ours[i] != at {
			t.Fatalf("packet %d arrived at %s, by Pion at %s", i, ours[i], at)
		}
	}
	if len(ours) > len(cc.RecvDeltas) {
		t.Errorf("%d arrived, by Pion %d", len(ours), len(cc.RecvDeltas))
	}
}

func TestFeedbackDoesNotAllocate(t *testing.T) {
	p, b := newPath(path{rate: 1e6, queue: s}), New()
	for range 30 {
		p.send(start, 1000)
	}
	raw := marshal(p.feedback(start + s))
	if n := testing.AllocsPerRun(100, func() {
		if !b.TWCC(start+s, p.h, raw) {
			t.Error("malformed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for n := range raw {
		if b.TWCC(start+s, p.h, raw[:n]) && n < len(raw)-3 {
			t.Errorf("%d of %d bytes are enough", n, len(raw))
		}
	}
}

// Feedback is what a client says: it may say anything.
func FuzzTWCC(f *testing.F) {
	p := newPath(path{rate: 1e6, queue: s, loss: 0.3})
	for range 20 {
		p.send(start, 1000)
	}
	f.Add(marshal(p.feedback(start + s)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		compare(t, raw)
		b, h := New(), &History{}
		if len(raw) > 14 {
			h.last.Store(uint32(raw[12])<<8 + uint32(raw[13]) - 1)
		}
		for i := range 200 {
			h.Next(start+time.Duration(i)*10*ms, 1000)
			b.Sent(start+time.Duration(i)*10*ms, 1000)
		}
		for i := range 3 {
			now := start + time.Duration(2+i)*s
			b.TWCC(now, h, raw)
			b.Probe(now, 10_000_000)
			if n := b.Padding(now); n < 0 || n > probeBurst {
				t.Errorf("%d bytes of padding", n)
			}
		}
		if bps, ok := b.Estimate(); ok && bps < floor || bps < 0 {
			t.Errorf("%d, %v", bps, ok)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	h, now := &History{}, start
	for b.Loop() {
		now += ms
		h.Next(now, 1100)
	}
}
