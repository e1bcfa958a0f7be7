package turn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
	"dragoman/media/turn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const any = "127.0.0.1:0"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, cfg turn.Config) *turn.Server {
	t.Helper()
	s, err := turn.Start(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// certificate makes one for 127.0.0.1.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestMediaByRelay: a client that may only use the relay sends and gets sound and
// picture, by UDP and by TCP, also where the engine is told by another address than
// its own.
func TestMediaByRelay(t *testing.T) {
	for name, c := range map[string]struct{ url, public string }{
		"udp":         {"turn:%s?transport=udp", ""},
		"tcp":         {"turn:%s?transport=tcp", ""},
		"mapped port": {"turn:%s?transport=udp", "127.0.0.1:9"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			m := media.Default()
			m.UDP, m.TCP = any, ""
			if c.public != "" {
				m.Advertise = []string{c.public}
			}
			e, err := media.New(m)
			must(t, err)
			defer func() { must(t, e.Close()) }()
			s := start(t, turn.Config{UDP: any, TCP: any, Media: e.Told()})
			udp, tcp, _ := s.Addrs()
			at := udp
			if strings.HasSuffix(c.url, "tcp") {
				at = tcp
			}
			user, password, life := s.Credentials(time.Now())
			if life != 12*time.Hour {
				t.Errorf("credentials are good for %s", life)
			}
			devices := mediatest.NewClient(mediatest.Config{Relay: webrtc.ICEServer{
				URLs: []string{fmt.Sprintf(c.url, at)}, Username: user, Credential: string(password),
			}})
			defer devices.Close()
			exchange(ctx, t, e, devices)
			if got := s.Stats(); got.Allocations < 2 || got.Refused != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// exchange publishes by the engine and gets it back.
func exchange(ctx context.Context, t *testing.T, e *media.Engine, devices *mediatest.Client) {
	t.Helper()
	pub := bridge.NewPublicationID()
	side := func() (bridge.Peer, *mediatest.Peer) {
		t.Helper()
		s, err := e.NewPeer(ctx, bridge.PeerConfig{
			ID: bridge.NewPeerID(), Owner: bridge.NewParticipantID(), Notify: func(bridge.Event) {},
		})
		must(t, err)
		c, err := devices.Peer()
		must(t, err)
		return s, c
	}
	s, c := side()
	must(t, s.Receive(pub, bridge.Camera))
	must(t, c.Publish(true, true))
	offer, err := c.Offer(ctx)
	must(t, err)
	answer, err := s.Answer(ctx, bridge.SDP(offer))
	must(t, err)
	must(t, c.Accept(ctx, string(answer)))

	s2, c2 := side()
	must(t, s2.Send(pub, bridge.SendOptions{}))
	down, err := s2.Offer(ctx)
	must(t, err)
	up, err := c2.Answer(ctx, string(down))
	must(t, err)
	must(t, s2.Accept(ctx, bridge.SDP(up)))
	must(t, c2.WaitVideo(ctx, "", 10))
	must(t, c2.WaitAudio(ctx, ""))
	must(t, s.Close())
	must(t, s2.Close())
}

// client is a TURN client on a connection.
func client(t *testing.T, conn net.PacketConn, server net.Addr, user string, password bridge.Secret) *pion.Client {
	t.Helper()
	c, err := pion.NewClient(&pion.ClientConfig{
		STUNServerAddr: server.String(), TURNServerAddr: server.String(), Conn: conn, Username: user, Password: string(password), RTO: 100 * time.Millisecond,
	})
	must(t, err)
	must(t, c.Listen())
	t.Cleanup(func() { c.Close(); conn.Close() })
	return c
}

func packets(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(any)))
	must(t, err)
	return c
}

// TestNobodyElse: what is addressed to others than this node's media goes nowhere,
// whatever the port, and what others send is not passed on.
func TestNobodyElse(t *testing.T) {
	ours, other := packets(t), packets(t)
	defer ours.Close()
	defer other.Close()
	at := ours.LocalAddr().(*net.UDPAddr).AddrPort()
	told := netip.AddrPortFrom(at.Addr(), 7)
	s := start(t, turn.Config{TLS: any, Key: certificate(t), Media: map[netip.AddrPort]netip.AddrPort{told: at}})
	_, _, by := s.Addrs()
	conn, err := tls.Dial("tcp", by.String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // made above
	must(t, err)
	user, password, _ := s.Credentials(time.Now())
	c := client(t, pion.NewSTUNConn(conn), by, user, password)
	relay, err := c.Allocate()
	must(t, err)
	defer relay.Close()

	_, err = relay.WriteTo([]byte("to a stranger"), other.LocalAddr())
	must(t, err)
	_, err = relay.WriteTo([]byte("to media"), net.UDPAddrFromAddrPort(told))
	must(t, err)
	b := make([]byte, 100)
	must(t, ours.SetReadDeadline(time.Now().Add(30*time.Second)))
	n, from, err := ours.ReadFrom(b)
	must(t, err)
	if string(b[:n]) != "to media" {
		t.Errorf("media got %q", b[:n])
	}
	_, err = other.WriteTo([]byte("from a stranger"), from)
	must(t, err)
	_, err = ours.WriteTo([]byte("from media"), from)
	must(t, err)
	must(t, relay.SetReadDeadline(time.Now().Add(30*time.Second)))
	n, source, err := relay.ReadFrom(b)
	must(t, err)
	if string(b[:n]) != "from media" || source.String() != told.String() {
		t.Errorf("the client got %q from %s", b[:n], source)
	}
	if got := s.Stats(); got.Strangers != 2 || got.Open != 1 {
		t.Errorf("%+v", got)
	}
	if _, err := relay.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}); err == nil {
		t.Error("another host is permitted")
	}
}

// TestCredentials: they are good for their time and for so many allocations, and
// nothing else is.
func TestCredentials(t *testing.T) {
	m := netip.MustParseAddrPort("127.0.0.1:7")
	s := start(t, turn.Config{UDP: any, Secret: "one of the test's", PerUser: 1, Media: map[netip.AddrPort]netip.AddrPort{m: m}})
	at, _, _ := s.Addrs()
	user, password, _ := s.Credentials(time.Now())
	old, oldPassword, _ := s.Credentials(time.Now().Add(-13 * time.Hour))
	again := start(t, turn.Config{UDP: any, Secret: "one of the test's", Media: map[netip.AddrPort]netip.AddrPort{m: m}})
	same, _, _ := again.Addrs()
	for name, c := range map[string]struct {
		at       net.Addr
		user     string
		password bridge.Secret
		good     bool
	}{
		"good":                    {at, user, password, true},
		"of a node of one secret": {same, user, password, true},
		"over":                    {at, old, oldPassword, false},
		"longer than given":       {at, "9" + user, password, false},
		"a wrong password":        {at, user, "x", false},
		"no time":                 {at, "ann", password, false},
	} {
		conn := packets(t)
		relay, err := client(t, conn, c.at, c.user, c.password).Allocate()
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			must(t, relay.Close())
		}
	}
	first, err := client(t, packets(t), at, user, password).Allocate()
	must(t, err)
	if _, err := client(t, packets(t), at, user, password).Allocate(); err == nil {
		t.Error("one more allocation than allowed")
	}
	must(t, first.Close())
}

