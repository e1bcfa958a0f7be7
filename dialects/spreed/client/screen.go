package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"dragoman/dialects/spreed/wire"
)

// tokenKey is by what a token connection is known (11). Both sides count their ids
// from 0, so two who look at each other's screen have connections of the same id.
type tokenKey struct{ remote, token, id string }

// tokenPeer is a peer connection made with a token.
type tokenPeer struct {
	key   tokenKey
	kind  Kind
	token string
	id    json.RawMessage
	peer  Peer
}

// ShareScreen starts or stops sharing the screen. It is announced on the data
// channel of every call, also of later ones.
func (c *Client) ShareScreen(ctx context.Context, on bool) error {
	var failed error
	err := c.do(ctx, func() {
		switch {
		case on && c.room == nil:
			failed = errors.New("a screen is shared in a room")
		case on && c.screen == "":
			c.screens++
			c.screen = fmt.Sprintf("screenshare_%s_%d", c.self.ID, c.screens)
			for _, x := range c.calls {
				if x.open {
					c.announceScreen(x)
				}
			}
		case !on:
			c.endShares()
		}
	})
	return errors.Join(err, failed)
}

// SendChannel sends a document on the data channel of the call with somebody.
func (c *Client) SendChannel(ctx context.Context, name string, doc []byte) error {
	return c.to(ctx, name, func(id string) error {
		x := c.calls[id]
		if x == nil || !x.open {
			return fmt.Errorf("no open data channel with %s", name)
		}
		return x.peer.Message(doc)
	})
}

func (c *Client) announceScreen(x *call) {
	data, err := json.Marshal(wire.ChannelDocument{Type: wire.TypeScreenshare, Screenshare: &wire.Screenshare{ID: c.screen}})
	if err == nil {
		_ = x.peer.Message(data) // not retried, as in the web client
	}
}

// view asks for a screen that somebody has announced.
func (c *Client) view(from, token string) {
	id := json.RawMessage(strconv.Itoa(c.lastID))
	c.lastID++
	t := &tokenPeer{key: tokenKey{from, token, string(id)}, kind: View, token: token, id: id}
	peer, err := c.newPeer(t, View, from, true)
	if err != nil {
		return
	}
	t.peer = peer
	c.views[t.key] = t
	sdp, err := peer.Offer(c.ctx)
	if err != nil {
		c.endToken(t)
		return
	}
	c.sendOffer(from, wire.Description{Type: "offer", SDP: sdp, Token: token, ID: id})
	c.note(Entry{Kind: "screen", From: from, Text: token})
}

// onTokenOffer answers who knows the token of our screen; others are ignored.
func (c *Client) onTokenOffer(from string, d wire.Description) {
	if c.screen == "" || d.Token != c.screen {
		return
	}
	t := &tokenPeer{key: tokenKey{from, d.Token, string(d.ID)}, kind: Share, token: d.Token, id: d.ID}
	peer, err := c.newPeer(t, Share, from, false)
	if err != nil {
		return
	}
	t.peer = peer
	if old := c.shares[t.key]; old != nil {
		_ = old.peer.Close() // it is given up
	}
	c.shares[t.key] = t
	sdp, err := peer.Answer(c.ctx, d.SDP)
	if err != nil {
		c.endToken(t)
		return
	}
	c.send(wire.Request{Type: wire.TypeAnswer, Answer: &wire.Answer{
		To: from, Type: wire.TypeAnswer,
		Answer: object(wire.Description{Type: "answer", SDP: sdp, Token: d.Token, ID: d.ID}),
	}})
	c.note(Entry{Kind: "viewer", From: from, Text: d.Token})
}

func (c *Client) onTokenAnswer(from string, d wire.Description) {
	t := c.views[tokenKey{from, d.Token, string(d.ID)}]
	if t == nil {
		return
	}
	if t.peer.Accept(c.ctx, d.SDP) != nil {
		c.endToken(t)
	}
}

func (c *Client) tokenPeer(key tokenKey) *tokenPeer {
	if t := c.views[key]; t != nil {
		return t
	}
	return c.shares[key]
}

// peerEvent takes what happens to the peer of a token connection.
func (t *tokenPeer) peerEvent(c *Client, e PeerEvent) {
	if c.tokenPeer(t.key) != t {
		return
	}
	switch e.What {
	case PeerCandidate:
		e.Candidate.Token, e.Candidate.ID = t.token, t.id
		c.sendCandidate(t.key.remote, e.Candidate)
	case PeerFailed, PeerShut:
		c.endToken(t)
	case PeerMessage:
		if m, err := wire.DecodeControl(e.Data); err == nil && m.Mode == wire.ModeBye {
			c.endToken(t)
		}
	}
}

func (c *Client) endToken(t *tokenPeer) {
	kind := "screen-gone"
	if t.kind == Share {
		kind = "viewer-gone"
	}
	c.note(Entry{Kind: kind, From: t.key.remote, Text: t.token})
	_ = t.peer.Close() // it is given up
	delete(c.views, t.key)
	delete(c.shares, t.key)
}

// endShares stops sharing: whoever looks is told on its own channel.
func (c *Client) endShares() {
	bye, err := json.Marshal(wire.Control{Mode: wire.ModeBye})
	for _, t := range c.shares {
		if err == nil {
			_ = t.peer.Message(bye) // closing it says the same
		}
		c.endToken(t)
	}
	c.screen = ""
}

// endScreens ends all that hangs on calls.
func (c *Client) endScreens() {
	c.endShares()
	for _, t := range c.views {
		c.endToken(t)
	}
}

func (c *Client) closeTokens(m map[tokenKey]*tokenPeer) {
	for _, t := range m {
		_ = t.peer.Close() // it is given up
	}
}
