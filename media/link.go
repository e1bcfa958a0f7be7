package media

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"dragoman/media/forward"
	"dragoman/media/port"
	"dragoman/media/srtp"
)

// link is the media of a peer below Pion. ICE and DTLS stay Pion's; once DTLS is
// done, RTP and RTCP are encrypted and decrypted here, and go to the address that ICE
// has chosen, over whatever it has chosen. Until then, and if the keys cannot be found
// out, all is as in the portable engine. It implements port.Handler.
type link struct {
	// What each packet needs comes first, so that it is in one line of the cache.
	p      *peer
	send   atomic.Pointer[srtp.Sender] // nil: not up, or Pion's
	udp    atomic.Pointer[port.Target] // where packets go by the port; nil: they do not
	detour atomic.Pointer[detour]      // where they go then

	// Guarded by the peer's arriving.
	receive *srtp.Receiver
	last    *sink
	closed  bool
	sinks   map[uint32]*sink

	consent atomic.Pointer[consent] // nil: nothing was described
	keys    keys

	mu    sync.Mutex // guards what follows
	paths []*tcpPath
}

// detour is where packets go that do not go by the port.
type detour struct {
	path *tcpPath // nil: not by TCP
	addr net.Addr // on the path
	conn net.Conn // of a relay through the portable engine
}

// begin makes a link follow the peer's transports.
func (l *link) begin(pc *webrtc.PeerConnection) {
	dtls := pc.SCTP().Transport()
	dtls.ICETransport().OnSelectedCandidatePairChange(l.choose)
	dtls.OnStateChange(func(s webrtc.DTLSTransportState) {
		if s == webrtc.DTLSTransportStateConnected {
			l.connect()
		}
	})
}

// connect begins when DTLS is done, before anybody is told.
func (l *link) connect() {
	send, receive, err := l.keys.session()
	if err != nil {
		l.p.log.Warn("media goes through the portable engine", "err", err)
		return
	}
	l.start(send, receive)
}

// start takes over what the two ends of SRTP are for.
func (l *link) start(send *srtp.Sender, receive *srtp.Receiver) {
	l.p.arriving.Lock()
	l.receive, l.sinks = receive, map[uint32]*sink{}
	l.p.arriving.Unlock()
	l.send.Store(send)
}

// forget makes room for another SSRC that comes in.
func (l *link) forget(ssrc uint32) {
	l.p.arriving.Lock()
	defer l.p.arriving.Unlock()
	if l.receive != nil {
		l.receive.Forget(ssrc)
	}
	delete(l.sinks, ssrc)
	if l.last != nil && l.last.ssrc == ssrc {
		l.last = nil
	}
}

// close ends it. Afterwards no packet is being handled any more.
func (l *link) close() {
	l.p.arriving.Lock()
	defer l.p.arriving.Unlock()
	l.closed = true
	l.p.burst.Drop()
	l.receive, l.sinks, l.last = nil, nil, nil
}

// up reports whether packets are ours and not Pion's.
func (l *link) up() bool { return l != nil && l.send.Load() != nil }

// choose takes what ICE has chosen, in the order in which it does. It may not ask
// Pion anything, because Pion waits for it with locks held.
func (l *link) choose(pair *webrtc.ICECandidatePair) {
	ip, err := netip.ParseAddr(pair.Remote.Address)
	if err != nil {
		return
	}
	to := netip.AddrPortFrom(ip.Unmap(), pair.Remote.Port)
	if c := l.consent.Load(); c != nil {
		defer c.chosen.Store(true)
	}
	if pair.Local.Protocol == webrtc.ICEProtocolUDP {
		if was := l.udp.Load(); was == nil || was.Addr() != to {
			l.udp.Store(port.NewTarget(to))
		}
		return
	}
	if path := l.path(pair.Local.Address, to); path != nil {
		l.detour.Store(&detour{path: path, addr: net.TCPAddrFromAddrPort(to)})
		l.udp.Store(nil) // last: there is somewhere to go at any time
	}
}

// path returns the TCP candidate that has a connection to an address.
func (l *link) path(local string, to netip.AddrPort) *tcpPath {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found *tcpPath
	for _, p := range l.paths {
		if host, _, err := net.SplitHostPort(p.LocalAddr().String()); found == nil || err == nil && host == local {
			if p.heard(to) {
				found = p
			}
		}
	}
	return found
}

// Packet implements port.Handler.
func (l *link) Packet(b []byte, now int64, out *port.Batch) bool {
	if l.send.Load() == nil {
		if b[0] < 64 {
			l.keys.theirs(b)
		}
		return false
	}
	if b[0] < 128 { // DTLS
		return false
	}
	l.p.arriving.Lock()
	defer l.p.arriving.Unlock()
	switch {
	case l.closed:
	case port.IsRTCP(b):
		l.control(b, out)
	default:
		l.media(b, now, out)
	}
	return true
}

// media takes RTP.
func (l *link) media(b []byte, now int64, out *port.Batch) {
	b, err := l.receive.Open(b)
	if err != nil {
		l.p.feedback.refuse(err)
		return
	}
	var h forward.Header
	if h.Parse(b) != nil {
		l.p.feedback.malformed.Add(1)
		return
	}
	s := l.last
	if s == nil || s.ssrc != h.SSRC {
		if s = l.sinks[h.SSRC]; s == nil {
			s = &sink{p: l.p, ssrc: h.SSRC}
			l.sinks[h.SSRC] = s // no more than the receiver allows
		}
		l.last = s
	}
	s.take(&h, len(b), now, out)
}

// control takes RTCP.
func (l *link) control(b []byte, out *port.Batch) {
	b, err := l.receive.OpenRTCP(b)
	if err != nil {
		l.p.feedback.refuse(err)
		return
	}
	if out == nil {
		l.p.feedback.read(b, nil, nil)
		return
	}
	l.p.feedback.read(b, nil, out)
}

// refuse counts a packet that is not from the client, or came before.
func (f *feedback) refuse(err error) {
	switch {
	case errors.Is(err, srtp.ErrForged):
		f.forged.Add(1)
	case errors.Is(err, srtp.ErrReplayed), errors.Is(err, srtp.ErrStale):
		f.replayed.Add(1)
	default:
		f.malformed.Add(1)
	}
}

// writeRTCP sends a compound packet.
func (l *link) writeRTCP(packets []rtcp.Packet) {
	b, err := rtcp.Marshal(packets)
	if err != nil || !l.aimed() {
		return
	}
	if b, err = l.send.Load().SealRTCP(append(make([]byte, 0, len(b)+srtp.MaxOverhead), b...)); err == nil {
		_ = l.write(b)
	}
}

// aimed reports whether there is somewhere for packets to go.
func (l *link) aimed() bool { return l.udp.Load() != nil || l.detour.Load() != nil }

// write sends a packet that is encrypted, at once. There is somewhere for it to go.
func (l *link) write(b []byte) error {
	if to := l.udp.Load(); to != nil {
		return l.p.e.port.Send(b, to)
	}
	to := l.detour.Load()
	if to.path != nil {
		_, err := to.path.WriteTo(b, to.addr)
		return err
	}
	_, err := to.conn.Write(b)
	return err
}

// describe names the path that packets take; none if they are Pion's.
func (l *link) describe() string {
	if !l.up() || !l.aimed() {
		return ""
	}
	if l.udp.Load() == nil && l.detour.Load().path != nil {
		return "tcp"
	}
	return "udp"
}
