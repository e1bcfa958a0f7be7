package gate

import (
	"context"

	"dragoman/bridge"
)

// Nobody believes no token: there are guests only. It implements bridge.Identity.
type Nobody struct{}

var _ bridge.Identity = Nobody{}

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
