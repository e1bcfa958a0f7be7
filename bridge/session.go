package bridge

import (
	"context"
	"net/netip"
	"time"
)

// Host is how a dialect reaches rooms, wherever they run.
type Host interface {
	// Create makes a room. Exists: there is one of that id.
	Create(ctx context.Context, s Spec) error
	// Lookup tells what may be known of a room. NotFound: there is none.
	Lookup(ctx context.Context, id RoomID) (Info, error)
	// List tells of all rooms that are not unlisted, by id.
	List(ctx context.Context) ([]Info, error)
	// Join takes a seat. NotFound, Banned, WrongSecret, Unauthenticated (a secret is
	// needed and none was given), RoomLocked, RoomFull, in this order.
	Join(ctx context.Context, req JoinRequest) (*Session, error)
	// Resume takes a seat again that was left by Detach. NotFound: it is gone.
	Resume(ctx context.Context, token ResumeToken) (*Session, error)
}

// JoinRequest is what a client brings when it joins.
type JoinRequest struct {
	Room    RoomID
	Create  *Spec         // make the room of this, if there is none; Room names it
	ID      ParticipantID // zero: a random one. One who is seated under it already is replaced: Relocated
	User    UserID
	Name    string
	Kind    Kind
	Dialect string
	Shows   Features
	Remote  netip.Addr
	Attrs   map[string]string
	Secret  Secret      // the room's, as the client gave it; empty: none
	AtMost  Role        // what the gate grants; NoRole: whatever the room gives
	Add     Permissions // what the gate grants above the role
	// Wake is signalled whenever there is something to Drain; nil: a channel of the
	// session's own. A dialect that holds several sessions gives the same to all.
	Wake chan struct{}
}

// A Place seats clients: a room of this process, or one of another node.
type Place interface {
	Seat(ctx context.Context, req JoinRequest, out *Outbox) (Link, Snapshot, error)
}

// A Link is a seat in a room, wherever the room runs.
type Link interface {
	// Do posts a command and waits until it was applied.
	Do(ctx context.Context, c Command) error
	// Leave gives up the seat. The others are told Left. It is idempotent.
	Leave(ctx context.Context, r Reason) error
	// Away says whether the client's connection is lost, and for how long the seat
	// is kept without it.
	Away(ctx context.Context, away bool, grace time.Duration) error
}

// Session is what a dialect holds for one joined client.
type Session struct {
	Link
	At Snapshot
}

// Ready is signalled when there is something to Drain.
func (s *Session) Ready() <-chan struct{} { return nil }

// Drain returns the unread events. The error is not nil when the seat is lost; it
// comes with the last events.
func (s *Session) Drain(ctx context.Context) ([]Event, error) { return nil, nil }

// Connect makes a peer that acts for this session: it may receive only what this
// participant may publish, and send only what it may subscribe to.
func (s *Session) Connect(ctx context.Context, o PeerOptions) (Peer, error) { return nil, nil }

// Detach keeps the seat and its peers for the grace time without the client.
func (s *Session) Detach(ctx context.Context, grace time.Duration) ResumeToken { return "" }
