// Package oidctest runs an issuer of OpenID Connect for tests: a real one, made of
// a library for such servers, with discovery, keys that change, the authorization
// code flow with PKCE and a page to log in, the password grant, refresh tokens,
// introspection and an end of sessions. What its tokens say, and how long they are
// good, is the test's to choose.
//
// Start listens on a port of loopback. New does not: the Issuer itself is an
// http.Handler, and the http.RoundTripper of those who ask it, so that it works in
// a testing/synctest bubble.
package oidctest

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// Paths below the URL of an Issuer.
const (
	Discovery     = "/.well-known/openid-configuration"
	Keys          = "/keys"
	Token         = "/oauth/token"
	Introspection = "/oauth/introspect"
	login         = "/login"
	loggedOut     = "/logged-out"
)

// Settings are how an issuer makes tokens. The zero value is the default.
type Settings struct {
	IDTokens     time.Duration // how long they are good; default 5 min
	AccessTokens time.Duration // how long they are good; default 5 min
	Opaque       bool          // access tokens say nothing; otherwise they are JWTs
	Audience     []string      // of tokens, besides the client that asks; none: that client
	Ahead        time.Duration // how far the issuer's clock is ahead
}

// Issuer is an issuer. It is safe for many goroutines, but for Stop and Resume.
type Issuer struct {
	url      string
	provider *op.Provider
	handler  http.Handler
	listens  bool

	mu       sync.Mutex
	settings Settings
	users    map[string]User // by name
	keys     []key           // the last one signs
	logins   map[string]*authRequest
	codes    map[string]string // ids of logins
	tokens   map[string]token  // by id: access tokens
	refresh  map[string]grant  // by the token itself
	asked    map[string]int    // by path
	instead  map[string]http.HandlerFunc
	down     bool

	server *http.Server
	gone   chan struct{} // closed when the server has ended
}

// New makes an issuer that is at a URL as soon as somebody serves it there. It has
// the user Ann, and a key for RS256 or ES256, of which the latter is made in no
// time.
func New(url, alg string) (*Issuer, error) {
	i := &Issuer{
		url: url, users: map[string]User{}, logins: map[string]*authRequest{}, codes: map[string]string{},
		tokens: map[string]token{}, refresh: map[string]grant{}, asked: map[string]int{}, instead: map[string]http.HandlerFunc{},
	}
	i.Add(Ann())
	if err := i.Rotate(alg); err != nil {
		return nil, err
	}
	cfg := &op.Config{
		DefaultLogoutRedirectURI: url + loggedOut,
		CodeMethodS256:           true, AuthMethodPost: true, GrantTypeRefreshToken: true,
	}
	rand.Read(cfg.CryptoKey[:])
	var err error
	i.provider, err = op.NewProvider(cfg, storage{i}, op.StaticIssuer(url),
		op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", i.provider)
	mux.HandleFunc(Token, i.token)
	mux.HandleFunc("GET "+login, i.askPassword)
	mux.HandleFunc("POST "+login, i.checkPassword)
	mux.HandleFunc(loggedOut, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("You are logged out.")) })
	i.handler = mux
	return i, nil
}

// Start makes an issuer that listens on a free port of 127.0.0.1. It has a key for
// RS256.
func Start() (*Issuer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i, err := New("http://"+l.Addr().String(), "RS256")
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	i.listens = true
	i.serve(l)
	return i, nil
}

func (i *Issuer) serve(l net.Listener) {
	i.server, i.gone = &http.Server{Addr: l.Addr().String(), Handler: i, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	go func() {
		defer close(i.gone)
		_ = i.server.Serve(l) // it ends when it is closed
	}()
}

// URL is the issuer's name, and where clients find it.
func (i *Issuer) URL() string { return i.url }

// Stop makes the issuer unreachable, and cuts who is connected. It keeps its port's
// number for Resume, its keys, its users and its tokens.
func (i *Issuer) Stop() error {
	i.with(func() { i.down = true })
	if !i.listens {
		return nil
	}
	err := i.server.Close()
	<-i.gone
	return err
}

// Resume undoes Stop.
func (i *Issuer) Resume() error {
	if i.listens {
		l, err := net.Listen("tcp", i.server.Addr)
		if err != nil {
			return err
		}
		i.serve(l)
	}
	i.with(func() { i.down = false })
	return nil
}

// Set changes how tokens are made from now on.
func (i *Issuer) Set(s Settings) { i.with(func() { i.settings = s }) }

// Instead answers requests for a path in the place of the issuer: for errors that
// it does not make. Nil ends that.
func (i *Issuer) Instead(path string, h http.HandlerFunc) { i.with(func() { i.instead[path] = h }) }

// Asked is how often a path was asked for.
func (i *Issuer) Asked(path string) (n int) {
	i.with(func() { n = i.asked[path] })
	return n
}

func (i *Issuer) with(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

// ServeHTTP implements http.Handler.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var instead http.HandlerFunc
	i.with(func() {
		i.asked[r.URL.Path]++
		instead = i.instead[r.URL.Path]
	})
	if instead != nil {
		instead(w, r)
		return
	}
	i.handler.ServeHTTP(w, r)
}

// errDown is what RoundTrip answers between Stop and Resume.
var errDown = errors.New("the issuer is down")

// RoundTrip implements http.RoundTripper without a network.
func (i *Issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	var down bool
	i.with(func() { down = i.down })
	if r.Body != nil {
		defer r.Body.Close()
	}
	if down {
		return nil, errDown
	}
	w := httptest.NewRecorder()
	asked := r.Clone(r.Context())
	if asked.Body == nil {
		asked.Body = http.NoBody // as a server has it
	}
	i.ServeHTTP(w, asked)
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// settle returns the settings without zeros.
func (i *Issuer) settle() (s Settings) {
	i.with(func() { s = i.settings })
	if s.IDTokens == 0 {
		s.IDTokens = 5 * time.Minute
	}
	if s.AccessTokens == 0 {
		s.AccessTokens = 5 * time.Minute
	}
	return s
}
