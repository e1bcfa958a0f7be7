package media

import (
	"sync"
	"time"

	"dragoman/media/estimate"
	"dragoman/media/layer"
)

// room is how much a client can take.
type room struct {
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
	f.room.Lock()
	defer f.room.Unlock()
	if begin && f.room.sent == nil {
		f.room.sent = &estimate.History{}
	}
	return f.room.sent
}

// probe sends the padding that shows whether a client can take more.
func (f *feedback) probe(now int64) {
	f.room.Lock()
	n := f.room.guess.Padding(time.Duration(now))
	f.room.Unlock()
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
	sent, again := packets-f.room.before.packets, repeated-f.room.before.repeated
	f.room.before.packets, f.room.before.repeated = packets, repeated
	f.room.Lock()
	defer f.room.Unlock()
	worst := f.room.worst
	f.room.worst = 0
	const few = 20 // packets that tell nothing
	if sent < few {
		return
	}
	worst = max(worst, uint8(min(again*256/sent, 255)))
	f.room.guess.Loss(time.Duration(now), worst)
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
		for _, c := range o.track.Choices(now) {
			o.sub.Layers = append(o.sub.Layers, layer.Layer{RID: c.RID, Bitrate: c.Bitrate, Last: time.Duration(c.Last)})
		}
		subs, outs = append(subs, &o.sub), append(outs, o)
	}
	f := &p.feedback
	f.room.Lock()
	if sent > f.room.sentTo {
		f.room.guess.Sent(time.Duration(now), int(sent-f.room.sentTo))
	}
	f.room.sentTo = sent
	rate, known := f.room.guess.Estimate()
	numbered := f.room.guess.Numbered(time.Duration(now))
	f.room.Unlock()
	aside := 0 // what the guess leaves out
	for _, s := range subs {
		if numbered && s.Audio && len(s.Layers) > 0 {
			aside += s.Layers[0].Bitrate
		}
	}
	p.e.allocator.Allocate(time.Duration(now), rate+aside, known, subs)
	if want := p.e.allocator.Wanted(subs) - aside; known && want > 0 {
		f.room.Lock()
		f.room.guess.Probe(time.Duration(now), want)
		f.room.Unlock()
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
