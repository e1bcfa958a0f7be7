package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"dragoman/dialects/spreed/wire"
)

// ErrNobody is returned for a name that nobody in the room has.
var ErrNobody = errors.New("nobody in the room has that name")

// Join goes into a room, and leaves the one before. A pin is given only if it is
// not empty; when the room then turns out to have none, the client tries again
// without, as the web client does. What the server refuses is a *Refused.
func (c *Client) Join(ctx context.Context, name, pin string) error {
	hello := &wire.Hello{Version: "0.29.7", Ua: c.cfg.Ua, Name: name}
	if pin != "" {
		hello.Credentials = &wire.Credentials{PIN: pin}
	}
	doc, err := c.request(ctx, wire.Request{Type: wire.TypeHello, Hello: hello})
	if r, ok := errors.AsType[*Refused](err); ok && r.Code == "authorization_not_required" {
		return c.Join(ctx, name, "")
	}
	if err != nil {
		return err
	}
	var w wire.Welcome
	if err := json.Unmarshal(doc, &w); err != nil {
		return fmt.Errorf("welcome: %w", err)
	}
	return c.do(ctx, func() { c.sendStatus() })
}

// welcomed is the room of a Welcome. It runs in the loop, so that a Conference
// document right behind finds it.
func (c *Client) welcomed(doc []byte) {
	var w wire.Welcome
	if json.Unmarshal(doc, &w) != nil {
		return
	}
	if c.room == nil || c.room.kind != w.Room.Type || c.room.name != w.Room.Name {
		// The Byes of the old room leave after the Hello of the new one (12.1).
		c.hangUpAll("")
		c.room = &room{kind: w.Room.Type, name: w.Room.Name}
	}
	c.room.users = map[string]wire.User{}
	for _, u := range w.Users {
		c.room.users[u.ID] = u
	}
	c.note(Entry{Kind: "welcome", Text: w.Room.Type + ":" + w.Room.Name, Doc: doc})
}

func (c *Client) sendStatus() {
	if c.cfg.Name == "" && c.picture == "" {
		return
	}
	status := map[string]any{"displayName": c.cfg.Name, "buddyPicture": nil, "message": nil}
	if c.picture != "" {
		status["buddyPicture"] = c.picture
	}
	inner, err := json.Marshal(status)
	if err == nil {
		c.send(wire.Request{Type: wire.TypeStatus, Status: &wire.StatusUpdate{Type: wire.TypeStatus, Status: inner}})
	}
}

// Rename changes what others see.
func (c *Client) Rename(ctx context.Context, name string) error {
	return c.do(ctx, func() { c.cfg.Name = name; c.sendStatus() })
}

// SetPicture sets the picture: a data URL, another URL, or nothing.
func (c *Client) SetPicture(ctx context.Context, picture string) error {
	return c.do(ctx, func() { c.picture = picture; c.sendStatus() })
}

// Leave leaves the room and stays connected.
func (c *Client) Leave(ctx context.Context) error {
	return c.do(ctx, func() {
		c.hangUpAll("")
		c.send(wire.Request{Type: wire.TypeLeave})
		c.room = nil
	})
}

// Unload closes the page: a Bye to every peer, then the socket goes.
func (c *Client) Unload(ctx context.Context) error {
	err := c.do(ctx, func() { c.hangUpAll("unload") })
	c.Close()
	return err
}

// Say says something to the room.
func (c *Client) Say(ctx context.Context, text string) error {
	return c.do(ctx, func() { c.chat("", text, c.newMid()) })
}

// Whisper says something to one: on the data channel, if there is a call with
// it, else over the socket. It returns the Mid of the message.
func (c *Client) Whisper(ctx context.Context, name, text string) (mid string, err error) {
	err = c.to(ctx, name, func(id string) error {
		mid = c.newMid()
		c.chat(id, text, mid)
		return nil
	})
	return mid, err
}

// Type says that the user types a message to somebody, or stops.
func (c *Client) Type(ctx context.Context, name string, on bool) error {
	state := wire.TypingStop
	if on {
		state = wire.TypingStart
	}
	return c.to(ctx, name, func(id string) error {
		c.message(id, &wire.Message{NoEcho: true, Status: &wire.ChatStatus{Typing: state}})
		return nil
	})
}

