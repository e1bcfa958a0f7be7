package oidctest

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage is what the library keeps, in the memory of an Issuer.
type storage struct{ *Issuer }

var _ op.Storage = storage{}

var errUnknown = errors.New("there is no such thing")

// grant is what somebody was allowed, and what refresh tokens are good for. It
// implements op.RefreshTokenRequest.
type grant struct {
	client, subject  string
	scopes, audience []string
	at               time.Time // when the user logged in
}

func (g *grant) GetAMR() []string            { return []string{"pwd"} }
func (g *grant) GetAudience() []string       { return g.audience }
func (g *grant) GetAuthTime() time.Time      { return g.at }
func (g *grant) GetClientID() string         { return g.client }
func (g *grant) GetScopes() []string         { return g.scopes }
func (g *grant) GetSubject() string          { return g.subject }
func (g *grant) SetCurrentScopes(s []string) { g.scopes = s }

// authRequest is a login of the authorization code flow. It implements
// op.AuthRequest.
type authRequest struct {
	grant
	id   string
	of   oidc.AuthRequest
	done bool
}

func (a *authRequest) GetID() string                      { return a.id }
func (a *authRequest) GetACR() string                     { return "" }
func (a *authRequest) GetNonce() string                   { return a.of.Nonce }
func (a *authRequest) GetRedirectURI() string             { return a.of.RedirectURI }
func (a *authRequest) GetResponseType() oidc.ResponseType { return a.of.ResponseType }
func (a *authRequest) GetResponseMode() oidc.ResponseMode { return a.of.ResponseMode }
func (a *authRequest) GetState() string                   { return a.of.State }
func (a *authRequest) Done() bool                         { return a.done }
func (a *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	if a.of.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: a.of.CodeChallenge, Method: a.of.CodeChallengeMethod}
}

// token is an access token.
type token struct {
	grant
	expires time.Time
}

func (s storage) CreateAuthRequest(_ context.Context, of *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	a := &authRequest{id: rand.Text(), of: *of}
	a.grant = grant{client: of.ClientID, scopes: of.Scopes, audience: s.settle().Audience}
	if !slices.Contains(a.scopes, oidc.ScopeOfflineAccess) {
		a.scopes = append(a.scopes, oidc.ScopeOfflineAccess) // many issuers give refresh tokens unasked
	}
	s.with(func() { s.logins[a.id] = a })
	return a, nil
}

func (s storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	var found *authRequest
	s.with(func() {
		if a, ok := s.logins[id]; ok {
			b := *a
			found = &b
		}
	})
	if found == nil {
		return nil, errUnknown
	}
	return found, nil
}

func (s storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	var id string
	s.with(func() {
		id = s.codes[code]
		delete(s.codes, code) // good once
	})
	return s.AuthRequestByID(ctx, id)
}

func (s storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.with(func() { s.codes[code] = id })
	return nil
}

func (s storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.with(func() { delete(s.logins, id) })
	return nil
}

func (s storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (id string, expires time.Time, err error) {
	set := s.settle()
	t := token{grant: grant{subject: r.GetSubject(), scopes: r.GetScopes(), audience: r.GetAudience()}}
	if from, ok := r.(op.IDTokenRequest); ok {
		t.client, t.at = from.GetClientID(), from.GetAuthTime()
	}
	t.expires = time.Now().Add(set.Ahead + set.AccessTokens)
	id = rand.Text()
	s.with(func() { s.tokens[id] = t })
	return id, t.expires, nil
}

func (s storage) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, old string) (id, refresh string, expires time.Time, err error) {
	if id, expires, err = s.CreateAccessToken(ctx, r); err != nil {
		return "", "", time.Time{}, err
	}
	refresh = rand.Text()
	s.with(func() {
		delete(s.refresh, old)
		s.refresh[refresh] = s.tokens[id].grant
	})
	return id, refresh, expires, nil
}

func (s storage) TokenRequestByRefreshToken(_ context.Context, refresh string) (op.RefreshTokenRequest, error) {
	var g grant
	var ok bool
	s.with(func() { g, ok = s.refresh[refresh] })
	if !ok {
		return nil, op.ErrInvalidRefreshToken
	}
	return &g, nil
}

// TerminateSession takes back all that a user has given to a client.
func (s storage) TerminateSession(_ context.Context, user, client string) error {
	s.with(func() {
		maps.DeleteFunc(s.tokens, func(_ string, t token) bool { return t.subject == user && t.client == client })
		maps.DeleteFunc(s.refresh, func(_ string, g grant) bool { return g.subject == user && g.client == client })
	})
	return nil
}

func (s storage) RevokeToken(_ context.Context, idOrRefresh, _, client string) *oidc.Error {
	s.with(func() {
		if s.tokens[idOrRefresh].client == client {
			delete(s.tokens, idOrRefresh)
		}
		if s.refresh[idOrRefresh].client == client {
			delete(s.refresh, idOrRefresh)
		}
	})
	return nil
}

func (s storage) GetRefreshTokenInfo(_ context.Context, _, refresh string) (user, id string, err error) {
	var g grant
	var ok bool
	s.with(func() { g, ok = s.refresh[refresh] })
	if !ok {
		return "", "", op.ErrInvalidRefreshToken
	}
	return g.subject, refresh, nil
}

func (s storage) SigningKey(context.Context) (op.SigningKey, error) { return s.signing(), nil }

func (s storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.signing().alg}, nil
}

func (s storage) KeySet(context.Context) (all []op.Key, err error) {
	s.with(func() {
		for _, k := range s.keys {
			all = append(all, public{k})
		}
	})
	return all, nil
}

func (s storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	return s.client(id)
}

func (s storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if c, err := s.client(id); err != nil || c.secret == "" || c.secret != secret {
		return errUnknown
	}
	return nil
}

func (s storage) SetUserinfoFromScopes(_ context.Context, into *oidc.UserInfo, subject, _ string, scopes []string) error {
	u, ok := s.find(func(u User) bool { return u.Subject == subject })
	if !ok {
		return errUnknown
	}
	u.info(into, scopes)
	return nil
}

// current returns an access token that is still good.
func (s storage) current(id, subject string) (t token, err error) {
	var ok bool
	s.with(func() { t, ok = s.tokens[id] })
	if !ok || t.subject != subject || time.Now().Add(s.settle().Ahead).After(t.expires) {
		return token{}, errUnknown
	}
	return t, nil
}

func (s storage) SetUserinfoFromToken(ctx context.Context, into *oidc.UserInfo, id, subject, _ string) error {
	t, err := s.current(id, subject)
	if err != nil {
		return err
	}
	return s.SetUserinfoFromScopes(ctx, into, subject, t.client, t.scopes)
}

func (s storage) SetIntrospectionFromToken(ctx context.Context, into *oidc.IntrospectionResponse, id, subject, _ string) error {
	t, err := s.current(id, subject)
	if err != nil {
		return err
	}
	var u oidc.UserInfo
	if err := s.SetUserinfoFromScopes(ctx, &u, subject, t.client, t.scopes); err != nil {
		return err
	}
	into.SetUserInfo(&u)
	into.Issuer, into.ClientID, into.Audience, into.Scope = s.url, t.client, t.audience, t.scopes
	into.TokenType, into.Expiration, into.JWTID = oidc.BearerToken, oidc.FromTime(t.expires), id
	return nil
}

func (s storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnknown // clients have no keys here
}

func (s storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnknown
}

func (s storage) Health(context.Context) error { return nil }
