package k3k

import (
	"maps"
	"mime"
	"net/http"
	"strings"
	"time"

	"dragoman/bridge"
)

// issuer handles GET auth/login (reference 4.2).
func (d *server) issuer(*request) (reply, error) {
	_, url := d.env.Login.Issuer()
	type provider struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	return reply{body: map[string]provider{"oidc": {"default", url}}}, nil
}

// login handles POST auth/login.
func (d *server) login(r *request) (reply, error) {
	q, err := body[struct {
		IDToken *string `json:"id_token"`
	}](r)
	if err == nil {
		err = required(q.IDToken != nil)
	}
	if err != nil {
		return reply{}, err
	}
	grant, err := d.env.Login.ByIDToken(r.Context(), bridge.Secret(*q.IDToken))
	switch bridge.CodeOf(err) {
	case 0:
	case bridge.BadRequest:
		return reply{}, &restError{http.StatusBadRequest, "invalid_claims", "the token lacks claims that are needed"}
	case bridge.Unauthenticated:
		return reply{}, &expired{"invalid_token"}
	default:
		return reply{}, err
	}
	a := bridge.Account{
		ID: bridge.AccountOf(grant.User), User: grant.User, Name: grant.Name, Until: grant.Expires, Created: time.Now(),
	}
	if p := grant.Profile; p != nil {
		a.Profile = *p
		for _, name := range []string{p.Nickname, strings.TrimSpace(p.First + " " + p.Last), grant.Name, string(grant.User)} {
			if name != "" {
				a.Name = name
				break
			}
		}
	}
	if a, err = d.env.Store.Accounts().LogIn(r.Context(), a); err != nil {
		return reply{}, err
	}
	if err := d.noteClient(r, a); err != nil {
		return reply{}, err
	}
	return reply{body: struct {
		Permissions []string `json:"permissions"`
	}{[]string{}}}, nil
}

// noteClient remembers which client somebody has logged in with: only the Mustang
// client calls JSON text (reference 4).
func (d *server) noteClient(r *request, a bridge.Account) error {
	client := ""
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "text/json" {
		client = mustang
	}
	if a.Attrs[attrClient] == client {
		return nil
	}
	_, err := d.env.Store.Accounts().Change(r.Context(), a.ID, func(a *bridge.Account) error {
		a.Attrs = maps.Clone(a.Attrs)
		if client == "" {
			delete(a.Attrs, attrClient)
			return nil
		}
		if a.Attrs == nil {
			a.Attrs = map[string]string{}
		}
		a.Attrs[attrClient] = client
		return nil
	})
	return err
}

// turnServer is one server of a TURN answer (reference 4.6).
type turnServer struct {
	Username string   `json:"username,omitempty"`
	Password string   `json:"password,omitempty"`
	TTL      string   `json:"ttl,omitempty"` // when the credentials expire
	URIs     []string `json:"uris"`
}

// turn handles GET turn. An invite code will do for guests.
func (d *server) turn(r *request) (reply, error) {
	who, err := d.mayTurn(r)
	if err != nil {
		return reply{}, err
	}
	all := []turnServer{}
	if d.env.ICE == nil {
		return servers(who, all), nil
	}
	for _, s := range d.env.ICE() {
		if s.Username != "" && who.Attrs[attrClient] == mustang {
			continue // it forgets the credentials, and its browser refuses the rest (reference 4.6)
		}
		t := turnServer{URIs: s.URLs}
		if s.Username != "" {
			t.Username, t.Password = s.Username, s.Credential
			t.TTL = decimal(time.Now().Add(s.TTL).Unix())
		}
		all = append(all, t)
	}
	return servers(who, all), nil
}

// servers is the answer to GET turn. None are an empty body for who has logged in
// with the web client. The other one reads a list, and does not come in without; a
// guest may have either, and both read a list (reference 4.6).
func servers(who bridge.Account, all []turnServer) reply {
	if len(all) == 0 && !who.ID.IsZero() && who.Attrs[attrClient] != mustang {
		return empty()
	}
	return reply{body: all}
}

// mayTurn returns who asks; a guest with an invite is zero.
func (d *server) mayTurn(r *request) (bridge.Account, error) {
	var code bridge.InviteCode
	if code.UnmarshalText([]byte(bearer(r.Request))) == nil {
		_, err := d.invited(r.Context(), code)
		if bridge.CodeOf(err) == bridge.NotFound {
			return bridge.Account{}, &expired{"invalid_token"}
		}
		return bridge.Account{}, err
	}
	return d.account(r.Request)
}

// guestTurn handles POST turn, which is an error of one of the clients: it asks so
// as a guest, without credentials, and does not come in unless it gets an array
// (reference 4.6).
func (d *server) guestTurn(*request) (reply, error) {
	return reply{body: []turnServer{}}, nil
}
