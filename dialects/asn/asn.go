// Package asn speaks the conference interface of the UCServer family, version 6.4:
// ROSE over WebSocket, HTTP and plain TCP, in JSON and in BER (package rose).
//
// The reference that comments name is that of README.md. One goroutine per
// connection runs everything of it, so there is no lock.
//
//	server     settings and routes; who calls (identity.go, token.go), what is a conference (conference.go)
//	speaker    one connection: encoding, table of operations, its parties
//	seat       one party: who is here (view.go), what is told of it (render.go)
//	house      how a party is reached from another connection or over HTTP
//	uplink     the publishing leg
//	downlink   a subscription (subscribe.go: what is asked of it)
//	meetings   what is scheduled (draft.go), and the mail about it (invite.go, package ical)
package asn

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/dialects"
)

// Name is the name of the dialect.
const Name = "asn"

// Config is the dialect's own section.
type Config struct {
	// File of those who may log in with a password: lines of name:hash, with argon2id or bcrypt hashes. Without it and callback nobody can, but in development mode everybody.
	UserFile string
	// Where a program is asked by HTTP who may log in with a password: http:// or https://.
	Callback string
	// What that program is shown as a bearer token.
	CallbackSecret bridge.Secret
	// How long that program may take.
	CallbackTimeout time.Duration
	// Conferences that nobody has scheduled come into being when somebody with a token joins. Otherwise such a join is refused.
	Adhoc bool
	// How long a party stays without a sign of life.
	KeepAlive time.Duration
	// How long a token is good that a client has asked for.
	TokenLife time.Duration
	// The WebSocket that clients are sent to with a token. Empty: the one of the host that they have asked.
	TargetURL string
	// What the link to a meeting begins with; its id follows. Empty: the lobby of the host that was asked.
	JoinURL string
	// What stands behind the @ in the ids of calendar entries. It must not change, or updates find no entry.
	Domain string
	// The ids under which clients look for their server, besides "local".
	ServerIDs []string `yaml:"server_ids"`
	// What clients are told that asks for a password.
	Realm string
	// Pages of other hosts that may call /rest: their origins.
	Origins []string
	// Address and port for clients that come by plain TCP. Empty: none; port 0: any.
	RawListen string
	// What conferences are like that are made here.
	Room Room
}

// Room is what conferences are like that are made here.
type Room struct {
	// Parties at the same time. 0: no limit.
	MaxMember int
	// Limit of each party's video, in kbit/s. 0: no limit of its own.
	MaxVideoBitrate int
	// How long a room outlives its last party.
	EmptyTimeout time.Duration
}

// DefaultConfig is what holds where the section says nothing.
func DefaultConfig() Config {
	return Config{
		CallbackTimeout: 5 * time.Second, Adhoc: true, KeepAlive: 30 * time.Second, TokenLife: time.Hour,
		Domain: noDomain, Realm: "Dragoman", Room: Room{EmptyTimeout: time.Second},
	}
}

// noDomain is the domain of nobody (RFC 2606).
const noDomain = "dragoman.invalid"

// Validate says which setting is wrong.
func (c Config) Validate() error {
	switch {
	case c.KeepAlive < time.Second:
		return errors.New("keep_alive: at least a second")
	case c.TokenLife <= 0:
		return errors.New("token_life: must be positive")
	case c.Domain == "":
		return errors.New("domain: must not be empty")
	case c.Room.MaxMember < 0 || c.Room.MaxVideoBitrate < 0 || c.Room.EmptyTimeout <= 0:
		return errors.New("room: nothing here may be negative, and empty_timeout not zero")
	}
	if err := c.validateLogin(); err != nil {
		return err
	}
	if !isURL(c.TargetURL, "ws", "wss") {
		return errors.New("target_url: not a URL with ws or wss and a host")
	}
	if !isURL(c.JoinURL, "http", "https") {
		return errors.New("join_url: not a URL with http or https and a host")
	}
	if _, _, err := net.SplitHostPort(c.RawListen); c.RawListen != "" && err != nil {
		return errors.New("raw_listen: not host:port")
	}
	return nil
}

func (c Config) validateLogin() error {
	switch {
	case c.UserFile != "" && c.Callback != "":
		return errors.New("user_file: give it or callback, not both")
	case c.Callback != "" && c.CallbackTimeout <= 0:
		return errors.New("callback_timeout: must be positive")
	case !isURL(c.Callback, "http", "https"):
		return errors.New("callback: not a URL with http or https and a host")
	}
	return nil
}

