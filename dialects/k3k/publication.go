package k3k

import (
	"context"
	"errors"
	"time"

	"dragoman/bridge"
)

// Limits of the video that a client sends, in bit/s (reference 12.2).
const (
	cameraBitrate = 1_500_000
	screenBitrate = 8_000_000
)

// maxEarly is how many candidates are kept for a connection that is not made yet.
const maxEarly = 64

// publication is what the client sends of one sort.
type publication struct {
	t      *seat
	sort   sort
	pub    bridge.PublicationID
	peer   bridge.Peer // nil: not made yet
	offer  bridge.SDP  // as it came last
	kinds  kinds       // negotiated
	layers []bridge.Layer
	early  []bridge.Candidate // that came before the connection was made
	up     bool
	live   []bridge.PeerTrack // what came or ended before webrtc_up
	told   bool               // the room knows of it

	received [2]bool // packets come: of sound, of pictures
	times    int     // that it was told to be up
	overdue  func()  // takes back the next time
}

// The client completes a publication as soon as something of it is received. One that
// was too busy to hear of that is told again.
const (
	remindTime = 1500 * time.Millisecond // after it was told, while something is received
	maxTold    = 4                       // times that it is told
)

// rest takes back what is to happen later.
func (p *publication) rest() {
	if p.overdue != nil {
		p.overdue()
		p.overdue = nil
	}
}

func (p *publication) key() key { return key{p.t.me.who.ID, p.sort} }

// publish handles the action of that name (reference 8.3). It has to wait while
// another negotiation is under way.
func (t *seat) publish(ctx context.Context, q describe) error {
	switch {
	case q.Target != t.me.who.ID:
		return refuse("invalid_sdp_offer")
	case q.Sort == screen && !t.me.presents():
		return refuse(permissionError)
	}
	p := t.giving[q.Sort]
	if p == nil {
		p = &publication{t: t, sort: q.Sort, pub: bridge.NewPublicationID()}
		t.giving[q.Sort] = p
	}
	if p.peer != nil && fingerprint(p.offer) == fingerprint(*q.SDP) {
		p.offer = *q.SDP
		return p.renegotiate(ctx)
	}
	p.offer, p.early = *q.SDP, nil
	return t.queue.add(ctx, slot{key: p.key(), time: connectTime, open: p.negotiate})
}

// negotiate makes a connection and answers the client's offer.
func (p *publication) negotiate(ctx context.Context) error {
	answer, err := p.open(ctx)
	if err == nil && p.kinds.none() {
		err = errors.New("nothing is sent")
	}
	if err == nil {
		return p.answer(answer)
	}
	p.t.s.c.Log.Info("no connection for a publication", "err", err)
	code := "invalid_sdp_offer"
	if bridge.CodeOf(err) == bridge.Forbidden {
		code = permissionError
	}
	if err := p.end(ctx); err != nil {
		return err
	}
	return p.t.s.settle(nsMedia, refuse(code))
}

// open makes the connection. It takes over from one that there is.
func (p *publication) open(ctx context.Context) (bridge.SDP, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	o := bridge.PeerOptions{Codecs: codecs(), Simulcast: true, MaxBitrate: cameraBitrate}
	if p.sort == screen {
		o.MaxBitrate = screenBitrate
	}
	peer, err := p.t.connect(ctx, p, o)
	if err != nil {
		return "", err
	}
	old := p.peer
	p.rest()
	p.peer, p.up, p.live, p.received, p.times = peer, false, nil, [2]bool{}, 0
	defer p.t.disconnect(old)
	if err := peer.Receive(p.pub, p.sort.source()); err != nil {
		return "", err
	}
	answer, err := peer.Answer(ctx, p.offer)
	if err != nil {
		return "", err
	}
	p.kinds, p.layers = received(answer), simulcast(p.offer)
	for _, c := range p.early {
		if err := peer.AddCandidate(ctx, c); err != nil {
			p.t.s.c.Log.Debug("candidate left out", "peer", peer.ID(), "err", err)
		}
	}
	p.early = nil
	return answer, nil
}

func (p *publication) answer(answer bridge.SDP) error {
	return p.t.s.say(nsMedia, "sdp_answer", sdpDoc{answer, p.key().doc()})
}

// renegotiate answers a further offer on the same connection.
func (p *publication) renegotiate(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	answer, err := p.peer.Answer(bounded, p.offer)
	if err != nil {
		p.t.s.c.Log.Info("offer refused", "peer", p.peer.ID(), "err", err)
		return refuse("invalid_sdp_offer")
	}
	p.kinds, p.layers = received(answer), simulcast(p.offer)
	return p.answer(answer)
}

// publishComplete handles the action of that name: the others are told. One that
// sends nothing is not announced, or they would ask for it in vain (reference
// 12.5).
func (t *seat) publishComplete(ctx context.Context, q state) error {
	p := t.giving[q.Sort]
	if p == nil || p.peer == nil || p.kinds.none() {
		return nil
	}
	if err := p.declare(ctx, q); err != nil {
		return err
	}
	p.told = true
	p.rest()
	return t.queue.done(ctx, p.key())
}

