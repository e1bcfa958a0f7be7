package bridge

import (
	"context"
	"net/netip"
	"time"
)

// Credentials is what a client shows to come in. Dialects extract it; a Gate
// judges it.
type Credentials struct {
	Dialect string
	Remote  netip.Addr // the client's real address, trusted proxies applied
	Room    RoomID     // empty: the server as such
	User    string
	Secret  Secret // a user's password, a ticket, a JWT, a nonce
}

// Grant is what a Gate vouches for.
type Grant struct {
	User    UserID
	Name    string // as the voucher knows it; empty: what the client says
	Role    Role   // at most this; NoRole: whatever the room gives
	Add     Permissions
	Expires time.Time // zero: never
}

// A Gate judges who comes in, before any room is asked, and brakes those who
// guess.
type Gate interface {
	// Admit answers TooMany while the client is braked, and Unauthenticated for
	// credentials that do not hold.
	Admit(ctx context.Context, c Credentials) (Grant, error)
	// Failed tells the gate that the room refused a secret, so that it can brake.
	Failed(c Credentials)
}
