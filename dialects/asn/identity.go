package asn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/asn/rose"
)

// account is a user that somebody vouches for. The zero one is nobody.
type account struct {
	User bridge.UserID `json:"user"`
	Name string        `json:"name,omitempty"`
	Mail string        `json:"mail,omitempty"`
}

func (a account) known() bool { return a.User != "" }

// id is the account in the store.
func (a account) id() bridge.AccountID { return bridge.AccountOf(a.User) }

func (c Claims) account() account { return account{c.User, c.Name, c.Mail} }

// accountOf is the account of a grant.
func accountOf(g bridge.Grant, user string) account {
	a := account{User: g.User, Name: g.Name}
	if g.Profile != nil {
		a.Mail = g.Profile.Mail
	} else if wellFormed(user) {
		a.Mail = user
	}
	if a.Name == "" {
		a.Name = user
	}
	return a
}

// logIn judges a user and a password.
func (d *server) logIn(ctx context.Context, r *http.Request, user string, password bridge.Secret) (account, error) {
	c := bridge.Credentials{Dialect: Name, User: user, Secret: password}
	if r != nil {
		c.Remote = dialects.Remote(r)
	}
	if user == "" {
		return account{}, bridge.Errorf(bridge.Unauthenticated, "there is no user name")
	}
	g, err := d.env.Gate.Admit(ctx, c)
	if err == nil && d.passwords != nil {
		g, err = d.passwords.Admit(ctx, c)
		if code := bridge.CodeOf(err); code == bridge.Unauthenticated || code == bridge.WrongSecret {
			d.env.Gate.Failed(c)
		}
	}
	if err == nil && g.User == "" {
		err = bridge.Errorf(bridge.Unauthenticated, "nobody vouches for this user")
	}
	if err != nil {
		return account{}, err
	}
	return accountOf(g, user), nil
}

// byToken judges a token: one of ours, or of the identity provider.
func (d *server) byToken(ctx context.Context, token bridge.Secret) (account, error) {
	c, err := readToken(d.env.IDs, token)
	if err == nil {
		return c.account(), nil
	}
	if d.env.Login == nil || errors.Is(err, errExpired) {
		return account{}, err
	}
	g, err := d.env.Login.ByIDToken(ctx, token)
	if err != nil {
		return account{}, err
	}
	return accountOf(g, ""), nil
}

// byHeader returns who an Authorization header says is calling; nobody where there
// is none (reference 4.5).
func (d *server) byHeader(r *http.Request) (account, error) {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "":
		return account{}, nil
	case "basic":
		user, password, ok := r.BasicAuth()
		if !ok {
			return account{}, bridge.Errorf(bridge.Unauthenticated, "the Authorization header cannot be read")
		}
		return d.logIn(r.Context(), r, user, bridge.Secret(password))
	case "bearer", "jwt":
		return d.byToken(r.Context(), bridge.Secret(strings.TrimSpace(rest)))
	}
	return account{}, bridge.Errorf(bridge.Unauthenticated, "the Authorization header is of an unknown scheme")
}

// byInvoke returns who an invoke says is calling (reference 4.5). In JSON the
// octets are encoded once more; clients that forget one of the two are understood.
func (d *server) byInvoke(ctx context.Context, r *http.Request, auth *rose.AuthRequest) (account, error) {
	unknown := bridge.Errorf(bridge.Unauthenticated, "the authentication cannot be read")
	if !strings.EqualFold(auth.Auth.Method, "Basic") {
		return account{}, unknown
	}
	text := string(auth.Auth.AuthData)
	if inner, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil && strings.Contains(string(inner), ":") {
		text = string(inner)
	}
	user, password, ok := strings.Cut(text, ":")
	if !ok {
		return account{}, unknown
	}
	return d.logIn(ctx, r, user, bridge.Secret(password))
}

// caller is who calls an operation, and by what way.
type caller struct {
	d       *server
	account account       // nobody: a guest
	request *http.Request // nil: over plain TCP
	speaker *speaker      // nil: over HTTP
}

// user returns the account of a call: that of the token in its argument, or of the
// connection. Unauthenticated: there is none.
func (c *caller) user(token *bridge.Secret) (Claims, error) {
	if token != nil {
		return readToken(c.d.env.IDs, *token)
	}
	if !c.account.known() {
		return Claims{}, bridge.Errorf(bridge.Unauthenticated, "a user account is needed")
	}
	return Claims{User: c.account.User, Name: c.account.Name, Mail: c.account.Mail}, nil
}

// marshal is JSON of what is always fit for it.
func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return data
}
