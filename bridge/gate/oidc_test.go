package gate_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/gate/oidctest"
)

func TestOIDCConfig(t *testing.T) {
	for what, change := range map[string]func(*gate.OIDCConfig){
		"no issuer":              func(c *gate.OIDCConfig) { c.Issuer = "" },
		"an issuer without host": func(c *gate.OIDCConfig) { c.Issuer = "https:///x" },
		"another scheme":         func(c *gate.OIDCConfig) { c.Issuer = "ldap://login.example.org" },
		"no URL":                 func(c *gate.OIDCConfig) { c.Issuer = "https://user:hidden@login.example.org\x7f" },
		"a password":             func(c *gate.OIDCConfig) { c.Issuer = "https://user:hidden@login.example.org" },
		"a query":                func(c *gate.OIDCConfig) { c.Issuer += "?hidden" },
		"no clients":             func(c *gate.OIDCConfig) { c.ClientIDs = nil },
		"no secret":              func(c *gate.OIDCConfig) { c.IntrospectID = "x" },
		"a secret alone":         func(c *gate.OIDCConfig) { c.IntrospectSecret = "hidden" },
		"an unknown claim":       func(c *gate.OIDCConfig) { c.Required = []string{"email", "shoe_size"} },
	} {
		c := config("https://login.example.org")
		change(&c)
		if _, err := gate.NewOIDC(c); bridge.CodeOf(err) != bridge.BadRequest || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", what, err)
		}
	}
	c := config("https://login.example.org/realms/x")
	c.Name, c.Required = "", gate.Claims()
	o, err := gate.NewOIDC(c)
	if err != nil {
		t.Fatal(err)
	}
	if name, url := o.Issuer(); name != "login.example.org" || url != c.Issuer {
		t.Errorf("the issuer is %q, %q", name, url)
	}
}

func TestIDToken(t *testing.T) {
	inScene(t, func(s *scene) {
		for _, alg := range []string{"RS256", "ES256"} {
			if err := s.i.Rotate(alg); err != nil {
				s.Fatal(err)
			}
			g, err := s.id(s.login(oidctest.Mustang).ID)
			if err != nil {
				s.Fatal(err)
			}
			p := g.Profile
			g.Profile = nil
			if want := (bridge.Grant{User: "oidc:test/6f1c-ann", Name: "Annie", Expires: time.Now().Add(24 * time.Hour)}); g.User != want.User ||
				g.Name != want.Name || !g.Expires.Equal(want.Expires) {
				s.Errorf("granted %+v, want %+v", g, want)
			}
			if p == nil || p.Mail != "ann@example.org" || !p.MailVerified || p.First != "Ann" || p.Last != "Lee" || p.Nickname != "Annie" ||
				p.Phone != "+49 30 1234" || !slices.Equal(p.Groups, []string{"/staff", "/choir"}) {
				s.Errorf("the profile is %+v", p)
			}
		}
		code, err := s.i.Client(oidctest.Frontend).Code(s.Context(), "ann", "ann's word")
		if err != nil {
			s.Fatal(err)
		}
		g, err := s.id(code.ID)
		s.is("a page's", g, err, 0, "")
		if code, err = s.i.Client(oidctest.Frontend).Refresh(s.Context(), code); err != nil {
			s.Fatal(err)
		}
		g, err = s.id(code.ID)
		s.is("a refreshed one", g, err, 0, "")
		g, err = s.access(code.Access)
		s.is("a refreshed access token", g, err, 0, "")
	})
}

