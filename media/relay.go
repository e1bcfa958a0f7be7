package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"

	"dragoman/bridge"
	"dragoman/media/forward"
)

// Relay is the way of media to another node's engine: one ICE agent and one DTLS
// association for any number of tracks in both directions, without descriptions.
// What comes in feeds publications, what goes out are subscriptions of them, in the
// same loops and with the same repair as those of clients. Layers come and go by
// SSRC, which the taking end chooses, and never twice.
type Relay struct {
	e    *Engine
	cfg  RelayConfig
	p    *peer // without a PeerConnection
	ours RelayParams
	keys relayKeys
	ice  *ice.Agent
	quit chan struct{} // closed with the relay
	over chan struct{} // closed when it is lost, or closed
	end  func()
	wg   sync.WaitGroup

	mu     sync.Mutex // guards what follows; taken before package forward's
	dtls   *dtls.Conn
	closed bool
	frozen bool
	next   uint32 // SSRC that was taken last
	newest uint32 // SSRC that was served last
	takes  map[bridge.PublicationID]*taken
	taking map[uint32]*taking
	serves map[uint32]*serving
	past   RelayCounts // of what is not served any more
}

// RelayConfig is what a relay has to know.
type RelayConfig struct {
	// Peer names the other node in logs.
	Peer string
	// Controlling makes this end decide in ICE, and begin DTLS. The other one does not.
	Controlling bool
	// Networks are those whose addresses of this machine are offered; none: all.
	Networks []netip.Prefix
}

// RelayParams is what two ends have to know of each other. The password and the
// fingerprint are proof of who is there: they go over a way that is safe.
type RelayParams struct {
	Ufrag       string
	Password    bridge.Secret
	Candidates  []string // RFC 8839, without "candidate:"
	Fingerprint string   // SHA-256 of the certificate, in hexadecimal
}

// maxRelayed is how many SSRCs may come in over one relay: some hundred rooms with
// all that is in them.
const maxRelayed = 16384

// NewRelay opens one end of a relay. It returns when the addresses to offer are known.
func (e *Engine) NewRelay(ctx context.Context, cfg RelayConfig) (*Relay, error) {
	r := &Relay{
		e: e, cfg: cfg, quit: make(chan struct{}), over: make(chan struct{}),
		takes: map[bridge.PublicationID]*taken{}, taking: map[uint32]*taking{}, serves: map[uint32]*serving{},
	}
	r.end = sync.OnceFunc(func() { close(r.over) })
	r.p = newFar(e, e.log.With("relay", cfg.Peer))
	r.p.relay, r.p.quit = r, r.quit
	r.p.link = &link{p: r.p}
	var err error
	if r.keys, err = newRelayKeys(); err != nil {
		return nil, err
	}
	if r.ice, err = r.agent(); err != nil {
		return nil, fmt.Errorf("make an ICE agent: %w", err)
	}
	if err := r.gather(ctx); err != nil {
		return nil, errors.Join(err, r.ice.Close())
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, errors.Join(bridge.Errorf(bridge.Unavailable, "the media engine is closed"), r.ice.Close())
	}
	e.relays[r] = true
	e.publish()
	e.mu.Unlock()
	return r, nil
}

// newFar makes a peer without a PeerConnection, and without a client.
func newFar(e *Engine, log *slog.Logger) *peer {
	p := &peer{
		e: e, log: log, post: newMailbox(func(bridge.Event) {}),
		ssrc: rand.Uint32() | 1<<31, // not one of a track, which count from 1
		done: make(chan struct{}), cfg: bridge.PeerConfig{ID: bridge.NewPeerID()},
	}
	p.feedback.init(p)
	p.routes.Store(&routes{ssrcs: map[uint32]*route{}})
	return p
}

