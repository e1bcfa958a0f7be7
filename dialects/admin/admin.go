// Package admin is the operator's dialect: whether the node is well, what it
// counts, and an API to look after rooms, with a page on top of it. It is mounted
// on a listener of its own.
//
// A request that changes a room joins it as a hidden participant, posts its
// command and leaves: it obeys the same loop as everyone else, and what it may do
// is what a moderator may do.
package admin

import (
	"context"
	"crypto/sha256"
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// Config is what the composition root gives.
type Config struct {
	// Keys open the API. None: it is closed, unless Open.
	Keys []Key
	// Open lets anybody who reaches the listener use the API. It is for development
	// mode on loopback.
	Open bool
	// Local is the rooms of this node, for the scratch room of /livez.
	Local bridge.Host
	// Ready says why the node should get no new clients; nil: it should.
	Ready func() error
	// Started reports whether the node has come up.
	Started func() bool
	// Metrics answers /metrics; nil: there are none.
	Metrics http.Handler
	// Ways says how to reach a room from each dialect; may be nil.
	Ways func(bridge.RoomID) []Way
	// Traffic counts what the publications of this node bring; may be nil.
	Traffic func() []Traffic
	// Nodes tells of all nodes of the cluster; nil: there is none.
	Nodes func(ctx context.Context) []Node
	// Drain makes a node ready to go, or takes that back; "" is this one. NotFound:
	// there is no such node. nil: it cannot be done.
	Drain func(ctx context.Context, node string, on bool) error
	// Peerings is the federation with LiveKit; nil: no server is configured.
	Peerings Peerings
	// Version is shown on the page.
	Version string
}

// Key is one key of the API.
type Key struct {
	Name     string
	Hash     [sha256.Size]byte // of the key
	ReadOnly bool
}

// Way is how to reach a room from one dialect.
type Way struct {
	Dialect string `json:"dialect"`
	How     string `json:"how"` // in words
	URL     string `json:"url"`
	Room    string `json:"room"` // what to enter there
}

// Dialect implements dialects.Dialect.
type Dialect struct {
	cfg     Config
	host    bridge.Host
	log     *slog.Logger
	streams chan struct{} // one token per event stream that is open
}

// New makes the dialect.
func New(cfg Config) *Dialect {
	return &Dialect{cfg: cfg, streams: make(chan struct{}, MaxStreams)}
}

// Name implements dialects.Dialect.
func (*Dialect) Name() string { return "admin" }

// Subprotocols implements dialects.Dialect.
func (*Dialect) Subprotocols() []string { return nil }

// Mount implements dialects.Dialect.
func (d *Dialect) Mount(mux *http.ServeMux, env dialects.Env) error {
	d.host, d.log = env.Host, env.Log
	mux.HandleFunc("GET /livez", d.livez)
	mux.HandleFunc("GET /readyz", d.readyz)
	mux.HandleFunc("GET /startupz", d.startupz)
	if d.cfg.Metrics != nil {
		mux.Handle("GET /metrics", d.cfg.Metrics)
	}
	for pattern, h := range map[string]handler{
		"GET /api/v1/rooms":                             d.list,
		"GET /api/v1/rooms/{room}":                      d.show,
		"GET /api/v1/rooms/{room}/card":                 d.card,
		"GET /api/v1/events":                            d.events,
		"GET /api/v1/version":                           d.version,
		"GET /api/v1/traffic":                           d.traffic,
		"GET /api/v1/nodes":                             d.nodes,
		"POST /api/v1/nodes/drain":                      d.drain,
		"GET /api/v1/peerings":                          d.peerings,
		"POST /api/v1/rooms":                            d.create,
		"DELETE /api/v1/rooms/{room}":                   d.close,
		"POST /api/v1/rooms/{room}/kick":                d.kick,
		"POST /api/v1/rooms/{room}/mute":                d.mute,
		"POST /api/v1/rooms/{room}/lock":                d.lock,
		"POST /api/v1/rooms/{room}/peerings":            d.peer,
		"DELETE /api/v1/rooms/{room}/peerings/{server}": d.unpeer,
	} {
		mux.Handle(pattern, d.guard(h))
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, bridge.Errorf(bridge.NotFound, "there is no such path in the API"))
	})
	page, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return err
	}
	mux.Handle("/", secured(http.FileServerFS(page)))
	return nil
}

//go:embed page
var pageFiles embed.FS

// secured lets the page load nothing but itself.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}

// enter joins a room as a hidden moderator and gives the session to f.
func (d *Dialect) enter(ctx context.Context, room bridge.RoomID, f func(*bridge.Session) error) error {
	s, err := d.host.Join(ctx, asService(room, nil))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := s.Leave(ctx, bridge.ByWish); err != nil {
			d.log.Warn("leaving a room", "room", string(room), "err", err)
		}
	}()
	return f(s)
}

func asService(room bridge.RoomID, wake chan struct{}) bridge.JoinRequest {
	return bridge.JoinRequest{
		Room: room, Kind: bridge.Service, Dialect: "admin", Name: "admin", AtMost: bridge.Moderator, Wake: wake,
	}
}
