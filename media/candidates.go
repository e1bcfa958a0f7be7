package media

import (
	"context"
	"strings"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/sdp"
)

// candidates are those of the client. They are guarded by the peer's turn.
type candidates struct {
	early  []string // that came before the description
	taken  int
	remote bool // there is a description
}

const (
	maxEarly      = 32
	maxCandidates = 128
)

// AddCandidate implements bridge.Peer.
func (p *peer) AddCandidate(_ context.Context, c bridge.Candidate) error {
	text, ok := sdp.Candidate(c.Text)
	if !ok {
		return bridge.Errorf(bridge.BadRequest, "the candidate cannot be used")
	}
	return p.do(func() error {
		k := &p.next
		switch {
		case text == "" || p.e.cfg.ICELite:
			return nil
		case k.taken >= maxCandidates || len(k.early) >= maxEarly:
			return bridge.Errorf(bridge.TooMany, "too many candidates")
		case !k.remote:
			k.early = append(k.early, text)
			return nil
		}
		k.taken++
		return add(p.pc, text)
	})
}

func add(pc *webrtc.PeerConnection, text string) error {
	if err := pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: text}); err != nil {
		return &bridge.Error{Code: bridge.BadRequest, Msg: "the candidate cannot be used", Err: err}
	}
	return nil
}

// described adds the candidates that came too early. Bad ones are left out:
// nobody waits for an answer.
func (k *candidates) described(pc *webrtc.PeerConnection) error {
	k.remote = true
	for _, text := range k.early {
		k.taken++
		_ = add(pc, text)
	}
	k.early = nil
	return nil
}

// gathered tells candidates of ours to a client that takes them one by one. Pion
// calls it.
func (p *peer) gathered(c *webrtc.ICECandidate) {
	if !p.cfg.Trickle {
		return
	}
	if c == nil {
		p.post.post(bridge.PeerCandidate{Peer: p.cfg.ID, Candidate: bridge.Candidate{Mid: p.firstMid()}})
		return
	}
	text := strings.TrimPrefix(c.ToJSON().Candidate, "candidate:")
	for _, t := range advertised(text, p.e.advertise) {
		p.post.post(bridge.PeerCandidate{
			Peer: p.cfg.ID, Candidate: bridge.Candidate{Text: "candidate:" + t, Mid: p.firstMid()},
		})
	}
}

// firstMid is the mid of the first m-line, to which all candidates belong
// because everything is bundled.
func (p *peer) firstMid() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) > 0 {
		return p.lines[0].mid
	}
	return "0"
}
