package media

import (
	"time"

	"github.com/pion/rtcp"
)

// The engine's ticker, and how many ticks there are between what is done less
// often.
const (
	tick        = 20 * time.Millisecond
	everyFifth  = 5   // 100 ms: transport-wide feedback
	everyTenth  = 10  // 200 ms: layers, silence, placeholders, and what nothing is due of
	everySecond = 50  // receiver reports and bitrates
	everyOther  = 100 // sender reports
)

// tick walks what is due for a peer. Others have their turn less often.
func (f *feedback) tick(now int64) {
	f.ticks++
	n := f.ticks
	if n%everyFifth == 0 {
		f.arrivalReport()
	}
	if !f.due.Take() && n%everyTenth != 0 {
		return
	}
	f.p.hurry(now)
	if !f.p.connected.Load() {
		return
	}
	f.repair(now)
	f.probe(now)
	for _, o := range *f.outs.Load() {
		o.down.Tick(now)
	}
	if n%everyTenth == 0 {
		for _, o := range *f.outs.Load() {
			o.down.Blank(now, formatVP8)
		}
		for _, in := range *f.ins.Load() {
			in.listen(now)
		}
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
	if n%everyOther == 0 || n == everyTenth {
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
		for _, o := range *e.outlets.Load() {
			o.tick(now)
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
