// Package client is a scripted signalling client of the NkMEDIA dialect. It behaves
// as one of the two real clients do: that of the project (reference: erl-client),
// which asks for descriptions with wait_reply and answers events ok; or the
// browser client of the vendor (web-client), which calls conferences rooms, does
// not wait for its login, and answers events that it does not know with an error.
//
// It listens to every publisher of its conference, each over a connection of its
// own. It knows no media: it is handed the client's side of each connection
// through Config.Peers.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/gorilla/websocket"
)

// ErrClosed is what calls answer once the connection is over.
var ErrClosed = errors.New("the connection is closed")

// A Negotiator is the client's side of one connection. There is no renegotiation.
type Negotiator interface {
	// Offer is called for what is published; Accept takes the answer.
	Offer(ctx context.Context) (offer string, err error)
	Accept(ctx context.Context, answer string) error
	// Answer is called for what is listened to.
	Answer(ctx context.Context, offer string) (answer string, err error)
	Close() error
}

// Use says what a connection is for.
type Use struct {
	Publish bool
	Member  Member // whom it listens to; for Publish: nobody
}

// Config is what a client needs.
type Config struct {
	URL    string            // ws:// or wss://, any path
	Dialer *websocket.Dialer // nil: websocket.DefaultDialer
	Header http.Header       // of the upgrade request; may be nil
	// Peers makes the client's side of a connection. It may be called from several
	// goroutines. nil: the client has no media and listens to nobody.
	Peers func(ctx context.Context, u Use) (Negotiator, error)
	// Blind leaves out listening to others.
	Blind bool
	// Web makes the habits those of the browser client.
	Web bool
	// Mute answers neither events nor pings, as a client that hangs.
	Mute bool
}

// Ticket is what a client comes in with.
type Ticket struct {
	Conf    string // the conf_id
	User    string
	Pass    string
	Session string // id of the API session; empty: the server's
	// Password is that of a room of another dialect. It is a field of Dragoman's.
	Password string
	Create   bool // make the conference, if there is none
}

// Refusal is an error that the server answers.
type Refusal struct {
	Request string // class/subclass/cmd
	Code    int    `json:"code"`
	Text    string `json:"error"`
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %d %s", r.Request, r.Code, r.Text) }

// Codes of errors that this client looks at (reference 12).
const (
	Unauthorized = 100030
	ConfExists   = 304002
)

// Roles of members.
const (
	Publisher = "publisher"
	Listener  = "listener"
)

// Member is one of the conference, as this client knows it.
type Member struct {
	ID   string `json:"session_id"`
	Role string `json:"role"`
	User string `json:"user_id"`
	Peer string `json:"peer_id"`
}

// Event is something that happened to the client.
type Event struct {
	N        int    // counts from 1
	Subclass string // "conf", "session"; of what is no event of the server: empty
	Type     string // "started_member", …, or one of the below
	Obj      string
	Member   Member          // of started_member, stopped_member; of msglog_new_msg: User only. Of Listening: whom
	Text     string          // of a message; of Failed: why
	Code     int             // of destroyed; of Disconnected: of the close frame, 0: there was none
	Session  string          // the own session that Listening and Publishing are about
	Body     json.RawMessage // of events of the server
}

// What the log has beside the events of the server.
const (
	Present      = "present"      // a member that was there already
	Listening    = "listening"    // an offer was answered
	Publishing   = "publishing"   // an answer was taken
	Failed       = "failed"       // a connection could not be made
	Disconnected = "disconnected" // the connection is over; the last one
)

// Join connects, logs in, makes the conference if the ticket says so, subscribes to
// its events and, unless it is blind, listens to its publishers. It returns when the
// members are known. What the server refuses is a *Refusal.
func Join(ctx context.Context, cfg Config, t Ticket) (*Client, error) {
	d := cfg.Dialer
	if d == nil {
		d = websocket.DefaultDialer
	}
	ws, answer, err := d.DialContext(ctx, cfg.URL, cfg.Header)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.URL, err)
	}
	answer.Body.Close()
	c := start(cfg, t, ws)
	if err := c.join(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) join(ctx context.Context) error {
	login := object{"user": c.ticket.User, "pass": c.ticket.Pass}
	if c.ticket.Session != "" {
		login["session_id"] = c.ticket.Session
	}
	create := object{"class": "sfu", "conf_id": c.ticket.Conf}
	if c.cfg.Web { // its first command is right behind the login
		create = object{
			"class": "sfu", "backend": "nkmedia_janus", "room_id": c.ticket.Conf, "bitrate": 0,
			"audio_codec": "opus", "video_codec": "vp8",
		}
	}
	first, err := c.post(ctx, "core/user/login", login)
	if err != nil {
		return err
	}
	if !c.cfg.Web {
		if err := first.wait(ctx, nil); err != nil {
			return err
		}
	}
	if c.ticket.Create {
		second, err := c.post(ctx, c.conf("create"), create)
		if err == nil && c.cfg.Web {
			err = first.wait(ctx, nil)
		}
		if err == nil {
			err = second.wait(ctx, nil)
		}
		if r, ok := errors.AsType[*Refusal](err); err != nil && (!ok || r.Code != ConfExists) {
			return err
		}
	} else if c.cfg.Web {
		if err := first.wait(ctx, nil); err != nil {
			return err
		}
	}
	return c.lookAround(ctx)
}

// lookAround subscribes to the conference, then asks who is there: nobody is missed
// in between.
func (c *Client) lookAround(ctx context.Context) error {
	sub := object{"class": "media", "subclass": c.subclass(), "obj_id": c.ticket.Conf}
	if err := c.Do(ctx, "core/event/subscribe", sub, nil); err != nil {
		return err
	}
	var info struct {
		Members map[string]Member `json:"members"`
	}
	if err := c.Do(ctx, c.conf("get_info"), c.named(object{}), &info); err != nil {
		if r, ok := errors.AsType[*Refusal](err); ok && r.Code == Unauthorized && c.ticket.Password == "" {
			return c.do(ctx, func() {}) // a waiting room: it may be let in when it publishes
		}
		return err
	}
	return c.do(ctx, func() {
		for id, m := range info.Members {
			m.ID = id
			c.meet(m, Present)
		}
	})
}

// subclass is what the client calls conferences.
func (c *Client) subclass() string {
	if c.cfg.Web {
		return "room"
	}
	return "conf"
}

func (c *Client) conf(cmd string) string { return "media/" + c.subclass() + "/" + cmd }

// named adds the conference to the fields of a command, and its password.
func (c *Client) named(data object) object {
	data[c.subclass()+"_id"] = c.ticket.Conf
	if c.ticket.Password != "" {
		data["password"] = c.ticket.Password
	}
	return data
}
