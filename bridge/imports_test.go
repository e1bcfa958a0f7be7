package bridge_test

import (
	"strings"
	"testing"

	"dragoman/bridge/bridgetest"
)

// TestImports holds the dependency rule (architecture.md 3) for this folder.
func TestImports(t *testing.T) {
	const core = "dragoman/bridge"
	rules := map[string]struct {
		may []string // prefixes, besides the standard library
		why string
	}{
		core:                      {nil, "the room model knows nobody: what it needs of others it declares as a port (Media, Place, Gate), which they implement"},
		core + "/bridgetest":      {[]string{core}, "tests of every package use it, so it may drag in nothing but the model"},
		core + "/gate":            {[]string{core, "golang.org/x/crypto", "golang.org/x/time", "github.com/golang-jwt", "github.com/coreos/go-oidc"}, "a gate judges credentials: it needs their formats, not media, dialects or the cluster"},
		core + "/gate/oidctest":   {[]string{"github.com/zitadel/oidc", "github.com/go-jose/go-jose", "golang.org/x/oauth2"}, "tests log in with it: it knows OpenID Connect and nothing of ours"},
		core + "/store":           {[]string{core, "modernc.org/sqlite", "github.com/jackc/pgx"}, "a store speaks SQL, to rooms' definitions and nothing else"},
		core + "/store/pgtest":    {[]string{"github.com/jackc/pgx"}, "tests start a server with it: it knows PostgreSQL and nothing of ours"},
		core + "/notify":          {[]string{core, "github.com/wneessen/go-mail"}, "who tells people outside speaks SMTP or HTTP, and knows nothing of rooms"},
		core + "/notify/smtptest": {[]string{"github.com/emersion/go-smtp"}, "tests get mail with it: it knows SMTP and nothing of ours"},
	}
	packages := bridgetest.Imports(t, "bridge")
	for pkg, imports := range packages {
		rule, known := rules[pkg]
		if !known {
			t.Errorf("%s is a new package: say here what it may import, and why (architecture.md 3)", pkg)
			continue
		}
		for _, path := range imports {
			if !allowed(path, rule.may) {
				t.Errorf("%s must not import %s: %s", pkg, path, rule.why)
			}
		}
	}
	if packages[core] == nil {
		t.Errorf("%s was not looked at: %v", core, packages)
	}
}

// allowed reports whether a path is of the standard library (its first element has
// no dot, and is not ours) or below a prefix.
func allowed(path string, prefixes []string) bool {
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") && first != "dragoman" {
		return true
	}
	for _, p := range prefixes {
		if path == p || strings.HasPrefix(path, p+"/") && p != "dragoman/bridge" {
			return true
		}
	}
	return false
}
