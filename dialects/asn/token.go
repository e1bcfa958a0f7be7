package asn

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"dragoman/bridge"
	"dragoman/dialects"
)

// Claims is what a token says: who somebody is, and perhaps of which conference a
// moderator (reference 3500).
type Claims struct {
	User       bridge.UserID `json:"sub"`
	Name       string        `json:"name,omitempty"`
	Mail       string        `json:"email,omitempty"`
	Conference bridge.RoomID `json:"conference,omitempty"` // empty: of those that the user organizes or moderates
	Issuer     string        `json:"iss"`
	Issued     int64         `json:"iat"` // seconds
	Expires    int64         `json:"exp"` // seconds
}

// errExpired says that a token was good.
var errExpired = errors.New("expired")

// issuer is in every token, so that no other use of a key makes one.
const issuer = "dragoman/asn"

// tokenKey is what tokens are signed with. All nodes of a cluster have the same.
func tokenKey(ids dialects.IDs) []byte { return ids.Key("asn-token") }

// MakeToken makes a token: a JWT (RFC 7519) signed with HMAC-SHA256, good for life.
// Who has it may do what the user may.
func MakeToken(ids dialects.IDs, c Claims, life time.Duration) (bridge.Secret, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: tokenKey(ids)}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	c.Issuer, c.Issued, c.Expires = issuer, now.Unix(), now.Add(life).Unix()
	text, err := jwt.Signed(s).Claims(c).Serialize()
	return bridge.Secret(text), err
}

// readToken returns what a token says; Unauthenticated for one that is not good.
func readToken(ids dialects.IDs, token bridge.Secret) (c Claims, err error) {
	bad := bridge.Errorf(bridge.Unauthenticated, "the token is not good")
	t, err := jwt.ParseSigned(string(token), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return c, bad
	}
	var raw json.RawMessage
	if err := t.Claims(tokenKey(ids), &raw); err != nil {
		return c, bad
	}
	if err := json.Unmarshal(raw, &c); err != nil || c.Issuer != issuer || c.User == "" {
		return Claims{}, bad
	}
	if time.Now().Unix() >= c.Expires {
		return Claims{}, &bridge.Error{Code: bridge.Unauthenticated, Msg: "the token has expired", Err: errExpired}
	}
	return c, nil
}

// sessionScope is where the ids in session tokens are valid.
const sessionScope = "asn-session"

// sessionToken is the form of a party's id that authorizes its calls. Whether the
// party is still there is for the house to say.
func (d *server) sessionToken(id bridge.ParticipantID) bridge.Secret {
	sealed := d.env.IDs.Seal(id.Array(), sessionScope)
	return bridge.Secret(base64.RawURLEncoding.EncodeToString(sealed[:]))
}

// partyOf is the reverse; false: it is no session token of ours.
func (d *server) partyOf(token bridge.Secret) (id bridge.ParticipantID, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(string(token))
	if err != nil {
		return id, false
	}
	raw, ok := d.env.IDs.Open(sealed, sessionScope)
	if !ok {
		return id, false
	}
	return bridge.ParticipantIDFrom(raw[:])
}
