package media

import (
	"slices"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/forward"
	"dragoman/media/layer"
	"dragoman/media/sdp"
)

// outgoing is what is sent on an m-line. It implements webrtc.TrackLocal.
type outgoing struct {
	p          *peer
	kind       webrtc.RTPCodecType
	stream, id string
	down       *forward.Down
	repair     uint32 // SSRC of retransmissions; 0: none
	writer     rtpWriter
	track      *forward.Track // nil: carries nothing
	up         bool           // live has been told the down
	missed     bool           // a mismatch has been told
	sub        layer.Subscription
}

func newOutgoing(p *peer, kind webrtc.RTPCodecType, s *send) *outgoing {
	o := &outgoing{p: p, kind: kind, stream: s.o.Stream}
	if o.stream == "" {
		o.stream = s.id.String()
	}
	o.id = o.stream + "-" + kind.String()
	return o
}

// begin makes the stream with the SSRCs that Pion has chosen, for packets and for
// retransmissions, of which there may be none.
func (o *outgoing) begin(ssrc, repair uint32) {
	cfg := forward.DownConfig{SSRC: ssrc, Rate: 48000, Sound: o.kind == audio, Writer: &o.writer, Exact: o.p.far(), Due: &o.p.feedback.due}
	if o.kind == video {
		cfg.Rate, cfg.Repair, o.repair = 90000, repair, repair
		if o.p.cfg.Placeholder {
			cfg.Blank = o.p.e.blank
		}
	}
	o.writer.link, o.writer.ssrc = o.p.link, ssrc
	o.down = forward.NewDown(cfg)
}

// carries reports whether what a publication has can be sent here.
func (o *outgoing) carries(s *send) bool {
	if s.pub == nil {
		return true
	}
	all := s.pub.tracks[trackOf(o.kind)].Formats()
	return len(all) == 0 || o.down.Takes(all)
}

// join sends a track.
func (o *outgoing) join(t *forward.Track, now int64) {
	o.part()
	o.track, o.missed = t, false
	t.Add(o.down, now)
	o.p.e.nudge()
}

// part sends nothing any more.
func (o *outgoing) part() {
	if o.track != nil {
		o.track.Remove(o.down)
		o.track = nil
		o.p.e.nudge()
	}
}

// live says whether packets get to the client.
func (o *outgoing) live(up bool, now int64) {
	if o.down == nil || o.up == up {
		return
	}
	o.up = up
	o.p.e.nudge()
	o.down.SetLive(up)
	if o.track != nil {
		o.track.Update(now)
	}
	o.down.Blank(now, formatVP8)
}

// agree takes what was negotiated.
func (o *outgoing) agree(a agreed, now int64) {
	f := payloadTypes(a.theirs.Codecs)
	repairs := repairTypes(a, f)
	ids := forward.Extensions{
		Level: extensionID(a.answer, uriLevel),
		Time:  extensionID(a.answer, uriTime),
	}
	if o.kind == video && reports(a.answer) && repeatable(f, repairs) {
		ids.Number = extensionID(a.answer, uriTransport)
	}
	o.down.SetFormats(f)
	o.down.SetRepairs(repairs, ids.Number != 0)
	o.writer.agree(ids, o.p.feedback.history(ids.Number != 0))
	if o.track != nil {
		o.track.Update(now)
	}
}

// check tells, once, that a publication has packets that the client cannot take.
func (o *outgoing) check(s *send) {
	mismatch := o.down.Mismatch()
	if mismatch == o.missed {
		return
	}
	if o.missed = mismatch; mismatch {
		o.p.log.Warn("a track is not forwarded: the client has no codec for it", "publication", s.id, "kind", o.kind)
		o.p.post.leave(bridge.PeerTrack{Peer: o.p.cfg.ID, Pub: s.id, Track: trackOf(o.kind)})
	}
}

// ID implements webrtc.TrackLocal.
func (o *outgoing) ID() string { return o.id }

// RID implements webrtc.TrackLocal.
func (o *outgoing) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (o *outgoing) StreamID() string { return o.stream }

// Kind implements webrtc.TrackLocal.
func (o *outgoing) Kind() webrtc.RTPCodecType { return o.kind }

// Bind implements webrtc.TrackLocal. Which payload type is used depends on what
// is forwarded, so the answer is of no consequence.
func (o *outgoing) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	o.writer.bind(c.WriteStream())
	if all := c.CodecParameters(); len(all) > 0 {
		return all[0], nil
	}
	return webrtc.RTPCodecParameters{}, nil
}

// Unbind implements webrtc.TrackLocal.
func (o *outgoing) Unbind(webrtc.TrackLocalContext) error {
	o.writer.bind(nil)
	return nil
}

// reports reports whether a client says of each packet what became of it.
func reports(m sdp.Media) bool {
	return slices.ContainsFunc(m.Codecs, func(c sdp.Codec) bool { return slices.Contains(c.Feedback, "transport-cc") })
}

// repeatable reports whether whatever is sent can be retransmitted in a stream of its
// own. Packets are numbered only then: the others are repeated to the last bit.
func repeatable(f, repairs forward.Formats) bool {
	for i, pt := range f {
		if pt != forward.NoFormat && repairs[i] == forward.NoFormat {
			return false
		}
	}
	return true
}
