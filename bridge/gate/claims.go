package gate

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"dragoman/bridge"
)

// Bounds of tokens, in bytes.
const (
	maxToken   = 32 << 10
	maxSubject = 255 // OpenID Connect Core 1.0, 2
)

// claims are what tokens say, and what an issuer answers about them (OpenID Connect
// Core 1.0, 5.1; RFC 9068; RFC 7662; the x_grp, tenant_id and tariff_id of k3k.md
// 4.2).
type claims struct {
	Issuer   string  `json:"iss"`
	Subject  string  `json:"sub"`
	Audience strs    `json:"aud"`
	Expires  float64 `json:"exp"`
	Issued   float64 `json:"iat"`
	Party    string  `json:"azp"`
	Client   string  `json:"client_id"`
	Type     string  `json:"typ"` // of Keycloak: "ID", "Bearer"
	Nonce    string  `json:"nonce"`
	Hash     string  `json:"at_hash"`

	Mail     string `json:"email"`
	Verified truth  `json:"email_verified"`
	Given    string `json:"given_name"`
	Family   string `json:"family_name"`
	Name     string `json:"name"`
	Nickname string `json:"nickname"`
	Username string `json:"preferred_username"`
	Phone    string `json:"phone_number"`
	Groups   strs   `json:"x_grp"`
	Groups2  strs   `json:"groups"`
	Tenant   string `json:"tenant_id"`
	Tariff   string `json:"tariff_id"`

	kind    string // of the JWT's header: "JWT", "at+jwt"
	expires time.Time
}

// strs is one text or several. What is neither counts as left out: issuers put all
// sorts of things into claims that nobody here has asked for.
type strs []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *strs) UnmarshalJSON(data []byte) error {
	var one string
	var many []string
	if json.Unmarshal(data, &one) == nil && one != "" {
		*s = strs{one}
	} else if json.Unmarshal(data, &many) == nil {
		*s = many
	}
	return nil
}

// truth is true or "true".
type truth bool

// UnmarshalJSON implements json.Unmarshaler.
func (t *truth) UnmarshalJSON(data []byte) error {
	*t = strings.Trim(string(data), `"`) == "true"
	return nil
}

// kindOf returns the typ of a JWT's header, in lower case, and whether the token
// is a signed JWT at all.
func kindOf(token bridge.Secret) (kind string, is bool) {
	head, rest, _ := strings.Cut(string(token), ".")
	var h struct {
		Type string `json:"typ"`
		Alg  string `json:"alg"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || strings.Count(rest, ".") != 1 || json.Unmarshal(raw, &h) != nil {
		return "", false
	}
	return strings.TrimPrefix(strings.ToLower(h.Type), "application/"), h.Alg != ""
}

// accessKind is the type of access tokens (RFC 9068 2.1).
const accessKind = "at+jwt"

// isAccess reports whether a token says of itself that it is an access token.
func (c *claims) isAccess() bool { return c.kind == accessKind || strings.EqualFold(c.Type, "Bearer") }

// isID reports whether a token is an ID token: it says so, or has what only they
// have. Where an issuer leaves all that out, Audience keeps them apart.
func (c *claims) isID() bool {
	return !c.isAccess() && (strings.EqualFold(c.Type, "ID") || c.Nonce != "" || c.Hash != "")
}

// has reports whether a claim that may be required is there.
func (c *claims) has(name string) bool {
	switch name {
	case "email":
		return c.Mail != ""
	case "given_name":
		return c.Given != ""
	case "family_name":
		return c.Family != ""
	case "nickname":
		return c.Nickname != ""
	case "name":
		return c.Name != ""
	case "preferred_username":
		return c.Username != ""
	case "phone_number":
		return c.Phone != ""
	case "x_grp", "groups":
		return c.Groups != nil || c.Groups2 != nil
	case "tenant_id":
		return c.Tenant != ""
	}
	return false
}

// Claims are those that OIDCConfig.Required may name.
func Claims() []string {
	return []string{
		"email", "given_name", "family_name", "nickname", "name", "preferred_username", "phone_number", "x_grp", "groups", "tenant_id",
	}
}

// grant is what the claims vouch for.
func (c *claims) grant(user bridge.UserID) bridge.Grant {
	groups := c.Groups
	if groups == nil {
		groups = c.Groups2
	}
	both := strings.TrimSpace(c.Given + " " + c.Family)
	return bridge.Grant{
		User: user, Name: short(cmp.Or(c.Nickname, c.Name, both, c.Username, c.Mail)), Expires: c.expires,
		Profile: &bridge.Profile{
			Mail: c.Mail, MailVerified: bool(c.Verified), First: c.Given, Last: c.Family, Nickname: c.Nickname,
			Phone: c.Phone, Tenant: c.Tenant, Tariff: c.Tariff, Groups: groups,
		},
	}
}

// short makes a name one that a participant can have.
func short(name string) string {
	name = strings.ToValidUTF8(name, "")
	if len(name) > bridge.MaxName {
		name = strings.ToValidUTF8(name[:bridge.MaxName], "")
	}
	return name
}
