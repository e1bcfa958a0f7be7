// Package ahoy speaks the AhoyConference Server WebSocket API 1.0: JSON
// requests, responses and indications over one WebSocket per client. The server
// makes all offers, and every offer means a new connection.
//
// The reference that comments name is that of README.md. One goroutine per
// connection runs everything here (dialects.Serve), so there is no lock.
//
//	speaker   one connection: envelope, table of requests, joining
//	seat      one membership: who is here (view.go), what is told of it
//	          (render.go), what is asked of the room (room.go, chat.go)
//	publisher what the client sends (publish.go)
//	receiver  what the client gets of one member (subscribe.go)
//	exchange  at most one unanswered request of ours at a time
package ahoy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// Name is the name of the dialect.
const Name = "ahoy"

// subprotocol is what clients ask for; browsers and AhoyKit accept no other
// answer (reference 2).
const subprotocol = "conference-protocol"

// Config is the dialect's own section.
type Config struct {
	// Members are not told the addresses of each other.
	MaskIP bool
	// Mute and unmute are told by MEDIA_indication, too, for clients written from the vendor's document alone. It costs the others a short dropout.
	IndicateMute bool
	// What Ahoy cannot show (a raised hand, a recording) is told as a chat line.
	Notes bool
	// Clients may create conferences. Otherwise they join what there is.
	Create bool
	// Where joins are sent with status 302 instead of being seated here. Clients of the document, and screen sharing, do not know it.
	Redirects []Redirect
	// What conferences are like whose creator does not say.
	Room Room
}

// Redirect sends clients elsewhere. One of Room and Node is given.
type Redirect struct {
	// The conferenceID that is elsewhere.
	Room string
	// The node on which a conference is when it is not here.
	Node string
	// Where it is: ws:// or wss://.
	URL string
}

// Room is what a conference is like whose creator does not say.
type Room struct {
	// Members at the same time. 0: no limit.
	MaxMember int
	// How long it lasts, from the first join. 0: no limit.
	TimeLimit time.Duration
	// Limit of each member's video, in kbit/s. 0: no limit.
	MaxVideoBitrate int
	// Those who join wait until a moderator of another dialect lets them in.
	WaitingRoom bool
	// How long it waits for its first member.
	NeverJoined time.Duration
	// How long it outlives its last member.
	EmptyTimeout time.Duration
	// Chat messages that are kept for those of other dialects who join later.
	KeepChat int
	// It is left out of lists. Then it cannot be joined by its name, which screen sharing does.
	Unlisted bool
}

// DefaultConfig is what holds where the section says nothing.
func DefaultConfig() Config {
	return Config{Notes: true, Create: true, Room: Room{
		NeverJoined: 10 * time.Minute, EmptyTimeout: 2 * time.Minute, // reference 8.5
	}}
}

// Validate says which setting is wrong.
func (c Config) Validate() error {
	for i, r := range c.Redirects {
		u, err := url.Parse(r.URL)
		switch {
		case (r.Room == "") == (r.Node == ""):
			return fmt.Errorf("redirects[%d]: give room or node, one of them", i)
		case err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss":
			return fmt.Errorf("redirects[%d].url: %q is no ws:// or wss:// address", i, r.URL)
		}
	}
	r := c.Room
	if r.MaxMember < 0 || r.MaxVideoBitrate < 0 || r.KeepChat < 0 || r.TimeLimit < 0 || r.NeverJoined < 0 || r.EmptyTimeout < 0 {
		return errors.New("room: nothing here may be negative")
	}
	if r.KeepChat > bridge.MaxKeepChat {
		return fmt.Errorf("room.keep_chat: at most %d", bridge.MaxKeepChat)
	}
	return nil
}

// redirect returns where a join of a room on a node is sent; "": nowhere.
func (c Config) redirect(room bridge.RoomID, node bridge.NodeID) string {
	for _, r := range c.Redirects {
		if room != "" && r.Room == string(room) || node != "" && r.Node == string(node) {
			return r.URL
		}
	}
	return ""
}

// Dialect is the Ahoy dialect.
type Dialect struct{}

// New returns the dialect.
func New() Dialect { return Dialect{} }

// Name implements dialects.Dialect.
func (Dialect) Name() string { return Name }

// Subprotocols implements dialects.Dialect.
func (Dialect) Subprotocols() []string { return []string{subprotocol} }

// strangers is how long a socket may stay open without a conference: a socket
// that only creates is closed by its client, and the screen extension forgets
// some (reference 4.2).
const strangers = 3 * time.Minute

// limits of a connection. The web client connects while its user still types.
func limits() dialects.Limits {
	return dialects.Limits{First: strangers, Join: strangers}
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
	o := dialects.Options{Subprotocols: []string{subprotocol}, Limits: limits()}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			w.Header().Set("Upgrade", "websocket")
			http.Error(w, "this is for Ahoy clients: a WebSocket with the subprotocol "+subprotocol, http.StatusUpgradeRequired)
			return
		}
		dialects.Serve(w, r, env, o, &speaker{cfg: cfg})
	})
	return nil
}
