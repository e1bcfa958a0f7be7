// Package k3k speaks the signalling of the OpenTalk controller, known to the
// Mustang client as the M3 protocol: REST for what is planned, and namespaced
// JSON over one WebSocket per participant. The version is 0.3.1 with the additive
// fields of 0.7.1.
//
// The reference that comments name is that of README.md. One goroutine per
// connection runs everything of the signalling (dialects.Serve), so there is no
// lock.
//
//	server        settings, routes; what tickets stand for (ticket.go), which room is meant (room.go)
//	speaker       one connection: envelope, table of namespaces, joining and waiting
//	seat          one membership: who is here (view.go), what is told of it (render.go)
//	queue         one negotiation at a time
//	publication   what the client sends: one connection per sort of media session
//	subscription  what it gets: one connection per other participant and sort
package k3k

import (
	"errors"
	"net/http"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// Name is the name of the dialect.
const Name = "k3k"

// The subprotocols: that of controllers until 0.3.1, and the later one.
const (
	oldProtocol = "k3k-signaling-json-v1.0"
	newProtocol = "opentalk-signaling-json-v1.0"
)

// Config is the dialect's own section.
type Config struct {
	// Rooms that are known by a name can be opened by clients of this dialect, too. Otherwise they come into those that there are.
	Create bool
	// Only moderators share their screen, until they grant it to others.
	GrantPresenter bool
	// Who was let in from the waiting room and does not enter by itself is brought in after that time: one of the clients never does. 0: never.
	EnterAfter time.Duration
	// What stands before the MD5 of an address of electronic mail, to make the address of a picture. Empty: no pictures.
	AvatarPrefix string
	// What rooms that are made here are like.
	Room Room
}

// Room is what rooms that are made here are like.
type Room struct {
	// Participants at the same time. 0: no limit.
	MaxMember int
	// How long a meeting lasts, from the first join. 0: no limit.
	TimeLimit time.Duration
	// Limit of each participant's video, in kbit/s. 0: no limit of its own.
	MaxVideoBitrate int
	// Chat messages that are kept for those who join later.
	KeepChat int
	// How long a room outlives its last participant, with its chat, its bans and its switches.
	EmptyTimeout time.Duration
}

// DefaultConfig is what holds where the section says nothing.
func DefaultConfig() Config {
	return Config{
		Create: true, EnterAfter: 5 * time.Second, AvatarPrefix: "https://seccdn.libravatar.org/avatar/",
		Room: Room{KeepChat: 200, EmptyTimeout: time.Second},
	}
}

// Validate says which setting is wrong.
func (c Config) Validate() error {
	r := c.Room
	switch {
	case c.EnterAfter < 0:
		return errors.New("enter_after: must not be negative")
	case r.MaxMember < 0 || r.TimeLimit < 0 || r.MaxVideoBitrate < 0 || r.KeepChat < 0 || r.EmptyTimeout <= 0:
		return errors.New("room: nothing here may be negative, and empty_timeout not zero")
	case r.KeepChat > bridge.MaxKeepChat:
		return errors.New("room.keep_chat: at most 1000")
	}
	return nil
}

// Dialect is the k3k dialect.
type Dialect struct{}

// New returns the dialect.
func New() Dialect { return Dialect{} }

// Name implements dialects.Dialect.
func (Dialect) Name() string { return Name }

// Subprotocols implements dialects.Dialect.
func (Dialect) Subprotocols() []string { return []string{oldProtocol, newProtocol} }

// Mount implements dialects.Dialect.
func (Dialect) Mount(mux *http.ServeMux, env dialects.Env) error {
	cfg := DefaultConfig()
	if err := env.Config(&cfg); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	if env.Store == nil || env.Login == nil {
		return errors.New("it needs a store for its rooms, and somebody who vouches for users")
	}
	newServer(cfg, env).mount(mux)
	return nil
}

// server is what all connections and requests have. It does not change.
type server struct {
	cfg Config
	env dialects.Env
}

func newServer(cfg Config, env dialects.Env) *server { return &server{cfg, env} }

// Limits of a connection (reference 5.3, 5.4). Who has a ticket has been looked at
// already and may take its time, also to try again when the room is full.
func limits() dialects.Limits {
	return dialects.Limits{
		Read: 1_000_000, Rate: 100, Burst: 600, // a client describes a connection per participant
		Ping: 15 * time.Second, Pong: 35 * time.Second,
		First: time.Minute, Join: time.Hour,
	}
}
