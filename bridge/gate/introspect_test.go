package gate_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/gate/oidctest"
)

// opaque makes access tokens that say nothing, good for some time.
func (s *scene) opaque(good time.Duration) {
	s.i.Set(oidctest.Settings{Opaque: true, IDTokens: 24 * time.Hour, AccessTokens: good})
}

// An answer is remembered, but not for long.
func TestIntrospection(t *testing.T) {
	inScene(t, func(s *scene) {
		for _, opaque := range []bool{true, false} {
			s.i.Set(oidctest.Settings{Opaque: opaque, AccessTokens: time.Hour})
			got := s.login(oidctest.Mustang)
			before := s.i.Asked(oidctest.Introspection)
			for range 10 {
				g, err := s.access(got.Access)
				s.is("an access token", g, err, 0, "")
				if !g.Expires.Equal(time.Now().Add(time.Hour)) {
					s.Errorf("it is good until %v", g.Expires)
				}
			}
			if n := s.i.Asked(oidctest.Introspection) - before; n != 1 {
				s.Errorf("asked %d times", n)
			}
			if err := s.i.Client(oidctest.Mustang).Revoke(s.Context(), got); err != nil {
				s.Fatal(err)
			}
			time.Sleep(30*time.Second - time.Nanosecond) // synctest
			g, err := s.o.ByAccessToken(s.Context(), bridge.Secret(got.Access))
			s.is("taken back a moment ago", g, err, 0, "")
			time.Sleep(time.Nanosecond) // synctest
			for range 10 {
				g, err = s.access(got.Access)
				s.is("taken back", g, err, bridge.Unauthenticated, "not active")
			}
			time.Sleep(5*time.Second - time.Nanosecond) // synctest
			if n := s.i.Asked(oidctest.Introspection) - before; n != 2 {
				s.Errorf("asked %d times", n)
			}
			time.Sleep(time.Nanosecond) // synctest
			g, err = s.access(got.Access)
			s.is("still taken back", g, err, bridge.Unauthenticated, "not active")
			if n := s.i.Asked(oidctest.Introspection) - before; n != 3 {
				s.Errorf("asked %d times", n)
			}
		}
		if n := s.o.Stats(); n.Introspections != 6 || n.Remembered != 2*(9+1+9) || n.Refused != 4 {
			s.Errorf("counted %+v", n)
		}
	}, asking)
}

// A token is not remembered for longer than it is good.
func TestIntrospectionExpires(t *testing.T) {
	inScene(t, func(s *scene) {
		s.opaque(10 * time.Second)
		got := s.login(oidctest.Mustang).Access
		g, err := s.access(got)
		s.is("good", g, err, 0, "")
		time.Sleep(11 * time.Second) // synctest
		g, err = s.access(got)
		s.is("not good any more", g, err, bridge.Unauthenticated, "not active")
	}, asking)
}

func TestIntrospectionOfStrangers(t *testing.T) {
	inScene(t, func(s *scene) {
		s.opaque(time.Hour)
		g, err := s.access(s.login(oidctest.Stranger).Access)
		s.is("a stranger's", g, err, bridge.Unauthenticated, "it is for")
		s.i.Set(oidctest.Settings{})
		got := s.login(oidctest.Mustang)
		before := s.i.Asked(oidctest.Introspection)
		other, err := oidctest.New(s.i.URL(), "ES256")
		if err != nil {
			s.Fatal(err)
		}
		forged, err := other.Client(oidctest.Mustang).Password(s.Context(), "ann", "ann's word")
		if err != nil {
			s.Fatal(err)
		}
		for what, token := range map[string]string{
			"a forged one": forged.Access, "an expired one": s.resign(got.Access, nil, map[string]any{"exp": 1}),
			"an ID token": got.ID, "nothing": "", "a long one": strings.Repeat("x", 32<<10+1),
		} {
			g, err := s.access(token)
			s.is(what, g, err, bridge.Unauthenticated, "")
		}
		if n := s.i.Asked(oidctest.Introspection); n != before {
			s.Errorf("the issuer is asked about them %d times", n-before)
		}
		g, err = s.access("what somebody has made up")
		s.is("what is made up", g, err, bridge.Unauthenticated, "not active")
		g, err = s.id(got.ID)
		s.is("an ID token as such", g, err, 0, "")
	}, asking)
}

