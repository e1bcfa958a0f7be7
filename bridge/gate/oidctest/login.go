package oidctest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// Client logs in at an issuer as people's programs do, by HTTP alone: it finds all
// else by the issuer's discovery document.
type Client struct {
	ID       string
	Redirect string // where the page goes on, for Code

	http   *http.Client
	issuer string
}

// Tokens are what a login gives.
type Tokens struct{ ID, Access, Refresh string }

// Client returns a client of an issuer.
func (i *Issuer) Client(id string) *Client {
	c := NewClient(i.url, id)
	if !i.listens {
		c.http.Transport = i
	}
	return c
}

// NewClient returns a client of the issuer at a URL.
func NewClient(issuer, id string) *Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		ID: id, Redirect: "http://127.0.0.1:9/auth/callback", issuer: issuer, http: &http.Client{CheckRedirect: stay},
	}
}

// places are what a client needs of the discovery document.
type places struct {
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
}

func (c *Client) discover(ctx context.Context) (p places, err error) {
	resp, err := c.do(ctx, http.MethodGet, c.issuer+Discovery, nil)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	return p, json.NewDecoder(resp.Body).Decode(&p)
}

// do asks, and fails for answers that are errors.
func (c *Client) do(ctx context.Context, method, to string, form url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		text, err := io.ReadAll(resp.Body)
		return nil, errors.Join(fmt.Errorf("%s %s: %s: %s", method, to, resp.Status, text), err, resp.Body.Close())
	}
	return resp, nil
}

// follow asks and returns where the answer leads to.
func (c *Client) follow(ctx context.Context, method, to string, form url.Values) (*url.URL, error) {
	resp, err := c.do(ctx, method, to, form)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Location()
}

// oauth returns the client of the OAuth 2.0 library, and a context for its methods.
func (c *Client) oauth(ctx context.Context) (*oauth2.Config, context.Context, error) {
	p, err := c.discover(ctx)
	return &oauth2.Config{
		ClientID: c.ID, RedirectURL: c.Redirect, Scopes: []string{"openid", "phone", "profile", "email"},
		Endpoint: oauth2.Endpoint{AuthURL: p.Authorization, TokenURL: p.Token, AuthStyle: oauth2.AuthStyleInParams},
	}, context.WithValue(ctx, oauth2.HTTPClient, c.http), err
}

func tokensOf(t *oauth2.Token, err error) (Tokens, error) {
	if err != nil {
		return Tokens{}, err
	}
	id, _ := t.Extra("id_token").(string)
	return Tokens{ID: id, Access: t.AccessToken, Refresh: t.RefreshToken}, nil
}

// Password logs in with a password (RFC 6749 4.3).
func (c *Client) Password(ctx context.Context, user, password string) (Tokens, error) {
	o, ctx, err := c.oauth(ctx)
	if err != nil {
		return Tokens{}, err
	}
	return tokensOf(o.PasswordCredentialsToken(ctx, user, password))
}

// Refresh gets new tokens for a refresh token (RFC 6749 6).
func (c *Client) Refresh(ctx context.Context, old Tokens) (Tokens, error) {
	o, ctx, err := c.oauth(ctx)
	if err != nil {
		return Tokens{}, err
	}
	return tokensOf(o.TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token())
}

// Code logs in as a page does with the issuer's own page, where somebody types a
// name and a password (RFC 6749 4.1, RFC 7636).
func (c *Client) Code(ctx context.Context, user, password string) (Tokens, error) {
	o, ctx, err := c.oauth(ctx)
	if err != nil {
		return Tokens{}, err
	}
	state, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	at, err := c.follow(ctx, http.MethodGet, o.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), nil)
	if err != nil {
		return Tokens{}, err
	}
	back, err := c.follow(ctx, http.MethodPost, at.String(), url.Values{"username": {user}, "password": {password}})
	if err != nil {
		return Tokens{}, err
	}
	if back, err = c.follow(ctx, http.MethodGet, back.String(), nil); err != nil {
		return Tokens{}, err
	}
	q := back.Query()
	if !strings.HasPrefix(back.String(), c.Redirect+"?") || q.Get("state") != state {
		return Tokens{}, fmt.Errorf("the issuer leads to %s", back)
	}
	return tokensOf(o.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier)))
}

// Logout ends the session, and returns where that leads to (OpenID Connect
// RP-Initiated Logout 1.0).
func (c *Client) Logout(ctx context.Context, t Tokens, then string) (string, error) {
	p, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	at, err := c.follow(ctx, http.MethodGet, p.EndSession+"?"+
		url.Values{"id_token_hint": {t.ID}, "post_logout_redirect_uri": {then}}.Encode(), nil)
	if err != nil {
		return "", err
	}
	return at.String(), nil
}

// Revoke takes back an access token (RFC 7009).
func (c *Client) Revoke(ctx context.Context, t Tokens) error {
	p, err := c.discover(ctx)
	if err != nil {
		return err
	}
	resp, err := c.do(ctx, http.MethodPost, p.Revocation, url.Values{"token": {t.Access}, "client_id": {c.ID}})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
