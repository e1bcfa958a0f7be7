package media

import (
	"sync"
	"time"

	"dragoman/media/estimate"
	"dragoman/media/forward"
	"dragoman/media/layer"
)

// capacity is how much a client can take.
type capacity struct {
	sync.Mutex
	guess *estimate.Bandwidth
	sent  *estimate.History // nil: no packet is numbered
	worst uint8             // fraction lost, of the reports since the last look

	// Of the ticker.
	sentTo uint64 // bytes that the guess knows of
	before struct{ packets, repeated uint64 }
}

// history returns what numbers packets; with begin, there is one from now on.
func (f *feedback) history(begin bool) *estimate.History {
	f.capacity.Lock()
	defer f.capacity.Unlock()
	if begin && f.capacity.sent == nil {
		f.capacity.sent = &estimate.History{}
	}
	return f.capacity.sent
}

// probe sends the padding that shows whether a client can take more.
func (f *feedback) probe(now int64) {
	f.capacity.Lock()
	n := f.capacity.guess.Padding(time.Duration(now))
	if f.capacity.guess.Probing(time.Duration(now)) {
		f.due.Mark()
	}
	f.capacity.Unlock()
	for _, o := range *f.outs.Load() {
		if n <= 0 {
			return
		}
		if o.kind == video {
			n -= o.down.Pad(now, n)
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
	sent, again := packets-f.capacity.before.packets, repeated-f.capacity.before.repeated
	f.capacity.before.packets, f.capacity.before.repeated = packets, repeated
	f.capacity.Lock()
	defer f.capacity.Unlock()
	worst := f.capacity.worst
	f.capacity.worst = 0
	const few = 20 // packets that tell nothing
	if sent < few {
		return
	}
	worst = max(worst, uint8(min(again*256/sent, 255)))
	f.capacity.guess.Loss(time.Duration(now), worst)
}

// allocate shares what the client can take among what is sent to it. The lock is
// held.
func (p *peer) allocate(now int64) {
	var subs []*layer.Subscription
	var outs []*outgoing
	var sent uint64
	var choices []forward.Choice // of one line after another
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
		choices = o.track.Choices(choices[:0], now)
		for _, c := range choices {
			o.sub.Layers = append(o.sub.Layers, layer.Layer{RID: c.RID, Bitrate: c.Bitrate, Last: time.Duration(c.Last)})
		}
		subs, outs = append(subs, &o.sub), append(outs, o)
	}
	f := &p.feedback
	f.capacity.Lock()
	if sent > f.capacity.sentTo {
		f.capacity.guess.Sent(time.Duration(now), int(sent-f.capacity.sentTo))
	}
	f.capacity.sentTo = sent
	rate, known := f.capacity.guess.Estimate()
	numbered := f.capacity.guess.Numbered(time.Duration(now))
	f.capacity.Unlock()
	aside := 0 // what the guess leaves out
	for _, s := range subs {
		if numbered && s.Audio && len(s.Layers) > 0 {
			aside += s.Layers[0].Bitrate
		}
	}
	p.e.allocator.Allocate(time.Duration(now), rate+aside, known, subs)
	if want := p.e.allocator.Wanted(subs) - aside; known && want > 0 {
		f.capacity.Lock()
		f.capacity.guess.Probe(time.Duration(now), want)
		f.capacity.Unlock()
		f.due.Mark()
	}
	for _, o := range outs {
		o.down.SetPace(rate, int64(tick))
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
		o.p.e.nudge()
	}
}