// What other issuers answer, and what is wrong with it.
func TestIntrospectionAnswers(t *testing.T) {
	for what, c := range map[string]struct {
		h    http.HandlerFunc
		want bridge.Code
		why  string
	}{
		"no more than needed":  {says(200, `{"active":true,"sub":"6f1c-ann"}`), 0, ""},
		"Keycloak's":           {says(200, `{"active":true,"sub":"6f1c-ann","aud":"account","azp":"mustang","typ":"Bearer"}`), 0, ""},
		"all":                  {says(200, `{"active":true,"sub":"6f1c-ann","aud":["mustang"],"iss":"https://login.example.org","exp":4102444800}`), 0, ""},
		"expired just now":     {says(200, `{"active":true,"sub":"6f1c-ann","exp":946684799}`), 0, ""},
		"nobody":               {says(200, `{"active":true}`), bridge.Unauthenticated, "no proper subject"},
		"nobody, for us":       {says(200, `{"active":true,"client_id":"mustang"}`), bridge.Unauthenticated, "no proper subject"},
		"an ID token":          {says(200, `{"active":true,"sub":"6f1c-ann","client_id":"mustang","typ":"ID"}`), bridge.Unauthenticated, "it is an ID token"},
		"expired":              {says(200, `{"active":true,"sub":"6f1c-ann","exp":946684700}`), bridge.Unauthenticated, "it has expired"},
		"of another issuer":    {says(200, `{"active":true,"sub":"6f1c-ann","iss":"https://login.example.com"}`), bridge.Unauthenticated, "login.example.com"},
		"for another":          {says(200, `{"active":true,"sub":"6f1c-ann","client_id":"x"}`), bridge.Unauthenticated, "it is for"},
		"not active":           {says(200, `{"active":false}`), bridge.Unauthenticated, "not active"},
		"nothing":              {says(200, `{}`), bridge.Unauthenticated, "not active"},
		"we may not ask":       {says(401, `{"error":"invalid_client"}`), bridge.Unavailable, "401"},
		"an error":             {says(500, strings.Repeat("x", 9999)), bridge.Unavailable, "500"},
		"a page":               {says(200, `<html>`), bridge.Unavailable, "introspection: invalid character"},
		"wrong types":          {says(200, `{"active":"true"}`), bridge.Unavailable, "introspection: json"},
		"wrong types of names": {says(200, `{"active":true,"sub":5}`), bridge.Unavailable, "introspection: json"},
		"a long answer":        {says(200, `{"active":true,"sub":"6f1c-ann","x":"`+strings.Repeat("x", 2<<20)+`"}`), bridge.Unavailable, "too large"},
		"none":                 {hang, bridge.Unavailable, "deadline exceeded"},
	} {
		inScene(t, func(s *scene) {
			s.i.Instead(oidctest.Introspection, c.h)
			s.within(5*time.Second, func() {
				g, err := s.access("an opaque token")
				s.is(what, g, err, c.want, c.why)
			})
			if complains := strings.Contains(s.log.String(), "does not answer as it should"); complains != (c.want == bridge.Unavailable) {
				s.Errorf("%s: the log says %q", what, s.log.String())
			}
			s.i.Instead(oidctest.Introspection, says(200, `{"active":true,"sub":"6f1c-ann"}`))
			g, err := s.access("an opaque token")
			if c.want != bridge.Unauthenticated { // that is remembered
				s.is(what+" no more", g, err, 0, "")
			}
		}, asking)
	}
}

// The server shows its own secret to the issuer, and only there.
func TestIntrospectionSecret(t *testing.T) {
	inScene(t, func(s *scene) {
		s.opaque(time.Hour)
		got := s.login(oidctest.Mustang).Access
		for range 3 {
			g, err := s.access(got)
			s.is("with a wrong secret", g, err, bridge.Unavailable, "401")
		}
	}, asking, func(c *gate.OIDCConfig) { c.IntrospectSecret = "a wrong secret" })
}

// So many questions are asked at a time, and no more.
func TestIntrospectionIsBounded(t *testing.T) {
	inScene(t, func(s *scene) {
		s.opaque(time.Hour)
		if _, err := s.access(s.login(oidctest.Mustang).Access); err != nil {
			s.Fatal(err)
		}
		before := s.i.Asked(oidctest.Introspection)
		s.i.Instead(oidctest.Introspection, hang)
		var all sync.WaitGroup
		for n := range 40 {
			all.Go(func() {
				g, err := s.o.ByAccessToken(s.Context(), bridge.Secret("opaque"+strings.Repeat("x", n)))
				s.is("one of many", g, err, bridge.Unavailable, "")
			})
		}
		synctest.Wait()
		if n := s.i.Asked(oidctest.Introspection) - before; n != 16 {
			s.Errorf("%d are asked at a time", n)
		}
		ctx := s.short(time.Second)
		s.within(time.Second, func() {
			g, err := s.o.ByAccessToken(ctx, "of one without patience")
			s.is("one without patience", g, err, bridge.Unavailable, "deadline exceeded")
		})
		s.within(15*time.Second, all.Wait)
		if n := s.i.Asked(oidctest.Introspection) - before; n != 40 {
			s.Errorf("%d were asked", n)
		}
	}, asking)
}

// While the issuer is down, the answers that are remembered stay good.
func TestIntrospectionDown(t *testing.T) {
	inScene(t, func(s *scene) {
		s.opaque(time.Hour)
		got := s.login(oidctest.Mustang).Access
		g, err := s.access(got)
		s.is("up", g, err, 0, "")
		if err := s.i.Stop(); err != nil {
			s.Fatal(err)
		}
		g, err = s.access(got)
		s.is("down", g, err, 0, "")
		time.Sleep(30 * time.Second) // synctest
		g, err = s.access(got)
		s.is("down for longer", g, err, bridge.Unavailable, "the issuer is down")
		if err := s.i.Resume(); err != nil {
			s.Fatal(err)
		}
		g, err = s.access(got)
		s.is("up again", g, err, 0, "")
	}, asking)
}

// Down before anything is known of it.
func TestIntrospectionDownAtFirst(t *testing.T) {
	inScene(t, func(s *scene) {
		if err := s.i.Stop(); err != nil {
			s.Fatal(err)
		}
		g, err := s.access("an opaque token")
		s.is("down", g, err, bridge.Unavailable, "the issuer is down")
	}, asking)
}
