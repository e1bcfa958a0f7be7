package gate

import (
	"context"

	"dragoman/bridge"
)

// Nobody believes no token and no password: there are guests only. It implements
// bridge.Identity and bridge.Gate.
type Nobody struct{}

var (
	_ bridge.Identity = Nobody{}
	_ bridge.Gate     = Nobody{}
)

// Issuer implements bridge.Identity.
func (Nobody) Issuer() (name, url string) { return "none", "" }

// ByIDToken implements bridge.Identity.
func (Nobody) ByIDToken(context.Context, bridge.Secret) (bridge.Grant, error) {
	return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "nobody can log in here, there are guests only")
}

// ByAccessToken implements bridge.Identity.
func (n Nobody) ByAccessToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	return n.ByIDToken(ctx, token)
}

// Admit implements bridge.Gate. It is Forbidden, and not Unauthenticated: who tries
// guesses nothing, and is not to be held up elsewhere for it.
func (Nobody) Admit(context.Context, bridge.Credentials) (bridge.Grant, error) {
	return bridge.Grant{}, bridge.Errorf(bridge.Forbidden, "nobody can log in here")
}

// Failed implements bridge.Gate.
func (Nobody) Failed(bridge.Credentials) {}
