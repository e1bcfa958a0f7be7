package media

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/forward"
	"dragoman/media/layer"
	"dragoman/media/pages"
	"dragoman/media/port"
)

// Engine is the SFU of one node. It implements bridge.Media.
type Engine struct {
	cfg       Config
	log       *slog.Logger
	advertise []address
	begin     time.Time // when the engine's clock was zero
	blank     []byte

	port   *port.Port   // nil: the portable engine
	udp    *udpSocket   // of the portable engine
	tcp    *tcpListener // nil: none
	udpMux *ice.UDPMuxDefault
	tcpMux *ice.TCPMuxDefault
	quit   chan struct{}
	wg     sync.WaitGroup

	pubs     registry
	snapshot atomic.Pointer[[]*peer] // of peers, for the ticker
	totals   totals
	rooms    sync.Pool // of *[]byte, for packets that are sent at once

	allocator *layer.Allocator
	wishers   atomic.Pointer[[]chan struct{}] // who is told that something else is wanted; each of capacity 1
	outlets   atomic.Pointer[[]*Outlet]       // replaced with the lock held, never changed

	mu     sync.Mutex // guards what follows
	closed bool
	peers  map[*peer]bool
	relays map[*Relay]bool
	inlets map[*Inlet]bool
	cert   *webrtc.Certificate
	net    *stdnet.Net // interfaces of the machine …
	netAt  int64       // … as they were at that time
}

// New opens the sockets and starts an engine.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxBitrate == 0 {
		cfg.MaxBitrate = Default().MaxBitrate
	}
	e := &Engine{
		cfg: cfg, log: cfg.Log, begin: time.Now(), quit: make(chan struct{}), peers: map[*peer]bool{},
		relays: map[*Relay]bool{}, inlets: map[*Inlet]bool{},
		blank: forward.Black(160, 90), allocator: layer.New(layer.Config{}),
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.rooms.New = func() any { return new([]byte) }
	e.snapshot.Store(&[]*peer{})
	e.wishers.Store(&[]chan struct{}{})
	e.outlets.Store(&[]*Outlet{})
	e.advertise, _ = parseAdvertise(cfg.Advertise) // validated
	if err := e.listen(); err != nil {
		return nil, err
	}
	udp, _ := e.Addrs()
	e.log.Info("media engine started", append(e.describe(), "udp", udp.String(), "tcp", cfg.TCP)...)
	e.wg.Go(e.tick)
	e.wg.Go(func() { pages.Keep(e.quit) })
	return e, nil
}

func (e *Engine) listen() (err error) {
	logger := pionLog{e.log}.NewLogger("ice")
	if err := e.listenUDP(logger); err != nil {
		return fmt.Errorf("listen for media on udp %s: %w", e.cfg.UDP, err)
	}
	if e.cfg.TCP != "" {
		if e.tcp, err = listenTCP(e.cfg.TCP); err != nil {
			return errors.Join(fmt.Errorf("listen for media on tcp %s: %w", e.cfg.TCP, err), e.closeUDP())
		}
	}
	if e.tcp != nil {
		const (
			readBuffer = 32 // packets
			firstCheck = 5 * time.Second
		)
		e.tcpMux = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener: e.tcp, Logger: logger, ReadBufferSize: readBuffer,
			FirstStunBindTimeout: firstCheck, AliveDurationForConnFromStun: firstCheck,
		})
	}
	return nil
}

// listenUDP opens the UDP port as fast as the system can, or as the configuration
// says.
func (e *Engine) listenUDP(logger logging.LeveledLogger) (err error) {
	if e.cfg.Engine != "portable" {
		e.port, err = port.Open(port.Config{
			Addr: e.cfg.UDP, Loops: loops(), Buffer: socketBuffer, Loopback: e.cfg.Loopback, Now: e.now, Log: e.log,
		})
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if e.udp, err = listenUDP(e.cfg.UDP); err != nil {
		return err
	}
	e.udpMux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: e.udp, Logger: logger})
	return nil
}

// describe says, for the log, which engine it is and why.
func (e *Engine) describe() []any {
	switch {
	case e.port != nil && e.port.Segments():
		return []any{"engine", "fast", "sockets", e.port.Loops(), "why", "the kernel sends many packets with one call and splits large ones"}
	case e.port != nil:
		return []any{"engine", "fast", "sockets", e.port.Loops(), "why", "the kernel sends many packets with one call, but splits none"}
	case e.cfg.Engine == "portable":
		return []any{"engine", "portable", "why", "it is configured"}
	}
	return []any{"engine", "portable", "why", "this system has no calls for many packets"}
}

func (e *Engine) closeUDP() error {
	if e.port != nil {
		return e.port.Close()
	}
	return e.udpMux.Close()
}

// Addrs returns the UDP and the TCP address that were taken; tcp is nil if there
// is none.
func (e *Engine) Addrs() (udp, tcp net.Addr) {
	if e.tcp != nil {
		tcp = e.tcp.Addr()
	}
	if e.port != nil {
		return e.port.LocalAddr(), tcp
	}
	return e.udp.LocalAddr(), tcp
}

// now returns the engine's time: nanoseconds since it started.
func (e *Engine) now() int64 { return int64(time.Since(e.begin)) }

// NewPeer implements bridge.Media.
func (e *Engine) NewPeer(ctx context.Context, cfg bridge.PeerConfig) (bridge.Peer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := newPeer(e, cfg)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, errors.Join(bridge.Errorf(bridge.Unavailable, "the media engine is closed"), p.Close())
	}
	e.peers[p] = true
	e.publish()
	e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// publish makes the ticker's list of peers anew. The lock is held.
