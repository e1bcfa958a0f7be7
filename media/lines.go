package media

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/sdp"
)

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
	p.attach(p.lines[i], s)
}

// transceivers gives lines what they lack of Pion's.
func (p *peer) transceivers() error {
	for i, l := range p.lines {
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
		if mark := p.cfg.Mark; mark != "" && l.tr.Mid() == "" {
			if err := l.tr.SetMid(mark + strconv.Itoa(i)); err != nil {
				return fmt.Errorf("name an m-line: %w", err)
			}
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
	encoding := sender.GetParameters().Encodings[0]
	out.begin(uint32(encoding.SSRC), uint32(encoding.RTX.SSRC))
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
			all = append(all, f.parameters()...)
		}
	}
	if len(all) > 0 {
		_ = l.tr.SetCodecPreferences(all) // they are Pion's own
	}
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
			p.attach(l, s)
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
			w.ssrc, w.repair = l.out.down.SSRC(), l.out.repair
		}
		all = append(all, w)
	}
	return all
}

// agree finds out what is to flow on a line.
func (l *line) agree(p *peer, mine, theirs sdp.Summary, weAnswer bool) agreed {
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
	return a
}
