// Package dialects is what the signalling protocols share: the interface that
// each implements, what each is given, the pump that runs one connection, and
// the router that brings a client to its dialect.
//
// A dialect is a translator: it turns frames into commands and events into
// frames, in one goroutine per connection, without a lock. It knows neither Pion
// nor the cluster; media is negotiated through bridge.Peer.
package dialects

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
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
	// once; an error names the setting that is wrong. Where a client has come in
	// below a prefix, handlers see the path without it, and Base(r) has it.
	Mount(mux *http.ServeMux, env Env) error
}

// A RawDialect is a Dialect whose clients may come by plain TCP, too.
type RawDialect interface {
	Dialect
	// Raw returns, when the dialect is mounted, the address to listen on for them,
	// raw_listen of its own section; empty: none. serve runs one connection and
	// returns when it is over; ctx ends with the node.
	Raw() (address string, serve func(ctx context.Context, c net.Conn))
}

// Env is all that a dialect gets from outside.
type Env struct {
	Host   bridge.Host
	Gate   bridge.Gate
	Store  bridge.Store    // what outlives the process; may be nil
	Login  bridge.Identity // who vouches for users by tokens; may be nil
	Dev    bool            // development mode: logins are believed, whatever they say
	Mail   bridge.Mailer   // may be nil
	IDs    IDs
	Log    *slog.Logger
	Tap    Tap                // may be nil
	ICE    func() []ICEServer // what clients are told, with fresh credentials; may be nil
	Limits Limits             // the operator's; zero fields are left to the dialect
	Counts *Counts            // may be nil
	Config func(any) error    // decodes the dialect's own section, strictly
}

// ICEServer is a STUN or TURN server as a client has to be told (W3C WebRTC,
// RTCIceServer).
type ICEServer struct {
	URLs                 []string
	Username, Credential string
	TTL                  time.Duration // of the credential; 0: for ever
}

// Tap is told every frame of every connection, for recordings and for people who
// watch. It must not block and must not keep data.
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

// Remote returns the address that a request comes from. The server has put the
// real client's there, trusted proxies applied. It may be invalid.
func Remote(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap()
	}
	a, _ := netip.ParseAddr(r.RemoteAddr)
	return a.Unmap()
}
