package mediatest

import (
	"context"
	"fmt"
	"io"

	"github.com/pion/webrtc/v4"
)

// Offer makes an offer.
func (p *Peer) Offer(ctx context.Context) (string, error) {
	if !p.begin() {
		return "", io.ErrClosedPipe
	}
	defer p.turn.Unlock()
	d, err := p.pc.CreateOffer(nil)
	if err != nil {
		return "", fmt.Errorf("create offer: %w", err)
	}
	return p.local(ctx, d)
}

// Restart makes an offer that restarts ICE.
func (p *Peer) Restart(ctx context.Context) (string, error) {
	if !p.begin() {
		return "", io.ErrClosedPipe
	}
	defer p.turn.Unlock()
	d, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		return "", fmt.Errorf("create offer: %w", err)
	}
	return p.local(ctx, d)
}

// Answer takes an offer and answers it.
func (p *Peer) Answer(ctx context.Context, offer string) (string, error) {
	if !p.begin() {
		return "", io.ErrClosedPipe
	}
	defer p.turn.Unlock()
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer})
	if err != nil {
		return "", fmt.Errorf("take offer: %w", err)
	}
	d, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("create answer: %w", err)
	}
	return p.local(ctx, d)
}

// Accept takes an answer.
func (p *Peer) Accept(_ context.Context, answer string) error {
	if !p.begin() {
		return io.ErrClosedPipe
	}
	defer p.turn.Unlock()
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
	p.name()
	return err
}

// begin waits for its turn, unless the peer has been closed by then: Pion would make
// another ICE agent for it, which nobody closes. The caller unlocks the turn.
func (p *Peer) begin() bool {
	p.turn.Lock()
	if p.closed {
		p.turn.Unlock()
		return false
	}
	return true
}

// name tells the layers of the camera which mid they have here.
func (p *Peer) name() {
	for _, t := range p.pc.GetTransceivers() {
		if s := t.Sender(); s != nil {
			for _, e := range s.GetParameters().Encodings {
				for _, l := range p.c.camera {
					l.setMid(uint32(e.SSRC), t.Mid())
				}
			}
		}
	}
}

// local sets a description and returns the text that goes on the wire.
func (p *Peer) local(ctx context.Context, d webrtc.SessionDescription) (string, error) {
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(d); err != nil {
		return "", fmt.Errorf("set description: %w", err)
	}
	p.name()
	text := d.SDP
	if !p.c.cfg.Trickle {
		select {
		case <-gathered:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		text = p.pc.LocalDescription().SDP
	}
	text = silentNACK(text)
	if p.c.cfg.NoCandidates {
		text = withoutCandidates(text)
	}
	if p.c.cfg.Munge != nil {
		text = p.c.cfg.Munge(text)
	}
	return text, nil
}

// OnCandidate takes the candidates of a client that trickles: the text, empty at
// the end, the mid and the index of the m-line.
func (p *Peer) OnCandidate(f func(text, mid string, index int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.candidate = f
}

func (p *Peer) gathered(c *webrtc.ICECandidate) {
	p.mu.Lock()
	f := p.candidate
	p.mu.Unlock()
	if f == nil || !p.c.cfg.Trickle {
		return
	}
	if c == nil {
		f("", "", 0)
		return
	}
	i := c.ToJSON()
	mid, index := "", 0
	if i.SDPMid != nil {
		mid = *i.SDPMid
	}
	if i.SDPMLineIndex != nil {
		index = int(*i.SDPMLineIndex)
	}
	f(i.Candidate, mid, index)
}

// AddCandidate adds a candidate of the other side's. An empty text, the end of
// candidates, is ignored.
func (p *Peer) AddCandidate(text, mid string, index int) error {
	if !p.begin() {
		return io.ErrClosedPipe
	}
	defer p.turn.Unlock()
	if text == "" {
		return nil
	}
	i := webrtc.ICECandidateInit{Candidate: text}
	if mid != "" {
		i.SDPMid = &mid
	}
	if index >= 0 {
		n := uint16(index)
		i.SDPMLineIndex = &n
	}
	return p.pc.AddICECandidate(i)
}

// OpenChannel opens a reliable, ordered data channel.
func (p *Peer) OpenChannel(label string) error {
	d, err := p.pc.CreateDataChannel(label, nil)
	if err != nil {
		return err
	}
	p.channel(d)
	return nil
}

// OnMessage takes the messages of all data channels.
func (p *Peer) OnMessage(f func(label string, text bool, data []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = f
}

// WaitChannel waits until a data channel is open.
func (p *Peer) WaitChannel(ctx context.Context, label string) error {
	return p.wait(ctx, "channel "+label, func() bool { return p.open[label] })
}

// WaitChannelClosed waits until a data channel that was open is not any more.
func (p *Peer) WaitChannelClosed(ctx context.Context, label string) error {
	return p.wait(ctx, "end of channel "+label, func() bool {
		open, was := p.open[label]
		return was && !open
	})
}

// Send sends a message on an open data channel.
func (p *Peer) Send(label string, text bool, data []byte) error {
	p.mu.Lock()
	d := p.channels[label]
	p.mu.Unlock()
	if d == nil {
		return fmt.Errorf("no data channel %q", label)
	}
	if text {
		return d.SendText(string(data))
	}
	return d.Send(data)
}

func (p *Peer) channel(d *webrtc.DataChannel) {
	p.update(func() { p.channels[d.Label()] = d })
	d.OnOpen(func() { p.update(func() { p.open[d.Label()] = true }) })
	d.OnClose(func() { p.update(func() { p.open[d.Label()] = false }) })
	d.OnMessage(func(m webrtc.DataChannelMessage) {
		p.mu.Lock()
		f := p.messages
		p.mu.Unlock()
		if f != nil {
			f(d.Label(), m.IsString, m.Data)
		}
	})
}
