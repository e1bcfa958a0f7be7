package media

import (
	"slices"
	"strings"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
)

const (
	audio = webrtc.RTPCodecTypeAudio
	video = webrtc.RTPCodecTypeVideo
)

// maxNeeds is how many m-lines a peer has at most.
const maxNeeds = 256

func trackOf(kind webrtc.RTPCodecType) bridge.Track {
	if kind == video {
		return bridge.Video
	}
	return bridge.Audio
}

// Receive implements bridge.Peer.
func (p *peer) Receive(id bridge.PublicationID, src bridge.Source, mids ...string) error {
	return p.do(func() error {
		if id.IsZero() {
			return bridge.Errorf(bridge.BadRequest, "nothing to receive")
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if i := slices.IndexFunc(p.receives, func(r *receive) bool { return r.id == id }); i >= 0 {
			if len(mids) == 0 {
				for _, n := range p.receives[i].needs {
					n.fed = false // it takes over what it may have lost
				}
				p.claim()
				return nil
			}
			p.dropReceive(p.receives[i], p.e.now())
		}
		if err := p.room(); err != nil {
			return err
		}
		pub, err := p.e.pubs.acquire(id, p.cfg.Owner)
		if err != nil {
			return err
		}
		r := &receive{id: id, src: src, pub: pub, needs: needs(mids)}
		p.receives = append(p.receives, r)
		p.claim()
		// What a client offers to send is its own business.
		if p.agreed && p.ours && slices.ContainsFunc(r.needs, unmet) {
			p.post.leave(bridge.PeerNegotiate{Peer: p.cfg.ID})
		}
		return nil
	}, p.post.flush)
}

// needs turns what Receive is given into needs.
func needs(mids []string) (all []*need) {
	if len(mids) == 0 {
		mids = []string{"audio", "video"}
	}
	for _, mid := range mids {
		switch mid {
		case "audio":
			all = append(all, &need{kind: audio})
		case "video":
			all = append(all, &need{kind: video})
		default:
			all = append(all, &need{mid: mid})
		}
	}
	return all
}

func unmet(n *need) bool { return n.line == nil }

// room refuses claims without end. The lock is held.
func (p *peer) room() error {
	if len(p.receives)+len(p.sends) >= maxNeeds/2 {
		return bridge.Errorf(bridge.TooMany, "too many streams on one peer")
	}
	return nil
}

// claim gives claims the lines on which the client sends. The lock is held.
func (p *peer) claim() {
	now := p.e.now()
	for _, r := range p.receives {
		for _, n := range r.needs {
			if n.line == nil {
				n.line = p.unclaimed(n, func(l *line) bool { return l.incoming })
			}
			if n.line != nil && n.line.receive == nil {
				n.line.receive = r
			}
			if n.line != nil && n.line.incoming && !n.fed {
				n.fed = true // and not again, because another peer may take over
				n.line.in.feed(r.pub, now)
			}
		}
	}
}

// unclaimed returns a line that a need can have. The lock is held.
func (p *peer) unclaimed(n *need, fits func(*line) bool) *line {
	for _, l := range p.lines {
		// A mid may be "audio" or "video" in old descriptions; it is then the first of
		// its kind as well.
		named := n.mid != "" && l.mid == n.mid || n.mid == "" && l.kind == n.kind
		if named && l.receive == nil && fits(l) {
			return l
		}
	}
	return nil
}

// Send implements bridge.Peer.
func (p *peer) Send(id bridge.PublicationID, o bridge.SendOptions) error {
	if !token(o.Stream) {
		return bridge.Errorf(bridge.BadRequest, "a stream id cannot be %q", o.Stream)
	}
	return p.do(func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if slices.ContainsFunc(p.sends, func(s *send) bool { return s.id == id }) {
			return nil
		}
		if err := p.room(); err != nil {
			return err
		}
		s := &send{id: id, o: o}
		if !id.IsZero() {
			pub, err := p.e.pubs.acquire(id, bridge.ParticipantID{})
			if err != nil {
				return err
			}
			s.pub = pub
		}
		if !o.NoAudio {
			s.needs = append(s.needs, &need{kind: audio})
		}
		if !o.NoVideo {
			s.needs = append(s.needs, &need{kind: video})
		}
		p.sends = append(p.sends, s)
		p.takeFreed(s)
		if p.agreed && slices.ContainsFunc(s.needs, unmet) {
			p.post.leave(bridge.PeerNegotiate{Peer: p.cfg.ID})
		}
		return nil
	}, p.post.flush)
}

// token reports whether a text is a MediaStream id (RFC 8830, 2).
func token(s string) bool {
	const most = 64
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '%' || strings.ContainsRune(`"(),/:;<=>?@[\]`, r)
	})
}

// takeFreed puts a publication on lines that are negotiated and carry nothing.
// The lock is held.
func (p *peer) takeFreed(s *send) {
	for _, n := range s.needs {
		for _, l := range p.lines {
			if l.kind == n.kind && l.outgoing && l.out != nil && l.send == nil && l.out.carries(s) {
				n.line = l
				p.attach(l, s)
				break
			}
		}
	}
}

// attach makes a line carry a publication, as soon as it can send. The lock is held.
func (p *peer) attach(l *line, s *send) {
	l.send = s
	if l.out != nil && s.pub != nil {
		l.out.join(s.pub.tracks[trackOf(l.kind)], p.e.now())
	}
}

// Drop implements bridge.Peer.
func (p *peer) Drop(id bridge.PublicationID) error {
	return p.do(func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		now := p.e.now()
		found := false
		for _, r := range slices.Clone(p.receives) {
			if r.id == id {
				p.dropReceive(r, now)
				found = true
			}
		}
		for _, s := range slices.Clone(p.sends) {
			if s.id == id {
				p.dropSend(s, now)
				found = true
			}
		}
		if !found {
			return bridge.Errorf(bridge.NotFound, "the stream is not on this peer")
		}
		return nil
	}, p.post.flush)
}

// lost says that nothing comes on a line any more.
func (r *receive) lost(l *line) {
	for _, n := range r.needs {
		if n.line == l {
			n.fed = false
		}
	}
}

// dropReceive ends a claim. The lock is held.
func (p *peer) dropReceive(r *receive, now int64) {
	p.receives = slices.DeleteFunc(p.receives, func(o *receive) bool { return o == r })
	for _, n := range r.needs {
		if l := n.line; l != nil && l.receive == r {
			l.receive, l.theirs = nil, false
			if l.in != nil {
				l.in.starve(r.pub, now)
			}
		}
	}
	p.e.pubs.release(r.pub)
}

// dropSend frees the lines of a publication. The lock is held.
func (p *peer) dropSend(s *send, _ int64) {
	p.sends = slices.DeleteFunc(p.sends, func(o *send) bool { return o == s })
	for _, n := range s.needs {
		if l := n.line; l != nil && l.send == s {
			l.send = nil
			if l.out != nil {
				l.out.part()
			}
		}
	}
	if s.pub != nil {
		p.e.pubs.release(s.pub)
	}
}

// Prefer implements bridge.Peer.
func (p *peer) Prefer(id bridge.PublicationID, w bridge.LayerWish) error {
	return p.do(func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.IndexFunc(p.sends, func(s *send) bool { return s.id == id })
		if i < 0 {
			return bridge.Errorf(bridge.NotFound, "the stream is not sent on this peer")
		}
		p.sends[i].wish = w
		p.allocate(p.e.now())
		return nil
	})
}
