package oidctest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge/gate/oidctest"
)

// issuers are the two ways to have one.
func issuers(t *testing.T, test func(*testing.T, *oidctest.Issuer)) {
	for name, start := range map[string]func() (*oidctest.Issuer, error){
		"memory":  func() (*oidctest.Issuer, error) { return oidctest.New("https://login.example.org", "ES256") },
		"network": oidctest.Start,
	} {
		t.Run(name, func(t *testing.T) {
			i, err := start()
			if err != nil {
				t.Fatal(err)
			}
			test(t, i)
			if err := i.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func claimsOf(t *testing.T, jwt string) map[string]any {
	t.Helper()
	_, claims, err := oidctest.Open(jwt)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestLogins(t *testing.T) {
	issuers(t, func(t *testing.T, i *oidctest.Issuer) {
		for id, login := range map[string]func(*oidctest.Client, string) (oidctest.Tokens, error){
			oidctest.Mustang: func(c *oidctest.Client, word string) (oidctest.Tokens, error) {
				return c.Password(t.Context(), "ann", word)
			},
			oidctest.Frontend: func(c *oidctest.Client, word string) (oidctest.Tokens, error) {
				return c.Code(t.Context(), "ann", word)
			},
		} {
			c := i.Client(id)
			if got, err := login(c, "wrong"); err == nil {
				t.Errorf("%s logs in with a wrong password: %v", id, got)
			}
			got, err := login(c, "ann's word")
			if err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			claims := claimsOf(t, got.ID)
			for name, want := range map[string]any{
				"iss": i.URL(), "sub": "6f1c-ann", "azp": id, "email": "ann@example.org", "given_name": "Ann", "family_name": "Lee",
				"nickname": "Annie", "phone_number": "+49 30 1234", "name": "Ann Lee",
			} {
				if claims[name] != want {
					t.Errorf("%s: %s is %v, not %v", id, name, claims[name], want)
				}
			}
			if groups, _ := claims["x_grp"].([]any); len(groups) != 2 {
				t.Errorf("%s: the groups are %v", id, claims["x_grp"])
			}
			again, err := c.Refresh(t.Context(), got)
			if err != nil || again.ID == "" || again.Access == got.Access || again.Refresh == got.Refresh {
				t.Errorf("%s: refreshed as %+v, %v", id, again, err)
			}
			if _, err := c.Refresh(t.Context(), got); err == nil {
				t.Errorf("%s: a refresh token is good twice", id)
			}
		}
		if got, err := i.Client(oidctest.Frontend).Password(t.Context(), "ann", "ann's word"); err == nil {
			t.Errorf("a page asks with a password: %v", got)
		}
		if got, err := i.Client("nobody").Password(t.Context(), "ann", "ann's word"); err == nil {
			t.Errorf("a client that does not exist logs in: %v", got)
		}
		if got, err := i.Client("nobody").Code(t.Context(), "ann", "ann's word"); err == nil {
			t.Errorf("a client that does not exist logs in: %v", got)
		}
		elsewhere := i.Client(oidctest.Frontend)
		elsewhere.Redirect = "http://127.0.0.1:9/elsewhere"
		if got, err := elsewhere.Code(t.Context(), "ann", "ann's word"); err == nil {
			t.Errorf("a page goes on elsewhere: %v", got)
		}
	})
}

// ask asks about a token, as a server does.
func ask(t *testing.T, i *oidctest.Issuer, token, secret string) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.URL()+oidctest.Introspection,
		strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(oidctest.Server, url.QueryEscape(secret))
	resp, err := i.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&answer) // refusals are no JSON
	return resp.StatusCode, answer
}

func TestIntrospection(t *testing.T) {
	issuers(t, func(t *testing.T, i *oidctest.Issuer) {
		for _, opaque := range []bool{false, true} {
			i.Set(oidctest.Settings{Opaque: opaque, Audience: []string{"dragoman"}})
			c := i.Client(oidctest.Mustang)
			got, err := c.Password(t.Context(), "ann", "ann's word")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(got.Access, ".") == 2 == opaque {
				t.Errorf("opaque %v: %s", opaque, got.Access)
			}
			if status, _ := ask(t, i, got.Access, "wrong"); status != http.StatusUnauthorized {
				t.Errorf("somebody with a wrong secret is answered %d", status)
			}
			if _, a := ask(t, i, got.Access, oidctest.ServerSecret); a["active"] != true || a["client_id"] != "mustang" || a["sub"] != "6f1c-ann" {
				t.Errorf("the answer is %v", a)
			}
			if err := c.Revoke(t.Context(), got); err != nil {
				t.Fatal(err)
			}
			if _, a := ask(t, i, got.Access, oidctest.ServerSecret); a["active"] != false {
				t.Errorf("revoked, and the answer is %v", a)
			}
		}
	})
}

func TestLogout(t *testing.T) {
	issuers(t, func(t *testing.T, i *oidctest.Issuer) {
		c := i.Client(oidctest.Frontend)
		got, err := c.Code(t.Context(), "ann", "ann's word")
		if err != nil {
			t.Fatal(err)
		}
		if at, err := c.Logout(t.Context(), got, "http://127.0.0.1:9/"); err != nil || at != "http://127.0.0.1:9/" {
			t.Errorf("it leads to %q, %v", at, err)
		}
		if _, a := ask(t, i, got.Access, oidctest.ServerSecret); a["active"] != false {
			t.Errorf("logged out, and the answer is %v", a)
		}
		if _, err := c.Refresh(t.Context(), got); err == nil {
			t.Error("logged out, and refreshed")
		}
		if _, err := c.Logout(t.Context(), got, "https://elsewhere.example.org/"); err == nil {
			t.Error("it leads elsewhere")
		}
	})
}

func TestStop(t *testing.T) {
	issuers(t, func(t *testing.T, i *oidctest.Issuer) {
		c := i.Client(oidctest.Mustang)
		got, err := c.Password(t.Context(), "ann", "ann's word")
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Refresh(t.Context(), got); err == nil {
			t.Error("it is stopped, and answers")
		}
		if err := i.Resume(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Refresh(t.Context(), got); err != nil {
			t.Errorf("it has forgotten: %v", err)
		}
	})
}

func TestSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, err := oidctest.New("https://login.example.org", "ES256")
		if err != nil {
			t.Fatal(err)
		}
		i.Set(oidctest.Settings{IDTokens: time.Hour, AccessTokens: 2 * time.Hour, Audience: []string{"api"}, Ahead: time.Minute})
		got, err := i.Client(oidctest.Mustang).Password(t.Context(), "ann", "ann's word")
		if err != nil {
			t.Fatal(err)
		}
		ahead := float64(time.Now().Add(time.Minute).Unix())
		for what, c := range map[string]struct {
			jwt  string
			good float64
		}{"ID": {got.ID, 3600}, "access": {got.Access, 7200}} {
			claims := claimsOf(t, c.jwt)
			if claims["iat"] != ahead || claims["exp"] != ahead+c.good {
				t.Errorf("the %s token is of %v and good until %v; it is %v", what, claims["iat"], claims["exp"], ahead)
			}
			if aud, _ := claims["aud"].([]any); len(aud) == 0 || aud[0] != "api" {
				t.Errorf("the %s token is for %v", what, aud)
			}
		}
		time.Sleep(2*time.Hour - time.Second) // synctest
		if _, a := ask(t, i, got.Access, oidctest.ServerSecret); a["active"] != true {
			t.Errorf("it answers %v", a)
		}
		time.Sleep(2 * time.Second) // synctest
		if _, a := ask(t, i, got.Access, oidctest.ServerSecret); a["active"] != false {
			t.Errorf("expired, and it answers %v", a)
		}
	})
}

func TestKeys(t *testing.T) {
	i, err := oidctest.New("https://login.example.org", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	c := i.Client(oidctest.Mustang)
	kids := map[any]bool{}
	for _, alg := range []string{"RS256", "ES256", "RS256"} {
		if err := i.Rotate(alg); err != nil {
			t.Fatal(err)
		}
		got, err := c.Password(t.Context(), "ann", "ann's word")
		if err != nil {
			t.Fatal(err)
		}
		head, _, err := oidctest.Open(got.ID)
		if err != nil || head["alg"] != alg {
			t.Errorf("signed as %v, %v", head, err)
		}
		kids[head["kid"]] = true
		again, err := i.Resign(got.ID, func(head, claims map[string]any) { head["typ"], claims["aud"] = "at+jwt", "x" })
		if err != nil {
			t.Fatal(err)
		}
		if head, claims, err := oidctest.Open(again); err != nil || head["typ"] != "at+jwt" || claims["aud"] != "x" || claims["sub"] != "6f1c-ann" {
			t.Errorf("signed again as %v %v, %v", head, claims, err)
		}
	}
	if len(kids) != 3 {
		t.Errorf("the keys are %v", kids)
	}
	published := func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL()+oidctest.Keys, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := i.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var set struct{ Keys []any }
		if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
			t.Fatal(err)
		}
		return len(set.Keys)
	}
	if n := published(); n != 4 {
		t.Errorf("there are %d keys", n)
	}
	i.Forget()
	if n := published(); n != 1 {
		t.Errorf("there are %d keys", n)
	}
	if i.Asked(oidctest.Keys) != 2 {
		t.Errorf("asked for keys %d times", i.Asked(oidctest.Keys))
	}
	if i.Rotate("HS256") == nil {
		t.Error("it makes keys that are no secret")
	}
	if _, err := oidctest.New("https://login.example.org", "none"); err == nil {
		t.Error("it signs with no key")
	}
}
