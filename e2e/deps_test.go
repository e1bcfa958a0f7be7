package e2e

import (
	"path"
	"strings"
	"testing"

	"dragoman/bridge/bridgetest"
)

// TestImports holds the dependency rule. Tests may import more than the package
// they test.
func TestImports(t *testing.T) {
	packages := bridgetest.Imports(t, "e2e")
	for pkg, rule := range map[string]struct {
		may []string // ours, and of others
		why string
	}{
		"transcript": {
			[]string{"dragoman/bridge", "dragoman/dialects", "dragoman/cluster", "github.com/gorilla/websocket"},
			"transcripts know the wire only, so that they can be played against any server",
		},
		"transcript/transcripttest": {[]string{"dragoman/e2e/transcript"}, "it only hands transcripts to the testing package"},
		"driver": {
			[]string{
				"dragoman/bridge", "dragoman/dialects/*", "dragoman/media/mediatest",
				"github.com/gorilla/websocket", "github.com/pion/webrtc/v4",
			},
			"drivers join a dialect's client with synthetic devices, and reach the server by the network alone",
		},
		"stage":   {[]string{"dragoman/e2e/transcript", "dragoman/media/mediatest"}, "the stage gives transcripts media, and nothing else"},
		"demo":    {[]string{"dragoman/bridge", "dragoman/e2e/driver"}, "the demo is a script of drivers"},
		"browser": {[]string{"github.com/chromedp/*"}, "the browser knows no server but by its address"},
		"livekit": {
			[]string{
				"dragoman/bridge", "dragoman/cluster/livekit/livekittest", "dragoman/e2e/driver", "dragoman/media/mediatest",
				"github.com/livekit/protocol/livekit",
			},
			"the driver of LiveKit's clients knows no node",
		},
		"node": {[]string{"dragoman/bridge", "dragoman/cmd/ctl", "dragoman/cmd/serve", "dragoman/config", "dragoman/dialects/admin"}, "a node is what people run, with their configuration"},
		".":    {nil, "scenarios are tests"},
	} {
		imports, found := packages[path.Join("dragoman/e2e", pkg)]
		if !found {
			t.Errorf("e2e/%s is not there", pkg)
		}
		for _, path := range imports {
			foreign := strings.Contains(strings.SplitN(path, "/", 2)[0], ".") || strings.HasPrefix(path, "dragoman/")
			if foreign && !allowed(rule.may, path) {
				t.Errorf("e2e/%s imports %s: %s", pkg, path, rule.why)
			}
		}
	}
}

func allowed(may []string, path string) bool {
	for _, m := range may {
		if prefix, ok := strings.CutSuffix(m, "/*"); ok && strings.HasPrefix(path, prefix+"/") || m == path {
			return true
		}
	}
	return false
}
