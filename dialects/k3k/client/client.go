// Package client is a scripted signalling client of the k3k dialect. It behaves as
// one of the two real clients do: the Mustang client, whose waiters the first
// message of a type takes away whomever it is about, and which publishes only when
// all its first subscriptions are up (reference 13.1, 13.2); or the web client,
// which knows messages by whom they are about.
//
// It knows no media: it is handed the client's side of each connection through
// Config.Peers.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// The subprotocols.
const (
	Protocol      = "k3k-signaling-json-v1.0"
	LaterProtocol = "opentalk-signaling-json-v1.0"
)

// ErrClosed is what calls answer once the connection is over.
var ErrClosed = errors.New("the connection is closed")

// Blocked is that the server does not let one into the room.
type Blocked struct {
	Message string // the last that was told, like "join_blocked" or "banned"; may be empty
	Close   int    // the code with which the connection was closed; 0: it is open
}

// Error implements error.
func (b *Blocked) Error() string { return fmt.Sprintf("join: %s %d", b.Message, b.Close) }

// A Negotiator is the client's side of one connection.
type Negotiator interface {
	// Offer is called for what is published; Accept takes the answer.
	Offer(ctx context.Context) (offer string, err error)
	Accept(ctx context.Context, answer string) error
	// Answer is called for what is received.
	Answer(ctx context.Context, offer string) (answer string, err error)
	Close() error
}

// Session names a media session: whose, and "video" or "screen".
type Session struct{ Who, Sort string }

// Config is what a client needs.
type Config struct {
	URL      string            // ws:// or wss://, of the signalling
	Dialer   *websocket.Dialer // nil: websocket.DefaultDialer
	Protocol string            // empty: Protocol
	Name     string
	// Peers makes the client's side of a connection: publish says that it sends.
	// nil: the client has no media and subscribes to nothing.
	Peers func(ctx context.Context, s Session, publish bool) (Negotiator, error)
	// Web makes the habits those of the web client.
	Web bool
}

// State is what a media session sends.
type State struct {
	Audio bool `json:"audio"`
	Video bool `json:"video"`
}

// Person is somebody in the room, as this client knows it.
type Person struct {
	ID      string `json:"id"`
	Control struct {
		Name   string  `json:"display_name"`
		Role   string  `json:"role"`
		Hand   bool    `json:"hand_is_up"`
		LeftAt *string `json:"left_at"`
	} `json:"control"`
	Media struct {
		Presenter bool   `json:"is_presenter"`
		Video     *State `json:"video"`
		Screen    *State `json:"screen"`
	} `json:"media"`
}

// session returns what somebody sends; nil: nothing.
func (p Person) session(sort string) *State {
	if sort == "screen" {
		return p.Media.Screen
	}
	return p.Media.Video
}

// Message is a frame of the server.
type Message struct {
	Namespace string
	Name      string // "message" of the payload
	ID        string // whom or what it is about
	Source    string
	Sort      string
	Error     string
	SDP       string
	Kind      string
	Receiving bool
	Content   string
	Scope     string
	Target    string
	Focus     string
	Raw       json.RawMessage // the payload
	Code      int             // of Disconnected: the close code; 0: there was no close frame
}

// Disconnected is the name of the last message of the log: the connection is over.
const Disconnected = "disconnected"

// payload is what a client looks at of a payload.
type payload struct {
	Message      string   `json:"message"`
	ID           string   `json:"id"`
	Source       string   `json:"source"`
	Sort         string   `json:"media_session_type"`
	Error        string   `json:"error"`
	SDP          string   `json:"sdp"`
	Kind         string   `json:"kind"`
	Receiving    bool     `json:"receiving"`
	Content      string   `json:"content"`
	Scope        string   `json:"scope"`
	Target       string   `json:"target"`
	Focus        string   `json:"focus"`
	Role         string   `json:"role"`
	NewRole      string   `json:"new_role"`
	Participants []Person `json:"participants"`
}

