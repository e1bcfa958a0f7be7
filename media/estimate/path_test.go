package estimate

import (
	"math/rand/v2"
	"time"

	"github.com/pion/rtcp"

	"dragoman/media/layer"
)

// path is a bottleneck with a queue, and a receiver that tells what arrived, in
// virtual time.
type path struct {
	rate   float64       // bit/s
	queue  time.Duration // what fits in
	delay  time.Duration // of the rest of the way
	jitter time.Duration // at most, of the rest of the way; packets stay in order
	loss   float64       // parts, at random
	beside float64       // parts of the rate that others take

	h       *History
	rnd     *rand.Rand
	free    time.Duration // when the line is free again
	last    time.Duration // arrival
	pending []fate
	dropped int
	worst   time.Duration // delay of a packet that arrived
}

type fate struct {
	seq     uint16
	arrives time.Duration
	lost    bool
}

func newPath(p path) *path {
	p.h = &History{}
	p.rnd = rand.New(rand.NewPCG(1, 2))
	if p.delay == 0 {
		p.delay = 20 * ms
	}
	return &p
}

// send sends a packet.
func (p *path) send(now time.Duration, size int) {
	f := fate{seq: p.h.Next(now, size)}
	begin := max(now, p.free)
	if begin-now >= p.queue {
		p.dropped++
		f.lost, f.arrives = true, p.last
		p.pending = append(p.pending, f)
		return
	}
	p.free = begin + time.Duration(float64(size)*8/(p.rate*(1-p.beside))*float64(s))
	f.arrives = p.free + p.delay
	if p.jitter > 0 {
		f.arrives += time.Duration(p.rnd.Int64N(int64(p.jitter)))
	}
	f.arrives = max(f.arrives, p.last)
	p.last = f.arrives
	f.lost = p.rnd.Float64() < p.loss
	if f.lost {
		p.dropped++
	} else {
		p.worst = max(p.worst, f.arrives-now)
	}
	p.pending = append(p.pending, f)
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
	at := (report[0].arrives + ahead).Truncate(64 * ms)
	cc := &rtcp.TransportLayerCC{
		BaseSequenceNumber: report[0].seq, PacketStatusCount: uint16(n), ReferenceTime: uint32(at/(64*ms)) & (1<<24 - 1),
	}
	vector := &rtcp.StatusVectorChunk{SymbolSize: rtcp.TypeTCCSymbolSizeTwoBit}
	for _, f := range report {
		symbol := rtcp.TypeTCCPacketNotReceived
		if !f.lost {
			symbol = rtcp.TypeTCCPacketReceivedLargeDelta
			remote := (f.arrives + ahead).Truncate(250 * time.Microsecond)
			cc.RecvDeltas = append(cc.RecvDeltas, &rtcp.RecvDelta{Type: symbol, Delta: (remote - at).Microseconds()})
			at = remote
		}
		vector.SymbolList = append(vector.SymbolList, symbol)
	}
	for list := vector.SymbolList; len(list) > 0; list = list[min(7, len(list)):] {
		chunk := *vector
		chunk.SymbolList = append(append([]uint16(nil), list[:min(7, len(list))]...), make([]uint16, 7-min(7, len(list)))...)
		cc.PacketChunks = append(cc.PacketChunks, &chunk)
	}
	return cc
}

// marshal writes feedback, nil if that is impossible.
func marshal(cc *rtcp.TransportLayerCC) []byte {
	cc.Header = rtcp.Header{Count: rtcp.FormatTCC, Type: rtcp.TypeTransportSpecificFeedback, Length: uint16(cc.MarshalSize()/4 - 1)}
	raw, err := cc.Marshal()
	if err != nil {
		return nil
	}
	return raw
}

// viewer is a subscriber of one simulcast picture at the end of a path.
type viewer struct {
	path   *path
	b      *Bandwidth
	a      *layer.Allocator
	video  *layer.Subscription
	layers []layer.Layer
	now    time.Duration
	keys   int // frames that were key frames
	shown  int // layer of the last frame, -1: none
	frames int

	at      [3]time.Duration // how long each layer was sent
	changes int
	padding int // bytes
}

func newViewer(p *path) *viewer {
	v := &viewer{path: p, b: New(), a: layer.New(layer.Config{}), now: start, shown: -1}
	v.layers = []layer.Layer{{RID: "q", Bitrate: 150_000}, {RID: "h", Bitrate: 500_000}, {RID: "f", Bitrate: 1_500_000}}
	v.video = &layer.Subscription{Layers: v.layers}
	return v
}

// forget begins to count anew.
func (v *viewer) forget() {
	v.at, v.changes, v.padding, v.path.dropped, v.path.worst = [3]time.Duration{}, 0, 0, 0, 0
}

// watch lets time pass.
func (v *viewer) watch(d time.Duration) {
	const step = 20 * ms
	for end := v.now + d; v.now < end; v.now += step {
		if v.now%(100*ms) == 0 {
			if cc := v.path.feedback(v.now); cc != nil {
				v.b.TWCC(v.now, v.path.h, marshal(cc))
			}
		}
		if v.now%(200*ms) == 0 {
			v.choose()
		}
		for n := v.b.Padding(v.now); n > 0; n -= 240 {
			v.path.send(v.now, 240)
			v.padding += 240
		}
		if v.now%(40*ms) == 0 {
			v.frame()
		}
	}
}

func (v *viewer) choose() {
	for i := range v.layers {
		v.layers[i].Last = v.now
	}
	bps, known := v.b.Estimate()
	subs := []*layer.Subscription{v.video}
	if v.a.Allocate(v.now, bps, known, subs) {
		v.changes++
	}
	if want := v.a.Wanted(subs); want > 0 {
		v.b.Probe(v.now, want)
	}
}

// frame sends a frame, 25 times a second. One in a hundred is a key frame, six times
// as large, and so is the first of a layer.
func (v *viewer) frame() {
	target := v.video.Target()
	if target < 0 {
		return
	}
	v.at[target] += 40 * ms
	size := v.layers[target].Bitrate / 8 / 25
	if v.frames++; v.shown != target || v.frames%100 == 0 {
		size *= 6
		v.keys++
	}
	v.shown = target
	for ; size > 0; size -= 1100 {
		v.path.send(v.now, min(size, 1100))
		v.b.Sent(v.now, min(size, 1100))
	}
}
