package ahoy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"dragoman/bridge"
)

// How long things may take.
const (
	offerTime   = 10 * time.Second // making an offer, or taking an answer
	answerTime  = 10 * time.Second // the answer to SDP_request (7.3)
	shareTime   = 30 * time.Second // the answer to MEDIA_RECEIVE_request: users are asked for their camera
	connectTime = 30 * time.Second // until the transport is up (7.5)
	mediaTime   = time.Second      // from the first track, or the transport, to the other track
)

// publisher is what the client sends: one stream over one connection, or two
// while one replaces the other. There is at most one unanswered
// MEDIA_RECEIVE_request (7.2).
type publisher struct {
	t        *seat
	exchange exchange
	pub      bridge.PublicationID // zero: nothing was shared yet
	source   bridge.Source
	wish     share
	offered  *leg // not answered yet
	current  *leg // answered
	live     bool // the room knows the stream
	retried  bool // the connection has failed, and this is the second try
}

// leg is a connection for the stream.
type leg struct {
	peer   bridge.Peer
	kinds  kinds // asked for; once answered, what really comes
	heard  kinds // of which the first packet came
	layers []bridge.Layer
	told   bool   // the room was told
	hurry  func() // takes back the end of waiting for the other track; nil: it is not waited for
}

// share handles MEDIA_SHARE_request (4.4).
func (t *seat) share(ctx context.Context, m message) (answer, error) {
	q, err := read[share](m)
	if err != nil {
		return answer{}, err
	}
	g := &t.giving
	want := kinds{bool(q.Audio), bool(q.Video)}
	if want.none() {
		if !maySpeak(t.me.who.Can) {
			return answer{}, bridge.Errorf(bridge.Forbidden, "listeners share nothing")
		}
		return answer{then: g.stop}, nil
	}
	src := bridge.Camera
	if isScreen(t.me.who.Name) && !want.audio {
		src = bridge.Screen
	}
	if !maySend(t.me.who.Can, src, want) {
		return answer{}, bridge.Errorf(bridge.Forbidden, "you may not share that")
	}
	if src != g.source {
		g.retire(ctx) // a stream does not change its source
	}
	g.wish, g.source, g.retried = q, src, false
	if g.exchange.id != "" {
		return answer{}, g.exchange.free(ctx, g.again)
	}
	l, offer, err := g.open(ctx)
	if err != nil {
		return answer{}, &bridge.Error{Code: bridge.Internal, Err: err}
	}
	return answer{then: func(context.Context) error { return g.ask(l, offer) }}, nil
}

// maySend reports whether all that is to be sent is permitted.
func maySend(can bridge.Permissions, src bridge.Source, k kinds) bool {
	var need bridge.Permissions
	switch {
	case src == bridge.Screen:
		need = bridge.PublishScreen
	case k.audio && k.video:
		need = bridge.PublishAudio | bridge.PublishVideo
	case k.audio:
		need = bridge.PublishAudio
	default:
		need = bridge.PublishVideo
	}
	return can.Has(need)
}

// bitrate is the effective limit of the video, in bit/s (4.4).
func (g *publisher) bitrate() int {
	kbit := int(g.wish.MaxVideoBitrate)
	if kbit == 0 {
		kbit = defaultVideoKbit
	}
	bits := kbit * bitsPerKilobit
	if most := g.t.room.MaxBitrate; most > 0 {
		bits = min(bits, most)
	}
	return bits
}

// open makes a connection and its offer. Every dialect can take Opus and VP8,
// and old clients do little else (7.4).
func (g *publisher) open(ctx context.Context) (*leg, bridge.SDP, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	l := &leg{kinds: kinds{bool(g.wish.Audio), bool(g.wish.Video)}}
	if g.pub.IsZero() {
		g.pub = bridge.NewPublicationID()
	}
	var err error
	l.peer, err = g.t.connect(ctx, g, bridge.PeerOptions{
		Codecs: []string{"opus", "VP8"}, MaxBitrate: g.bitrate(), DetectMute: l.kinds.audio, Timeout: connectTime,
	})
	if err != nil {
		return nil, "", err
	}
	if err = l.peer.Receive(g.pub, g.source, l.kinds.names()...); err == nil {
		var offer bridge.SDP
		if offer, err = l.peer.Offer(ctx); err == nil {
			return l, offer, nil
		}
	}
	g.t.disconnect(l.peer)
	return nil, "", err
}

// ask sends a MEDIA_RECEIVE_request.
func (g *publisher) ask(l *leg, offer bridge.SDP) error {
	var raw [32]byte
	rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	g.offered = l
	g.exchange.sent(id, shareTime, func(ctx context.Context) error {
		g.failed(ctx, g.offered, "no answer to an offer")
		return nil
	})
	q := &receiveMedia{SDP: string(offer)}
	q.TransactionID = text(id)
	return g.t.s.say("MEDIA_RECEIVE_request", q)
}

// again opens a connection for what was wished last, and asks for it.
func (g *publisher) again(ctx context.Context) error {
	l, offer, err := g.open(ctx)
	if err != nil {
		g.t.s.c.Log.Warn("no connection for a stream", "err", err)
		if g.current == nil {
			g.unpublish(ctx)
		}
		return nil
	}
	return g.ask(l, offer)
}

// received handles MEDIA_RECEIVE_response (7.2, 7.6). An answer that nobody has
// asked for is ignored.
func (t *seat) received(ctx context.Context, m message) error {
	g := &t.giving
	if !g.exchange.take(m.transaction()) {
		return nil
	}
	if l := g.offered; l != nil {
		g.offered = nil
		g.answered(ctx, l, m)
	}
	return g.exchange.proceed(ctx)
}

