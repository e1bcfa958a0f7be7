package config

import (
	"slices"
	"strings"
	"testing"

	"dragoman/bridge/bridgetest"
)

// TestImports holds the dependency rule: this folder reads files, so it knows
// the structs that it fills and nothing that runs.
func TestImports(t *testing.T) {
	allowed := []string{
		"dragoman/bridge", "dragoman/bridge/gate", "dragoman/bridge/notify", "dragoman/bridge/store", "dragoman/cluster", "dragoman/cluster/livekit", "dragoman/cluster/relay", "dragoman/media",
		"github.com/spf13/pflag", "github.com/spf13/viper", "go.yaml.in/yaml/v3",
	}
	for _, path := range bridgetest.Imports(t, "config")["dragoman/config"] {
		foreign := strings.Contains(path, ".") || strings.HasPrefix(path, "dragoman/")
		if foreign && !slices.Contains(allowed, path) {
			t.Errorf("config imports %s: it may import only the structs it fills, and what reads files", path)
		}
	}
}
