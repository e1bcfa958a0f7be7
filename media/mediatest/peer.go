package mediatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"
)

// A Peer is one PeerConnection of a client. Tracks and channels that it is given
// take part in its next offer or answer.
type Peer struct {
	c  *Client
	pc *webrtc.PeerConnection
	wg sync.WaitGroup

	turn   sync.Mutex // one negotiation at a time
	closed bool       // none any more; under turn

	came *arrivals // nil: frames have come when they are read

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced at every change
	state     webrtc.PeerConnectionState
	stats     map[string]Stats // by stream id, slash, kind
	channels  map[string]*webrtc.DataChannel
	open      map[string]bool
	remb      float64
	delays    map[string][]time.Duration // by kind
	messages  func(label string, text bool, data []byte)
	candidate func(text, mid string, index int)
}

// Peer makes a PeerConnection.
func (c *Client) Peer() (*Peer, error) {
	var came *arrivals
	if c.cfg.Departures != nil {
		came = new(arrivals)
	}
	api, err := c.api(came)
	if err != nil {
		return nil, err
	}
	cfg := webrtc.Configuration{}
	if len(c.cfg.Relay.URLs) > 0 {
		cfg.ICEServers, cfg.ICETransportPolicy = []webrtc.ICEServer{c.cfg.Relay}, webrtc.ICETransportPolicyRelay
	}
	pc, err := api.NewPeerConnection(cfg)
	if err != nil {
		return nil, err
	}
	p := &Peer{
		c: c, pc: pc, came: came, changed: make(chan struct{}), stats: map[string]Stats{},
		delays: map[string][]time.Duration{}, channels: map[string]*webrtc.DataChannel{}, open: map[string]bool{},
	}
	pc.OnTrack(p.receive)
	pc.OnDataChannel(p.channel)
	pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) {
		p.update(func() { p.state = pc.ConnectionState() })
	})
	pc.OnICECandidate(p.gathered)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers == nil {
		return nil, errors.Join(io.ErrClosedPipe, pc.Close())
	}
	c.peers[p] = true
	return p, nil
}

func (c *Client) api(came *arrivals) (*webrtc.API, error) {
	m, r := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: levelURI}, webrtc.RTPCodecTypeAudio)
	if err != nil {
		return nil, err
	}
	if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.SDESMidURI}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	// Not webrtc.RegisterDefaultInterceptors: its statistics nobody reads; and with the
	// headers of simulcast, packets that are still on their way when their m-line is
	// switched off make Pion read from a stream that it later reads from elsewhere, too.
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled // what it would say is found out by waiting
	if err := errors.Join(
		webrtc.ConfigureNack(m, r), webrtc.ConfigureRTCPReports(r),
		webrtc.ConfigureTWCCSenderWithOptions(m, r, twcc.WithLoggerFactory(quiet)),
	); err != nil {
		return nil, err
	}
	if len(c.camera) > 1 {
		if err := webrtc.ConfigureSimulcastExtensionHeaders(m); err != nil {
			return nil, err
		}
	}
	m.RegisterFeedback(webrtc.RTCPFeedback{Type: "nack"}, webrtc.RTPCodecTypeAudio) // see silentNACK
	s := webrtc.SettingEngine{LoggerFactory: quiet}
	s.SetSRTPReplayProtectionWindow(1024) // as browsers
	if came != nil {
		plain, err := stdnet.NewNet()
		if err != nil {
			return nil, err
		}
		s.SetNet(stamped{plain, came})
	}
	if c.cfg.SRTP != 0 {
		s.SetSRTPProtectionProfiles(c.cfg.SRTP)
	}
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled) // it would open two sockets, and run six goroutines
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if c.cfg.TCP {
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	s.SetInterfaceFilter(func(name string) bool { return strings.HasPrefix(name, "lo") })
	s.SetPrflxAcceptanceMinWait(0)
	s.SetHostAcceptanceMinWait(0)
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r), webrtc.WithSettingEngine(s)), nil
}

// update changes what waiters look at.
func (p *Peer) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait waits until met holds; it is called with the lock held.
func (p *Peer) wait(ctx context.Context, what string, met func() bool) error {
	for {
		p.mu.Lock()
		ok, changed := met(), p.changed
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; got %+v", what, ctx.Err(), p.Stats())
		}
	}
}

// Publish sends the microphone and the camera. They use what the other side has
// offered to receive, or m-lines of their own in an offer.
func (p *Peer) Publish(audio, video bool) error {
	if audio {
		if err := p.send(p.c.mic); err != nil {
			return err
		}
	}
	if video {
		return p.send(p.c.camera[0].track, p.c.camera[1:]...)
	}
	return nil
}

// PublishScreen sends the screen.
func (p *Peer) PublishScreen() error { return p.send(p.c.screen.track) }

