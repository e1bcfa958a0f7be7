package srtp

import (
	"bytes"
	"net"
	"sync"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/transport/v4/dpipe"
)

// sniffer looks at what is read.
type sniffer struct {
	net.Conn
	look func([]byte)
}

func (s sniffer) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.look(b[:n])
	return n, err
}

// log is a key log.
type log struct {
	sync.Mutex
	h Handshake
}

func (l *log) Write(b []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	l.h.KeyLog(b)
	return len(b), nil
}

// A real handshake, seen from the client's side, gives the keys that both sides
// export.
func TestHandshake(t *testing.T) {
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	} {
		for _, p := range profiles {
			a, b := dpipe.Pipe()
			keys, hello := &log{}, ServerHello{}
			var mu sync.Mutex
			seen := sniffer{a, func(b []byte) {
				if h, ok := ReadServerHello(b); ok {
					mu.Lock()
					hello = h
					mu.Unlock()
				}
			}}
			shared := []dtls.Option{dtls.WithSRTPProtectionProfiles(dtls.SRTPProtectionProfile(p)), dtls.WithCipherSuites(suite), dtls.WithCertificates(cert), dtls.WithInsecureSkipVerify(true)}
			var servers []dtls.ServerOption
			clients := []dtls.ClientOption{dtls.WithKeyLogWriter(keys)}
			for _, o := range shared {
				servers, clients = append(servers, o), append(clients, o)
			}
			server, err := dtls.ServerWithOptions(dtlsnet.PacketConnFromConn(b), b.RemoteAddr(), servers...)
			if err != nil {
				t.Fatal(err)
			}
			client, err := dtls.ClientWithOptions(dtlsnet.PacketConnFromConn(seen), a.RemoteAddr(), clients...)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := server.Handshake(); err != nil {
					t.Error(err)
				}
			})
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			keys.Lock()
			mu.Lock()
			h := keys.h
			h.ServerHello = hello
			mu.Unlock()
			keys.Unlock()
			compare(t, server, h, suite, p)
			_ = client.Close()
			_ = server.Close()
		}
	}
}

func compare(t *testing.T, conn *dtls.Conn, h Handshake, suite dtls.CipherSuiteID, p Profile) {
	t.Helper()
	if h.Suite != uint16(suite) || h.Profile != p {
		t.Errorf("hello says %+v, not %v and %v", h.ServerHello, suite, p)
	}
	c, s, err := h.Keys()
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.Join([][]byte{c.Key, s.Key, c.Salt, s.Salt}, nil)
	state, ok := conn.ConnectionState()
	if !ok {
		t.Fatal("no state")
	}
	want, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, len(got))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v %v: keys differ: %v", suite, p, err)
	}
}

func TestKeysNeedAHandshake(t *testing.T) {
	if _, _, err := (Handshake{}).Keys(); err == nil {
		t.Error("keys out of nothing")
	}
	var h Handshake
	for _, line := range []string{"", "CLIENT_RANDOM", "CLIENT_RANDOM 00 00", "OTHER 00 00", "CLIENT_RANDOM zz 00"} {
		if h.KeyLog([]byte(line)) {
			t.Errorf("takes %q", line)
		}
	}
}

// ServerHello of a server that was asked for a cookie, as captured.
func FuzzReadServerHello(f *testing.F) {
	f.Add([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	hello := append([]byte{0xfe, 0xfd}, make([]byte, 32)...)
	hello = append(hello, 0, 0xc0, 0x2b, 0, 0, 9, 0, 14, 0, 5, 0, 2, 0, 7, 0)
	message := append([]byte{2, 0, 0, byte(len(hello)), 0, 0, 0, 0, 0, 0, 0, byte(len(hello))}, hello...)
	good := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(message))}, message...)
	if h, ok := ReadServerHello(good); !ok || h.Profile != GCM128 || h.Suite != 0xc02b {
		f.Fatal(h, ok)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := ReadServerHello(b); ok && h.Profile == 0 {
			t.Error("no profile")
		}
	})
}
