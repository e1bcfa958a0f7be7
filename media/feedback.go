package media

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"

	"dragoman/media/estimate"
	"dragoman/media/forward"
)

// feedback is the RTCP of a peer: what the client says of what it gets, and what
// we say of what we get.
type feedback struct {
	packetsIn, bytesIn atomic.Uint64 // first: each packet needs them

	p    *peer
	ins  atomic.Pointer[[]*incoming]
	outs atomic.Pointer[[]*outgoing]

	due                 forward.Due
	hurry               atomic.Bool // what may come is to be said at the next tick
	malformed, unrouted atomic.Uint64
	forged, replayed    atomic.Uint64 // SRTP

	arrivals struct {
		sync.Mutex
		recorder *twcc.Recorder
		any      bool
	}
	capacity capacity

	// Of the ticker.
	nacks []uint16
	ticks uint64
}

func (f *feedback) init(p *peer) {
	f.p = p
	f.ins.Store(&[]*incoming{})
	f.outs.Store(&[]*outgoing{})
	f.arrivals.recorder = twcc.NewRecorder(p.ssrc)
	f.capacity.guess = estimate.New()
}

// watch makes the lists of what goes in and out. The peer's lock is held.
func (f *feedback) watch(lines []*line) {
	var ins []*incoming
	var outs []*outgoing
	for _, l := range lines {
		if l.in != nil {
			ins = append(ins, l.in)
		}
		if l.out != nil {
			outs = append(outs, l.out)
		}
	}
	f.ins.Store(&ins)
	f.outs.Store(&outs)
}

// arrived notes a packet for transport-wide feedback.
func (f *feedback) arrived(ssrc uint32, seq uint16, now int64) {
	f.arrivals.Lock()
	defer f.arrivals.Unlock()
	f.arrivals.recorder.Record(ssrc, seq, now/int64(time.Microsecond))
	f.arrivals.any = true
}

// take acts on what a packet says of one SSRC. via is forward.Arrival.Out of what
// is repeated.
func (f *feedback) take(ssrc uint32, packet rtcp.Packet, via any) {
	now := f.p.e.now()
	switch r := packet.(type) {
	case *rtcp.SenderReport:
		if s := f.stream(ssrc); s != nil && r.SSRC == ssrc {
			s.SenderReport(r.NTPTime, r.RTPTime, now)
		}
		f.loss(ssrc, r.Reports)
	case *rtcp.ReceiverReport:
		f.loss(ssrc, r.Reports)
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		if len(r.SSRCs) > 0 && r.SSRCs[0] == ssrc { // it comes once for each
			f.capacity.Lock()
			f.capacity.guess.REMB(time.Duration(now), int(min(r.Bitrate, 1e9)))
			f.capacity.Unlock()
		}
	default:
		if out := f.out(ssrc); out != nil {
			out.obey(packet, now, via)
		}
	}
}

// obey does what the receiver of a stream asks for.
func (o *outgoing) obey(packet rtcp.Packet, now int64, via any) {
	switch r := packet.(type) {
	case *rtcp.PictureLossIndication:
		o.down.WantKey(now)
	case *rtcp.FullIntraRequest:
		asked := len(r.FIR) == 0
		for _, e := range r.FIR {
			asked = asked || e.SSRC == o.down.SSRC()
		}
		if asked {
			o.down.WantKey(now)
		}
	case *rtcp.TransportLayerNack:
		o.down.Repeat(expand(r.Nacks), now, via)
	}
}

// expand lists the packets that a NACK asks for, up to a bound.
func expand(pairs []rtcp.NackPair) []uint16 {
	const most = 256
	var all []uint16
	for _, pair := range pairs {
		all = append(all, pair.PacketID)
		for bit := range 16 {
			if pair.LostPackets&(1<<bit) != 0 {
				all = append(all, pair.PacketID+uint16(bit)+1)
			}
		}
		if len(all) >= most {
			return all[:most]
		}
	}
	return all
}

// loss takes what reports say of a stream of ours.
func (f *feedback) loss(ssrc uint32, reports []rtcp.ReceptionReport) {
	for _, r := range reports {
		if out := f.out(ssrc); r.SSRC == ssrc && out != nil && out.kind == video {
			f.capacity.Lock()
			f.capacity.worst = max(f.capacity.worst, r.FractionLost)
			f.capacity.Unlock()
		}
	}
}

func (f *feedback) stream(ssrc uint32) *stream {
	for _, in := range *f.ins.Load() {
		for _, s := range *in.layers.Load() {
			if s.SSRC == ssrc {
				return s
			}
		}
	}
	return nil
}

func (f *feedback) out(ssrc uint32) *outgoing {
	for _, o := range *f.outs.Load() {
		if o.down.SSRC() == ssrc {
			return o
		}
	}
	return nil
}
