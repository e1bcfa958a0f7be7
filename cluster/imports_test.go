package cluster_test

import (
	"strings"
	"testing"

	"dragoman/bridge/bridgetest"
)

// TestImports holds the dependency rule (architecture.md 3) for this folder.
func TestImports(t *testing.T) {
	const root = "dragoman/cluster"
	rules := map[string]struct {
		may []string // besides the standard library
		why string
	}{
		root:            {[]string{"dragoman/bridge", root + "/link", "github.com/hashicorp/memberlist"}, "a cluster joins rooms, gossip and links; it knows no dialect and no media"},
		root + "/link":  {[]string{"dragoman/bridge", "google.golang.org/grpc"}, "a link carries commands and events between nodes"},
		root + "/relay": {[]string{"dragoman/bridge", root + "/link", "dragoman/media", "dragoman/media/forward"}, "relays join the media engines of nodes; they know no dialect, and of the cluster what they say themselves"},
		root + "/livekit": {[]string{
			"dragoman/bridge", "dragoman/media", "dragoman/media/forward", "github.com/google/uuid", "github.com/livekit/protocol",
			"github.com/livekit/server-sdk-go/v2", "github.com/pion", root + "/livekit/quiet", "github.com/twitchtv/twirp", "google.golang.org/protobuf",
		}, "a federation joins rooms and media with LiveKit; it knows no dialect and no node but its own"},
		root + "/livekit/quiet":       {[]string{"github.com/livekit/protocol", "github.com/livekit/server-sdk-go/v2", "go.uber.org/zap"}, "it keeps the SDK silent, and does nothing else"},
		root + "/livekit/livekittest": {[]string{"github.com/livekit/protocol", "github.com/livekit/server-sdk-go/v2", "github.com/pion", root + "/livekit/quiet", "dragoman/media/mediatest"}, "tests start a server with it, and join it as LiveKit's own clients do"},
		root + "/clustertest":         {[]string{"dragoman/bridge", root, root + "/link", "github.com/hashicorp/memberlist"}, "tests of dialects use it, so it may drag in nothing but the cluster"},
	}
	seen := 0
	for pkg, imports := range bridgetest.Imports(t, "cluster") {
		rule, known := rules[pkg]
		if !known {
			t.Errorf("%s is a new package: say here what it may import, and why (architecture.md 3)", pkg)
			continue
		}
		seen++
		for _, path := range imports {
			if !mayImport(path, rule.may) {
				t.Errorf("%s must not import %s: %s", pkg, path, rule.why)
			}
		}
	}
	if seen < 2 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

func mayImport(path string, may []string) bool {
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") && first != "dragoman" {
		return true
	}
	for _, p := range may {
		if path == p || strings.HasPrefix(path, p+"/") && !strings.HasPrefix(p, "dragoman") {
			return true
		}
	}
	return false
}
