package gate_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/gate/oidctest"
)

func TestAnyone(t *testing.T) {
	i, err := oidctest.New("https://login.example.org", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	real, err := i.Client(oidctest.Mustang).Password(t.Context(), "ann", "ann's word")
	if err != nil {
		t.Fatal(err)
	}
	claims := func(text string) string { return "x." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".x" }
	long := strings.Repeat("bob", 50)
	var who bridge.Identity = gate.Anyone{}
	if name, url := who.Issuer(); name != "development" || url != "" {
		t.Errorf("the issuer is %q, %q", name, url)
	}
	for token, want := range map[string]struct{ user, name, mail, first, last string }{
		real.ID:     {"open:6f1c-ann", "Annie", "ann@example.org", "Ann", "Lee"},
		real.Access: {"open:6f1c-ann", "6f1c-ann", "6f1c.ann@development.example", "6f1c-ann", "Developer"},
		" bob ":     {"open:bob", "bob", "bob@development.example", "bob", "Developer"},
		"Bob Smith": {"open:Bob Smith", "Bob Smith", "bob.smith@development.example", "Bob", "Smith"},
		"a.b.c":     {"open:a.b.c", "a.b.c", "a.b.c@development.example", "a.b.c", "Developer"},
		"Ж\x01":     {"open:Ж", "Ж\x01", "somebody@development.example", "Ж\x01", "Developer"},
		long:        {"open:" + long[:80] + "-*", long, long[:60] + "@development.example", long, "Developer"},
		claims(`{"preferred_username":"eve","given_name":"Eve"}`): {"open:eve", "Eve", "eve@development.example", "Eve", "Developer"},
		claims(`{"email":"eve@example.org"}`):                     {"open:eve@example.org", "eve@example.org", "eve@example.org", "eve@example.org", "Developer"},
	} {
		for kind, ask := range map[string]func(context.Context, bridge.Secret) (bridge.Grant, error){"ID": who.ByIDToken, "access": who.ByAccessToken} {
			g, err := ask(t.Context(), bridge.Secret(token))
			if err != nil {
				t.Errorf("%s as %s token: %v", token, kind, err)
				continue
			}
			user := string(g.User)
			if head, ok := strings.CutSuffix(want.user, "*"); ok && strings.HasPrefix(user, head) {
				want.user = user
			}
			p := g.Profile
			if user != want.user || g.Name != want.name || p.Mail != want.mail || p.First != want.first || p.Last != want.last {
				t.Errorf("%s is %+v %+v, want %+v", token, g, p, want)
			}
		}
	}
	for _, token := range []string{"", " ", strings.Repeat("x", 32<<10+1)} {
		if _, err := who.ByAccessToken(t.Context(), bridge.Secret(token)); bridge.CodeOf(err) != bridge.Unauthenticated {
			t.Errorf("%d bytes: %v", len(token), err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := who.ByIDToken(ended, "bob"); bridge.CodeOf(err) != bridge.Unavailable {
		t.Errorf("%v", err)
	}
	// Two long names that begin alike are two users.
	one, err1 := who.ByIDToken(t.Context(), bridge.Secret(long+"1"))
	two, err2 := who.ByIDToken(t.Context(), bridge.Secret(long+"2"))
	if err1 != nil || err2 != nil || one.User == two.User {
		t.Errorf("they are %q, %v and %q, %v", one.User, err1, two.User, err2)
	}
}