func TestStartFails(t *testing.T) {
	taken := packets(t)
	defer taken.Close()
	m := netip.MustParseAddrPort("127.0.0.1:7")
	here := map[netip.AddrPort]netip.AddrPort{m: m}
	for name, c := range map[string]turn.Config{
		"nothing to listen on": {Media: here},
		"no media":             {UDP: any},
		"a taken port":         {TCP: any, UDP: taken.LocalAddr().String(), Media: here},
		"no certificate":       {UDP: any, TLS: any, Media: here},
	} {
		if s, err := turn.Start(c); err == nil {
			t.Errorf("%s: it starts", name)
			must(t, s.Close())
		}
	}
}

// TestCredentialsTellTheirTime: clients renew them by it.
func TestCredentialsTellTheirTime(t *testing.T) {
	m := netip.MustParseAddrPort("127.0.0.1:7")
	s := start(t, turn.Config{UDP: any, Life: time.Minute, Media: map[netip.AddrPort]netip.AddrPort{m: m}})
	synctest.Test(t, func(t *testing.T) {
		user, _, life := s.Credentials(time.Now())
		if want := fmt.Sprint(time.Now().Add(time.Minute).Unix()); !strings.HasPrefix(user, want+":") || life != time.Minute {
			t.Errorf("%s for %s, want %s", user, life, want)
		}
	})
}