// TestIDTokenClaims: tokens that the issuer signs, and that do not do, or just do.
func TestIDTokenClaims(t *testing.T) {
	inScene(t, func(s *scene) {
		good := s.login(oidctest.Mustang).ID
		at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		type m = map[string]any
		for what, c := range map[string]struct {
			head, claims m
			want         bridge.Code
			why          string
		}{
			"as it was":              {nil, nil, 0, ""},
			"a type in the head":     {m{"typ": "application/JWT"}, nil, 0, ""},
			"no type in the head":    {m{"typ": nil}, nil, 0, ""},
			"several audiences":      {nil, m{"aud": []string{"x", oidctest.Frontend}}, 0, ""},
			"one audience":           {nil, m{"aud": oidctest.Frontend}, 0, ""},
			"no azp":                 {nil, m{"azp": nil}, 0, ""},
			"expired just now":       {nil, m{"exp": at(-50 * time.Second)}, 0, ""},
			"issued in a moment":     {nil, m{"iat": at(50 * time.Second)}, 0, ""},
			"verified in words":      {nil, m{"email_verified": "true"}, 0, ""},
			"odd groups":             {nil, m{"x_grp": m{"a": 1}, "groups": 5}, 0, ""},
			"one group":              {nil, m{"x_grp": "staff"}, 0, ""},
			"a type of its own":      {nil, m{"typ": "ID"}, 0, ""},
			"no audience":            {nil, m{"aud": nil}, bridge.Unauthenticated, "it is for []"},
			"an empty audience":      {nil, m{"aud": ""}, bridge.Unauthenticated, `it is for []`},
			"another audience":       {nil, m{"aud": "x"}, bridge.Unauthenticated, `it is for ["x"]`},
			"given to another":       {nil, m{"azp": "x"}, bridge.Unauthenticated, `it was given to "x"`},
			"expired":                {nil, m{"exp": at(-70 * time.Second)}, bridge.Unauthenticated, "the token has expired"},
			"no expiry":              {nil, m{"exp": nil}, bridge.Unauthenticated, "the token has expired"},
			"issued in the future":   {nil, m{"iat": at(70 * time.Second)}, bridge.Unauthenticated, "issued in the future"},
			"good in an hour":        {nil, m{"nbf": at(time.Hour)}, bridge.Unauthenticated, "before the nbf"},
			"another issuer":         {nil, m{"iss": "https://login.example.com"}, bridge.Unauthenticated, "a different provider"},
			"no issuer":              {nil, m{"iss": nil}, bridge.Unauthenticated, "a different provider"},
			"no subject":             {nil, m{"sub": nil}, bridge.Unauthenticated, "no proper subject"},
			"a long subject":         {nil, m{"sub": strings.Repeat("x", 256)}, bridge.Unauthenticated, "no proper subject"},
			"a subject of two lines": {nil, m{"sub": "a\nb"}, bridge.Unauthenticated, "no proper subject"},
			"an access token":        {m{"typ": "at+jwt"}, nil, bridge.Unauthenticated, "it is an access token"},
			"an access token, too":   {m{"typ": "application/AT+jwt"}, nil, bridge.Unauthenticated, "it is an access token"},
			"Keycloak's":             {nil, m{"typ": "Bearer"}, bridge.Unauthenticated, "it is an access token"},
			"a logout token":         {m{"typ": "logout+jwt"}, nil, bridge.Unauthenticated, `of type "logout+jwt"`},
			"a type without end":     {m{"typ": strings.Repeat("x", 9999) + "+jwt"}, nil, bridge.Unauthenticated, "of type"},
			"an audience as long":    {nil, m{"aud": strings.Repeat("x", 9999)}, bridge.Unauthenticated, "it is for"},
			"no iat":                 {nil, m{"iat": nil}, bridge.BadRequest, "no iat"},
			"no email":               {nil, m{"email": nil}, bridge.BadRequest, "no email"},
			"an empty email":         {nil, m{"email": ""}, bridge.BadRequest, "no email"},
			"no given_name":          {nil, m{"given_name": nil}, bridge.BadRequest, "no given_name"},
			"no family_name":         {nil, m{"family_name": nil}, bridge.BadRequest, "no family_name"},
			"an email in numbers":    {nil, m{"email": 5}, bridge.BadRequest, "not of the right types"},
			"from a claim elsewhere": {nil, m{"_claim_names": m{"email": "x"}}, bridge.Unauthenticated, "source does not exist"},
		} {
			g, err := s.id(s.resign(good, c.head, c.claims))
			s.is(what, g, err, c.want, c.why)
		}
		if n := s.o.Stats(); n.Refused < 20 || n.Discoveries != 1 {
			s.Errorf("counted %+v", n)
		}
	})
}