// agent makes the ICE agent, on the engine's port.
func (r *Relay) agent() (*ice.Agent, error) {
	network, err := r.e.network()
	if err != nil {
		return nil, err
	}
	opts := []ice.AgentOption{
		ice.WithNet(network), ice.WithLoggerFactory(pionLog{r.p.log}),
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled), ice.WithDisableActiveTCP(),
		ice.WithHostAcceptanceMinWait(0), ice.WithPrflxAcceptanceMinWait(0),
		ice.WithDisconnectedTimeout(relayFrozen), ice.WithFailedTimeout(relayLost), ice.WithKeepaliveInterval(relayKeepalive),
		ice.WithIPFilter(r.offers),
	}
	if r.e.port != nil {
		opts = append(opts, ice.WithUDPMux(r.e.port.Mux(r.p.link)))
	} else {
		opts = append(opts, ice.WithUDPMux(r.e.udpMux))
	}
	if r.e.cfg.Loopback || r.e.onLoopback() {
		opts = append(opts, ice.WithIncludeLoopback())
	}
	agent, err := ice.NewAgentWithOptions(opts...)
	if err != nil {
		return nil, err
	}
	return agent, errors.Join(
		agent.OnConnectionStateChange(r.changed),
		agent.OnSelectedCandidatePairChange(func(_, to ice.Candidate) { r.choose(to) }),
	)
}

// offers reports whether an address of this machine is one for relays.
func (r *Relay) offers(ip net.IP) bool {
	addr, ok := netip.AddrFromSlice(ip)
	return ok && (len(r.cfg.Networks) == 0 || slices.ContainsFunc(r.cfg.Networks, func(n netip.Prefix) bool {
		return n.Contains(addr.Unmap())
	}))
}

// gather finds out what to tell the other end.
func (r *Relay) gather(ctx context.Context) error {
	done := make(chan struct{})
	end := sync.OnceFunc(func() { close(done) })
	if err := r.ice.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			end()
		}
	}); err != nil {
		return err
	}
	if err := r.ice.GatherCandidates(); err != nil {
		return fmt.Errorf("look for addresses: %w", err)
	}
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	all, err := r.ice.GetLocalCandidates()
	if err != nil {
		return err
	}
	for _, c := range all {
		text := c.Marshal()
		r.ours.Candidates = append(r.ours.Candidates, text)
		for _, told := range advertised(text, r.e.advertise) {
			if !slices.Contains(r.ours.Candidates, told) {
				r.ours.Candidates = append(r.ours.Candidates, told)
			}
		}
	}
	if len(all) == 0 {
		return bridge.Errorf(bridge.Unavailable, "there is no address for relays")
	}
	ufrag, password, err := r.ice.GetLocalUserCredentials()
	r.ours.Ufrag, r.ours.Password, r.ours.Fingerprint = ufrag, bridge.Secret(password), r.keys.fingerprint
	return err
}

// Params is what the other end is told.
func (r *Relay) Params() RelayParams { return r.ours }

// Over is closed when the relay is lost, or closed.
func (r *Relay) Over() <-chan struct{} { return r.over }

// changed takes the state of the transport.
func (r *Relay) changed(s ice.ConnectionState) {
	r.p.log.Debug("relay changed", "state", strings.ToLower(s.String()))
	r.mu.Lock()
	switch s {
	case ice.ConnectionStateDisconnected:
		r.frozen = true
	case ice.ConnectionStateConnected, ice.ConnectionStateCompleted:
		r.frozen = false
	}
	r.mu.Unlock()
	if s == ice.ConnectionStateFailed || s == ice.ConnectionStateClosed {
		r.end()
	}
}

// Close ends the relay and all that goes over it. It is idempotent.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		<-r.p.done
		return nil
	}
	r.closed = true
	conn := r.dtls
	r.mu.Unlock()
	r.end()
	close(r.quit)
	r.release()
	r.p.connected.Store(false)
	if conn != nil {
		_ = conn.Close() // the other end may be gone
	}
	err := r.ice.GracefulClose()
	r.wg.Wait()
	r.p.link.close()
	r.p.post.close()
	r.e.mu.Lock()
	delete(r.e.relays, r)
	r.e.publish()
	r.e.mu.Unlock()
	close(r.p.done)
	if err != nil {
		return fmt.Errorf("close relay: %w", err)
	}
	return nil
}

// release gives up all tracks.
func (r *Relay) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.takes {
		r.unwatch(id)
	}
	for ssrc := range r.serves {
		r.unserve(ssrc)
	}
}

// local reports whether a client of this node feeds a source.
func local(s *forward.Source) bool {
	if s == nil {
		return false
	}
	in, ok := s.Upstream().(*incoming)
	return ok && !in.p.far()
}
