package k3k_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	identity "dragoman/bridge/gate"
	"dragoman/bridge/gate/oidctest"
	"dragoman/dialects/k3k"
)

// portal is the REST interface with a real issuer behind it.
type portal struct {
	*testing.T
	mux *http.ServeMux
	i   *oidctest.Issuer
}

// inPortal plays a test in a bubble of time.
func inPortal(t *testing.T, test func(p portal), changes ...func(*identity.OIDCConfig)) {
	synctest.Test(t, func(t *testing.T) {
		i, err := oidctest.New("https://login.example.org", "ES256")
		if err != nil {
			t.Fatal(err)
		}
		i.Set(oidctest.Settings{IDTokens: 5 * time.Minute, AccessTokens: time.Hour})
		cfg := identity.OIDCConfig{
			Issuer: i.URL(), ClientIDs: []string{oidctest.Mustang, oidctest.Frontend}, Transport: i,
		}
		for _, change := range changes {
			change(&cfg)
		}
		w := newWorld(t)
		if w.env.Login, err = identity.NewOIDC(cfg); err != nil {
			t.Fatal(err)
		}
		p := portal{t, http.NewServeMux(), i}
		if err := k3k.New().Mount(p.mux, w.env); err != nil {
			t.Fatal(err)
		}
		test(p)
		if err := w.rooms.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// ask asks, and checks the answer's status, its code, and its WWW-Authenticate: all
// of that, or none (reference 4.1).
func (p portal) ask(request, bearer, body string, status int, code, challenge string) map[string]any {
	p.Helper()
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequestWithContext(p.Context(), method, "/v1"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "text/json") // as one of the clients says
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	p.mux.ServeHTTP(w, r)
	var said any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			p.Fatalf("%s: %v: %s", request, err, w.Body)
		}
	}
	answer, _ := said.(map[string]any)
	challenged := w.Header().Get("WWW-Authenticate")
	if w.Code != status || code != "" && answer["code"] != code {
		p.Errorf("%s: %d %s, want %d %s", request, w.Code, w.Body, status, code)
	}
	if challenged != "" && !strings.Contains(challenged, `, error_description="`) || !strings.HasPrefix(challenged, challenge) || (challenged == "") != (challenge == "") {
		p.Errorf("%s: it is said %q, want %q", request, challenged, challenge)
	}
	return answer
}

// What goes with a 401.
const (
	invalidToken   = `Bearer error="invalid_token"`
	invalidRequest = `Bearer error="invalid_request"`
)

// login posts an ID token.
func (p portal) login(id string, status int, code, challenge string) map[string]any {
	p.Helper()
	return p.ask("POST /auth/login", "", `{"id_token":"`+id+`"}`, status, code, challenge)
}

func (p portal) tokens(of func() (oidctest.Tokens, error)) oidctest.Tokens {
	p.Helper()
	got, err := of()
	if err != nil {
		p.Fatal(err)
	}
	return got
}

// password is how M logs in, and code how W does (reference 4.2).
func (p portal) password(client string) oidctest.Tokens {
	p.Helper()
	return p.tokens(func() (oidctest.Tokens, error) {
		return p.i.Client(client).Password(p.Context(), "ann", "ann's word")
	})
}

func (p portal) code() oidctest.Tokens {
	p.Helper()
	return p.tokens(func() (oidctest.Tokens, error) {
		return p.i.Client(oidctest.Frontend).Code(p.Context(), "ann", "ann's word")
	})
}

func TestLoginWithRealIssuer(t *testing.T) {
	inPortal(t, func(p portal) {
		if a, _ := p.ask("GET /auth/login", "", "", 200, "", "")["oidc"].(map[string]any); a["url"] != p.i.URL() || a["name"] != "default" {
			p.Errorf("the issuer is %v", a)
		}
		m := p.password(oidctest.Mustang)
		p.ask("GET /users/me", "", "", 401, "unauthorized", "")
		p.ask("GET /users/me", m.Access, "", 401, "unknown_sub", "")
		p.ask("GET /users/me", "made up", "", 401, "unauthorized", invalidToken)
		p.login("made up", 401, "unauthorized", invalidToken)
		p.login(p.password(oidctest.Stranger).ID, 401, "unauthorized", invalidToken)
		p.login(m.Access, 400, "invalid_claims", "")

		if a := p.login(m.ID, 200, "", ""); len(a) != 1 || a["permissions"] == nil {
			p.Errorf("the answer is %v", a)
		}
		me := p.ask("GET /users/me", m.Access, "", 200, "", "")
		for field, want := range map[string]any{
			"email": "ann@example.org", "firstname": "Ann", "lastname": "Lee", "display_name": "Annie", "title": "", "language": "",
		} {
			if me[field] != want {
				p.Errorf("%s is %v, not %v", field, me[field], want)
			}
		}
		p.ask("GET /users/me", m.ID, "", 401, "unauthorized", invalidToken)
		p.ask("GET /users/me", p.password(oidctest.Stranger).Access, "", 401, "unauthorized", invalidToken)
		p.ask("GET /turn", m.Access, "", 200, "", "")
		p.ask("GET /turn", "made up", "", 401, "unauthorized", invalidToken)

		// By the other client it is the same user, who may have changed meanwhile.
		ann := oidctest.Ann()
		ann.Family, ann.Nickname = "Smith", "Anna"
		p.i.Add(ann)
		w := p.code()
		p.login(w.ID, 200, "", "")
		again := p.ask("GET /users/me", w.Access, "", 200, "", "")
		if again["id"] != me["id"] || again["lastname"] != "Smith" || again["display_name"] != "Annie" {
			p.Errorf("it is %v now", again)
		}
		ann.Given = ""
		p.i.Add(ann)
		p.login(p.code().ID, 400, "invalid_claims", "")
	})
}

// A session is as long as the ID token that was seen last; an access token may be
// good for longer, and for less.
func TestSessionExpires(t *testing.T) {
	inPortal(t, func(p portal) {
		c := p.i.Client(oidctest.Mustang)
		old := p.password(oidctest.Mustang)
		p.login(old.ID, 200, "", "")
		time.Sleep(4 * time.Minute) // synctest
		p.ask("GET /users/me", old.Access, "", 200, "", "")
		time.Sleep(3 * time.Minute) // synctest
		p.ask("GET /users/me", old.Access, "", 401, "unauthorized", invalidRequest)
		p.login(old.ID, 401, "unauthorized", invalidToken)
		got := p.tokens(func() (oidctest.Tokens, error) { return c.Refresh(p.Context(), old) })
		p.ask("GET /users/me", got.Access, "", 401, "unauthorized", invalidRequest)
		p.login(got.ID, 200, "", "")
		p.ask("GET /users/me", got.Access, "", 200, "", "")
		p.ask("GET /users/me", old.Access, "", 200, "", "")
		time.Sleep(55 * time.Minute) // synctest
		got = p.tokens(func() (oidctest.Tokens, error) { return c.Refresh(p.Context(), got) })
		p.login(got.ID, 200, "", "")
		p.ask("GET /users/me", old.Access, "", 401, "unauthorized", invalidToken)
		p.ask("GET /users/me", got.Access, "", 200, "", "")
	})
}

// While the issuer is down, those who are in stay in.
func TestIssuerDown(t *testing.T) {
	inPortal(t, func(p portal) {
		if err := p.i.Stop(); err != nil {
			p.Fatal(err)
		}
		p.login("e30.e30.x", 401, "unauthorized", invalidToken)
		p.login("eyJhbGciOiJFUzI1NiJ9.e30.x", 503, "service_unavailable", "")
		p.ask("GET /users/me", "eyJhbGciOiJFUzI1NiJ9.e30.x", "", 503, "service_unavailable", "")
		if err := p.i.Resume(); err != nil {
			p.Fatal(err)
		}
		time.Sleep(time.Second) // synctest
		got := p.password(oidctest.Mustang)
		p.login(got.ID, 200, "", "")
		if err := p.i.Stop(); err != nil {
			p.Fatal(err)
		}
		p.ask("GET /users/me", got.Access, "", 200, "", "")
	})
}

// With a client of its own, the server hears of a logout.
func TestLogoutIsHeard(t *testing.T) {
	inPortal(t, func(p portal) {
		p.i.Set(oidctest.Settings{Opaque: true, IDTokens: time.Hour})
		got := p.code()
		p.ask("GET /users/me", got.Access, "", 401, "unknown_sub", "")
		p.login(got.ID, 200, "", "")
		p.ask("GET /users/me", got.Access, "", 200, "", "")
		if _, err := p.i.Client(oidctest.Frontend).Logout(p.Context(), got, "http://127.0.0.1:9/"); err != nil {
			p.Fatal(err)
		}
		time.Sleep(31 * time.Second) // synctest
		p.ask("GET /users/me", got.Access, "", 401, "unauthorized", invalidToken)
	}, func(c *identity.OIDCConfig) {
		c.IntrospectID, c.IntrospectSecret = oidctest.Server, oidctest.ServerSecret
	})
}
