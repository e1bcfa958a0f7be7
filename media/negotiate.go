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
func (p *peer) Offer(ctx context.Context) (out bridge.SDP, err error) {
	err = p.do(func() error {
		if p.isOffering() {
			return bridge.Errorf(bridge.BadRequest, "an offer waits for its answer")
		}
		if err := p.plan(); err != nil {
			return err
		}
		d, err := p.pc.CreateOffer(nil)
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

// plan gives every need a line, sound first, and makes the lines that are
// missing.
func (p *peer) plan() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range []webrtc.RTPCodecType{audio, video} {
		for _, r := range p.receives {
			for _, n := range r.needs {
				if n.line == nil && n.mid == "" && n.kind == kind {
					p.planReceive(r, n)
				}
			}
		}
		for _, s := range p.sends {
			for _, n := range s.needs {
				if n.line == nil && n.kind == kind {
					p.planSend(s, n)
				}
			}
		}
	}
	return p.transceivers()
}

func (p *peer) planReceive(r *receive, n *need) {
	l := p.unclaimed(n, func(*line) bool { return true })
	if l == nil {
		l = &line{kind: n.kind}
		p.lines = append(p.lines, l)
	}
	n.line, l.receive = l, r
}

func (p *peer) planSend(s *send, n *need) {
	i := slices.IndexFunc(p.lines, func(l *line) bool {
		return l.kind == n.kind && l.send == nil && (l.out == nil || l.out.carries(s))
	})
	if i < 0 {
		i = len(p.lines)
		p.lines = append(p.lines, &line{kind: n.kind})
	}
	n.line = p.lines[i]
	p.lines[i].send = s
}

// transceivers gives lines what they lack of Pion's.
func (p *peer) transceivers() error {
	for _, l := range p.lines {
		if l.send != nil && l.out == nil {
			if err := p.sender(l); err != nil {
				return err
			}
		}
		if l.tr == nil {
			tr, err := p.pc.AddTransceiverFromKind(l.kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
			if err != nil {
				return fmt.Errorf("add a transceiver: %w", err)
			}
			l.tr = tr
		}
	}
	return nil
}

// sender makes a line ready to send. The lock is held.
func (p *peer) sender(l *line) (err error) {
	out := newOutgoing(p, l.kind, l.send)
	var sender *webrtc.RTPSender
	if l.tr == nil {
		way := webrtc.RTPTransceiverDirectionSendonly
		if l.receive != nil {
			way = webrtc.RTPTransceiverDirectionSendrecv
		}
		l.tr, err = p.pc.AddTransceiverFromTrack(out, webrtc.RTPTransceiverInit{Direction: way})
		if err != nil {
			return fmt.Errorf("add a transceiver: %w", err)
		}
		sender = l.tr.Sender()
		if l.receive == nil {
			p.restrict(l)
		}
	} else {
		sender, err = p.reuse(l, out)
		if err != nil {
			return fmt.Errorf("add a sender: %w", err)
		}
	}
	out.begin(uint32(sender.GetParameters().Encodings[0].SSRC))
	l.out = out
	p.attach(l, l.send)
	return nil
}

// reuse gives a sender to a line that had none.
func (p *peer) reuse(l *line, out *outgoing) (*webrtc.RTPSender, error) {
	sender, err := p.api.NewRTPSender(out, p.pc.SCTP().Transport())
	if err != nil {
		return nil, err
	}
	if err := l.tr.SetSender(sender, out); err != nil {
		return nil, err
	}
	return sender, nil
}

// restrict limits a line that only sends to the codec of what it sends, if that
// is known.
func (p *peer) restrict(l *line) {
	var known []int
	if l.send.pub != nil {
		known = l.send.pub.tracks[trackOf(l.kind)].Formats()
	}
	var all []webrtc.RTPCodecParameters
	for i := range formats {
		f := &formats[i]
		same := slices.ContainsFunc(known, func(n int) bool { return formats[n].name == f.name })
		if f.kind == l.kind && f.allowed(p.cfg.Codecs) && (len(known) == 0 || same) {
			all = append(all, f.parameters()[0])
		}
	}
	if len(all) > 0 {
		_ = l.tr.SetCodecPreferences(all) // they are Pion's own
	}
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

// fit finds the lines of an offer, and gives needs those that suit.
func (p *peer) fit(theirs sdp.Summary) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []*line
	for _, m := range theirs.Media {
		if m.Kind != "audio" && m.Kind != "video" {
			continue
		}
		l, err := p.lineFor(m)
		if err != nil {
			return err
		}
		l.theirs = m.Direction.Sends() && !m.Rejected
		lines = append(lines, l)
		if !m.Direction.Receives() || m.Rejected || l.send != nil {
			continue
		}
		if s := p.waiting(l); s != nil {
			l.send = s
		}
	}
	for _, l := range p.lines {
		if !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	p.lines = lines
	return p.transceivers()
}

// lineFor returns the line of an offered m-line. The lock is held.
func (p *peer) lineFor(m sdp.Media) (*line, error) {
	if i := slices.IndexFunc(p.lines, func(l *line) bool { return l.mid == m.MID }); i >= 0 {
		return p.lines[i], nil
	}
	all := p.pc.GetTransceivers()
	i := slices.IndexFunc(all, func(t *webrtc.RTPTransceiver) bool { return t.Mid() == m.MID })
	if i < 0 {
		return nil, bridge.Errorf(bridge.BadRequest, "m-line %q cannot be used", m.MID)
	}
	return &line{kind: all[i].Kind(), mid: m.MID, tr: all[i]}, nil
}

// waiting returns a publication that is to be sent and could be on a line; its
// need has the line from then on. The lock is held.
func (p *peer) waiting(l *line) *send {
	for _, s := range p.sends {
		for _, n := range s.needs {
			if n.line == nil && n.kind == l.kind && (l.out == nil || l.out.carries(s)) {
				n.line = l
				return s
			}
		}
	}
	return nil
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
	if p.cfg.MaxBitrate > 0 {
		return p.cfg.MaxBitrate
	}
	return p.e.cfg.MaxBitrate
}

// wireLines says how the lines are described: an offer has what is claimed, an
// answer all that the client has offered to send.
func (p *peer) wireLines(offer bool) (all []wireLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		l.mid = l.tr.Mid()
		w := wireLine{mid: l.mid, recv: l.theirs, send: l.send != nil}
		if offer {
			w.recv = l.receive != nil || l.theirs
			if p.cfg.Simulcast && w.recv && l.kind == video {
				w.rids = simulcastRIDs
			}
		}
		if l.out != nil {
			w.ssrc = l.out.down.SSRC()
		}
		all = append(all, w)
	}
	return all
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
		a := agreed{line: l}
		a.ours, _ = mine.ByMID(l.mid)
		a.theirs, _ = theirs.ByMID(l.mid)
		a.answer = a.theirs
		if weAnswer {
			a.answer = a.ours
		}
		both := a.ours.MID != "" && a.theirs.MID != "" && !a.ours.Rejected && !a.theirs.Rejected
		l.incoming = both && a.ours.Direction.Receives() && a.theirs.Direction.Sends()
		l.outgoing = both && a.ours.Direction.Sends() && a.theirs.Direction.Receives()
		if l.incoming && l.in == nil {
			l.in = newIncoming(p, l.kind)
		}
		all = append(all, a)
	}
	r := makeRoutes(all, p.cfg.Simulcast)
	p.routes.Store(r)
	p.feedback.watch(p.lines)
	for _, a := range all {
		p.settle(a, r, up, now)
	}
	p.claim()
	if p.unsettled() {
		p.post.leave(bridge.PeerNegotiate{Peer: p.cfg.ID})
	}
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

// unsettled reports whether something is to be sent for which there is no line.
// The lock is held.
func (p *peer) unsettled() bool {
	return slices.ContainsFunc(p.sends, func(s *send) bool { return slices.ContainsFunc(s.needs, unmet) })
}
