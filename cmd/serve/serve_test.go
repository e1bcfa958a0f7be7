package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"dragoman/cluster/clustertest"
	"dragoman/cluster/livekit/quiet"
	"dragoman/config"
	"dragoman/dialects/ahoy/client"
	"dragoman/dialects/all"
)

// TestMain allows what gossip of a node that has left ends with: the last probe of a
// member, which waits for its answer for up to a second.
func TestMain(m *testing.M) {
	quiet.SDK()
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(clustertest.LastProbe))
}

// free is a configuration of development mode on free ports.
func free() config.Config {
	c := config.Development()
	const any = "127.0.0.1:0"
	c.HTTP.Listen, c.Admin.Listen, c.Media.UDP, c.Media.TCP = any, any, any, any
	for _, e := range all.List() {
		c.Dialects = append(c.Dialects, config.Dialect{Name: e.New().Name(), Enabled: true, Listen: any})
	}
	return c
}

func start(t *testing.T, c config.Config) *Server {
	t.Helper()
	s, err := New(c, Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := plain.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(data)
}

// join joins a room by Ahoy.
func join(t *testing.T, url, room, name string) *client.Client {
	t.Helper()
	c, err := client.Join(t.Context(), client.Config{URL: url}, client.Ticket{Room: room, Name: name, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestStartStop(t *testing.T) {
	c := free()
	c.Rooms = []config.Room{{Name: "standup", Title: "Stand-up", Max: 9}}
	one, two := start(t, c), start(t, free())
	p := one.Ports()
	if p.HTTP == two.Ports().HTTP || p.UDP == "" || p.TCP == "" || len(p.Dialects) != len(all.List()) {
		t.Errorf("%+v", p)
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/startupz": 200, "/metrics": 200, "/": 200} {
		if status, text := get(t, "http://"+p.Admin+path); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text := get(t, "http://"+p.Admin+"/api/v1/rooms/standup"); status != 200 || !strings.Contains(text, "Stand-up") {
		t.Errorf("the configured room: %d %s", status, text)
	}
	if status, _ := get(t, "http://"+two.Ports().Admin+"/api/v1/rooms/standup"); status != 404 {
		t.Errorf("the servers share rooms: %d", status)
	}
	a := join(t, "ws://"+p.HTTP+"/ahoy/", "demo", "Ann")
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-a.Done():
	case <-time.After(5 * time.Second):
		t.Error("a client outlives the server")
	}
	if _, err := plain.Get("http://" + p.HTTP + "/"); err == nil {
		t.Error("the listener is still open")
	}
}

func TestWaysToADialect(t *testing.T) {
	c := free()
	c.Dialects[0].Hosts = []string{"uc.old.example"}
	s := start(t, c)
	p := s.Ports()
	dial := func(url, host, protocol string) error {
		d := websocket.Dialer{Subprotocols: strings.Fields(protocol), HandshakeTimeout: 5 * time.Second}
		header := http.Header{}
		if host != "" {
			header.Set("Host", host)
		}
		ws, resp, err := d.Dial(url, header)
		if resp != nil {
			resp.Body.Close()
		}
		if err == nil {
			if protocol != "" && ws.Subprotocol() != protocol {
				t.Errorf("%s: subprotocol %q", url, ws.Subprotocol())
			}
			ws.Close()
		}
		return err
	}
	const ahoy = "conference-protocol"
	for name, c := range map[string]struct {
		url, host, protocol string
		ok                  bool
	}{
		"prefix":            {"ws://" + p.HTTP + "/ahoy/", "", ahoy, true},
		"prefix, spreed":    {"ws://" + p.HTTP + "/spreed/ws", "", "", true},
		"subprotocol":       {"ws://" + p.HTTP + "/whatever", "", ahoy, true},
		"host":              {"ws://" + p.HTTP + "/", "uc.old.example", ahoy, true},
		"own listener":      {"ws://" + p.Dialects["ahoy"] + "/", "", ahoy, true},
		"prefix, nkmedia":   {"ws://" + p.HTTP + "/nkmedia/nkapi/ws", "", "", true},
		"own listener, 3":   {"ws://" + p.Dialects["nkmedia"] + "/anything", "", "", true},
		"own listener, 2":   {"ws://" + p.Dialects["spreed"] + "/ws", "", "", true},
		"prefix, asn":       {"ws://" + p.HTTP + "/asn/ws", "", "", true},
		"own listener, 4":   {"ws://" + p.Dialects["asn"] + "/ws", "", "", true},
		"nothing there":     {"ws://" + p.HTTP + "/ws", "", "", false},
		"the lobby's place": {"ws://" + p.HTTP + "/", "", "", false},
	} {
		if err := dial(c.url, c.host, c.protocol); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if status, text := get(t, "http://"+p.HTTP+"/"); status != 200 || !strings.Contains(text, "lobby/lobby.js") {
		t.Errorf("the lobby: %d", status)
	}
	if status, text := get(t, "http://"+p.HTTP+"/lobby/server.json"); status != 200 || !strings.Contains(text, `"path":"/ahoy/"`) || !strings.Contains(text, `"path":"/spreed/"`) {
		t.Errorf("the lobby's list: %d %s", status, text)
	}
	_, text := get(t, "http://"+p.HTTP+"/lobby/card.json?room=team%2Fa+b")
	for _, want := range []string{
		"ws://uc.old.example:", "ws://" + p.Dialects["ahoy"] + "/", "ws://" + p.HTTP + "/ahoy/", "http://" + p.HTTP + "/spreed/team/a%20b", `"room":"team/a b"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the card has no %s: %s", want, text)
		}
	}
}

func TestWithoutTheLobby(t *testing.T) {
	c := free()
	c.Lobby.Enabled = false
	c.Dialects = c.Dialects[:1]
	s := start(t, c)
	for path, want := range map[string]int{"/": 404, "/lobby/lobby.js": 404, "/spreed/ws": 404, "/ahoy/": 426} {
		if status, _ := get(t, "http://"+s.Ports().HTTP+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestPortsFile(t *testing.T) {
	s := start(t, free())
	name := filepath.Join(t.TempDir(), "ports.json")
	if err := s.Ports().WriteFile(name); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var p Ports
	if err := json.Unmarshal(data, &p); err != nil || p.HTTP != s.Ports().HTTP || p.Dialects["spreed"] == "" || p.PID != os.Getpid() {
		t.Errorf("%s: %v", data, err)
	}
	left, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestDrain(t *testing.T) {
	c := free()
	c.Drain = config.Drain{Timeout: time.Minute}
	s := start(t, c)
	p := s.Ports()
	ann := join(t, "ws://"+p.HTTP+"/ahoy/", "demo", "Ann")
	ctx, signal := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- s.Wait(ctx) }()
	signal()
	wait(t, "draining", s.Draining)
	if status, text := get(t, "http://"+p.Admin+"/readyz"); status != 503 || !strings.Contains(text, "draining") {
		t.Errorf("ready: %d %s", status, text)
	}
	if status, _ := get(t, "http://"+p.Admin+"/livez"); status != 200 {
		t.Errorf("alive: %d", status)
	}
	_, err := client.Join(t.Context(), client.Config{URL: "ws://" + p.HTTP + "/ahoy/"}, client.Ticket{Room: "demo", Name: "Bob"})
	if refused := new(client.Refusal); !errors.As(err, &refused) || refused.Status != 503 {
		t.Errorf("a new client: %v", err)
	}
	if err := ann.Say(t.Context(), "still here"); err != nil {
		t.Errorf("who is in: %v", err)
	}
	ann.Close() // the last one goes: there is nothing to wait for
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("draining goes on without anybody")
	}
}

func TestDrainEnds(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		hurry   bool
	}{"by its timeout": {50 * time.Millisecond, false}, "by a second signal": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			cfg := free()
			cfg.Drain = config.Drain{Timeout: c.timeout}
			s := start(t, cfg)
			ann := join(t, "ws://"+s.Ports().HTTP+"/ahoy/", "demo", "Ann")
			ctx, signal := context.WithCancel(t.Context())
			over := make(chan error, 1)
			go func() { over <- s.Wait(ctx) }()
			signal()
			if c.hurry {
				wait(t, "draining", s.Draining)
				s.Hurry()
			}
			for what, done := range map[string]<-chan struct{}{"the client": ann.Done(), "the server": closed(t, over)} {
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Errorf("%s stays", what)
				}
			}
		})
	}
}

func closed(t *testing.T, err <-chan error) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := <-err; err != nil {
			t.Error(err)
		}
	}()
	return done
}

func TestWhatCannotBeOpenedClosesTheRest(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, change := range map[string]func(*config.Config){
		"http":    func(c *config.Config) { c.HTTP.Listen = taken.Addr().String() },
		"admin":   func(c *config.Config) { c.Admin.Listen = taken.Addr().String() },
		"media":   func(c *config.Config) { c.Media.TCP = taken.Addr().String() },
		"dialect": func(c *config.Config) { c.Dialects[1].Listen = taken.Addr().String() },
		"room":    func(c *config.Config) { c.Rooms = []config.Room{{Name: "a", KeepChat: 1 << 30}} },
	} {
		c := free()
		change(&c)
		s, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); err == nil {
			t.Errorf("%s: starts all the same", name)
		} else if !strings.Contains(err.Error(), name) && name != "dialect" {
			t.Errorf("%s: %v", name, err)
		} else if name != "room" && !strings.Contains(err.Error(), "Choose another port with --") {
			t.Errorf("%s: no advice: %v", name, err)
		}
	} // goleak looks whether anything is left
}

func TestCheckLooksIntoTheDialectsSections(t *testing.T) {
	c := free()
	if err := Check(c); err != nil {
		t.Fatal(err)
	}
	c.Dialects[0].Settings = map[string]any{"redirects": []any{map[string]any{"url": "x", "room": "y"}}}
	if err := Check(c); err == nil || !strings.Contains(err.Error(), "ahoy") || !strings.Contains(err.Error(), "redirects[0].url") {
		t.Errorf("%v", err)
	}
	c.Dialects[0].Settings = map[string]any{"mask_ipp": true}
	if err := Check(c); err == nil || !strings.Contains(err.Error(), `unknown key; did you mean "mask_ip"?`) {
		t.Errorf("%v", err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	c := free()
	c.Limits.Connections = 1
	s := start(t, c)
	p := s.Ports()
	ann := join(t, "ws://"+p.HTTP+"/ahoy/", "demo", "Ann")
	impatient := &http.Client{Timeout: 300 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	if r, err := impatient.Get("http://" + p.Dialects["ahoy"] + "/"); err == nil {
		r.Body.Close()
		t.Errorf("a second connection is served: %s", r.Status)
	}
	if status, _ := get(t, "http://"+p.Admin+"/livez"); status != 200 {
		t.Errorf("the operator is kept out: %d", status)
	}
	ann.Close()
	if status, _ := get(t, "http://"+p.HTTP+"/"); status != 200 {
		t.Errorf("the place is not free again: %d", status)
	}
}

func TestIdentityIsKeptInTheDataDirectory(t *testing.T) {
	c := free()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	s, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	one, err := s.identity()
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.identity()
	if err != nil || string(one) != string(two) {
		t.Errorf("another key, %v", err)
	}
	info, err := os.Stat(filepath.Join(c.DataDir, "identity.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(c.DataDir, "identity.key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(c, Options{}); err == nil || !strings.Contains(err.Error(), "5 bytes instead of 32") {
		t.Errorf("%v", err)
	}
}

// pair writes a certificate for localhost and its key, and returns it.
func pair(t *testing.T, dir string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	roots := x509.NewCertPool()
	roots.AddCert(pair(t, dir, 1))
	c := free()
	c.TLS = config.TLS{Mode: "files", CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	s := start(t, c)
	safe := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}}
	for _, at := range []string{s.Ports().HTTP, s.Ports().Dialects["spreed"]} {
		r, err := safe.Get("https://" + at + "/")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
	}
	if status, _ := get(t, "http://"+s.Ports().Admin+"/livez"); status != 200 {
		t.Errorf("the admin listener: %d", status)
	}
	_, text := get(t, "http://"+s.Ports().Admin+"/api/v1/rooms/demo/card")
	if !strings.Contains(text, "wss://") || strings.Contains(text, "ws://1") {
		t.Errorf("the card: %s", text)
	}
	c.TLS.KeyFile = filepath.Join(dir, "none.pem")
	broken, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.Start(t.Context()); err == nil {
		t.Error("starts without a key")
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, 1)
	c, err := newCertificate(config.TLS{Mode: "files", CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	serial := func(changed time.Time) int64 {
		t.Helper()
		for _, name := range []string{c.certFile, c.keyFile} {
			if err := os.Chtimes(name, changed, changed); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		c.asked = time.Time{} // it is time to look
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.SerialNumber.Int64()
	}
	now := time.Now()
	if n := serial(now); n != 1 {
		t.Errorf("serial %d", n)
	}
	pair(t, dir, 2)
	if n := serial(now.Add(time.Second)); n != 2 {
		t.Errorf("serial %d, want the new one", n)
	}
	if err := os.WriteFile(c.certFile, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := serial(now.Add(2 * time.Second)); n != 2 {
		t.Errorf("serial %d, want the old one while the new is not whole", n)
	}
}

func TestGreeting(t *testing.T) {
	s := start(t, free())
	var b strings.Builder
	if err := s.Greet(&b); err != nil {
		t.Fatal(err)
	}
	p := s.Ports()
	all := []string{"development mode", "http://" + p.HTTP + "/", "http://" + p.Admin + "/", "udp " + p.UDP, "tcp " + p.TCP}
	for _, e := range s.entries {
		name := e.New().Name()
		all = append(all, e.Title+" ", "http://"+p.HTTP+"/"+name+"/", "http://"+p.Dialects[name]+"/")
	}
	for _, want := range all {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}
