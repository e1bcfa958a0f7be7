package media

import (
	"context"
	"fmt"
	"slices"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/sdp"
)

// Offer implements bridge.Peer.
func (p *peer) Offer(ctx context.Context) (bridge.SDP, error) { return p.propose(ctx, nil) }

// Restart implements bridge.Restarter. What comes until the answer is there still
// takes the old way.
func (p *peer) Restart(ctx context.Context) (bridge.SDP, error) {
	return p.propose(ctx, &webrtc.OfferOptions{ICERestart: true})
}

func (p *peer) propose(ctx context.Context, o *webrtc.OfferOptions) (out bridge.SDP, err error) {
	err = p.do(func() error {
		if p.isOffering() {
			return bridge.Errorf(bridge.BadRequest, "an offer waits for its answer")
		}
		if err := p.plan(); err != nil {
			return err
		}
		d, err := p.pc.CreateOffer(o)
		if err != nil {
			return fmt.Errorf("create an offer: %w", err)
		}
		text, err := p.describe(ctx, d)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.offer, p.offering = text, true
		p.mu.Unlock()
		out = bridge.SDP(text)
		return nil
	}, p.post.flush)
	return out, wrap("offer", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (p *peer) isOffering() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offering
}

// Answer implements bridge.Peer.
func (p *peer) Answer(ctx context.Context, offer bridge.SDP) (out bridge.SDP, err error) {
	err = p.do(func() error {
		if p.isOffering() {
			return bridge.Errorf(bridge.BadRequest, "an offer waits for its answer")
		}
		lifted, err := sdp.Lift(string(offer))
		if err != nil {
			return err
		}
		theirs, err := sdp.Describe(lifted.Text)
		if err != nil {
			return err
		}
		if err := p.setRemote(webrtc.SDPTypeOffer, lifted, theirs); err != nil {
			return err
		}
		if err := p.fit(theirs); err != nil {
			return err
		}
		d, err := p.pc.CreateAnswer(nil)
		if err != nil {
			return fmt.Errorf("create an answer: %w", err)
		}
		text, err := p.describe(ctx, d)
		if err != nil {
			return err
		}
		if err := p.agree(text, theirs, true); err != nil {
			return err
		}
		out = bridge.SDP(lifted.Lower(text))
		return nil
	}, p.post.flush)
	return out, wrap("answer", err)
}

// setRemote gives Pion a description of the client's.
func (p *peer) setRemote(kind webrtc.SDPType, lifted sdp.Lifted, theirs sdp.Summary) error {
	if first := p.pc.CurrentRemoteDescription() == nil; first {
		p.active = slices.ContainsFunc(theirs.Media, func(m sdp.Media) bool { return m.Setup == "passive" })
	}
	for _, what := range lifted.Dropped {
		p.log.Debug("left out of a description", "what", what)
	}
	text := p.digestible(lifted.Text, theirs)
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: text}); err != nil {
		if kind == webrtc.SDPTypeOffer {
			// Pion reports the rest of the description as missing, but goes back.
			_ = p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeRollback})
		}
		return &bridge.Error{Code: bridge.BadRequest, Msg: "the session description cannot be used", Err: err}
	}
	return p.next.described(p.pc)
}

// Accept implements bridge.Peer.
func (p *peer) Accept(_ context.Context, answer bridge.SDP) error {
	err := p.do(func() error {
		p.mu.Lock()
		offer, offering := p.offer, p.offering
		p.mu.Unlock()
		if !offering {
			return bridge.Errorf(bridge.BadRequest, "there is no offer to be answered")
		}
		lifted, err := sdp.LiftAnswer(string(answer), offer)
		if err != nil {
			return err
		}
		theirs, err := sdp.Describe(lifted.Text)
		if err != nil {
			return err
		}
		if len(theirs.Bundle) > 0 {
			if err := p.setRemote(webrtc.SDPTypeAnswer, lifted, theirs); err != nil {
				return err
			}
		}
		p.mu.Lock()
		p.offering = false
		p.mu.Unlock()
		return p.agree(offer, theirs, false)
	}, p.post.flush)
	return wrap("accept", err)
}

// describe sets a description of Pion's and returns what goes on the wire.
func (p *peer) describe(ctx context.Context, d webrtc.SessionDescription) (string, error) {
	if p.link != nil {
		p.link.described(sdp.Credentials(d.SDP))
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(d); err != nil {
		return "", fmt.Errorf("set own description: %w", err)
	}
	text := d.SDP
	if !p.cfg.Trickle {
		select {
		case <-gathered:
		case <-ctx.Done():
			return "", ctx.Err()
		case <-p.quit:
			return "", errClosed()
		}
		text = p.pc.LocalDescription().SDP
	}
	text, err := p.wire(text, p.wireLines(d.Type == webrtc.SDPTypeOffer))
	if err != nil {
		return "", err
	}
	return sdp.Bitrate(text, p.maxBitrate()), nil
}

// maxBitrate is the most that the client may send as one video, in bit/s.
func (p *peer) maxBitrate() int {
	if most := p.most.Load(); most > 0 {
		return int(most)
	}
	return p.e.cfg.MaxBitrate
}

// Limit implements bridge.Peer.
func (p *peer) Limit(bps int) error {
	return p.do(func() error {
		p.most.Store(int64(max(0, bps)))
		p.feedback.hurry.Store(true)
		p.feedback.due.Mark()
		return nil
	})
}

// agree takes what both sides have said.
func (p *peer) agree(ours string, theirs sdp.Summary, weAnswer bool) error {
	mine, err := sdp.Describe(ours)
	if err != nil {
		return fmt.Errorf("read own description: %w", err)
	}
	p.mu.Lock()
	now := p.e.now()
	if !p.agreed {
		p.agreed, p.deadline = true, now+int64(p.timeout())
	}
	up := p.connected.Load()
	var all []agreed
	for _, l := range p.lines {
		all = append(all, l.agree(p, mine, theirs, weAnswer))
	}
	r := makeRoutes(all, p.cfg.Simulcast)
	p.routes.Store(r)
	p.feedback.watch(p.lines)
	for _, a := range all {
		p.settle(a, r, up, now)
	}
	p.claim()
	p.ours = !weAnswer
	p.mu.Unlock()
	p.changed()
	return nil
}

// settle starts and stops what was agreed on for a line. The lock is held.
func (p *peer) settle(a agreed, r *routes, up bool, now int64) {
	l := a.line
	if l.in != nil {
		l.in.route.Store(r.mids[l.mid])
		if !l.incoming && l.receive != nil {
			l.receive.lost(l)
			l.in.starve(l.receive.pub, now)
		}
	}
	if l.out != nil {
		l.out.agree(a, now)
		l.out.live(up && l.outgoing, now)
	}
}
