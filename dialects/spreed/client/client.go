// Package client is a scripted Spreed client: signalling as the original web
// client does it (12.1 of the notes on Spreed), without media. It is handed its
// peer connections, so it knows no WebRTC library; tests, scenarios and the load
// generator drive it.
//
// One goroutine owns all state. The methods of Client post into it and may be
// called from any goroutine.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/dialects/spreed/wire"
)

// Config is what a client needs to connect.
type Config struct {
	URL    string            // of the socket: ws://host/spreed/ws
	Dialer *websocket.Dialer // nil: a plain one
	Header http.Header       // of the handshake; may be nil
	Name   string            // shown to others; empty: none
	Ua     string            // empty: "Chrome 156"
	Peers  Peers             // makes peer connections; nil: none, offers are answered with Bye "usermedia"
	Pickup bool              // takes calls at once instead of ringing
	Idle   bool              // ignores Conference documents while in no call, as the iOS client does
}

// Bounds of a client.
const (
	connectTimeout = 5 * time.Second
	requestTimeout = 10 * time.Second
	silence        = 5 * time.Second          // nothing heard for so long: ask whether the server lives
	deadline       = 11500 * time.Millisecond // nothing heard for so long: it does not
	pickupTime     = 30 * time.Second         // an incoming call rings
	dialTime       = 35 * time.Second         // an outgoing call rings
	mailSize       = 4096                     // events of peers that were not yet taken; more are dropped, and logged
)

// ErrClosed is returned when the client was closed, or lost its connection.
var ErrClosed = errors.New("the client is closed")

// Refused is an Error document.
type Refused struct{ Code, Message string }

// Error implements error.
func (r *Refused) Error() string { return "refused: " + r.Code + ": " + r.Message }

// Client is one Spreed client.
type Client struct {
	cfg   Config
	posts chan func()
	mail  chan peerEvent
	quit  chan struct{} // closed by the loop when it ends
	stop  context.CancelFunc

	// What follows belongs to the loop.
	ctx      context.Context
	socket   *socket
	lastIid  int
	replies  map[string]chan<- reply
	heard    time.Time
	self     wire.Self
	selfSeen chan struct{}
	log      log
	room     *room
	picture  string
	calls    map[string]*call
	lastCall int
	views    map[tokenKey]*tokenPeer // screens of others
	shares   map[tokenKey]*tokenPeer // who looks at ours
	screen   string                  // the token of our screen; empty: not shared
	screens  int
	lastID   int // of token connections
}

// room is the room that the client is in.
type room struct {
	kind, name, pin string
	conference      string
	users           map[string]wire.User
}

type reply struct {
	doc []byte
	err error
}

// Dial connects and waits until the server has told who the client is. The
// client lives until Close, or until ctx ends.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Dialer == nil {
		cfg.Dialer = &websocket.Dialer{HandshakeTimeout: connectTimeout}
	}
	if cfg.Ua == "" {
		cfg.Ua = "Chrome 156"
	}
	life, stop := context.WithCancel(ctx)
	c := &Client{
		cfg: cfg, posts: make(chan func()), mail: make(chan peerEvent, mailSize),
		quit: make(chan struct{}), stop: stop, ctx: life,
		replies: map[string]chan<- reply{}, calls: map[string]*call{},
		views: map[tokenKey]*tokenPeer{}, shares: map[tokenKey]*tokenPeer{},
		selfSeen: make(chan struct{}), log: newLog(),
	}
	s, err := c.dial(ctx, "")
	if err != nil {
		stop()
		return nil, err
	}
	c.socket, c.heard = s, time.Now()
	seen := c.selfSeen
	go c.loop()
	if err := c.await(ctx, seen); err != nil {
		c.Close()
		return nil, fmt.Errorf("wait for Self: %w", err)
	}
	return c, nil
}

func (c *Client) await(ctx context.Context, seen <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	select {
	case <-seen:
		return nil
	case <-c.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) dial(ctx context.Context, token string) (*socket, error) {
	u, err := url.Parse(c.cfg.URL)
	if err != nil {
		return nil, err
	}
	if token != "" {
		u.RawQuery = url.Values{"t": {token}}.Encode()
	}
	ws, res, err := c.cfg.Dialer.DialContext(ctx, u.String(), c.cfg.Header)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", c.cfg.URL, err)
	}
	res.Body.Close()
	return newSocket(ws), nil
}

// loop is the goroutine that owns the client.
func (c *Client) loop() {
	defer close(c.quit)
	defer c.end()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for {
		select {
		case data, ok := <-c.socket.frames:
			if !ok {
				if !c.socket.replaced {
					c.note(Entry{Kind: "closed", Text: c.socket.reason()})
				}
				if !c.rest() {
					return
				}
				continue
			}
			c.heard = time.Now()
			c.frame(data)
		case f := <-c.posts:
			f()
		case e := <-c.mail:
			c.peerEvent(e)
		case <-beat.C:
			c.heartbeat()
		case <-c.ctx.Done():
			return
		}
	}
}

// rest waits without a socket, for Reconnect or the end.
func (c *Client) rest() bool {
	lost := c.socket
	for c.socket == lost {
		select {
		case f := <-c.posts:
			f()
		case e := <-c.mail:
			c.peerEvent(e)
		case <-c.ctx.Done():
			return false
		}
	}
	return true
}

func (c *Client) end() {
	for _, x := range c.calls {
		x.close()
	}
	c.closeTokens(c.views)
	c.closeTokens(c.shares)
	c.socket.close()
	c.log.end()
}

// heartbeat asks a silent server whether it lives, and gives up on a dead one.
func (c *Client) heartbeat() {
	quiet := time.Since(c.heard)
	switch {
	case quiet >= deadline:
		c.socket.close()
	case quiet >= silence:
		now := uint64(time.Now().UnixMilli())
		c.send(wire.Request{Type: wire.TypeAlive, Alive: &wire.Alive{Type: wire.TypeAlive, Alive: now}})
	}
}

// Close ends the client: peers are closed, the socket is dropped. It waits until
// all of it is gone.
func (c *Client) Close() {
	c.stop()
	<-c.quit
}

// do runs f in the loop and waits for it.
func (c *Client) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case c.posts <- func() { defer close(done); f() }:
	case <-c.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-c.quit:
		return ErrClosed
	}
}

// after runs f in the loop once d has passed, unless the client has ended.
func (c *Client) after(d time.Duration, f func()) (cancel func()) {
	t := time.AfterFunc(d, func() {
		select {
		case c.posts <- f:
		case <-c.quit:
		}
	})
	return func() { t.Stop() }
}

// request sends a request and waits for what answers it.
func (c *Client) request(ctx context.Context, r wire.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer := make(chan reply, 1)
	var iid string
	err := c.do(ctx, func() {
		iid = c.nextIid()
		r.Iid = iid
		c.replies[iid] = answer
		c.send(r)
	})
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		return a.doc, a.err
	case <-c.quit:
		return nil, ErrClosed
	case <-ctx.Done():
		_ = c.do(context.WithoutCancel(ctx), func() { delete(c.replies, iid) })
		return nil, fmt.Errorf("%s: no answer: %w", r.Type, ctx.Err())
	}
}

// send writes a request. That the socket is gone is found out by its reader.
func (c *Client) send(r wire.Request) {
	data, err := wire.Encode(r)
	if err == nil {
		c.socket.write(data)
	}
}
