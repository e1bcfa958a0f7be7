package media

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"

	"dragoman/media/layer"
)

// feedback is the RTCP of a peer: what the client says of what it gets, and what
// we say of what we get.
type feedback struct {
	p    *peer
	ins  atomic.Pointer[[]*incoming]
	outs atomic.Pointer[[]*outgoing]

	hurry               atomic.Bool // what may come is to be said at the next tick
	packetsIn, bytesIn  atomic.Uint64
	malformed, unrouted atomic.Uint64
	forged, replayed    atomic.Uint64 // SRTP

	arrivals struct {
		sync.Mutex
		recorder *twcc.Recorder
		any      bool
	}
	room struct {
		sync.Mutex
		estimator layer.Estimator
		worst     uint8 // fraction lost, of the reports since the last look
	}

	// Of the ticker.
	nacks  []uint16
	ticks  uint64
	sentTo uint64 // bytes that the estimator knows of
	before struct{ packets, repeated uint64 }
}

func (f *feedback) init(p *peer) {
	f.p = p
	f.ins.Store(&[]*incoming{})
	f.outs.Store(&[]*outgoing{})
	f.arrivals.recorder = twcc.NewRecorder(p.ssrc)
	f.room.estimator = layer.NewBandwidth()
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
			f.room.Lock()
			f.room.estimator.REMB(time.Duration(now), int(min(r.Bitrate, 1e9)))
			f.room.Unlock()
		}
	case *rtcp.TransportLayerCC:
		f.room.Lock()
		f.room.estimator.TWCC(time.Duration(now), r)
		f.room.Unlock()
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
			f.room.Lock()
			f.room.worst = max(f.room.worst, r.FractionLost)
			f.room.Unlock()
		}
	}
}

// judge tells the estimator how much is lost: what clients report, or what they
// asked us to repeat. Repairs that have the same SSRC hide what was lost from
// reports.
func (f *feedback) judge(now int64) {
	var packets, repeated uint64
	for _, o := range *f.outs.Load() {
		if o.kind == video {
			c := o.down.Stats()
			packets += c.Packets
			repeated += c.Repeated - c.Retransmitted
		}
	}
	sent, again := packets-f.before.packets, repeated-f.before.repeated
	f.before.packets, f.before.repeated = packets, repeated
	f.room.Lock()
	defer f.room.Unlock()
	worst := f.room.worst
	f.room.worst = 0
	const few = 20 // packets that tell nothing
	if sent < few {
		return
	}
	worst = max(worst, uint8(min(again*256/sent, 255)))
	f.room.estimator.Loss(time.Duration(now), worst)
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

// The engine's ticker, and how many ticks there are between what is done less
// often.
const (
	tick        = 20 * time.Millisecond
	everyFifth  = 5   // 100 ms: transport-wide feedback, silence, placeholders
	everyTenth  = 10  // 200 ms: layers
	everySecond = 50  // receiver reports and bitrates
	everyOther  = 100 // sender reports
)

// tick walks what is due for a peer.
func (f *feedback) tick(now int64) {
	f.ticks++
	n := f.ticks
	f.p.hurry(now)
	if !f.p.connected.Load() {
		return
	}
	f.repair(now)
	if n%everyFifth == 0 {
		f.arrivalReport()
		for _, in := range *f.ins.Load() {
			in.listen(now)
		}
		for _, o := range *f.outs.Load() {
			o.down.Blank(now, formatVP8)
		}
	}
	if n%everyTenth == 0 {
		f.p.mu.Lock()
		f.p.allocate(now)
		f.p.mu.Unlock()
		f.p.post.flush()
	}
	if f.hurry.Swap(false) || n%everySecond == 0 {
		f.receiverReport(now)
	}
	if n%everySecond == 0 {
		f.judge(now)
	}
	if n%everyOther == 0 || n == everyFifth {
		f.senderReports(now)
	}
}

// repair asks for packets that are missing, and for key frames that are due.
func (f *feedback) repair(now int64) {
	for _, in := range *f.ins.Load() {
		for _, s := range *in.layers.Load() {
			f.nacks = s.Tick(now, f.nacks[:0])
			if len(f.nacks) > 0 {
				f.p.writeRTCP(&rtcp.TransportLayerNack{
					SenderSSRC: f.p.ssrc, MediaSSRC: s.SSRC, Nacks: rtcp.NackPairsFromSequenceNumbers(f.nacks),
				})
			}
		}
	}
}

func (f *feedback) arrivalReport() {
	f.arrivals.Lock()
	var packets []rtcp.Packet
	if f.arrivals.any {
		packets = f.arrivals.recorder.BuildFeedbackPacket()
		f.arrivals.any = false
	}
	f.arrivals.Unlock()
	for _, packet := range packets {
		f.p.writeRTCP(packet)
	}
}

// receiverReport says what came, and how much may come.
func (f *feedback) receiverReport(now int64) {
	const most = 31 // reports in a packet (RFC 3550, 6.4.2)
	var reports []rtcp.ReceptionReport
	var ssrcs []uint32
	allowed, remb := 0, false
	for _, in := range *f.ins.Load() {
		r := in.route.Load()
		if r == nil {
			continue
		}
		allowed += in.allowance()
		remb = remb || r.remb
		for _, s := range *in.layers.Load() {
			if report, ok := s.Report(now); ok && len(reports) < most {
				reports = append(reports, rtcp.ReceptionReport{
					SSRC: report.SSRC, FractionLost: report.Fraction, TotalLost: report.Lost,
					LastSequenceNumber: report.Highest, Jitter: report.Jitter,
					LastSenderReport: report.LastReport, Delay: report.Delay,
				})
			}
			ssrcs = append(ssrcs, s.SSRC)
		}
	}
	if len(ssrcs) == 0 {
		return
	}
	packets := []rtcp.Packet{&rtcp.ReceiverReport{SSRC: f.p.ssrc, Reports: reports}}
	if remb {
		packets = append(packets, &rtcp.ReceiverEstimatedMaximumBitrate{
			SenderSSRC: f.p.ssrc, Bitrate: float32(max(allowed, unwantedBitrate)), SSRCs: ssrcs,
		})
	}
	f.p.writeRTCP(packets...)
}

const (
	// unwantedBitrate is what a client may send that nobody wants, in bit/s.
	unwantedBitrate = 50_000
	audioBitrate    = 64_000
)

// allowance is what may come in here, in bit/s: next to nothing where nobody could
// get it, for want of a claim or because the gate is closed.
func (in *incoming) allowance() int {
	switch {
	case !in.source.Wanted():
		return 0
	case in.kind == audio:
		return audioBitrate
	}
	return in.p.maxBitrate()
}

// senderReports says how timestamps and time belong together.
func (f *feedback) senderReports(now int64) {
	ntp := ntpTime(f.p.e.begin.Add(time.Duration(now)))
	for _, o := range *f.outs.Load() {
		ts, packets, octets, ok := o.down.Report(now)
		if !ok {
			continue
		}
		f.p.writeRTCP(
			&rtcp.SenderReport{SSRC: o.down.SSRC(), NTPTime: ntp, RTPTime: ts, PacketCount: packets, OctetCount: octets},
			&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
				Source: o.down.SSRC(), Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: o.stream}},
			}}},
		)
	}
}