// Join connects with a ticket and joins. It returns when the client is in the room,
// or waits to be let in.
func Join(ctx context.Context, cfg Config, p Pass) (*Client, error) {
	c, err := dial(ctx, cfg, p)
	if err != nil {
		return nil, err
	}
	if err := c.Act(ctx, "control", "join", map[string]any{"display_name": cfg.Name}); err != nil {
		c.Close()
		return nil, err
	}
	m, err := c.Wait(ctx, func(m Message) bool {
		return m.Name == "join_success" || m.Name == "in_waiting_room" || m.Name == "join_blocked" || m.Name == Disconnected
	})
	switch {
	case err != nil:
	case m.Name == Disconnected:
		err = &Blocked{Close: m.Code}
	case m.Name == "join_blocked":
		err = &Blocked{Message: m.Name}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, cfg Config, p Pass) (*Client, error) {
	d := cfg.Dialer
	if d == nil {
		d = websocket.DefaultDialer
	}
	if cfg.Protocol == "" {
		cfg.Protocol = Protocol
	}
	own := *d
	own.Subprotocols = []string{"ticket#" + p.Ticket, cfg.Protocol}
	ws, answer, err := own.DialContext(ctx, cfg.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.URL, err)
	}
	answer.Body.Close()
	if ws.Subprotocol() != cfg.Protocol {
		ws.Close()
		return nil, fmt.Errorf("connect to %s: the server has selected %q", cfg.URL, ws.Subprotocol())
	}
	return start(cfg, ws), nil
}

// Act sends a command.
func (c *Client) Act(ctx context.Context, namespace, action string, fields map[string]any) error {
	p := map[string]any{"action": action}
	for k, v := range fields {
		p[k] = v
	}
	return c.do(ctx, func() { c.write(map[string]any{"namespace": namespace, "payload": p}) })
}

// Say sends a chat message, to one or to everybody.
func (c *Client) Say(ctx context.Context, to, text string) error {
	f := map[string]any{"scope": "global", "content": text}
	if to != "" {
		f["scope"], f["target"] = "private", to
	}
	return c.Act(ctx, "chat", "send_message", f)
}

// SetState mutes and unmutes what is published.
func (c *Client) SetState(ctx context.Context, sort string, s State) error {
	return c.Act(ctx, "media", "update_media_session", state(sort, s))
}

// Kick throws somebody out.
func (c *Client) Kick(ctx context.Context, who string) error {
	return c.Act(ctx, "moderation", "kick", map[string]any{"target": who})
}

// Unpublish ends what Publish began.
func (c *Client) Unpublish(ctx context.Context, sort string) error {
	return c.do(ctx, func() {
		c.drop(Session{c.self.ID, sort})
		c.command("unpublish", map[string]any{"media_session_type": sort})
	})
}

func state(sort string, s State) map[string]any {
	return map[string]any{
		"media_session_type":  sort,
		"media_session_state": map[string]any{"audio": s.Audio, "video": s.Video, "video_settings": 2},
	}
}

// Self returns the own participant.
func (c *Client) Self(ctx context.Context) (p Person, err error) {
	return p, c.look(ctx, func() { p = c.self })
}

// People returns the others.
func (c *Client) People(ctx context.Context) (all []Person, err error) {
	err = c.look(ctx, func() {
		for _, p := range c.people {
			all = append(all, *p)
		}
	})
	return all, err
}

// Leave goes the way real clients go: what is published ends, then the connection
// is closed.
func (c *Client) Leave(ctx context.Context) error {
	err := c.do(ctx, func() {
		for s := range c.links {
			if s.Who == c.self.ID {
				c.command("unpublish", map[string]any{"media_session_type": s.Sort})
			}
		}
		if !c.cfg.Web {
			c.command("unpublish", map[string]any{"media_session_type": "screen"}) // whatever it shares
		}
		c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	})
	c.Close()
	return err
}

// Close gives the connection up without a word, and returns when nothing of the
// client runs any more.
func (c *Client) Close() {
	c.stop()
	<-c.after
}
