package asn

import (
	"context"
	"errors"
	"slices"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// uplink is the publishing leg of a party: one connection for all that it sends.
type uplink struct {
	t       *seat
	id      string      // the publish id
	peer    bridge.Peer // nil: closed, until the next offer
	streams map[bridge.Source]*stream
}

// stream is what a leg sends of one source.
type stream struct {
	pub       bridge.PublicationID
	mids      []string // claimed
	audio     bool     // negotiated
	video     bool
	layers    []bridge.Layer
	announced bool // the room knows of it
}

// setting is what the client, or a moderator, wants of one media.
type setting struct {
	off     bool // not enabled
	muted   bool
	revoked bool // a moderator has ended the stream; until the party enables it again
}

func (t *seat) newUplink(ctx context.Context) error {
	u := &uplink{t: t, id: bridge.NewPeerID().String(), streams: map[bridge.Source]*stream{}}
	for _, src := range []bridge.Source{bridge.Camera, bridge.Screen} {
		u.streams[src] = &stream{pub: bridge.NewPublicationID()}
	}
	if err := u.open(ctx); err != nil {
		return err
	}
	t.up = u
	return nil
}

// Limits of what a client sends on its leg, in bit/s: a camera and a screen.
const uplinkBitrate = 8_000_000

func (u *uplink) open(ctx context.Context) (err error) {
	u.peer, err = u.t.connect(ctx, u, bridge.PeerOptions{Simulcast: true, MaxBitrate: uplinkBitrate})
	return err
}

// legID implements leg.
func (u *uplink) legID() string { return u.id }

// publishID is the id as a result has it.
func (u *uplink) publishID() *string {
	if u == nil {
		return nil
	}
	return &u.id
}

// offered handles asnSDPOffer: the client publishes (reference 11.2).
func (t *seat) offered(ctx context.Context, a *rose.SDPOfferArgument) error {
	u := t.up
	if u == nil || a.SubscriptionID != u.id || rose.Check(a) != nil {
		return errIgnored
	}
	answer, err := u.negotiated(ctx, bridge.SDP(a.SDP), a.Sections)
	if err != nil {
		t.s.c.Log.Info("an offer is refused", "err", err)
		answer = ""
	}
	if err := t.s.tell(rose.OpSDPAnswer, &rose.SDPAnswerArgument{SubscriptionID: u.id, SDP: string(answer)}); err != nil {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // the empty answer has said it
	}
	return u.publish(ctx)
}

// errNothing says that nothing in an offer can be published.
var errNothing = errors.New("nothing in it can be published")

// negotiated answers an offer. When that fails, the leg is as it was.
func (u *uplink) negotiated(ctx context.Context, offer bridge.SDP, said []rose.MediaSection) (bridge.SDP, error) {
	all := sections(offer)
	media := carried(all, said)
	claims := map[bridge.Source][]string{}
	for _, s := range all {
		if m, ok := media[s.mid]; ok && u.t.capable(m) && u.t.me.who.Can.Has(permission(m)) {
			src := placeOf(m).source
			claims[src] = append(claims[src], s.mid)
		}
	}
	if len(claims) == 0 {
		return "", errNothing
	}
	if u.peer == nil {
		if err := u.open(ctx); err != nil {
			return "", err
		}
	}
	before := map[bridge.Source][]string{}
	for src, s := range u.streams {
		before[src] = s.mids
	}
	err := u.claim(claims)
	var answer bridge.SDP
	if err == nil {
		answer, err = u.peer.Answer(ctx, offer)
	}
	if err != nil {
		if undone := u.claim(before); undone != nil {
			u.t.s.c.Log.Warn("claims", "err", undone)
		}
		return "", err
	}
	u.learn(all, sections(answer))
	return answer, nil
}

// claim says what comes on which m-lines.
func (u *uplink) claim(mids map[bridge.Source][]string) error {
	for src, s := range u.streams {
		if slices.Equal(s.mids, mids[src]) {
			continue
		}
		if len(s.mids) > 0 && len(mids[src]) == 0 {
			if err := u.peer.Drop(s.pub); err != nil {
				return err
			}
		} else if err := u.peer.Receive(s.pub, src, mids[src]...); err != nil {
			return err
		}
		s.mids = mids[src]
	}
	return nil
}

// learn takes in what was agreed on. What is published is known from that, and not
// from the first packets: others subscribe before those are there.
func (u *uplink) learn(offer, answer []section) {
	for _, s := range u.streams {
		s.audio, s.video, s.layers = false, false, nil
		for i, a := range answer {
			if !slices.Contains(s.mids, a.mid) || !a.gets() {
				continue
			}
			s.audio = s.audio || a.kind == "audio"
			s.video = s.video || a.kind == "video"
			if a.kind == "video" && i < len(offer) {
				s.layers = offer[i].simulcast()
			}
		}
	}
}

// publish tells the room what is sent, as far as it is enabled and permitted.
func (u *uplink) publish(ctx context.Context) error {
	if u == nil {
		return nil
	}
	for _, src := range []bridge.Source{bridge.Camera, bridge.Screen} {
		if err := u.publishStream(ctx, src); err != nil {
			return err
		}
	}
	return nil
}

func (u *uplink) publishStream(ctx context.Context, src bridge.Source) error {
	s, t := u.streams[src], u.t
	p := bridge.Publication{ID: s.pub, Source: src, Layers: s.layers}
	audio, video := rose.MediaAudio, rose.MediaVideo
	if src == bridge.Screen {
		audio, video = rose.MediaScreen, rose.MediaScreen
	}
	if s.audio {
		p.Audio = t.wanted(audio)
	}
	if s.video {
		p.Video = t.wanted(video)
	}
	switch {
	case p.Audio != bridge.Absent || p.Video != bridge.Absent:
		s.announced = true
		return t.session.Do(ctx, bridge.Publish{Publication: p})
	case s.announced:
		s.announced = false
		err := t.session.Do(ctx, bridge.Unpublish{ID: s.pub})
		if bridge.CodeOf(err) == bridge.NotFound {
			return nil // it was taken away meanwhile
		}
		return err
	}
	return nil
}

// wanted is the state that a media is to have in the room.
func (t *seat) wanted(m rose.ConferenceMediaType) bridge.TrackState {
	w := t.wants[m]
	switch {
	case w.off || w.revoked || !t.capable(m) || !t.me.who.Can.Has(permission(m)):
		return bridge.Absent
	case w.muted:
		return bridge.Muted
	}
	return bridge.Live
}

// capable reports whether the party has announced what a media needs (reference 9).
func (t *seat) capable(m rose.ConferenceMediaType) bool {
	return slices.Contains(t.self.Capabilities.ClientCapabilities, int64(m))
}

// told takes in what has become of a stream of the party's own: somebody else may
// have muted it.
func (u *uplink) told(p bridge.Publication) {
	if u == nil || p.ID != u.streams[p.Source].pub {
		return
	}
	for _, m := range medias() {
		if placeOf(m).source == p.Source && state(p, m) != bridge.Absent {
			w := u.t.wants[m]
			w.muted = state(p, m) != bridge.Live
			u.t.wants[m] = w
		}
	}
}

// revoked takes in that a moderator has ended a stream, or is about to be told to have
// taken the permission for it: see permitted.
func (u *uplink) revoked(id bridge.PublicationID) {
	if u == nil {
		return
	}
	for src, s := range u.streams {
		if s.pub != id || !s.announced {
			continue
		}
		s.announced = false
		for _, m := range medias() {
			if placeOf(m).source == src {
				w := u.t.wants[m]
				w.revoked = true
				u.t.wants[m] = w
			}
		}
	}
}

// changed implements leg. A connection that has failed takes its streams with it; the
// client may offer anew.
func (u *uplink) changed(ctx context.Context, state bridge.PeerState) error {
	if state != bridge.PeerFailed && state != bridge.PeerClosed {
		return nil
	}
	u.t.disconnect(u.peer)
	u.peer = nil
	for _, s := range u.streams {
		s.mids, s.audio, s.video, s.layers = nil, false, false, nil
	}
	return u.publish(ctx)
}

// negotiate implements leg: the client offers.
func (*uplink) negotiate(context.Context) error { return nil }

// close ends the leg, and all that is sent on it.
func (u *uplink) close(ctx context.Context) error {
	if u == nil {
		return nil
	}
	u.t.up = nil
	u.t.disconnect(u.peer)
	for _, s := range u.streams {
		if !s.announced {
			continue
		}
		s.announced = false
		err := u.t.session.Do(ctx, bridge.Unpublish{ID: s.pub})
		if err != nil && bridge.CodeOf(err) != bridge.NotFound {
			return err
		}
	}
	return nil
}

// candidate tells a candidate of ours, or that there are no more (reference 11.2).
func (t *seat) candidate(_ context.Context, e bridge.PeerCandidate) error {
	l := t.legs[e.Peer]
	if l == nil {
		return nil
	}
	id, c := l.legID(), e.Candidate
	if c.Text == "" {
		return t.s.tell(rose.OpGatheringIceCompleted, &rose.GatheringIceCompletedArgument{SubscriptionID: id})
	}
	return t.s.tell(rose.OpTrickleIce, &rose.TrickleIceArgument{SubscriptionID: id, ICECandidate: rose.ConferenceIceCandidate{
		Candidate: trimAttribute(c.Text), SDPMid: c.Mid, SDPMLineIndex: int64(max(0, c.Index)),
	}})
}

// trickled handles asnTrickleIce. The engine keeps what comes too early.
func (t *seat) trickled(ctx context.Context, a *rose.TrickleIceArgument) error {
	if rose.Check(a) != nil {
		return errIgnored
	}
	c := a.ICECandidate
	return t.addCandidate(ctx, a.SubscriptionID, bridge.Candidate{Text: c.Candidate, Mid: c.SDPMid, Index: int(c.SDPMLineIndex)})
}

// gathered handles asnGatheringIceCompleted.
func (t *seat) gathered(ctx context.Context, a *rose.GatheringIceCompletedArgument) error {
	return t.addCandidate(ctx, a.SubscriptionID, bridge.Candidate{Index: -1})
}

func (t *seat) addCandidate(ctx context.Context, id string, c bridge.Candidate) error {
	var peer bridge.Peer
	if t.up != nil && id == t.up.id {
		peer = t.up.peer
	} else if d := t.downs[id]; d != nil {
		peer = d.peer
	}
	if peer == nil {
		return errIgnored
	}
	if err := peer.AddCandidate(ctx, c); err != nil {
		t.s.c.Log.Debug("candidate left out", "peer", peer.ID(), "err", err)
	}
	return nil
}
