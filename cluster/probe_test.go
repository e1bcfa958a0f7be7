package cluster_test

import (
	"encoding/base64"
	"os"
	"testing"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/cluster"
)

// TestProbe: whether a seed answers, and to whom, is known without a node.
func TestProbe(t *testing.T) {
	defer goleak.VerifyNone(t, lastProbe())
	local := bridge.NewLocal(bridge.LocalConfig{})
	defer local.Close(t.Context())
	s := settings(t, "a")
	n, err := cluster.Start(s, cluster.Parts{Local: local})
	if err != nil {
		t.Fatal(err)
	}
	seed := n.Gossip.View().Nodes[0].Gossip
	if nodes, err := cluster.Probe(t.Context(), s, seed); err != nil || nodes != 1 {
		t.Errorf("%d, %v", nodes, err)
	}
	other := settings(t, "b")
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	if err := os.WriteFile(other.KeyFile, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]cluster.Settings{"another key": other, "another cluster": {Name: "x", Bind: s.Bind, KeyFile: s.KeyFile}} {
		if _, err := cluster.Probe(t.Context(), s, seed); bridge.CodeOf(err) != bridge.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := n.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := cluster.Probe(t.Context(), s, seed); bridge.CodeOf(err) != bridge.Unavailable {
		t.Errorf("nobody there: %v", err)
	}
}
