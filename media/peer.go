package media

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/forward"
)

// peer is one PeerConnection. It implements bridge.Peer.
type peer struct {
	// What each packet needs comes first, so that it is in one line of the cache.
	arriving sync.Mutex // one packet comes in at a time; contended only while keys are made
	routes   atomic.Pointer[routes]
	feedback feedback
	burst    forward.Burst // what came in and is not forwarded yet; under arriving

	e    *Engine
	cfg  bridge.PeerConfig
	log  *slog.Logger
	pc   *webrtc.PeerConnection
	api  *webrtc.API
	post *mailbox
	ssrc uint32 // of our RTCP
	quit chan struct{}
	done chan struct{} // closed after Close

	link      *link  // nil: all is Pion's
	relay     *Relay // not nil: it has no PeerConnection, and no lines
	inlet     *Inlet // the same
	clock     forward.Clock
	sinks     atomic.Int64
	connected atomic.Bool
	most      atomic.Int64 // bit/s of its video; 0: the engine's limit
	channels  channels

	// Held by one method that negotiates or claims, so that they follow each other.
	// Taken before mu.
	turn   sync.Mutex
	next   candidates
	active bool // we are the DTLS client, because the client insists

	mu       sync.Mutex // guards what follows
	closed   bool
	told     bridge.PeerState
	deadline int64 // when the transport must be up; 0: no hurry
	offer    string
	offering bool // an offer waits for its answer
	agreed   bool // a negotiation has been completed …
	ours     bool // … and we had offered
	lines    []*line
	receives []*receive
	sends    []*send
}

// line is an m-line of sound or picture.
type line struct {
	kind webrtc.RTPCodecType
	mid  string // empty until it was offered
	tr   *webrtc.RTPTransceiver

	in       *incoming // nil: nothing has come in here
	receive  *receive  // who claims what comes in; nil: nobody
	theirs   bool      // the client has offered to send
	incoming bool      // negotiated

	out      *outgoing // nil: nothing was ever sent here
	send     *send     // whose publication is sent; nil: nobody's
	outgoing bool      // negotiated
}

// need is a track that a claim asks for.
type need struct {
	kind webrtc.RTPCodecType
	mid  string // the line must be this one; empty: any of the kind
	line *line  // nil: none yet
	fed  bool   // of what is received: the publication has it
}

// receive is a claim on what the client sends.
type receive struct {
	id    bridge.PublicationID
	src   bridge.Source
	pub   *publication
	needs []*need
}

// send is a publication that the client is to get.
type send struct {
	id    bridge.PublicationID
	o     bridge.SendOptions
	pub   *publication // nil: not known yet
	wish  bridge.LayerWish
	needs []*need
}

const defaultTimeout = 30 * time.Second

func newPeer(e *Engine, cfg bridge.PeerConfig) (*peer, error) {
	p := &peer{
		e: e, cfg: cfg, log: e.log.With("peer", cfg.ID, "room", cfg.Room, "participant", cfg.Owner),
		post: newMailbox(cfg.Notify), ssrc: rand.Uint32(), quit: make(chan struct{}), done: make(chan struct{}),
	}
	p.feedback.init(p)
	p.most.Store(int64(max(0, cfg.MaxBitrate)))
	if e.port != nil {
		p.link = &link{p: p}
	}
	if err := knownCodecs(cfg.Codecs); err != nil {
		return nil, err
	}
	var err error
	if p.api, err = e.api(p); err != nil {
		return nil, err
	}
	cert, err := e.certificate()
	if err != nil {
		return nil, err
	}
	p.pc, err = p.api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{cert}})
	if err != nil {
		return nil, fmt.Errorf("make a peer connection: %w", err)
	}
	if p.link != nil {
		p.link.begin(p.pc)
	}
	p.pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { p.changed() })
	p.pc.OnICECandidate(p.gathered)
	if err := p.openChannels(); err != nil {
		_ = p.pc.Close()
		return nil, err
	}
	return p, nil
}

// knownCodecs refuses codecs that the engine does not have.
func knownCodecs(names []string) error {
	for _, n := range names {
		if !slices.ContainsFunc(formats[:], func(f format) bool { return f.allowed([]string{n}) }) {
			return bridge.Errorf(bridge.NotSupported, "no codec %q", n)
		}
	}
	return nil
}