// declare tells the room what of the stream is on. Both tracks change at once.
func (p *publication) declare(ctx context.Context, q state) error {
	pub := bridge.Publication{ID: p.pub, Source: p.sort.source(), Layers: p.layers}
	if p.kinds.audio {
		pub.Audio = trackState(*q.State.Audio)
	}
	if p.kinds.video {
		pub.Video = trackState(*q.State.Video)
	}
	return p.t.session.Do(ctx, bridge.Publish{Publication: pub})
}

func trackState(on bool) bridge.TrackState {
	if on {
		return bridge.Live
	}
	return bridge.Muted
}

// updateSession handles update_media_session: the server stops or resumes to relay
// (reference 8.3).
func (t *seat) updateSession(ctx context.Context, q state) error {
	if q.Sort == screen && !t.me.presents() {
		return refuse(permissionError)
	}
	p := t.giving[q.Sort]
	if p == nil || !p.told {
		return nil
	}
	return p.declare(ctx, q)
}

// unpublishOwn handles unpublish. What is not published is no error (reference
// 8.3).
func (t *seat) unpublishOwn(ctx context.Context, q unpublish) error {
	p := t.giving[q.Sort]
	if p == nil {
		return nil
	}
	return p.end(ctx)
}

// end ends the publication.
func (p *publication) end(ctx context.Context) error {
	if p.t.giving[p.sort] == p {
		delete(p.t.giving, p.sort)
	}
	p.rest()
	p.t.disconnect(p.peer)
	if p.told {
		err := p.t.session.Do(ctx, bridge.Unpublish{ID: p.pub})
		if code := bridge.CodeOf(err); err != nil && code != bridge.NotFound && code != bridge.Closed {
			p.t.s.c.Log.Warn("unpublish", "err", err)
		}
	}
	return p.t.queue.drop(ctx, p.key())
}

// revoked is called when an own stream has ended: by oneself, by a moderator, or
// with the permission.
func (t *seat) revoked(ctx context.Context, pub bridge.Publication) error {
	p := t.giving[sortOf(pub.Source)]
	if p == nil || p.pub != pub.ID {
		return nil
	}
	p.told = false
	return p.down(ctx)
}

// down ends the publication and tells its owner.
func (p *publication) down(ctx context.Context) error {
	if err := p.t.s.say(nsMedia, "webrtc_down", p.key().doc()); err != nil {
		return err
	}
	return p.end(ctx)
}

// changed implements party.
func (p *publication) changed(ctx context.Context, state bridge.PeerState) error {
	switch state {
	case bridge.PeerConnected:
		if p.up {
			return nil
		}
		p.up = true
		if err := p.say(); err != nil {
			return err
		}
		if p.told {
			return p.t.queue.done(ctx, p.key())
		}
		p.t.queue.extend(p.key(), completeTime)
	case bridge.PeerFailed, bridge.PeerClosed:
		return p.down(ctx)
	}
	return nil
}

// say tells that the connection is up, and then what comes over it: one of the clients
// waits for the second only after the first (reference 8.3), and for the first only
// when its browser has taken the answer, which a busy one does when the connection is
// up already.
func (p *publication) say() error {
	p.times++
	if err := p.t.s.say(nsMedia, "webrtc_up", p.key().doc()); err != nil {
		return err
	}
	live := p.live
	p.live = nil
	for _, e := range live {
		if err := p.status(e.Track, e.Live); err != nil {
			return err
		}
	}
	if !p.told && p.times < maxTold {
		p.overdue = p.t.s.c.After(remindTime, p.remind)
	}
	return nil
}

// remind says it again when it is its turn, unless the client has not been told yet
// what it waits for.
func (p *publication) remind(ctx context.Context) error {
	p.overdue = nil
	if p.received == [2]bool{} {
		p.overdue = p.t.s.c.After(remindTime, p.remind)
		return nil
	}
	return p.t.queue.add(ctx, slot{key: p.key(), time: completeTime, open: func(ctx context.Context) error {
		if p.told {
			return p.t.queue.done(ctx, p.key())
		}
		for i, track := range [...]bridge.Track{bridge.Audio, bridge.Video} {
			if p.received[i] {
				p.live = append(p.live, bridge.PeerTrack{Track: track, Live: true})
			}
		}
		return p.say()
	}})
}

// track implements party: packets come, or have an end.
func (p *publication) track(_ context.Context, e bridge.PeerTrack) error {
	if e.Track == bridge.Video {
		p.received[1] = e.Live
	} else {
		p.received[0] = e.Live
	}
	if !p.up {
		p.live = append(p.live, e)
		return nil
	}
	return p.status(e.Track, e.Live)
}

func (p *publication) status(track bridge.Track, live bool) error {
	kind := "audio"
	if track == bridge.Video {
		kind = "video"
	}
	return p.t.s.say(nsMedia, "media_status", statusDoc{p.key().doc(), kind, live})
}
