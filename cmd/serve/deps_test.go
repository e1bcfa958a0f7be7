package serve

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestWhoMayImportWhat holds that libraries which may be replaced one day are
// known in one place each.
func TestWhoMayImportWhat(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "dragoman/...").Output()
	if err != nil {
		t.Fatal(err)
	}
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
		{"dragoman/cmd/", []string{"dragoman/cmd/dragoman", "dragoman/e2e/node"}, "commands are not a library"},
	}
	for line := range strings.Lines(string(out)) {
		who, imports, _ := strings.Cut(strings.TrimSpace(line), ": ")
		for _, path := range strings.Fields(imports) {
			for _, r := range rules {
				if strings.HasPrefix(path, r.library) && !slices.Contains(r.places, who) {
					t.Errorf("%s imports %s: %s", who, path, r.why)
				}
			}
		}
	}
}