// Read says that messages have been read.
func (c *Client) Read(ctx context.Context, name string, mids ...string) error {
	return c.to(ctx, name, func(id string) error {
		c.message(id, &wire.Message{NoEcho: true, Status: &wire.ChatStatus{SeenMids: mids}})
		return nil
	})
}

// Lock sets the PIN of the room; empty: it is open.
func (c *Client) Lock(ctx context.Context, pin string) error {
	var at wire.Room
	if err := c.do(ctx, func() {
		if c.room != nil {
			at.Name = c.room.name
		}
	}); err != nil {
		return err
	}
	at.Credentials = &wire.Credentials{PIN: pin}
	_, err := c.request(ctx, wire.Request{Type: wire.TypeRoom, Room: &at})
	return err
}

// Users asks who is in the room.
func (c *Client) Users(ctx context.Context) ([]wire.User, error) {
	doc, err := c.request(ctx, wire.Request{Type: wire.TypeUsers})
	if err != nil {
		return nil, err
	}
	var u wire.Users
	err = json.Unmarshal(doc, &u)
	return u.Users, err
}

// Find asks for the session behind an attestation or a contact token.
func (c *Client) Find(ctx context.Context, kind, token string) ([]wire.User, error) {
	query := &wire.SessionsQuery{Type: wire.TypeSessions, Sessions: &wire.Lookup{Type: kind, Token: token}}
	doc, err := c.request(ctx, wire.Request{Type: wire.TypeSessions, Sessions: query})
	if err != nil {
		return nil, err
	}
	var s wire.Sessions
	err = json.Unmarshal(doc, &s)
	return s.Users, err
}

// Self returns what the server last told the client of itself.
func (c *Client) Self(ctx context.Context) (self wire.Self, err error) {
	err = c.do(ctx, func() { self = c.self })
	return self, err
}

// Reconnect drops the socket as a lost network does, connects with the resume
// token and goes into the same room again. Calls go on meanwhile.
func (c *Client) Reconnect(ctx context.Context) error {
	var token string
	var at *room
	if err := c.do(ctx, func() {
		token, at = c.self.Token, c.room
		c.socket.replaced = true
		c.socket.close()
	}); err != nil {
		return err
	}
	s, err := c.dial(ctx, token)
	if err != nil {
		return err
	}
	seen := make(chan struct{})
	if err := c.do(ctx, func() {
		c.socket, c.selfSeen, c.heard = s, seen, time.Now()
	}); err != nil {
		s.close()
		return err
	}
	if err := c.await(ctx, seen); err != nil || at == nil {
		return err
	}
	return c.Join(ctx, at.name, at.pin)
}

// SendRaw sends a text frame as it is: for tests of what no client should send.
func (c *Client) SendRaw(ctx context.Context, text []byte) error {
	return c.do(ctx, func() { c.socket.write(text) })
}

// to finds somebody in the room by name and calls f in the loop.
func (c *Client) to(ctx context.Context, name string, f func(id string) error) error {
	var failed error
	err := c.do(ctx, func() {
		id, ok := c.find(name)
		if !ok {
			failed = fmt.Errorf("%w: %q", ErrNobody, name)
			return
		}
		failed = f(id)
	})
	return errors.Join(err, failed)
}

func (c *Client) find(name string) (id string, ok bool) {
	if c.room == nil {
		return "", false
	}
	if _, ok := c.room.users[name]; ok {
		return name, true
	}
	for _, id := range slices.Sorted(maps.Keys(c.room.users)) {
		if id != c.self.ID && nameIn(c.room.users[id].Status) == name {
			return id, true
		}
	}
	return "", false
}

func (c *Client) nameOf(id string) string {
	if c.room == nil {
		return ""
	}
	return nameIn(c.room.users[id].Status)
}

func nameIn(status json.RawMessage) string {
	var s struct {
		DisplayName string `json:"displayName"`
	}
	_ = json.Unmarshal(status, &s) // a status may be anything
	return s.DisplayName
}

func (c *Client) nextIid() string {
	iid := strconv.Itoa(c.lastIid)
	c.lastIid++
	return iid
}
