// Package client is a scripted signalling client of the Ahoy dialect. It behaves
// as the real clients do (reference 2, 4 and 7): it creates a conference on one
// socket and joins on another, asks for the media of every member that becomes
// available, answers each offer with a new connection, and shares a screen by
// joining a second time under the name "<name> (screen)".
//
// It knows no media: it is handed the client's side of each connection through
// Config.Peers.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Subprotocol is what every client asks for in the upgrade (reference 2).
const Subprotocol = "conference-protocol"

// ScreenSuffix ends the name of a member that shares a screen (reference 9).
const ScreenSuffix = " (screen)"

// ErrClosed is what calls answer once the connection is over.
var ErrClosed = errors.New("the connection is closed")

// A Negotiator is the client's side of one connection. A client answers one
// offer with it and closes it; there is no renegotiation (reference 7).
type Negotiator interface {
	Answer(ctx context.Context, offer string) (answer string, err error)
	Close()
}

// Use says what a connection is for.
type Use struct {
	Publish      bool   // the client sends; otherwise it receives
	Screen       bool   // what it sends is a screen
	Member       Member // whose media it is; for Publish: oneself
	Audio, Video bool   // what was asked for
}

// Config is what a client needs.
type Config struct {
	URL    string            // ws:// or wss://, any path
	Dialer *websocket.Dialer // nil: websocket.DefaultDialer
	Header http.Header       // of the upgrade request; may be nil
	// Peers makes the client's side of a connection for an offer that came. It may
	// be called from several goroutines. nil: the client has no media, asks for none
	// and refuses offers.
	Peers func(ctx context.Context, u Use) (Negotiator, error)
	// Blind leaves out asking for the media of others.
	Blind  bool
	Quirks Quirks
}

// Quirks are habits of certain clients (reference 3, 7.1 and 9).
type Quirks struct {
	EscapeSDP     bool // answers go through JavaScript's escape
	NumberFlags   bool // flags are 1 and 0
	NoStatus      bool // responses have neither status nor reason
	NullPasswords bool // passwords that are not given are null, otherwise absent
	EmptyStrings  bool // passwords that are not given are ""
	MemberIDs     bool // the transactionID of a MEDIA_request is the memberID
	LeakPeers     bool // connections that were replaced are left to the server
	LeaveRequest  bool // Leave says so before it closes
}

// AhoyJS returns the habits of the plain JavaScript client.
func AhoyJS() Quirks {
	return Quirks{EscapeSDP: true, NumberFlags: true, NoStatus: true, NullPasswords: true, MemberIDs: true, LeakPeers: true}
}

// AhoyKit returns the habits of the iOS client.
func AhoyKit() Quirks { return Quirks{NoStatus: true, EmptyStrings: true, LeaveRequest: true} }

// Conference is what a client asks for when it creates one. The zero value of
// each field is not sent.
type Conference struct {
	ID, Name, Description                         string
	Password, ListenerPassword, ModeratorPassword string
	MaxMember, MaxVideoBitrate, TimeLimit         int // members, kbit/s, seconds
}

// Ticket is what a client joins with.
type Ticket struct {
	Room     string // the conferenceID
	Name     string
	Password string
	Create   bool // create the conference first, on a socket of its own; it may exist
}

// Refusal is a response whose status is not 200.
type Refusal struct {
	Type   string // of the response
	Status int
	Reason string
	URL    string // where to go, for 302
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %d %s", r.Type, r.Status, r.Reason) }

// Member is somebody in the conference, as this client knows it.
type Member struct {
	ID                               string
	Name                             string
	Moderator, Speaker, WebRTC       bool
	AudioAvailable, VideoAvailable   bool
	AudioMuted, VideoMuted, Speaking bool
	IP                               string
}

// Joined is what a client is told when it joins.
type Joined struct {
	Self                            Member
	SpeakerID                       string
	ConferenceID, Name, Description string
	Locked                          bool
	RemainingSeconds                int // -1: no limit
	Members                         []Member
	ICEServers                      json.RawMessage
	Raw                             json.RawMessage // the whole response
}

// Create makes a conference, on a socket of its own that is closed afterwards. It
// returns the conferenceID. A conference that exists is a Refusal with 486.
func Create(ctx context.Context, cfg Config, room Conference) (id string, err error) {
	c, err := open(ctx, cfg)
	if err != nil {
		return "", err
	}
	defer c.Close()
	r, err := c.request(ctx, "CONFERENCE_CREATE_request", cfg.Quirks.conference(room))
	return r.ConferenceID, err
}

func (q Quirks) conference(room Conference) map[string]any {
	m := map[string]any{}
	for key, v := range map[string]string{"conferenceID": room.ID, "conferenceName": room.Name, "description": room.Description} {
		if v != "" {
			m[key] = v
		}
	}
	q.password(m, "password", room.Password)
	q.password(m, "listenerPassword", room.ListenerPassword)
	q.password(m, "moderatorPassword", room.ModeratorPassword)
	for key, v := range map[string]int{"maxMember": room.MaxMember, "maxVideoBitrate": room.MaxVideoBitrate, "timeLimit": room.TimeLimit} {
		if v != 0 {
			m[key] = v
		}
	}
	return m
}

func (q Quirks) password(m map[string]any, key, v string) {
	switch {
	case v != "" || q.EmptyStrings:
		m[key] = v
	case q.NullPasswords:
		m[key] = nil
	}
}

func (q Quirks) flag(on bool) any {
	if !q.NumberFlags {
		return on
	}
	if on {
		return 1
	}
	return 0
}

// Join connects, joins a conference and, unless it is Blind, asks for the media
// of everybody in it. With Ticket.Create it first creates the conference; that it
// exists already is as good.
func Join(ctx context.Context, cfg Config, t Ticket) (*Client, error) {
	if t.Create {
		_, err := Create(ctx, cfg, Conference{ID: t.Room, Name: t.Room})
		if r, ok := errors.AsType[*Refusal](err); err != nil && (!ok || r.Status != statusFull) {
			return nil, err
		}
	}
	c, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	m := map[string]any{"conferenceID": t.Room, "name": t.Name}
	cfg.Quirks.password(m, "password", t.Password)
	c.ticket = t
	if _, err := c.request(ctx, "CONFERENCE_JOIN_request", m); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

const (
	statusOK   = 200
	statusFull = 486 // and "exists", for create
	writeTime  = 10 * time.Second
)

func open(ctx context.Context, cfg Config) (*Client, error) {
	d := cfg.Dialer
	if d == nil {
		d = websocket.DefaultDialer
	}
	own := *d
	own.Subprotocols = []string{Subprotocol}
	ws, answer, err := own.DialContext(ctx, cfg.URL, cfg.Header)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.URL, err)
	}
	answer.Body.Close()
	if ws.Subprotocol() != Subprotocol {
		ws.Close()
		return nil, fmt.Errorf("connect to %s: the server does not speak %s", cfg.URL, Subprotocol)
	}
	return start(cfg, ws), nil
}

// screenName is the name under which name's screen joins.
func screenName(name string) string { return strings.TrimSpace(name + ScreenSuffix) }