// answered takes the answer for a connection.
func (g *publisher) answered(ctx context.Context, l *leg, m message) {
	if g.exchange.waiting() {
		g.close(l) // another is about to replace it
		return
	}
	a, err := read[sdpAnswer](m)
	if err != nil || !a.ok() {
		g.failed(ctx, l, "the client does not answer an offer")
		return
	}
	sdp := plainSDP(a.SDP)
	l.kinds = l.kinds.and(sends(sdp))
	if l.kinds.none() && strings.Contains(string(sdp), "\nm=") {
		g.close(l)
		g.retire(ctx) // nothing is shared, whatever was asked
		return
	}
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	if err := l.peer.Accept(ctx, sdp); err != nil {
		g.t.s.c.Log.Info("answer refused", "peer", l.peer.ID(), "err", err)
		g.failed(ctx, l, "the answer does not fit")
		return
	}
	g.close(g.current)
	g.current = l
}

// failed gives up a connection. What the one before it sends goes on.
func (g *publisher) failed(ctx context.Context, l *leg, why string) {
	if l == nil {
		return
	}
	g.t.s.c.Log.Info(why, "peer", l.peer.ID())
	if l == g.offered {
		g.offered = nil
	}
	if l == g.current {
		g.current = nil
	}
	g.close(l)
	if g.current == nil && g.offered == nil {
		g.unpublish(ctx)
	}
}

// legOf returns the connection of that id.
func (g *publisher) legOf(id bridge.PeerID) *leg {
	for _, l := range []*leg{g.current, g.offered} {
		if l != nil && l.peer.ID() == id {
			return l
		}
	}
	return nil
}

// changed implements party. A connection that has failed is tried once more, and
// then the stream ends (10.2).
func (g *publisher) changed(ctx context.Context, id bridge.PeerID, s bridge.PeerState) error {
	l := g.legOf(id)
	if l == nil {
		return nil
	}
	switch s {
	case bridge.PeerConnected:
		g.wait(l)
	case bridge.PeerFailed:
		if l != g.current || g.retried {
			g.failed(ctx, l, "the connection of a stream has failed")
			return nil
		}
		g.retried = true
		g.close(l)
		g.current = nil
		return g.exchange.free(ctx, g.again)
	case bridge.PeerClosed:
		g.failed(ctx, l, "the connection of a stream was closed")
	}
	return nil
}

// track implements party. The room is told of a stream when all of it is there,
// or enough time has passed since some was (7.6).
func (g *publisher) track(ctx context.Context, e bridge.PeerTrack) error {
	l := g.legOf(e.Peer)
	if l == nil || !e.Live {
		return nil
	}
	if e.Track == bridge.Video {
		l.heard.video, l.layers = true, e.Layers
	} else {
		l.heard.audio = true
	}
	if l.kinds.and(l.heard) == l.kinds {
		g.publish(ctx, l)
	} else {
		g.wait(l)
	}
	return nil
}

// wait tells the room of the stream when mediaTime has passed, at the latest.
func (g *publisher) wait(l *leg) {
	if l.told || l.hurry != nil {
		return
	}
	l.hurry = g.t.s.c.After(mediaTime, func(ctx context.Context) error {
		g.publish(ctx, l)
		return nil
	})
}

// publish tells the room of the stream. Told again, it replaces the state.
func (g *publisher) publish(ctx context.Context, l *leg) {
	if l != g.current || l.told {
		return
	}
	l.told, g.retried = true, false
	p := bridge.Publication{ID: g.pub, Source: g.source, Layers: l.layers}
	if l.kinds.audio {
		p.Audio = bridge.Live
	}
	if l.kinds.video {
		p.Video = bridge.Live
	}
	if err := g.t.session.Do(ctx, bridge.Publish{Publication: p}); err != nil {
		g.failed(ctx, l, "the room does not take a stream: "+err.Error())
		return
	}
	g.live = true
}

// stop ends the stream, as the client wishes. An offer that is not answered yet
// keeps its place until it is, or has timed out.
func (g *publisher) stop(ctx context.Context) error {
	g.retire(ctx)
	return nil
}

// retire closes the connections and ends the stream.
func (g *publisher) retire(ctx context.Context) {
	g.forget()
	g.unpublish(ctx)
}

// forget closes the connections.
func (g *publisher) forget() {
	g.exchange.drop()
	g.close(g.offered)
	g.close(g.current)
	g.offered, g.current = nil, nil
}

// unpublish ends the stream in the room. The next one is another.
func (g *publisher) unpublish(ctx context.Context) {
	if g.live {
		err := g.t.session.Do(ctx, bridge.Unpublish{ID: g.pub})
		if code := bridge.CodeOf(err); err != nil && code != bridge.NotFound && code != bridge.Closed {
			g.t.s.c.Log.Warn("unpublish", "err", err)
		}
	}
	g.live, g.pub = false, bridge.PublicationID{}
}

// revoked is called when a moderator has ended the stream.
func (g *publisher) revoked() {
	g.forget()
	g.live, g.pub = false, bridge.PublicationID{}
}

// close closes a connection; nil is none.
func (g *publisher) close(l *leg) {
	if l == nil {
		return
	}
	if l.hurry != nil {
		l.hurry()
	}
	g.t.disconnect(l.peer)
}

// end closes everything when the membership ends. The room unpublishes by
// itself.
func (g *publisher) end() {
	g.exchange.end()
	g.forget()
}