// far reports whether there is no client at the other end.
func (p *peer) far() bool { return p.relay != nil || p.inlet != nil }

// ID implements bridge.Peer.
func (p *peer) ID() bridge.PeerID { return p.cfg.ID }

func (p *peer) timeout() time.Duration {
	if p.cfg.Timeout > 0 {
		return p.cfg.Timeout
	}
	return defaultTimeout
}

// do runs a method of the port, one at a time, unless the peer is closed, and
// then, with no lock held any more, what is to follow.
func (p *peer) do(f func() error, then ...func()) error {
	defer func() {
		for _, g := range then {
			g()
		}
	}()
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.isClosed() {
		return errClosed()
	}
	return f()
}

func errClosed() error { return bridge.Errorf(bridge.Closed, "the peer is closed") }

func (p *peer) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// states is what Pion's states are to a dialect.
var states = map[webrtc.PeerConnectionState]bridge.PeerState{
	webrtc.PeerConnectionStateConnected:    bridge.PeerConnected,
	webrtc.PeerConnectionStateDisconnected: bridge.PeerDisconnected,
	webrtc.PeerConnectionStateFailed:       bridge.PeerFailed,
	webrtc.PeerConnectionStateClosed:       bridge.PeerClosed,
}

// changed tells what has become of the connection. Pion calls it from a new
// goroutine each time, so it looks at what is true now.
func (p *peer) changed() {
	p.mu.Lock()
	s, ok := states[p.pc.ConnectionState()]
	if !ok || s == p.told || p.closed || p.told == bridge.PeerFailed || p.told == bridge.PeerClosed {
		p.mu.Unlock()
		return
	}
	p.tell(s)
	p.mu.Unlock()
	p.update()
}

// tell posts a state. The lock is held, so that states are told in order.
func (p *peer) tell(s bridge.PeerState) {
	p.told = s
	up := s == bridge.PeerConnected
	if up {
		p.deadline = 0
	}
	p.connected.Store(up || s == bridge.PeerDisconnected)
	p.log.Info("peer changed", "state", stateNames[s])
	p.post.leave(bridge.PeerChanged{Peer: p.cfg.ID, State: s})
}

var stateNames = [...]string{
	bridge.PeerNew: "new", bridge.PeerConnected: "connected", bridge.PeerDisconnected: "disconnected",
	bridge.PeerFailed: "failed", bridge.PeerClosed: "closed",
}

// update puts the transport's state into what is sent, and tells what was left
// in the mailbox.
func (p *peer) update() {
	up := p.connected.Load()
	now := p.e.now()
	p.mu.Lock()
	for _, l := range p.lines {
		if l.out != nil {
			l.out.live(up && l.outgoing, now)
		}
	}
	p.mu.Unlock()
	p.post.flush()
}

// hurry fails a peer whose transport is not up in time.
func (p *peer) hurry(now int64) {
	p.mu.Lock()
	late := p.deadline != 0 && now > p.deadline && !p.closed && p.told == bridge.PeerNew
	if late {
		p.deadline = 0
		p.tell(bridge.PeerFailed)
	}
	p.mu.Unlock()
	if late {
		p.post.flush()
	}
}

// writeRTCP sends feedback; what cannot be sent is lost.
func (p *peer) writeRTCP(packets ...rtcp.Packet) {
	switch {
	case !p.connected.Load():
	case p.link.up():
		p.link.writeRTCP(packets)
	case p.pc != nil:
		_ = p.pc.WriteRTCP(packets)
	}
}

// Close implements bridge.Peer.
func (p *peer) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.done
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	close(p.quit) // whoever negotiates gives up
	p.turn.Lock()
	p.release()
	p.turn.Unlock()
	err := p.pc.GracefulClose()
	if p.link != nil {
		p.link.close()
	}
	p.post.close()
	p.e.forget(p)
	close(p.done)
	if err != nil {
		return fmt.Errorf("close peer: %w", err)
	}
	return nil
}

// release gives up all claims.
func (p *peer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.e.now()
	for len(p.receives) > 0 {
		p.dropReceive(p.receives[0], now)
	}
	for len(p.sends) > 0 {
		p.dropSend(p.sends[0], now)
	}
}
