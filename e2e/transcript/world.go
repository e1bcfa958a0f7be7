package transcript

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// World is where a script is played. It may be an io.Closer, a Stage, a Coder and
// a Cluster, too.
type World interface {
	// Dial connects to the server; TLS, where there is any, is done.
	Dial(ctx context.Context) (net.Conn, error)
	// Base is the host that requests name, and what is put before their paths.
	Base() *url.URL
}

// Stage is a World with real media behind the names of a script. Scripts that
// need "media" want one.
type Stage interface {
	World
	// Describe makes a real description for {"$sdp":…} of who; offer is what an
	// answer answers.
	Describe(ctx context.Context, who string, w Wish, offer string) (string, error)
	// Answered takes an answer that who has heard.
	Answered(ctx context.Context, who, answer string) error
	// Media plays a media step: it returns when what the step says is so.
	Media(ctx context.Context, s Step) error
}

// Coder is a World whose clients do not write JSON: every "msg" of a script is sent
// as a binary frame of what Encode makes of it, and a binary frame is what Decode
// makes of that. So one script tests both encodings of a dialect that has two.
type Coder interface {
	World
	Encode(who string, msg any) ([]byte, error)
	Decode(who string, data []byte) (msg any, err error)
}

// Cluster is a World of several nodes. Scripts that need "nodes" want one.
type Cluster interface {
	World
	// Node plays a node step.
	Node(ctx context.Context, s Step) error
}

// Local is a World in memory.
type Local struct {
	listener *listener
	server   *http.Server
	served   chan error
}

// Handler returns a world in memory: the clients of the script reach the handler
// over connections that never leave the process. Made in a synctest bubble, all
// its time is virtual. It has to be closed.
func Handler(h http.Handler) *Local {
	w := &Local{listener: newListener(), server: &http.Server{Handler: h}, served: make(chan error, 1)} //nolint:gosec // the handler's own deadlines are what is tested
	go func() { w.served <- w.server.Serve(w.listener) }()
	return w
}

// Dial implements World.
func (w *Local) Dial(ctx context.Context) (net.Conn, error) { return w.listener.dial(ctx) }

// Base implements World.
func (w *Local) Base() *url.URL { return &url.URL{Scheme: "http", Host: "dragoman.test"} }

// Close stops the server. Connections that were taken over by their handlers
// (WebSockets) end when the player closes its end.
func (w *Local) Close() error {
	err := w.server.Close()
	if served := <-w.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// remote is a server that is reached over the network.
type remote struct {
	base    url.URL
	address string // with the port
}

// Remote returns the world of a server at an address like
// "ws://127.0.0.1:8082" or "https://meet.example.org/prefix". A path is put
// before the paths of scripts.
func Remote(address string) (World, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	ports := map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}
	port, ok := ports[u.Scheme]
	if !ok || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not the address of a server: want http, https, ws or wss and a host", address)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return &remote{base: *u, address: net.JoinHostPort(u.Hostname(), port)}, nil
}

// Base implements World.
func (r *remote) Base() *url.URL { return &r.base }

// Dial implements World.
func (r *remote) Dial(ctx context.Context) (net.Conn, error) {
	if r.base.Scheme == "https" || r.base.Scheme == "wss" {
		d := tls.Dialer{Config: &tls.Config{ServerName: r.base.Hostname(), MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, "tcp", r.address)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", r.address)
}