// ntpTime returns a time as NTP has it (RFC 5905, 6).
func ntpTime(t time.Time) uint64 {
	const since1900 = 2208988800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// allocate shares what the client can take among what is sent to it. The lock is
// held.
func (p *peer) allocate(now int64) {
	var subs []*layer.Subscription
	var outs []*outgoing
	var sent uint64
	for _, l := range p.lines {
		o := l.out
		if o == nil || !l.outgoing {
			continue
		}
		c := o.down.Stats()
		sent += c.Bytes - c.RepeatedBytes // what layers cost, not what repairs do
		if l.send == nil || o.track == nil {
			continue
		}
		o.check(l.send)
		o.sub.Audio, o.sub.Wish = l.kind == audio, l.send.wish
		o.sub.Layers = o.sub.Layers[:0]
		for _, in := range o.track.Layers() {
			o.sub.Layers = append(o.sub.Layers, layer.Layer{RID: in.RID, Bitrate: in.Bitrate(), Last: time.Duration(in.Last())})
		}
		subs, outs = append(subs, &o.sub), append(outs, o)
	}
	f := &p.feedback
	f.room.Lock()
	if sent > f.sentTo {
		f.room.estimator.Sent(time.Duration(now), 0, int(sent-f.sentTo))
	}
	f.sentTo = sent
	rate, known := f.room.estimator.Estimate()
	f.room.Unlock()
	p.e.allocator.Allocate(time.Duration(now), rate, known, subs)
	for _, o := range outs {
		o.aim(now)
	}
}

// aim sends what was allocated.
func (o *outgoing) aim(now int64) {
	rid, paused := "", o.sub.Wish.NoMore && o.kind == video || o.sub.Wish.Silent && o.kind == audio
	if at := o.sub.Target(); at >= 0 {
		rid = o.sub.Layers[at].RID
	}
	if o.down.Aim(rid, paused) {
		o.track.Update(now)
	}
}

// tick walks everything that is due, until the engine is closed.
func (e *Engine) tick() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-e.quit:
			return
		case <-t.C:
		}
		now := e.now()
		for _, p := range *e.snapshot.Load() {
			p.feedback.tick(now)
		}
		if n%everyTenth == 0 {
			for _, pub := range e.pubs.all() {
				for _, track := range pub.tracks {
					track.Tick(now)
				}
			}
		}
	}
}
