package serve

import (
	"slices"
	"strings"
	"testing"

	"dragoman/bridge/bridgetest"
)

// TestWhoMayImportWhat holds that libraries which may be replaced one day are
// known in one place each.
func TestWhoMayImportWhat(t *testing.T) {
	rules := []struct {
		library string
		places  []string
		why     string
	}{
		{"github.com/prometheus/", []string{"dragoman/cmd/serve"}, "all metric names are in cmd/serve/metrics.go"},
		{"github.com/spf13/viper", []string{"dragoman/config"}, "only config reads configurations"},
		{"go.yaml.in/yaml", []string{"dragoman/config"}, "only config reads configurations"},
		{"github.com/spf13/cobra", []string{"dragoman/cmd/dragoman"}, "the command line is one folder"},
		{"dragoman/dialects/all", []string{"dragoman/cmd/serve", "dragoman/cmd/dragoman"}, "nobody but those who compose knows which dialects there are"},
		{"github.com/zitadel/", []string{"dragoman/bridge/gate/oidctest"}, "only tests need an issuer of their own"},
		{"dragoman/bridge/gate/oidctest", nil, "only tests need an issuer of their own"},
		{"github.com/livekit/server-sdk-go", []string{"dragoman/cluster/livekit", "dragoman/cluster/livekit/quiet", "dragoman/cluster/livekit/livekittest"}, "only the federation, and LiveKit's clients in tests, know its SDK"},
		{"dragoman/cluster/livekit/livekittest", []string{"dragoman/e2e/livekit"}, "only tests start a LiveKit server"},
		{"dragoman/cmd/", []string{"dragoman/cmd/dragoman", "dragoman/e2e/node"}, "commands are not a library"},
	}
	for who, imports := range bridgetest.Imports(t, ".") {
		for _, path := range imports {
			for _, r := range rules {
				if strings.HasPrefix(path, r.library) && !slices.Contains(r.places, who) {
					t.Errorf("%s imports %s: %s", who, path, r.why)
				}
			}
		}
	}
}