func (p *Peer) send(t *track, more ...*layer) error {
	sender, err := p.pc.AddTrack(t)
	if err != nil {
		return err
	}
	for _, l := range more {
		if err := sender.AddEncoding(l.track); err != nil {
			return err
		}
	}
	p.wg.Go(func() { p.feedback(sender, t) })
	for _, l := range more {
		p.wg.Go(func() { p.layerFeedback(sender, l) })
	}
	return nil
}

// Unpublish stops what Publish and PublishScreen began.
func (p *Peer) Unpublish() error {
	for _, s := range p.pc.GetSenders() {
		if s.Track() != nil {
			if err := p.pc.RemoveTrack(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// Subscribe asks, in offers of the client's own, for that many audio and video
// tracks beside those that it sends.
func (p *Peer) Subscribe(audio, video int) error {
	for kind, n := range map[webrtc.RTPCodecType]int{webrtc.RTPCodecTypeAudio: audio, webrtc.RTPCodecTypeVideo: video} {
		for range n {
			_, err := p.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Peer) feedback(s *webrtc.RTPSender, t *track) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		p.obey(packets, t)
	}
}

func (p *Peer) layerFeedback(s *webrtc.RTPSender, l *layer) {
	for {
		packets, _, err := s.ReadSimulcastRTCP(l.rid)
		if err != nil {
			return
		}
		p.obey(packets, l.track)
	}
}

func (p *Peer) obey(packets []rtcp.Packet, t *track) {
	for _, packet := range packets {
		switch r := packet.(type) {
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			for _, l := range append(p.c.camera[:len(p.c.camera):len(p.c.camera)], p.c.screen) {
				if l.track == t {
					l.key.Store(true)
				}
			}
		case *rtcp.ReceiverReport:
			p.update(func() {
				for _, report := range r.Reports {
					t.report(report.SSRC)
				}
			})
		case *rtcp.ReceiverEstimatedMaximumBitrate:
			p.update(func() { p.remb = float64(r.Bitrate) })
			if p.c.cfg.Follow && len(p.c.camera) == 1 && t == p.c.camera[0].track {
				p.c.allowed.Store(int64(max(1, int(r.Bitrate)-audioRate)))
			}
		}
	}
}

func (p *Peer) receive(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	p.mu.Lock()
	if p.state == webrtc.PeerConnectionStateClosed {
		p.mu.Unlock()
		return
	}
	p.wg.Add(2)
	p.mu.Unlock()
	go func() {
		defer p.wg.Done()
		for {
			if _, _, err := r.ReadRTCP(); err != nil {
				return
			}
		}
	}()
	defer p.wg.Done()
	if t.Kind() == webrtc.RTPCodecTypeVideo {
		_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}})
	}
	_, codec, _ := strings.Cut(t.Codec().MimeType, "/")
	in := NewReceiver(t.StreamID(), t.Kind().String(), codec, levelID(r))
	in.left = p.c.cfg.Departures
	buf, asked := make([]byte, 1600), time.Now()
	for {
		n, _, err := t.Read(buf)
		if err != nil {
			return
		}
		packet := &rtp.Packet{}
		if packet.Unmarshal(append([]byte(nil), buf[:n]...)) != nil {
			continue
		}
		in.Push(packet, p.came.of(packet.SSRC, packet.SequenceNumber))
		p.update(func() {
			p.stats[in.stats.Stream+"/"+in.stats.Kind] = in.stats
			if all := p.delays[in.stats.Kind]; in.delay > 0 && len(all) < maxDelays {
				p.delays[in.stats.Kind] = append(all, in.delay)
			}
		})
		in.delay = 0
		// Like a decoder that cannot go on.
		if now := time.Now(); in.Stuck() && now.Sub(asked) > keyGap {
			asked = now
			_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}})
		}
	}
}

// levelID is the number of the header extension of audio levels; 0: there is none.
func levelID(r *webrtc.RTPReceiver) uint8 {
	for _, x := range r.GetParameters().HeaderExtensions {
		if x.URI == levelURI {
			return uint8(x.ID)
		}
	}
	return 0
}

// keyGap is the time between two requests for a key frame.
const keyGap = 500 * time.Millisecond

// Close closes the connection. It is idempotent.
func (p *Peer) Close() error {
	p.c.mu.Lock()
	delete(p.c.peers, p)
	p.c.mu.Unlock()
	p.update(func() { p.state = webrtc.PeerConnectionStateClosed })
	p.turn.Lock()
	p.closed = true
	p.turn.Unlock()
	err := p.pc.GracefulClose()
	p.wg.Wait()
	return err
}

// Stuck is the function of Pion's in which a connection that is closed in the middle of
// its handshake may leave a goroutine behind: the keys are there after it was closed,
// and nobody takes its first packet any more. Tests that look for what is left ignore
// it.
const Stuck = "github.com/pion/srtp/v3.(*SessionSRTP).decrypt"
