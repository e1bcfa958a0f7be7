package bridgetest

import (
	"context"
	"slices"
	"sync"

	"dragoman/bridge"
)

// Peer is a fake PeerConnection. It keeps the rules of bridge.Peer about what may
// follow what, and its descriptions are true SDP without anything behind them.
type Peer struct {
	Config bridge.PeerConfig

	connects bool

	mu         sync.Mutex
	closed     bool
	offering   bool // has offered and waits for the answer
	gathered   bool // has told its candidates
	connected  bool
	table      table
	messages   []Message
	candidates []bridge.Candidate
	restarts   int
	wishes     map[bridge.PublicationID]bridge.LayerWish
	limit      int
	limited    bool
	options    map[bridge.PublicationID]bridge.SendOptions
	remote     bridge.SDP
}

// Message is one call of Peer.Message.
type Message struct {
	Label string
	Text  bool
	Data  []byte
}

// ID is the id that the session gave the peer.
func (p *Peer) ID() bridge.PeerID { return p.Config.ID }

// with runs a function unless the peer is closed.
func (p *Peer) with(f func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return bridge.Errorf(bridge.Closed, "the peer is closed")
	}
	return f()
}

// Receive claims a free m-line of each kind, or those named: instead of the ones
// before, if it was called before.
func (p *Peer) Receive(pub bridge.PublicationID, _ bridge.Source, mids ...string) error {
	return p.with(func() error {
		again := slices.Contains(p.table.carried(true), pub)
		if again && len(mids) > 0 {
			p.table.claims = slices.DeleteFunc(p.table.claims, func(c claim) bool { return c.recv && c.pub == pub })
			again = false
		}
		switch {
		case again:
		case len(mids) == 0:
			p.table.claim(pub, true, "audio", "")
			p.table.claim(pub, true, "video", "")
		default:
			for _, mid := range mids {
				if mid == "audio" || mid == "video" {
					p.table.claim(pub, true, mid, "")
				} else {
					p.table.claim(pub, true, "", mid)
				}
			}
		}
		return nil
	})
}

// Send claims a free m-line of each kind.
func (p *Peer) Send(pub bridge.PublicationID, o bridge.SendOptions) error {
	return p.with(func() error {
		if p.options == nil {
			p.options = map[bridge.PublicationID]bridge.SendOptions{}
		}
		p.options[pub] = o
		if slices.Contains(p.table.carried(false), pub) {
			return nil
		}
		if !o.NoAudio {
			p.table.claim(pub, false, "audio", "")
		}
		if !o.NoVideo {
			p.table.claim(pub, false, "video", "")
		}
		return nil
	})
}

// Drop frees the m-lines of a publication.
func (p *Peer) Drop(pub bridge.PublicationID) error {
	return p.with(func() error {
		p.table.drop(pub)
		return nil
	})
}

// Prefer remembers the wish.
func (p *Peer) Prefer(pub bridge.PublicationID, w bridge.LayerWish) error {
	return p.with(func() error {
		if p.wishes == nil {
			p.wishes = map[bridge.PublicationID]bridge.LayerWish{}
		}
		p.wishes[pub] = w
		return nil
	})
}

// Limit remembers the limit.
func (p *Peer) Limit(bps int) error {
	return p.with(func() error {
		p.limit, p.limited = bps, true
		return nil
	})
}

// MaxBitrate returns what the client may send as video: of the options, or the last
// limit; 0: as much as it likes.
func (p *Peer) MaxBitrate() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limited {
		return p.limit
	}
	return p.Config.MaxBitrate
}

// Offer describes what the peer would like to have.
func (p *Peer) Offer(context.Context) (sdp bridge.SDP, err error) {
	err = p.with(func() error {
		if p.offering {
			return bridge.Errorf(bridge.BadRequest, "an offer has not been answered yet")
		}
		p.offering = true
		p.table.arrange()
		sdp = p.describe("actpass")
		return nil
	})
	if err == nil {
		p.gather()
	}
	return sdp, err
}

// Restart implements bridge.Restarter.
func (p *Peer) Restart(ctx context.Context) (bridge.SDP, error) {
	sdp, err := p.Offer(ctx)
	if err == nil {
		err = p.with(func() error { p.restarts++; return nil })
	}
	return sdp, err
}

// Answer takes an offer and says what of it the peer does.
func (p *Peer) Answer(_ context.Context, offer bridge.SDP) (sdp bridge.SDP, err error) {
	err = p.with(func() error {
		if p.offering {
			return bridge.Errorf(bridge.BadRequest, "an offer has not been answered yet")
		}
		lines, err := parse(offer)
		if err != nil {
			return err
		}
		p.remote = offer
		p.table.fit(lines)
		sdp = p.describe("active")
		return nil
	})
	if err == nil {
		p.gather()
		p.negotiated()
	}
	return sdp, err
}

