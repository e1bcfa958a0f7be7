// Package nkmedia speaks the WebSocket interface of NetComposer's NkMEDIA, in the
// version that has the conference plugin: requests with class, subclass and cmd
// both ways, on one connection per client.
//
// The reference that comments name is that of README.md. One goroutine per
// connection runs everything here (dialects.Serve), so there is no lock; what
// connections have to know of each other goes through rooms (hall.go), so that it
// does not matter on which node they are.
//
//	speaker   one connection: envelope, login, table of commands, what we ask of it
//	media     one media session of the client's: one connection of media
//	seat      one membership in a room, for the sessions that are in it
//	watch     what happens in a conference, for subscriptions
//	roster    the members that a conference has, its foreign participants included
package nkmedia

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/dialects"
)

// Name is the name of the dialect.
const Name = "nkmedia"

// Config is the dialect's own section.
type Config struct {
	// File of those who may log in: lines of name:hash, with argon2id or bcrypt hashes. Without it and callback nobody can, but in development mode everybody.
	UserFile string
	// Where a program is asked by HTTP who may log in: http:// or https://.
	Callback string
	// What that program is shown as a bearer token.
	CallbackSecret bridge.Secret
	// How long that program may take.
	CallbackTimeout time.Duration
	// How often clients are pinged.
	Ping time.Duration
	// What conferences that are made here are like.
	Room Room
}

// Room is what conferences that are made here are like.
type Room struct {
	// How long one is kept without anybody in it.
	Idle time.Duration
	// Messages that its log keeps.
	KeepLog int
	// Limit of each publisher's video where its creator sets none, in bit/s. 0: none.
	MaxBitrate int
}

// DefaultConfig is what holds where the section says nothing (reference 13).
func DefaultConfig() Config {
	return Config{
		CallbackTimeout: 4 * time.Second, Ping: time.Minute,
		Room: Room{Idle: 5 * time.Minute, KeepLog: bridge.MaxKeepChat},
	}
}

// Validate says which setting is wrong.
func (c Config) Validate() error {
	u, err := url.Parse(c.Callback)
	switch {
	case c.UserFile != "" && c.Callback != "":
		return errors.New("user_file, callback: give one of them")
	case c.Callback != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("callback: it is no http:// or https:// address")
	case c.CallbackTimeout <= 0 || c.CallbackTimeout > 4*time.Second:
		return errors.New("callback_timeout: more than 0 and at most 4s, because clients wait 5s")
	case c.Ping < time.Second || c.Ping > 2*time.Minute:
		return errors.New("ping: from 1s to 2m, because who says nothing for 3m is gone")
	}
	return c.Room.validate()
}

func (r Room) validate() error {
	switch {
	case r.Idle <= 0 || r.MaxBitrate < 0 || r.KeepLog < 0:
		return errors.New("room: nothing here may be negative, and idle not zero")
	case r.KeepLog > bridge.MaxKeepChat:
		return fmt.Errorf("room.keep_log: at most %d", bridge.MaxKeepChat)
	}
	return nil
}

// Dialect is the NkMEDIA dialect.
type Dialect struct{}

// New returns the dialect.
func New() Dialect { return Dialect{} }

// Name implements dialects.Dialect.
func (Dialect) Name() string { return Name }

// Subprotocols implements dialects.Dialect: there are none.
func (Dialect) Subprotocols() []string { return nil }

// server is what all connections have. It does not change.
type server struct {
	cfg      Config
	env      dialects.Env
	users    bridge.Gate // who may log in, of those whom env.Gate lets in; nil: all of them
	halls    halls
	commands map[string]command // by class/subclass/cmd
}

// quiet is how long a connection may say nothing (reference 2).
const quiet = 3 * time.Minute

// limits of a connection. The browser client sends its log by the dozen.
func limits() dialects.Limits {
	return dialects.Limits{
		Read: 1<<20 + 64<<10, Rate: 50, Burst: 300,
		Ping: time.Minute, Pong: quiet, Talks: true, // who answers our own pings need not answer those
		First: -1, Join: -1, // the speaker sees to that
	}
}

// Mount implements dialects.Dialect. Clients may ask for any path (reference 2).
func (Dialect) Mount(mux *http.ServeMux, env dialects.Env) error {
	cfg := DefaultConfig()
	if err := env.Config(&cfg); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	d := &server{cfg: cfg, env: env, halls: newHalls(env.IDs), commands: commands()}
	var err error
	if d.users, err = users(cfg, env); err != nil {
		return err
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			w.Header().Set("Upgrade", "websocket")
			http.Error(w, "this is for NkMEDIA clients: a WebSocket", http.StatusUpgradeRequired)
			return
		}
		dialects.Serve(w, r, env, dialects.Options{Limits: limits()}, newSpeaker(d))
	})
	return nil
}

// users returns who may log in; nil: whoever the server lets in. Where the section
// does not say it that is nobody: a node that serves other dialects starts all the
// same.
func users(cfg Config, env dialects.Env) (bridge.Gate, error) {
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
	env.Log.Warn("nobody can log in: set dialects.nkmedia.user_file or dialects.nkmedia.callback")
	return gate.Nobody{}, nil
}