// Advice says which settings are good for a trial only, and what to do about them:
// by key of the section, or of the whole configuration. issuer says that there is an
// identity provider, frame is the operator's limit in bytes, 0 for none.
func (c Config) Advice(issuer bool, frame int64) map[string]string {
	all := map[string]string{}
	if c.UserFile == "" && c.Callback == "" && !issuer {
		all["user_file"] = "nobody can log in, so nobody schedules meetings or makes conferences: set user_file or callback there, or oidc.issuer"
	}
	if c.Domain == noDomain {
		all["domain"] = "the ids of calendar entries say " + noDomain + ": set domain to a name of your own, and never change it"
	}
	if frame > 0 && frame < maxMessage {
		all["limits.frame"] = "pictures of 1 MiB do not fit: set it to 2MiB or more, or leave it out"
	}
	return all
}

// isURL reports whether a text is empty, or a URL of one of the schemes.
func isURL(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && slices.Contains(schemes, u.Scheme) && u.Host != ""
}

// Dialect is the asn dialect.
type Dialect struct{ server *server }

var _ dialects.RawDialect = (*Dialect)(nil)

// New returns the dialect.
func New() *Dialect { return &Dialect{} }

// Name implements dialects.Dialect.
func (*Dialect) Name() string { return Name }

// Subprotocols implements dialects.Dialect: there are none.
func (*Dialect) Subprotocols() []string { return nil }

// Mount implements dialects.Dialect.
func (d *Dialect) Mount(mux *http.ServeMux, env dialects.Env) error {
	cfg := DefaultConfig()
	if err := env.Config(&cfg); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	if env.Store == nil {
		return errors.New("it needs a store for its meetings")
	}
	passwords, err := passwords(cfg, env)
	if err != nil {
		return err
	}
	d.server = &server{cfg: cfg, env: env, house: newHouse(env), passwords: passwords}
	if !env.Dev {
		issuer := false
		if env.Login != nil {
			_, url := env.Login.Issuer()
			issuer = url != ""
		}
		for key, text := range cfg.Advice(issuer, env.Limits.Read) {
			env.Log.Warn(text, "key", key) // the dialect is in every line of the log
		}
	}
	d.server.mount(mux)
	return nil
}

// passwords returns who may log in with a password; nil: whoever the server lets in.
// Where the section does not say it that is nobody: anybody could call himself the
// organizer of a meeting.
func passwords(cfg Config, env dialects.Env) (bridge.Gate, error) {
	switch {
	case cfg.UserFile != "":
		return gate.NewUsers(cfg.UserFile, env.Log)
	case cfg.Callback != "":
		return gate.NewCallback(gate.CallbackConfig{
			URL: cfg.Callback, Secret: cfg.CallbackSecret, Timeout: cfg.CallbackTimeout,
		})
	case env.Dev:
		return nil, nil
	}
	return gate.Nobody{}, nil
}

// Raw implements dialects.RawDialect (reference 4.4).
func (d *Dialect) Raw() (address string, serve func(ctx context.Context, c net.Conn)) {
	return d.server.cfg.RawListen, d.server.raw
}

// server is what all connections and requests have. It does not change.
type server struct {
	cfg   Config
	env   dialects.Env
	house house

	passwords bridge.Gate // who logs in, of those whom env.Gate lets in; nil: all of them
}

// mount adds the routes (reference 4).
func (d *server) mount(mux *http.ServeMux) {
	for pattern, h := range map[string]http.HandlerFunc{
		"/ws":                        d.instance,
		"/ws/{$}":                    d.instance,
		"/ws/client/websocket":       d.proxied,
		"/ws/client/websocket/{$}":   d.proxied,
		"/ws/client/createsession":   d.createSession,
		"/ws/client/{operation}":     d.clientCall,
		"/ws/direct/{operation}":     d.directCall,
		"/ws/client/ucserverversion": d.version,
		"/controller/client/ucws":    d.locate,
		"/rest/{operation}":          d.rest,
	} {
		mux.HandleFunc(pattern, h)
	}
}

// maxMessage is the largest message that clients may send, in bytes: an image of
// 1 MiB in base64, and what is around it.
const maxMessage = 2 << 20

// limits of a connection. One without a party is no stranger: meetings are
// scheduled on it. Pings go out every 10 s, and three may be lost (reference 4.1).
func limits() dialects.Limits {
	return dialects.Limits{
		Read: maxMessage, Rate: 50, Burst: 400, // a browser sends some twenty candidates for each leg
		Ping: 10 * time.Second, Pong: 35 * time.Second,
		First: time.Minute, Join: -1,
	}
}