// Accept takes the answer to the last offer.
func (p *Peer) Accept(_ context.Context, answer bridge.SDP) error {
	err := p.with(func() error {
		if !p.offering {
			return bridge.Errorf(bridge.BadRequest, "there is no offer to be answered")
		}
		lines, err := parse(answer)
		if err != nil {
			return err
		}
		if want := len(p.table.lines); len(lines) != want {
			return bridge.Errorf(bridge.BadRequest, "the answer has %d m-lines, the offer had %d", len(lines), want)
		}
		p.offering, p.remote = false, answer
		return nil
	})
	if err == nil {
		p.negotiated()
	}
	return err
}

// AddCandidate remembers the candidate.
func (p *Peer) AddCandidate(_ context.Context, c bridge.Candidate) error {
	return p.with(func() error {
		p.candidates = append(p.candidates, c)
		return nil
	})
}

// Message remembers the message.
func (p *Peer) Message(label string, text bool, data []byte) error {
	return p.with(func() error {
		p.messages = append(p.messages, Message{label, text, slices.Clone(data)})
		return nil
	})
}

// Close closes the peer.
func (p *Peer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// describe writes the peer's side of the table. The mutex is held.
func (p *Peer) describe(setup string) bridge.SDP {
	if len(p.Config.Channels) > 0 {
		p.table.channels(setup == "actpass")
	}
	return p.table.describe(p.Config.ID, setup, !p.Config.Trickle, func(pub bridge.PublicationID) string {
		if s := p.options[pub].Stream; s != "" {
			return s
		}
		return pub.String()
	})
}

// gather tells the one candidate there is, to those who trickle.
func (p *Peer) gather() {
	p.mu.Lock()
	again := p.gathered
	p.gathered = true
	p.mu.Unlock()
	if again || !p.Config.Trickle {
		return
	}
	p.Fire(bridge.PeerCandidate{Candidate: bridge.Candidate{Text: candidate, Mid: "0"}})
	p.Fire(bridge.PeerCandidate{Candidate: bridge.Candidate{Mid: "0"}})
}

// negotiated connects the peer if the Media does that.
func (p *Peer) negotiated() {
	p.mu.Lock()
	again := p.connected
	p.connected = true
	p.mu.Unlock()
	if again || !p.connects {
		return
	}
	p.Fire(bridge.PeerChanged{State: bridge.PeerConnected})
	for _, label := range p.Config.Channels {
		p.Fire(bridge.PeerChannel{Label: label, Open: true})
	}
}

// Restarts returns how often the peer has begun anew.
func (p *Peer) Restarts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restarts
}

// Closed reports whether the peer was closed.
func (p *Peer) Closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Receives returns what the peer receives.
func (p *Peer) Receives() []bridge.PublicationID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.carried(true)
}

// Sends returns what the peer sends.
func (p *Peer) Sends() []bridge.PublicationID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.carried(false)
}

// Options returns how a publication is sent.
func (p *Peer) Options(pub bridge.PublicationID) bridge.SendOptions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.options[pub]
}

// Wish returns what was preferred of a publication, and false if nothing was.
func (p *Peer) Wish(pub bridge.PublicationID) (bridge.LayerWish, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.wishes[pub]
	return w, ok
}

// Messages returns what was sent on data channels.
func (p *Peer) Messages() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.messages)
}

// Candidates returns the candidates that the client gave.
func (p *Peer) Candidates() []bridge.Candidate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.candidates)
}

// Remote returns the client's last description.
func (p *Peer) Remote() bridge.SDP {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remote
}

// Fire makes the engine tell an event, unless the peer is closed. The peer's id is
// filled in where the event has one.
func (p *Peer) Fire(e bridge.Event) {
	switch t := e.(type) {
	case bridge.PeerCandidate:
		t.Peer = p.ID()
		e = t
	case bridge.PeerChanged:
		t.Peer = p.ID()
		e = t
	case bridge.PeerNegotiate:
		t.Peer = p.ID()
		e = t
	case bridge.PeerTrack:
		t.Peer = p.ID()
		e = t
	case bridge.PeerChannel:
		t.Peer = p.ID()
		e = t
	case bridge.PeerMessage:
		t.Peer = p.ID()
		e = t
	}
	if !p.Closed() {
		p.Config.Notify(e)
	}
}
