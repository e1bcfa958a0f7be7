package bridge

import (
	"context"
	"time"
)

// SDP is a session description (RFC 8866) as it goes over a dialect's wire.
type SDP string

// Candidate is one ICE candidate (RFC 8839).
type Candidate struct {
	Text  string // "candidate:…", with or without "a="; empty: end of candidates
	Mid   string // may be empty
	Index int    // of the m-line; -1: not known
}

// PeerState is how a peer's transport does.
type PeerState uint8

// The states of a peer.
const (
	PeerNew          PeerState = iota
	PeerConnected              // DTLS is up
	PeerDisconnected           // nothing heard for some seconds; may come back
	PeerFailed                 // will not come back, or never came up in time
	PeerClosed
)

// Media makes peers on this node. Package media implements it.
type Media interface {
	// NewPeer makes a PeerConnection. It is closed by its Close, or when ctx ends
	// before NewPeer has returned.
	NewPeer(ctx context.Context, cfg PeerConfig) (Peer, error)
	// Gate opens or closes a track for everybody who receives it. A closed track's
	// packets are still heard (levels, silence), but not forwarded. Unknown
	// publications are ignored.
	Gate(pub PublicationID, t Track, open bool)
}

// PeerConfig is what the engine has to know of a peer.
type PeerConfig struct {
	ID    PeerID
	Room  RoomID
	Owner ParticipantID
	// Notify takes the peer's events: Peer…. It is called from the engine's
	// goroutines and never blocks.
	Notify func(Event)
	PeerOptions
}

// PeerOptions is what a dialect may choose of a peer. The zero value suits a
// current browser.
type PeerOptions struct {
	// Channels are the labels of reliable, ordered data channels (RFC 8831) to open.
	// Channels that the client opens are taken in any case.
	Channels []string
	// Codecs, when given, are all that is negotiated: "opus", "VP8", "H264", "VP9",
	// "AV1". Default: everything the engine has.
	Codecs []string
	// MaxBitrate limits the video that the client sends, in bit/s: by b= lines
	// (RFC 8866, 5.8) in what we send and by REMB. 0: the engine's own limit.
	MaxBitrate int
	// Placeholder sends a black key frame now and then on a video track that we send
	// until its publication has video, for clients that give up on a picture that
	// does not come at once (spreed.md 12.1).
	Placeholder bool
	// DetectMute watches received audio for clients that mute without saying so
	// (ahoy.md 8.2); found out, it is set in the room as if the client had said it.
	DetectMute bool
	// Trickle sends candidates of ours one by one as PeerCandidate. Without it they
	// are all in the description, and there are no such events.
	Trickle bool
	// Simulcast accepts several layers of video where the client offers them, and
	// offers to receive them by rid (RFC 8853).
	Simulcast bool
	// Mark is what the mids of our offers begin with (RFC 9143), up to eight characters of a
	// token. As an answer repeats the mids of its offer, a dialect whose answers do not
	// say what they belong to sees from them whether one is late. Empty: mids are as short
	// as can be.
	Mark string
	// Timeout is how long the client may take until the transport is up, default 30
	// s. Then the peer fails.
	Timeout time.Duration
}

// SendOptions is how a publication is sent to a client.
type SendOptions struct {
	// NoAudio and NoVideo leave a track out. By default both are negotiated,
	// whether or not the publication has them yet.
	NoAudio, NoVideo bool
	// Stream is the MediaStream id that both tracks get. Default: the text of the
	// publication's id. Token characters only (RFC 8830).
	Stream string
}

// LayerWish is what a client would like to get of a stream.
type LayerWish struct {
	RID    string // the best simulcast layer it wants; empty: the best there is
	NoMore bool   // no video at all, until it wishes again
	Silent bool   // no sound at all, until it wishes again
}

// A Peer is one PeerConnection. What it carries, and who offers, is up to the
// dialect. Its methods may be called from one goroutine at a time, but for Close.
type Peer interface {
	// ID is the id that the peer's events carry.
	ID() PeerID
	// Receive says that what the client sends on this peer is pub: on the m-lines
	// named by mids, or the first of each kind that nobody has claimed. Instead of a
	// mid, "audio" and "video" name the first m-line of that kind that nobody has
	// claimed; an offer then asks for just these (and without mids for both). It may come
	// before or after the negotiation. Only one peer feeds a publication: a later
	// Receive of the same publication, of the same owner, takes it over without a
	// gap in what subscribers get.
	Receive(pub PublicationID, src Source, mids ...string) error
	// Send forwards a publication to the client from the next negotiation on. The
	// publication need not have media, or even exist on this node, yet. The zero id
	// stands for one that is not known yet: its m-lines are negotiated and carry
	// nothing, or the Placeholder. On a negotiated peer Send takes the m-lines that
	// Drop has freed at once, without another negotiation (spreed.md 14.5); where
	// that does not do, PeerNegotiate is told.
	Send(pub PublicationID, o SendOptions) error
	// Drop ends what Receive or Send began.
	Drop(pub PublicationID) error
	// Prefer chooses what is sent of a publication, without another negotiation.
	Prefer(pub PublicationID, w LayerWish) error
	// Limit changes MaxBitrate of the options, in bit/s; 0: the engine's own limit. The
	// client is told by REMB at once, and by b= lines in the next negotiation. The
	// room's limit holds in any case.
	Limit(bps int) error

	// Offer makes an offer with everything that Receive, Send and Channels ask for.
	// The next call must be Accept.
	Offer(ctx context.Context) (SDP, error)
	// Answer takes the client's offer and answers it. Sent publications take the
	// first free m-line of their kind on which the client receives.
	Answer(ctx context.Context, offer SDP) (SDP, error)
	// Accept takes the client's answer.
	Accept(ctx context.Context, answer SDP) error
	// AddCandidate adds a candidate of the client's; one that comes before the
	// description it belongs to is kept, up to a bound.
	AddCandidate(ctx context.Context, c Candidate) error
	// Message sends on a data channel. Unavailable: the channel is not open, or the
	// client does not read.
	Message(label string, text bool, data []byte) error
	// Close ends the peer. It is idempotent, and no event comes after it returned.
	Close() error
}

// A Restarter is a Peer that can look for a new way to its client without giving
// up what it has agreed on with it: a restart of ICE (RFC 8839, 4.4.3.1.1). The
// next call must be Accept, as after an Offer.
type Restarter interface {
	Restart(ctx context.Context) (SDP, error)
}
