package layer

import (
	"math"
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

func TestNone(t *testing.T) {
	var e Estimator = None{}
	e.Sent(start, 1, 1000)
	e.REMB(start, 1000)
	e.Loss(start, 255)
	e.TWCC(start, &rtcp.TransportLayerCC{})
	if _, ok := e.Estimate(); ok {
		t.Error("None knows something")
	}
}

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
			b := NewBandwidth()
			now := start
			for i, r := range test.told {
				for range 50 {
					b.Sent(now, 0, r.sent/8/50)
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
	b := NewBandwidth()
	for i := range 100 {
		b.Sent(start+time.Duration(i)*20*ms, 0, 2500)
	}
	b.Loss(start+2*s, 128)
	once, _ := b.Estimate()
	b.Loss(start+2*s+100*ms, 255)
	if twice, _ := b.Estimate(); twice != once {
		t.Errorf("cut to %d, and at once to %d", once, twice)
	}
}

// path is a bottleneck with a queue, and a receiver that tells what arrived.
type path struct {
	rate    float64       // bit/s
	queue   time.Duration // what fits in
	free    time.Duration // when the line is free again
	seq     uint16
	pending []fate
	total   float64
}

type fate struct {
	seq     uint16
	arrives time.Duration // 0: lost
}

func (p *path) send(now time.Duration, size int) uint16 {
	p.seq++
	f := fate{seq: p.seq}
	if begin := max(now, p.free); begin-now < p.queue {
		p.free = begin + time.Duration(float64(size)*8/p.rate*float64(s))
		f.arrives = p.free + 20*ms
		p.total += float64(size) * 8
	}
	p.pending = append(p.pending, f)
	return p.seq
}

// feedback reports everything that was sent and has arrived or is lost; the
// receiver's clock is another one.
func (p *path) feedback(now time.Duration) *rtcp.TransportLayerCC {
	n := 0
	for n < len(p.pending) && p.pending[n].arrives <= now {
		n++
	}
	if n == 0 {
		return nil
	}
	report := p.pending[:n]
	p.pending = p.pending[n:]
	const ahead = 1 << 30 * 64 * ms % (1 << 24 * 64 * ms)
	at := time.Duration(0)
	cc := &rtcp.TransportLayerCC{BaseSequenceNumber: report[0].seq, PacketStatusCount: uint16(n)}
	vector := &rtcp.StatusVectorChunk{SymbolSize: rtcp.TypeTCCSymbolSizeTwoBit}
	for _, f := range report {
		symbol := rtcp.TypeTCCPacketNotReceived
		if f.arrives > 0 {
			symbol = rtcp.TypeTCCPacketReceivedLargeDelta
			remote := f.arrives + ahead
			if at == 0 {
				at = remote.Truncate(64 * ms)
				cc.ReferenceTime = uint32(at/(64*ms)) & (1<<24 - 1)
			}
			cc.RecvDeltas = append(cc.RecvDeltas, &rtcp.RecvDelta{Type: symbol, Delta: (remote - at).Microseconds()})
			at = remote
		}
		vector.SymbolList = append(vector.SymbolList, symbol)
	}
	cc.PacketChunks = []rtcp.PacketStatusChunk{vector}
	return cc
}

// The whole circle: three layers, a line that takes the middle one, feedback, and
// the choice. It settles on the middle layer, tries more now and then, and less
// and less often.
func TestCircle(t *testing.T) {
	layers := []Layer{{RID: "q", Bitrate: 150_000}, {RID: "h", Bitrate: 500_000}, {RID: "f", Bitrate: 1_500_000}}
	for name, test := range map[string]struct {
		rate     float64
		queue    time.Duration
		best     int
		attempts int // changes in the last minute that are put up with
	}{
		"a wide line":               {5e6, 200 * ms, 2, 0},
		"a deep queue":              {800_000, 2 * s, 1, 8},
		"a shallow queue":           {800_000, 50 * ms, 1, 8},
		"hardly anything":           {100_000, 300 * ms, 0, 0},
		"enough for the least only": {250_000, 200 * ms, 0, 8},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := NewBandwidth(), New(Config{})
			line := &path{rate: test.rate, queue: test.queue}
			video := &Subscription{Layers: layers}
			var at [3]time.Duration
			changes := 0
			const end = 3 * time.Minute
			for now := start; now < start+end; now += 5 * ms {
				for i := range layers {
					layers[i].Last = now
				}
				if now%(100*ms) == 0 {
					if cc := line.feedback(now); cc != nil {
						b.TWCC(now, cc)
					}
					bps, known := b.Estimate()
					if a.Allocate(now, bps, known, []*Subscription{video}) && now > start+end-time.Minute {
						changes++
					}
				}
				if target := video.Target(); now%(20*ms) == 0 && target >= 0 {
					if now > start+end/2 {
						at[target] += 20 * ms
					}
					for left := layers[target].Bitrate / 8 / 50; left > 0; left -= 1100 {
						size := min(left, 1100)
						b.Sent(now, line.send(now, size), size)
					}
				}
			}
			if most := at[test.best]; most < end/2*8/10 {
				t.Errorf("the layers were sent for %v", at)
			}
			if changes > test.attempts {
				t.Errorf("%d changes in the last minute", changes)
			}
		})
	}
}

// Lists of equal symbols come as runs, and the receiver's clock wraps.
func TestTWCCRuns(t *testing.T) {
	b := NewBandwidth()
	b.TWCC(start, &rtcp.TransportLayerCC{}) // from here on packets are remembered
	now := start
	seq := uint16(math.MaxUint16 - 50)
	reference := uint32(1<<24 - 2)
	for range 20 {
		first := seq
		for range 20 {
			b.Sent(now, seq, 1000)
			seq++
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
		b.TWCC(now, cc)
		b.TWCC(now, cc) // once more changes nothing
		reference += 3  // 192 ms, while 200 pass
	}
	got, ok := b.Estimate()
	// 800 kbit/s are sent and 8 of 20 lost
	if !ok || got > 700_000 || got < 500_000 {
		t.Errorf("got %d, %v", got, ok)
	}
	if b.delay > float64(queueing) {
		t.Errorf("a clock that wraps looks like a queue of %s", time.Duration(b.delay))
	}
}

func TestSentDoesNotAllocate(t *testing.T) {
	b := NewBandwidth()
	b.TWCC(start, &rtcp.TransportLayerCC{})
	now, seq := start, uint16(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += ms
		seq++
		b.Sent(now, seq, 1100)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Feedback is what a client says: it may say anything.
func FuzzTWCC(f *testing.F) {
	if raw, err := (&path{rate: 1e6, queue: s, pending: []fate{{1, start}, {2, 0}, {3, start + ms}}}).feedback(start + s).Marshal(); err == nil {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var cc rtcp.TransportLayerCC
		if cc.Unmarshal(raw) != nil {
			return
		}
		b := NewBandwidth()
		b.TWCC(start, &cc)
		for i := range 200 {
			b.Sent(start+time.Duration(i)*10*ms, cc.BaseSequenceNumber+uint16(i), 1000)
		}
		for i := range 3 {
			b.TWCC(start+time.Duration(2+i)*s, &cc)
		}
		if bps, ok := b.Estimate(); ok && bps < floor || bps < 0 {
			t.Errorf("%d, %v", bps, ok)
		}
	})
}
