// Package spreed speaks the Spreed WebRTC channeling protocol: JSON documents over
// one WebSocket per client, and a REST API beside it. Its clients call each other
// peer to peer; the bridge plays every other peer.
//
// The reference that comments name is that of README.md. One goroutine per
// connection runs everything here (dialects.Serve), so there is no lock.
//
//	server    what all connections share, and the routes
//	house     the hidden room in which every connection is seated, so that
//	          sessions find each other without a registry
//	speaker   one connection: envelope, table of requests, identity, status
//	meeting   one room as its client sees it: who is here, what is told of it
//	calls     the legs: one peer connection per other participant, and the
//	          upload that is taken on one of them
//	screens   peer connections made with a token
package spreed

import (
	"net/http"
	"sync/atomic"

	"dragoman/bridge"
	"dragoman/dialects"
)

// Name is the name of the dialect.
const Name = "spreed"

// Dialect is the Spreed dialect.
type Dialect struct{}

// New returns the dialect.
func New() Dialect { return Dialect{} }

// Name implements dialects.Dialect.
func (Dialect) Name() string { return Name }

// Subprotocols implements dialects.Dialect: there is none (reference 2).
func (Dialect) Subprotocols() []string { return nil }

// server is what all connections share. Nothing in it changes but the counts.
type server struct {
	cfg    Config
	names  naming
	env    dialects.Env
	forms  forms
	tokens tokens
	house  house
	pages  pages

	requests map[string]handle
	notes    map[string]hear
	counts   counts
}

// counts are what stats tell (reference 1.2).
type counts struct {
	sessions, users               atomic.Int64 // now
	joins                         atomic.Int64 // ever
	broadcastChats, unicastChats  atomic.Int64
	resumed, takenOver, abandoned atomic.Int64
}

// Mount implements dialects.Dialect.
func (Dialect) Mount(mux *http.ServeMux, env dialects.Env) error {
	cfg := DefaultConfig()
	if err := env.Config(&cfg); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	names, err := newNaming(cfg)
	if err != nil {
		return err
	}
	pages, err := openPages(cfg)
	if err != nil {
		return err
	}
	s := &server{
		cfg: cfg, names: names, env: env, pages: pages,
		forms: forms{env.IDs}, tokens: newTokens(env.IDs), house: newHouse(env),
		requests: requests(), notes: hearing(),
	}
	s.routes(mux)
	return nil
}

// limits are those of reference 2. A client may stay silent as long as it answers
// pings. What it may say at once is more than the reference has: for each
// participant a browser sends some twenty messages, most of them candidates, when it
// enters a room. An answer that has to wait behind those comes too late: clients take
// a stream without packets in its first second for one without a picture, for good
// (reference 12.1).
func limits() dialects.Limits {
	return dialects.Limits{
		Read: 1 << 20, Rate: 20, Burst: entering,
		Ping: pingTime, Pong: pongTime, Write: writeTime,
		First: -1, Join: -1,
	}
}

// entering is how many messages a client may send at once: for a room of twenty.
const entering = 400

// channeling serves the WebSocket. When the client is lost and its calls are not,
// the speaker stays a while, in this goroutine.
func (s *server) channeling(w http.ResponseWriter, r *http.Request) {
	x := &speaker{server: s}
	s.counts.sessions.Add(1)
	defer s.counts.sessions.Add(-1)
	dialects.Serve(w, r, s.env, dialects.Options{Limits: limits(), Silent: true}, x)
	x.linger(r.Context())
}

// shows is what clients can show their users.
const shows = bridge.ShowsTalking | bridge.ShowsTyping | bridge.ShowsPrivateChat