// What the display name is made of, and what a profile has.
func TestProfile(t *testing.T) {
	inScene(t, func(s *scene) {
		good := s.login(oidctest.Mustang).ID
		long := strings.Repeat("ü", bridge.MaxName)
		type m = map[string]any
		for want, claims := range map[string]m{
			"Annie":                                {},
			"Ann Lee":                              {"nickname": nil},
			"Anna Lee":                             {"nickname": nil, "name": nil, "given_name": "Anna"},
			"ann":                                  {"nickname": nil, "name": nil, "given_name": nil, "family_name": nil},
			"ann@example.org":                      {"nickname": nil, "name": nil, "given_name": nil, "family_name": nil, "preferred_username": nil},
			long[:bridge.MaxName-bridge.MaxName%2]: {"nickname": long},
		} {
			if g, err := s.id(s.resign(good, nil, claims)); err != nil || g.Name != want || len(g.Name) > bridge.MaxName {
				s.Errorf("%v is %q, %v; want %q", claims, g.Name, err, want)
			}
		}
		g, err := s.id(s.resign(good, nil, m{"x_grp": nil, "groups": []string{"g"}, "tenant_id": "t", "tariff_id": "f", "email_verified": false}))
		if err != nil {
			s.Fatal(err)
		}
		if p := g.Profile; !slices.Equal(p.Groups, []string{"g"}) || p.Tenant != "t" || p.Tariff != "f" || p.MailVerified {
			s.Errorf("the profile is %+v", p)
		}
	}, func(c *gate.OIDCConfig) { c.Required = []string{} })
}

// Every claim that may be required is missed when it is not there.
func TestRequired(t *testing.T) {
	claims := map[string]any{"tenant_id": "t", "groups": []string{}}
	for _, name := range gate.Claims() {
		inScene(t, func(s *scene) {
			good := s.resign(s.login(oidctest.Mustang).ID, nil, claims)
			g, err := s.id(good)
			s.is(name, g, err, 0, "")
			gone := map[string]any{name: nil}
			if name == "groups" || name == "x_grp" { // one is as good as the other
				gone = map[string]any{"groups": nil, "x_grp": nil}
			}
			g, err = s.id(s.resign(good, nil, gone))
			s.is("without "+name, g, err, bridge.BadRequest, "no "+name)
		}, func(c *gate.OIDCConfig) { c.Required = []string{name} })
	}
}

