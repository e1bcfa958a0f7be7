package oidctest

import (
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// User is somebody who can log in. Empty fields are claims that are left out.
type User struct {
	Name, Password string
	Subject        string

	Mail, Given, Family, Nickname, Phone string

	Groups []string // the claim x_grp; nil: left out
}

// Ann is the user that every Issuer has.
func Ann() User {
	return User{
		Name: "ann", Password: "ann's word", Subject: "6f1c-ann", Mail: "ann@example.org", Given: "Ann", Family: "Lee",
		Nickname: "Annie", Phone: "+49 30 1234", Groups: []string{"/staff", "/choir"},
	}
}

// Add adds a user, or changes the one of that name.
func (i *Issuer) Add(u User) { i.with(func() { i.users[u.Name] = u }) }

// find returns the first user that matches.
func (i *Issuer) find(match func(User) bool) (found User, ok bool) {
	i.with(func() {
		for _, u := range i.users {
			if match(u) {
				found, ok = u, true
			}
		}
	})
	return found, ok
}

// knows returns the user of a name and a password.
func (i *Issuer) knows(name, password string) (User, bool) {
	return i.find(func(u User) bool { return u.Name == name && u.Password == password })
}

// info writes what the scopes allow to say of a user.
func (u User) info(into *oidc.UserInfo, scopes []string) {
	into.Subject = u.Subject
	if slices.Contains(scopes, oidc.ScopeEmail) {
		into.Email, into.EmailVerified = u.Mail, oidc.Bool(u.Mail != "")
	}
	if slices.Contains(scopes, oidc.ScopePhone) {
		into.PhoneNumber = u.Phone
	}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		into.GivenName, into.FamilyName, into.Nickname, into.PreferredUsername = u.Given, u.Family, u.Nickname, u.Name
		into.Name = strings.TrimSpace(u.Given + " " + u.Family)
		if u.Groups != nil {
			into.AppendClaims("x_grp", u.Groups)
		}
	}
}

// page is where people log in.
var page = template.Must(template.New("").Parse(`<!doctype html><title>Log in</title><form method="post">
<input name="username" autofocus><input name="password" type="password"><button>Log in</button></form>`))

func (i *Issuer) askPassword(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, nil); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// checkPassword goes on with a login whose id is in the query.
func (i *Issuer) checkPassword(w http.ResponseWriter, r *http.Request) {
	u, ok := i.knows(r.PostFormValue("username"), r.PostFormValue("password"))
	if !ok {
		http.Error(w, "The name or the password is wrong.", http.StatusForbidden)
		return
	}
	id := r.URL.Query().Get("id")
	var known bool
	i.with(func() {
		var a *authRequest
		if a, known = i.logins[id]; known {
			a.subject, a.at, a.done = u.Subject, time.Now(), true
		}
	})
	if !known {
		http.Error(w, "Nobody has asked for this login.", http.StatusNotFound)
		return
	}
	back := op.AuthCallbackURL(i.provider)(op.ContextWithIssuer(r.Context(), i.url), id)
	http.Redirect(w, r, back, http.StatusFound)
}

// token is the token endpoint. The library does not have the password grant (RFC
// 6749 4.3), so that is here; its tokens are the library's.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("grant_type") != "password" {
		i.provider.ServeHTTP(w, r)
		return
	}
	resp, err := i.password(r)
	if err != nil {
		op.RequestError(w, r, err, i.provider.Logger())
		return
	}
	httphelper.MarshalJSON(w, resp)
}

func (i *Issuer) password(r *http.Request) (*oidc.AccessTokenResponse, error) {
	c, err := i.client(r.FormValue("client_id"))
	if err != nil {
		return nil, oidc.ErrInvalidClient().WithParent(err)
	}
	if !slices.Contains(c.GrantTypes(), passwordGrant) {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("this client may not ask with passwords")
	}
	u, ok := i.knows(r.FormValue("username"), r.FormValue("password"))
	if !ok {
		return nil, oidc.ErrInvalidGrant().WithDescription("the name or the password is wrong")
	}
	g := &grant{
		client: c.GetID(), subject: u.Subject, scopes: strings.Fields(r.FormValue("scope")),
		audience: i.settle().Audience, at: time.Now(),
	}
	return op.CreateTokenResponse(op.ContextWithIssuer(r.Context(), i.url), g, c, i.provider, true, "", "")
}
