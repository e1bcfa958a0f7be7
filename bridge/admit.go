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
	Profile *Profile  // what the voucher knows of the user; may be nil. Not to be changed: shared
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

// An Identity is an identity provider that vouches for users by tokens (OpenID
// Connect Core 1.0). Its errors are Unauthenticated for a token that does not
// hold, BadRequest for one that holds but lacks claims that are required, and
// Unavailable while the provider cannot be asked.
type Identity interface {
	// Issuer is where clients log in, as they are told: a name for people, and the
	// issuer's URL. The URL is empty where anybody is believed.
	Issuer() (name, url string)
	// ByIDToken judges an ID token, with which a client logs in. The Grant has a
	// Profile.
	ByIDToken(ctx context.Context, token Secret) (Grant, error)
	// ByAccessToken judges an access token, which comes with every request. Only
	// User and Expires of the Grant are set for certain.
	ByAccessToken(ctx context.Context, token Secret) (Grant, error)
}