// TestForgeries: tokens that the issuer has not signed.
func TestForgeries(t *testing.T) {
	inScene(t, func(s *scene) {
		good := s.login(oidctest.Mustang).ID
		head, claims, err := oidctest.Open(good)
		if err != nil {
			s.Fatal(err)
		}
		other, err := oidctest.New(s.i.URL(), "ES256")
		if err != nil {
			s.Fatal(err)
		}
		must := func(token string, err error) string {
			if err != nil {
				s.Fatal(err)
			}
			return token
		}
		b64 := base64.RawURLEncoding.EncodeToString
		coded := func(v any) string {
			data, err := json.Marshal(v)
			if err != nil {
				s.Fatal(err)
			}
			return b64(data)
		}
		parts := strings.Split(good, ".")
		mac := hmac.New(sha256.New, []byte("what everybody may read"))
		symmetric := coded(map[string]any{"alg": "HS256", "kid": head["kid"]}) + "." + parts[1]
		mac.Write([]byte(symmetric))
		more := maps.Clone(claims)
		more["email"] = "eve@example.org"
		for what, c := range map[string]struct{ token, why string }{
			"another's key":            {must(other.Sign(nil, claims)), "failed to verify"},
			"another's, our kid":       {must(other.Sign(map[string]any{"kid": head["kid"]}, claims)), "failed to verify"},
			"no signature":             {coded(map[string]any{"alg": "none"}) + "." + parts[1] + ".", "unexpected signature algorithm"},
			"our signature removed":    {parts[0] + "." + parts[1] + ".", "failed to verify"},
			"a symmetric signature":    {symmetric + "." + b64(mac.Sum(nil)), "unexpected signature algorithm"},
			"changed claims":           {parts[0] + "." + coded(more) + "." + parts[2], "failed to verify"},
			"half of it":               {good[:len(good)/2], "not a JWT"},
			"nothing":                  {"", "not a JWT"},
			"no JWT":                   {"secret-word-of-somebody", "not a JWT"},
			"not even Base64":          {"?.secret-word-of-somebody.x", "not a JWT"},
			"without an algorithm":     {"e30.secret-word-of-somebody.x", "not a JWT"},
			"encrypted":                {good + ".secret-word.x", "not a JWT"},
			"in another way to write":  {`{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, "not a JWT"},
			"an algorithm without end": {coded(map[string]any{"alg": strings.Repeat("x", 9999)}) + "." + parts[1] + "." + parts[2], "unexpected signature algorithm"},
			"too long":                 {good + strings.Repeat("x", 32<<10), "too long"},
		} {
			for kind, ask := range map[string]func(string) (bridge.Grant, error){"ID": s.id, "access": s.access} {
				g, err := ask(c.token)
				s.is(what+" as "+kind+" token", g, err, bridge.Unauthenticated, c.why)
			}
		}
		g, err := s.id(good)
		s.is("the good one", g, err, 0, "")
	})
}

func TestAccessToken(t *testing.T) {
	inScene(t, func(s *scene) {
		for _, client := range []string{oidctest.Mustang, oidctest.Stranger} {
			got := s.login(client)
			want := bridge.Code(0)
			if client == oidctest.Stranger {
				want = bridge.Unauthenticated
			}
			g, err := s.access(got.Access)
			s.is(client+"'s access token", g, err, want, "it is for")
			g, err = s.id(got.ID)
			s.is(client+"'s ID token", g, err, want, "it is for")
		}
		got := s.login(oidctest.Mustang)
		if g, err := s.access(got.Access); err != nil || !g.Expires.Equal(time.Now().Add(24*time.Hour)) {
			s.Errorf("granted %+v, %v", g, err)
		}
		g, err := s.access(got.ID)
		s.is("an ID token as access token", g, err, bridge.Unauthenticated, "it is an ID token")
		g, err = s.access(s.resign(got.ID, nil, map[string]any{"at_hash": nil, "nonce": "n"}))
		s.is("an ID token with a nonce", g, err, bridge.Unauthenticated, "it is an ID token")
		g, err = s.access(s.resign(got.ID, nil, map[string]any{"at_hash": nil, "typ": "ID"}))
		s.is("an ID token that says so", g, err, bridge.Unauthenticated, "it is an ID token")
		g, err = s.id(got.Access)
		s.is("an access token as ID token", g, err, bridge.BadRequest, "the token has no email")
		type m = map[string]any
		for what, c := range map[string]struct {
			head, claims m
			want         bridge.Code
			why          string
		}{
			"a typed one":      {m{"typ": "at+jwt"}, m{"nonce": "n"}, 0, ""},
			"its party":        {nil, m{"aud": "account", "client_id": nil, "azp": oidctest.Frontend}, 0, ""},
			"its client":       {nil, m{"aud": nil}, 0, ""},
			"nobody's":         {nil, m{"aud": nil, "client_id": nil}, bridge.Unauthenticated, "it is for"},
			"of no subject":    {nil, m{"sub": ""}, bridge.Unauthenticated, "no proper subject"},
			"expired":          {nil, m{"exp": 1}, bridge.Unauthenticated, "expired"},
			"a logout token":   {m{"typ": "logout+jwt"}, nil, bridge.Unauthenticated, "of type"},
			"names in numbers": {nil, m{"name": 5}, bridge.BadRequest, "types"},
		} {
			g, err := s.access(s.resign(got.Access, c.head, c.claims))
			s.is(what, g, err, c.want, c.why)
		}
	})
}

// With an audience of its own the server takes no tokens that are for the clients.
func TestAudience(t *testing.T) {
	inScene(t, func(s *scene) {
		got := s.login(oidctest.Mustang)
		g, err := s.access(got.Access)
		s.is("one for the client", g, err, bridge.Unauthenticated, "it is for")
		s.i.Set(oidctest.Settings{Audience: []string{"api"}})
		for _, client := range []string{oidctest.Mustang, oidctest.Stranger} {
			g, err = s.access(s.login(client).Access)
			s.is("one for the server", g, err, 0, "")
		}
		g, err = s.id(s.login(oidctest.Mustang).ID)
		s.is("an ID token", g, err, 0, "")
	}, func(c *gate.OIDCConfig) { c.Audience = []string{"api"} })
}

// A clock that is wrong by a little does no harm.
func TestSkew(t *testing.T) {
	for ahead, want := range map[time.Duration]bridge.Code{
		50 * time.Second: 0, 70 * time.Second: bridge.Unauthenticated,
		-5 * time.Minute: 0, -6*time.Minute - time.Second: bridge.Unauthenticated,
	} {
		inScene(t, func(s *scene) {
			s.i.Set(oidctest.Settings{Ahead: ahead})
			got := s.login(oidctest.Mustang)
			g, err := s.id(got.ID)
			s.is("ahead by "+ahead.String(), g, err, want, "")
			g, err = s.access(got.Access)
			s.is("ahead by "+ahead.String(), g, err, want, "")
		})
	}
}
