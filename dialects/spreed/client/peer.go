package client

import (
	"context"
	"errors"

	"dragoman/dialects/spreed/wire"
)

// Peer is the client's end of one peer connection. Its methods are called from
// one goroutine.
type Peer interface {
	// Offer makes an offer. Candidates may be in it, or come as PeerCandidate.
	Offer(ctx context.Context) (sdp string, err error)
	// Answer takes an offer and answers it.
	Answer(ctx context.Context, offer string) (sdp string, err error)
	// Accept takes the answer to the last Offer.
	Accept(ctx context.Context, answer string) error
	// AddCandidate adds a candidate of the other side. It may come before the
	// description that it belongs to.
	AddCandidate(ctx context.Context, c wire.ICE) error
	// Message sends a text on the data channel named wire.Channel.
	Message(text []byte) error
	// Close ends it.
	Close() error
}

// Kind is what a peer connection is for.
type Kind uint8

// The kinds of peer connection.
const (
	Call  Kind = iota // camera and microphone, both ways
	View              // receives a screen: video recvonly, no audio
	Share             // sends our screen: video sendonly, no audio
)

// PeerConfig is what a peer connection has to know.
type PeerConfig struct {
	Kind   Kind
	Remote string // session id of the other side
	Name   string // what it calls itself, as far as it is known
	Offers bool   // we offer, and so open the data channel
	// Notify takes what happens to the peer. It may be called from any goroutine
	// and does not block.
	Notify func(PeerEvent)
}

// PeerEvent is something that happened to a peer.
type PeerEvent struct {
	What      What
	Data      []byte   // of PeerMessage
	Candidate wire.ICE // of PeerCandidate
}

// What is what happened to a peer.
type What uint8

// What can happen to a peer.
const (
	PeerCandidate    What = iota // a candidate of ours
	PeerConnected                // the transport is up
	PeerDisconnected             // it may come back
	PeerFailed                   // it will not
	PeerOpen                     // the data channel is open
	PeerMessage                  // a text came on it
	PeerShut                     // the data channel is closed
)

// Peers makes a peer connection.
type Peers func(ctx context.Context, cfg PeerConfig) (Peer, error)

// peerEvent is an event with the place where it belongs.
type peerEvent struct {
	to   receiver
	what PeerEvent
}

// receiver is a call or a token connection.
type receiver interface {
	peerEvent(c *Client, e PeerEvent)
}

func (c *Client) newPeer(r receiver, kind Kind, remote string, offers bool) (Peer, error) {
	if c.cfg.Peers == nil {
		return nil, errors.New("the client has no media")
	}
	return c.cfg.Peers(c.ctx, PeerConfig{
		Kind: kind, Remote: remote, Name: c.nameOf(remote), Offers: offers,
		Notify: func(e PeerEvent) {
			select {
			case c.mail <- peerEvent{to: r, what: e}:
			default: // more than mailSize: the tests that flood count on it
			}
		},
	})
}

func (c *Client) peerEvent(e peerEvent) {
	if len(c.mail) == mailSize-1 {
		c.note(Entry{Kind: "dropped"})
	}
	e.to.peerEvent(c, e.what)
}
