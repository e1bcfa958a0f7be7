package asn

import (
	"context"
	"strings"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// downlink is a subscription: one connection that carries media of one publisher.
//
// An m-line that was once negotiated for a media stays its own: what is not wanted
// any more is inactive, and nothing of it is sent. So no media ever moves to the
// place of another.
type downlink struct {
	t      *seat
	id     string
	of     bridge.ParticipantID
	peer   bridge.Peer
	wishes map[rose.ConferenceMediaType]*wish
	sent   map[bridge.Source]sending
	mids   map[string]rose.ConferenceMediaType

	offering bool // an offer is not answered yet
	dirty    bool // there is more to be offered
	last     *rose.SDPOfferArgument
}

// wish is what the client wants of a media. It has an entry for as long as it wants
// it.
type wish struct {
	paused  bool
	quality rose.ConferenceQuality
	bitrate int64
}

// sending is what was asked of the engine for one source.
type sending struct {
	pub          bridge.PublicationID
	audio, video bool
}

// active reports whether a media is wanted and published.
func (d *downlink) active(m rose.ConferenceMediaType) bool {
	who := d.t.members[d.of]
	if who == nil || d.wishes[m] == nil {
		return false
	}
	_, ok := who.stream(m)
	return ok
}

// arrange makes the engine send what is active, and notes whether that needs another
// offer.
func (d *downlink) arrange(m *member) error {
	for _, src := range []bridge.Source{bridge.Camera, bridge.Screen} {
		if err := d.arrangeSource(m, src); err != nil {
			return err
		}
	}
	d.prefer(m)
	return nil
}

func (d *downlink) arrangeSource(m *member, src bridge.Source) error {
	want, have := d.wanted(m, src), d.sent[src]
	if want.pub.IsZero() || want.pub == have.pub && have.covers(want) {
		return nil
	}
	want.audio, want.video = want.audio || have.audio, want.video || have.video
	if !have.pub.IsZero() {
		if err := d.peer.Drop(have.pub); err != nil && bridge.CodeOf(err) != bridge.NotFound {
			return err
		}
	}
	o := bridge.SendOptions{NoAudio: !want.audio, NoVideo: !want.video, Stream: mediaStream(d.of, src)}
	if err := d.peer.Send(want.pub, o); err != nil {
		delete(d.sent, src)
		return err
	}
	d.sent[src] = want
	return nil
}

// wanted is what of a source is active. The sound of a screen comes with it.
func (d *downlink) wanted(m *member, src bridge.Source) (want sending) {
	for _, media := range medias() {
		at := placeOf(media)
		if at.source != src || !d.active(media) {
			continue
		}
		p, _ := m.stream(media)
		want.pub = p.ID
		want.audio = want.audio || at.track == bridge.Audio || src == bridge.Screen && p.Audio != bridge.Absent
		want.video = want.video || at.track == bridge.Video
	}
	return want
}

func (s sending) covers(o sending) bool { return (s.audio || !o.audio) && (s.video || !o.video) }

// prefer tells the engine what is paused, and which layer to send.
func (d *downlink) prefer(m *member) {
	for src, s := range d.sent {
		sound, picture := rose.MediaAudio, rose.MediaVideo
		if src == bridge.Screen {
			sound, picture = rose.MediaScreen, rose.MediaScreen
		}
		p, _ := m.stream(picture)
		w := bridge.LayerWish{NoMore: d.stopped(picture), Silent: d.stopped(sound)}
		if x := d.wishes[picture]; x != nil {
			w.RID = layer(p, *x)
		}
		if err := d.peer.Prefer(s.pub, w); err != nil {
			d.t.s.c.Log.Debug("prefer", "peer", d.peer.ID(), "err", err)
		}
	}
}

// stopped reports whether nothing of a media is to be sent.
func (d *downlink) stopped(m rose.ConferenceMediaType) bool {
	return !d.active(m) || d.wishes[m].paused
}

// layer is the rid of the best layer that is wanted; empty: the best there is.
func layer(p bridge.Publication, w wish) string {
	n := len(p.Layers)
	if n < 2 {
		return ""
	}
	best := n - 1
	switch w.quality {
	case rose.QualityLow:
		best = 0
	case rose.QualityMedium:
		best = (n - 1) / 2
	}
	// What layers of browsers cost at most, from the best one down (a third of the
	// bitrate for half the size).
	for cost := int64(1_500_000); best > 0 && w.bitrate > 0 && cost>>(2*(n-1-best)) > w.bitrate; best-- {
		continue
	}
	if best == n-1 {
		return ""
	}
	return p.Layers[best].RID
}

// offer offers what there is, unless an offer waits for its answer.
func (d *downlink) offer(ctx context.Context) error {
	if d.offering || d.t.s.gone || d.t.downs[d.id] != d {
		d.dirty = true
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	d.dirty = false
	sdp, err := d.peer.Offer(ctx)
	if err != nil {
		d.t.s.c.Log.Warn("no offer for a subscription", "peer", d.peer.ID(), "err", err)
		d.close()
		return nil
	}
	d.learn(sections(sdp))
	d.offering = true
	d.last = &rose.SDPOfferArgument{
		SubscriptionID: d.id, SDP: string(dress(sdp, d.of.String(), d.mids, d.active)), Sections: []rose.MediaSection{},
	}
	for _, s := range sections(sdp) {
		if m, ok := d.mids[s.mid]; ok && !s.rejected && d.active(m) {
			d.last.Sections = append(d.last.Sections, rose.MediaSection{SDPMid: s.mid, MediaType: m})
		}
	}
	return d.t.s.tell(rose.OpSDPOffer, d.last)
}

// learn finds out what the new m-lines of an offer are for.
func (d *downlink) learn(all []section) {
	for _, s := range all {
		if _, known := d.mids[s.mid]; known {
			continue
		}
		switch stream := s.streamOf(); {
		case strings.HasSuffix(stream, screenSuffix):
			d.mids[s.mid] = rose.MediaScreen
		case stream != "" && s.kind == "audio":
			d.mids[s.mid] = rose.MediaAudio
		case stream != "" && s.kind == "video":
			d.mids[s.mid] = rose.MediaVideo
		}
	}
}

// answered handles asnSDPAnswer.
func (t *seat) answered(ctx context.Context, a *rose.SDPAnswerArgument) error {
	d := t.downs[a.SubscriptionID]
	if d == nil || !d.offering || rose.Check(a) != nil {
		return errIgnored
	}
	if a.SDP == "" {
		d.close() // the client refuses it
		return nil
	}
	if err := d.peer.Accept(ctx, bridge.SDP(a.SDP)); err != nil {
		t.s.c.Log.Info("no use of an answer", "peer", d.peer.ID(), "err", err)
		return nil // it may send another
	}
	d.offering = false
	if d.dirty {
		return d.offer(ctx)
	}
	return nil
}

// again tells a client that has come back what it may have missed.
func (d *downlink) again(ctx context.Context) error {
	if d.offering {
		return d.t.s.tell(rose.OpSDPOffer, d.last)
	}
	if d.dirty {
		return d.offer(ctx)
	}
	return nil
}

// review makes the subscriptions to somebody fit what is published now.
func (t *seat) review(ctx context.Context, m *member) error {
	for _, d := range t.downs {
		if d.of != m.who.ID {
			continue
		}
		if err := d.review(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (d *downlink) review(ctx context.Context, m *member) error {
	any := false
	for _, media := range medias() {
		any = any || d.active(media)
	}
	if !any {
		d.close()
		return nil
	}
	sections := map[string]bool{}
	if d.last != nil {
		for _, s := range d.last.Sections {
			sections[s.SDPMid] = true
		}
	}
	was := d.sent[bridge.Camera]
	screen := d.sent[bridge.Screen]
	if err := d.arrange(m); err != nil {
		d.t.s.c.Log.Info("a subscription ends", "err", err)
		d.close()
		return nil
	}
	changed := was != d.sent[bridge.Camera] || screen != d.sent[bridge.Screen]
	for mid, media := range d.mids {
		changed = changed || sections[mid] != d.active(media)
	}
	if !changed || d.last == nil {
		return nil
	}
	return d.t.s.soon(func() error { return d.offer(ctx) })
}

// legID implements leg.
func (d *downlink) legID() string { return d.id }

// changed implements leg. What has failed is over: the client subscribes anew when it
// wants to.
func (d *downlink) changed(_ context.Context, state bridge.PeerState) error {
	if state == bridge.PeerFailed || state == bridge.PeerClosed {
		d.close()
	}
	return nil
}

// negotiate implements leg.
func (d *downlink) negotiate(ctx context.Context) error {
	if d.last == nil || d.offering {
		return nil // an offer is on its way, with all that has been asked for until now
	}
	return d.t.s.soon(func() error { return d.offer(ctx) })
}

// close ends the subscription. Its id is unknown from then on.
func (d *downlink) close() {
	if d.t.downs[d.id] != d {
		return
	}
	delete(d.t.downs, d.id)
	d.t.disconnect(d.peer)
}
