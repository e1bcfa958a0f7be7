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
	Room   RoomID
	Create *Spec // make the room of this, if there is none; Room names it
	// ID is zero for a random one. One who is seated in the room under it already is
	// replaced: its session reads Relocated and its streams end; the others are not
	// told that it left. It is believed: never take it from a client without proof.
	ID ParticipantID
	// New answers Exists instead of replacing one who is seated under ID already.
	New bool
	// Again takes the seat under ID as it is, for a client that has proved to another
	// node of the cluster that it is its own (see Local.Release): neither a secret nor a
	// lock holds it up, its streams end, and the others are told that it is not Away any
	// more. NotFound: nobody is inside under ID.
	Again   bool
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
	Without Permissions // what of all that is not permitted at first; it can be permitted later
	// Since is when the client took the seat; zero: now. Nodes of a cluster say so, to
	// tell which of them has the client: see Claim.
	Since time.Time
	// Wake is signalled whenever there is something to Drain; nil: a channel of the
	// session's own. A dialect that holds several sessions gives the same to all.
	// Its capacity is 1.
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

// A Retaker is a Link whose seat a client can take again after Away.
type Retaker interface {
	// Retake ends Away and returns the room as it is now. At that moment it calls
	// Restart on the outbox, which then takes all events that are newer. NotFound:
	// the seat is gone.
	Retake(ctx context.Context, out *Outbox) (Snapshot, error)
}

// Session is what a dialect holds for one joined client. It belongs to the
// goroutine that serves the client.
//
// It enforces what it reads: by the time that Drain returns an event, the peers
// have been told what follows from it. Commands go straight to the room by the
// Link.
type Session struct {
	Link
	At Snapshot
	// Memo is for the dialect to keep what it will want to know again after Detach
	// and Resume. Nobody else looks at it.
	Memo any

	hold *hold
}

// Ready is signalled when there is something to Drain.
func (s *Session) Ready() <-chan struct{} { return s.hold.out.Ready() }

// WakeBy makes the session signal another channel than its own, for a dialect that
// resumes one of several sessions. Its capacity is 1.
func (s *Session) WakeBy(wake chan struct{}) {
	if s.hold.heldBy(s) {
		s.hold.out.rewake(wake)
	}
}

// Drain returns the unread events. The error is not nil when the seat is lost; it
// comes with the last events: Lagged for a client that was too slow, else Closed.
func (s *Session) Drain(ctx context.Context) ([]Event, error) {
	if !s.hold.heldBy(s) {
		return nil, errDetached()
	}
	return s.hold.drain(ctx, nil)
}

// Leave gives up the seat and closes the peers. It is idempotent, does nothing
// after Detach, and is done even if ctx has ended.
func (s *Session) Leave(ctx context.Context, why Reason) error {
	if !s.hold.heldBy(s) {
		return nil
	}
	return s.hold.leave(ctx, why)
}

// Connect makes a peer that acts for this session: it may receive only what this
// participant may publish, and send only what it may subscribe to. The session
// closes it when the seat is lost, or its client has to wait; no event of a closed
// peer is returned by Drain. Forbidden: the client waits. TooMany: the session has
// as many peers as it may.
func (s *Session) Connect(ctx context.Context, o PeerOptions) (Peer, error) {
	if !s.hold.heldBy(s) {
		return nil, errDetached()
	}
	return s.hold.connect(ctx, o)
}

// Peers returns the open peers of the session, oldest first. After Resume they are
// those of the session that was detached.
func (s *Session) Peers() []Peer { return s.hold.peersNow() }

// Carries returns which publications a peer of the session receives and sends. It
// is how a dialect finds its legs after Resume.
func (s *Session) Carries(id PeerID) (receives, sends []PublicationID) {
	return s.hold.carries(id)
}

// Published returns the session's own publications as they were told last.
func (s *Session) Published() []Publication { return s.hold.published() }

// Detach keeps the seat and its peers for the grace time without the client. What
// it holds is enforced meanwhile, and the others are told that it is Away. The
// token takes the seat again, once; the session cannot be used any more. The
// token is empty when there is no seat to keep, or no time to keep it for: then
// the session has left.
func (s *Session) Detach(ctx context.Context, grace time.Duration) ResumeToken {
	return s.hold.detach(ctx, s, grace)
}

func errDetached() error { return Errorf(Closed, "the session has been given up") }
