package dialects_test

import (
	"strings"
	"testing"

	"dragoman/bridge/bridgetest"
)

// forbidden is what nothing below dialects may import, tests aside, and why.
var forbidden = []struct{ prefix, why string }{
	{"github.com/pion/", "dialects must not know Pion: negotiate through bridge.Peer"},
	{"github.com/livekit/", "dialects must not know LiveKit: federation is behind bridge.Host"},
	{"github.com/hashicorp/memberlist", "dialects must not know the cluster: rooms are behind bridge.Host"},
	{"google.golang.org/grpc", "dialects must not know the cluster: rooms are behind bridge.Host"},
	{"github.com/prometheus/", "dialects count in dialects.Counts: only cmd/serve names metrics"},
	{"github.com/spf13/", "dialects must not know how configuration is read: use Env.Config"},
	{"dragoman/media", "dialects must not know the SFU: negotiate through bridge.Peer"},
	{"dragoman/cluster", "dialects must not know the cluster: rooms are behind bridge.Host"},
	{"dragoman/config", "config fills the struct of a dialect, never the reverse: use Env.Config"},
	{"dragoman/cmd", "programs are made of dialects, never the reverse"},
	{"dragoman/e2e", "only tests may import e2e"},
	{"sync", "a connection is one goroutine and needs no lock; what many share is the room's"},
}

// TestImports holds the dependency rule of this folder (architecture 3).
func TestImports(t *testing.T) {
	packages := bridgetest.Imports(t, "dialects")
	for pkg, imports := range packages {
		for _, path := range imports {
			if why := whyNot(pkg, path); why != "" {
				t.Errorf("%s imports %s: %s", pkg, path, why)
			}
		}
	}
	if len(packages) < 2 {
		t.Errorf("only %d packages were looked at", len(packages))
	}
}

// whyNot says why a package may not import a path; "": it may.
func whyNot(from, path string) string {
	for _, f := range forbidden {
		if path == f.prefix || strings.HasSuffix(f.prefix, "/") && strings.HasPrefix(path, f.prefix) ||
			strings.HasPrefix(f.prefix, "dragoman/") && strings.HasPrefix(path, f.prefix+"/") {
			return f.why
		}
	}
	const root = "dragoman/dialects"
	mine, isDialect := strings.CutPrefix(from, root+"/")
	other, ofDialect := strings.CutPrefix(path, root+"/")
	if !ofDialect || from == root+"/all" {
		return ""
	}
	mine, _, _ = strings.Cut(mine, "/")
	other, _, _ = strings.Cut(other, "/")
	if !isDialect || mine != other {
		return "dialects must not know each other: they meet in the room"
	}
	return ""
}

// TestWhyNot: the test above can fail.
func TestWhyNot(t *testing.T) {
	for _, c := range []struct {
		from, path string
		fine       bool
	}{
		{"dragoman/dialects", "dragoman/bridge", true},
		{"dragoman/dialects", "sync/atomic", true},
		{"dragoman/dialects", "sync", false},
		{"dragoman/dialects/ahoy", "dragoman/dialects", true},
		{"dragoman/dialects/ahoy/client", "dragoman/dialects/ahoy/percent", true},
		{"dragoman/dialects/ahoy", "dragoman/dialects/spreed/wire", false},
		{"dragoman/dialects", "dragoman/dialects/ahoy", false},
		{"dragoman/dialects/all", "dragoman/dialects/ahoy", true},
		{"dragoman/dialects/ahoy", "github.com/pion/webrtc/v4", false},
		{"dragoman/dialects/ahoy", "github.com/hashicorp/memberlist", false},
		{"dragoman/dialects/ahoy", "dragoman/media/sdp", false},
		{"dragoman/dialects/ahoy", "dragoman/mediation", true},
	} {
		if why := whyNot(c.from, c.path); (why == "") != c.fine {
			t.Errorf("%s imports %s: %q", c.from, c.path, why)
		}
	}
}
