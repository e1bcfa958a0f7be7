// Package dialects is what the signalling protocols share: the interface that
// each implements, what each is given, the pump that runs one connection, and
// the router that brings a client to its dialect.
//
// A dialect is a translator: it turns frames into commands and events into
// frames, in one goroutine per connection, without a lock. It knows neither Pion
// nor the cluster; media is negotiated through bridge.Peer.
package dialects

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"dragoman/bridge"
)

// A Dialect is one signalling protocol.
type Dialect interface {
	// Name is short, lower case and never changes: it is in URLs, metrics and file
	// names.
	Name() string
	// Subprotocols are the WebSocket subprotocols that bring a client to this
	// dialect whatever host and path it asks for. May be empty.
	Subprotocols() []string
	// Mount adds the routes, as patterns of http.ServeMux below "/". It is called
	// once; an error names the setting that is wrong.
	Mount(mux *http.ServeMux, env Env) error
}

// Env is all that a dialect gets from outside.
type Env struct {
	Host   bridge.Host
	Gate   bridge.Gate
	IDs    IDs
	Log    *slog.Logger
	Tap    Tap                // may be nil
	Public *url.URL           // how clients reach the root of this dialect; nil: as they asked
	ICE    func() []ICEServer // what clients are told; may return none. Credentials are fresh at each call
	Limits Limits
	Config func(any) error // decodes the dialect's own section, strictly
}

// ICEServer is a STUN or TURN server as a client has to be told (W3C WebRTC,
// RTCIceServer).
type ICEServer struct {
	URLs                 []string
	Username, Credential string
	TTL                  time.Duration // of the credential; 0: for ever
}

// Limits bounds what one connection may cost. Zero fields are defaults.
type Limits struct {
	Read     int64         // bytes of a frame; default 256 KiB
	Rate     float64       // frames per second, on average; default 20
	Burst    int           // frames at once; default 60
	Ping     time.Duration // between pings; default 20 s; two unanswered: gone
	Write    time.Duration // deadline of a write; default 10 s
	First    time.Duration // until the first frame; default 5 s; negative: none
	Join     time.Duration // until joined; default 30 s; negative: none
	Compress bool          // permessage-deflate, when the client offers it
}

// Tap is told every frame of every connection, for recordings and for the lobby.
// It must not block and must not keep data.
type Tap interface {
	Frame(conn ConnID, dir Direction, data []byte)
}

// ConnID names a connection of this process.
type ConnID uint64

// Direction is where a frame goes.
type Direction uint8

// The directions.
const (
	In  Direction = iota // from the client
	Out                  // to the client
)
