package media

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/ice/v4"

	"dragoman/bridge"
	"dragoman/media/port"
	"dragoman/media/srtp"
)

// The times of a relay's transport (federation-and-cluster.md 7.1): nothing heard for
// relayFrozen, and then for relayLost more, and it is given up.
const (
	relayFrozen    = 1500 * time.Millisecond
	relayLost      = 2 * time.Second
	relayKeepalive = 500 * time.Millisecond
)

// relayKeys is what an end of a relay proves itself with.
type relayKeys struct {
	cert        tls.Certificate
	fingerprint string
}

func newRelayKeys() (relayKeys, error) {
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		return relayKeys{}, fmt.Errorf("make a certificate: %w", err)
	}
	return relayKeys{cert: cert, fingerprint: fingerprint(cert.Certificate[0])}, nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Connect joins the two ends. It returns when packets may go both ways.
func (r *Relay) Connect(ctx context.Context, theirs RelayParams) error {
	for _, text := range theirs.Candidates {
		c, err := ice.UnmarshalCandidate(text)
		if err != nil {
			return bridge.Errorf(bridge.BadRequest, "%q is no candidate", text)
		}
		if err := r.ice.AddRemoteCandidate(c); err != nil {
			return fmt.Errorf("add candidate: %w", err)
		}
	}
	meet := r.ice.Accept
	if r.cfg.Controlling {
		meet = r.ice.Dial
	}
	conn, err := meet(ctx, theirs.Ufrag, string(theirs.Password))
	if err != nil {
		return fmt.Errorf("reach the other node: %w", err)
	}
	if r.e.port == nil {
		r.p.link.detour.Store(&detour{conn: conn})
	} else if pair, err := r.ice.GetSelectedCandidatePair(); err == nil && pair != nil {
		r.choose(pair.Remote)
	}
	if err := r.secure(ctx, &relayPath{Conn: conn, l: r.p.link}, theirs.Fingerprint); err != nil {
		return fmt.Errorf("secure the way to the other node: %w", err)
	}
	r.p.connected.Store(true)
	r.p.log.Info("relay connected")
	return nil
}

// choose takes the address that ICE has chosen.
func (r *Relay) choose(to ice.Candidate) {
	ip, err := netip.ParseAddr(to.Address())
	if err != nil || r.e.port == nil {
		return
	}
	at := netip.AddrPortFrom(ip.Unmap(), uint16(to.Port())) //nolint:gosec // a port
	r.p.link.udp.Store(port.NewTarget(at))
}

// secure does the handshake and makes the keys of both directions.
func (r *Relay) secure(ctx context.Context, conn net.Conn, want string) error {
	d, err := r.handshaker(conn, want)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.dtls = d
	closed := r.closed
	r.mu.Unlock()
	if closed {
		_ = d.Close()
		return errClosed()
	}
	if err := d.HandshakeContext(ctx); err != nil {
		return err
	}
	const profile = srtp.GCM128
	state, ok := d.ConnectionState()
	if chosen, is := d.SelectedSRTPProtectionProfile(); !ok || !is || srtp.Profile(chosen) != profile {
		return bridge.Errorf(bridge.NotSupported, "the other node has no protection that this one has")
	}
	raw, err := state.ExportKeyingMaterial(srtp.Exporter, nil, profile.Exported())
	if err != nil {
		return err
	}
	ours, theirs, err := profile.Split(raw)
	if err != nil {
		return err
	}
	if !r.cfg.Controlling {
		ours, theirs = theirs, ours
	}
	send, err := srtp.NewSender(profile, ours)
	if err != nil {
		return err
	}
	receive, err := srtp.NewReceiver(profile, theirs)
	if err != nil {
		return err
	}
	receive.Allow(maxRelayed)
	r.p.link.start(send, receive)
	r.wg.Go(func() { r.listen(d) })
	return nil
}

// handshaker makes this end of DTLS, which takes the one certificate that was told.
func (r *Relay) handshaker(conn net.Conn, want string) (*dtls.Conn, error) {
	check := func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 || fingerprint(raw[0]) != want {
			return bridge.Errorf(bridge.Unauthenticated, "the certificate is not that of the other node")
		}
		return nil
	}
	over, to := dtlsnet.PacketConnFromConn(conn), conn.RemoteAddr()
	if r.cfg.Controlling {
		return dtls.ClientWithOptions(over, to,
			dtls.WithCertificates(r.keys.cert), dtls.WithInsecureSkipVerify(true), dtls.WithVerifyPeerCertificate(check),
			dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM), dtls.WithLoggerFactory(pionLog{r.p.log}),
			dtls.WithFlightInterval(dtlsRetry), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret))
	}
	return dtls.ServerWithOptions(over, to,
		dtls.WithCertificates(r.keys.cert), dtls.WithInsecureSkipVerify(true), dtls.WithVerifyPeerCertificate(check),
		dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM), dtls.WithLoggerFactory(pionLog{r.p.log}),
		dtls.WithFlightInterval(dtlsRetry), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret))
}

// listen waits for the end of DTLS, over which nothing is said.
func (r *Relay) listen(d *dtls.Conn) {
	defer r.end()
	for b := make([]byte, 1<<13); ; {
		if _, err := d.Read(b); err != nil {
			return
		}
	}
}

// relayPath is what DTLS has of the way: RTP and RTCP are taken out, where the port
// has not done so.
type relayPath struct {
	net.Conn
	l *link
}

// Read implements net.Conn.
func (p *relayPath) Read(b []byte) (int, error) {
	for {
		n, err := p.Conn.Read(b)
		if err != nil || n == 0 || !p.l.Packet(b[:n], p.l.p.e.now(), nil) {
			return n, err
		}
	}
}
