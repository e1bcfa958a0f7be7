package oidctest

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The clients that every Issuer has.
const (
	Mustang  = "mustang"  // asks with passwords, and with refresh tokens
	Frontend = "Frontend" // a page: code with PKCE and refresh tokens; it goes on at /auth/callback of any port of 127.0.0.1
	Stranger = "stranger" // one that has nothing to do with us. It may do what both may
	Server   = "dragoman" // asks about tokens, with ServerSecret
)

// ServerSecret is the secret of the client Server.
const ServerSecret = "the server's word: 100 % & more"

// passwordGrant is the grant type that the library does not have.
const passwordGrant oidc.GrantType = "password"

// client is one of the issuer's clients. It implements op.Client.
type client struct {
	id, secret string
	grants     []oidc.GrantType
	settings   Settings
}

var _ op.HasRedirectGlobs = client{}

// client returns one of the clients.
func (i *Issuer) client(id string) (client, error) {
	c := client{id: id, settings: i.settle()}
	switch id {
	case Mustang:
		c.grants = []oidc.GrantType{passwordGrant, oidc.GrantTypeRefreshToken}
	case Frontend:
		c.grants = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	case Stranger:
		c.grants = []oidc.GrantType{passwordGrant, oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	case Server:
		c.secret = ServerSecret
	default:
		return client{}, errUnknown
	}
	return c, nil
}

func (c client) GetID() string                    { return c.id }
func (c client) RedirectURIs() []string           { return []string{"http://127.0.0.1/auth/callback"} }
func (c client) RedirectURIGlobs() []string       { return nil }
func (c client) PostLogoutRedirectURIs() []string { return nil }
func (c client) PostLogoutRedirectURIGlobs() []string {
	return []string{"http://127.0.0.1:*/*", "http://127.0.0.1:*"}
}
func (c client) ApplicationType() op.ApplicationType { return op.ApplicationTypeNative }
func (c client) GrantTypes() []oidc.GrantType        { return c.grants }
func (c client) LoginURL(id string) string           { return login + "?id=" + id }
func (c client) DevMode() bool                       { return false }
func (c client) IsScopeAllowed(string) bool          { return false }

func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }

func (c client) AuthMethod() oidc.AuthMethod {
	if c.secret != "" {
		return oidc.AuthMethodBasic
	}
	return oidc.AuthMethodNone
}

func (c client) ResponseTypes() []oidc.ResponseType {
	if slices.Contains(c.grants, oidc.GrantTypeCode) {
		return []oidc.ResponseType{oidc.ResponseTypeCode}
	}
	return nil
}

func (c client) AccessTokenType() op.AccessTokenType {
	if c.settings.Opaque {
		return op.AccessTokenTypeBearer
	}
	return op.AccessTokenTypeJWT
}

// ClockSkew makes the issuer's clock go wrong: the library issues tokens that much
// earlier, and lets them expire that much later.
func (c client) ClockSkew() time.Duration { return -c.settings.Ahead }

func (c client) IDTokenLifetime() time.Duration { return c.settings.IDTokens + 2*c.settings.Ahead }

//nolint:revive // the library spells it so
func (c client) RestrictAdditionalIdTokenScopes() func([]string) []string { return all }

func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return all }

func all(scopes []string) []string { return scopes }