func (e *Engine) publish() {
	list := make([]*peer, 0, len(e.peers)+len(e.relays)+len(e.inlets))
	for p := range e.peers {
		list = append(list, p)
	}
	for r := range e.relays {
		list = append(list, r.p)
	}
	for in := range e.inlets {
		list = append(list, in.p)
	}
	e.snapshot.Store(&list)
}

func (e *Engine) forget(p *peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.peers[p] {
		delete(e.peers, p)
		e.publish()
		e.totals.mu.Lock()
		e.totals.past.add(p.counts())
		e.totals.mu.Unlock()
	}
}

// Gate implements bridge.Media.
func (e *Engine) Gate(pub bridge.PublicationID, t bridge.Track, open bool) {
	if track := e.pubs.track(pub, t); track != nil {
		track.Gate(open, e.now())
	}
}

// Close closes all peers and the sockets, and returns when all of the engine's
// goroutines have ended.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.wg.Wait()
		return nil
	}
	e.closed = true
	peers := make([]*peer, 0, len(e.peers))
	for p := range e.peers {
		peers = append(peers, p)
	}
	relays := slices.Collect(maps.Keys(e.relays))
	inlets, outlets := slices.Collect(maps.Keys(e.inlets)), *e.outlets.Load()
	e.mu.Unlock()
	close(e.quit)
	for _, in := range inlets {
		in.Close()
	}
	for _, o := range outlets {
		o.Close()
	}
	var wg sync.WaitGroup
	for _, r := range relays {
		wg.Go(func() { _ = r.Close() })
	}
	for chunk := range slices.Chunk(peers, max(1, (len(peers)+closers-1)/closers)) {
		wg.Go(func() {
			for _, p := range chunk {
				_ = p.Close()
			}
		})
	}
	wg.Wait()
	err := e.closeUDP()
	if e.tcpMux != nil {
		err = errors.Join(err, e.tcpMux.Close())
	}
	e.wg.Wait()
	return err
}

// closers is how many peers are closed at a time.
const closers = 16

// certificate returns the certificate that all peers share, and makes a new one
// in time.
func (e *Engine) certificate() (webrtc.Certificate, error) {
	const margin = 7 * 24 * time.Hour // longer than any peer lives
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cert != nil && time.Until(e.cert.Expires()) > margin {
		return *e.cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	cert, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	e.cert = cert
	return *cert, nil
}

// network returns the machine's interfaces, which all peers share, because they
// are much to ask the kernel for and to keep.
func (e *Engine) network() (*stdnet.Net, error) {
	const fresh = int64(10 * time.Second)
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.now(); e.net == nil || now-e.netAt > fresh {
		n, err := stdnet.NewNet()
		if err != nil {
			return nil, fmt.Errorf("look up network interfaces: %w", err)
		}
		e.net, e.netAt = n, now
	}
	return e.net, nil
}

// api returns Pion as one peer uses it.
func (e *Engine) api(p *peer) (*webrtc.API, error) {
	m, err := mediaEngine(p.cfg.Codecs)
	if err != nil {
		return nil, err
	}
	s := webrtc.SettingEngine{LoggerFactory: pionLog{e.log.With("peer", p.cfg.ID)}, BufferFactory: p.buffer}
	network, err := e.network()
	if err != nil {
		return nil, err
	}
	s.SetNet(network)
	if p.link != nil {
		s.SetICEUDPMux(e.port.Mux(p.link))
		p.link.keys.watch(&s)
	} else {
		s.SetICEUDPMux(e.udpMux)
	}
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if e.tcpMux != nil {
		if p.link != nil {
			s.SetICETCPMux(tcpMux{e.tcpMux, p.link})
		} else {
			s.SetICETCPMux(e.tcpMux)
		}
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	s.SetNetworkTypes(networks)
	s.DisableActiveTCP(true)
	s.SetIncludeLoopbackCandidate(e.cfg.Loopback || e.onLoopback())
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetLite(e.cfg.ICELite)
	s.SetHostAcceptanceMinWait(0)
	s.SetPrflxAcceptanceMinWait(0)
	s.SetSrflxAcceptanceMinWait(0)
	s.SetRelayAcceptanceMinWait(0)
	s.SetICETimeouts(disconnectAfter, max(p.timeout()-disconnectAfter, disconnectAfter), keepalive)
	s.SetSRTPProtectionProfiles(
		dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	// The DTLS server chooses the SRTP profile, and browsers would choose the dear
	// one. An offerer that insists on being the server is answered otherwise: peer.active.
	if err := s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return nil, fmt.Errorf("set the DTLS role: %w", err)
	}
	s.SetDTLSInsecureSkipHelloVerify(true) // ICE has verified the address
	s.SetDTLSRetransmissionInterval(dtlsRetry)
	s.SetSRTPReplayProtectionWindow(replayWindow)
	s.SetSCTPMaxMessageSize(maxMessage)
	s.SetFireOnTrackBeforeFirstRTP(true) // so that Pion starts no goroutine that reads
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{})), nil
}

const (
	disconnectAfter = 5 * time.Second
	keepalive       = 2 * time.Second
	dtlsRetry       = 200 * time.Millisecond
	// replayWindow is how many packets a repair may come behind the newest one, where
	// there is no RTX. Pion's 64 are a quarter of a second of video; browsers have 1024.
	replayWindow = 1024
)

func (e *Engine) onLoopback() bool {
	udp, _ := e.Addrs()
	a, err := netip.ParseAddrPort(udp.String())
	return err == nil && a.Addr().IsLoopback()
}
