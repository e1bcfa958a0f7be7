package cluster_test

import (
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/cluster"
)

func settings(t *testing.T, name string) cluster.Settings {
	return benchSettings(t, t.TempDir(), name)
}

func benchSettings(t testing.TB, dir, name string) cluster.Settings {
	s := cluster.DefaultSettings()
	s.Node, s.Bind, s.Link.Listen = name, "127.0.0.1:0", "127.0.0.1:0"
	s.KeyFile = filepath.Join(dir, "keys")
	line := base64.StdEncoding.EncodeToString(testKey) + "\n"
	if err := os.WriteFile(s.KeyFile, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStart: two nodes over real sockets, with links of gossip's key; one leaves.
func TestStart(t *testing.T) {
	defer goleak.VerifyNone(t, lastProbe())
	var nodes []*cluster.Running
	var locals []*bridge.Local
	for _, name := range []string{"a", "b"} {
		s := settings(t, name)
		if len(nodes) > 0 {
			s.Seeds = []string{nodes[0].Gossip.View().Nodes[0].Gossip}
		}
		local := bridge.NewLocal(bridge.LocalConfig{})
		defer local.Close(t.Context())
		n, err := cluster.Start(s, cluster.Parts{Local: local, Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		nodes, locals = append(nodes, n), append(locals, local)
	}
	for n := nodes[0]; n.Stats().Links.Usable == 0 || nodes[1].Stats().Links.Usable == 0; {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the nodes are not linked")
		}
	}
	if err := nodes[0].Create(t.Context(), bridge.Spec{ID: "r"}); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		s, err := n.Join(t.Context(), bridge.JoinRequest{Room: "r", Name: n.Gossip.Self().Name})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Do(t.Context(), bridge.RaiseHand{Up: true}); err != nil {
			t.Error(err)
		}
	}
	for _, n := range nodes {
		if err := n.Rekey(); err != nil {
			t.Error(err)
		}
	}
	if err := nodes[1].Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if rooms := locals[1].Rooms(); len(rooms) != 0 {
		t.Errorf("the node that has left has %v", rooms)
	}
	if info, err := nodes[0].Lookup(t.Context(), "r"); err != nil || info.Members == 0 {
		t.Errorf("the room is %+v, %v", info, err)
	}
	if err := nodes[0].Leave(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	for name, change := range map[string]func(*cluster.Settings){
		"no key":          func(s *cluster.Settings) { s.KeyFile, s.Bind = "", ":0" },
		"no key on links": func(s *cluster.Settings) { s.KeyFile, s.Link.Listen = "", "0.0.0.0:0" },
		"name":            func(s *cluster.Settings) { s.Node = "a b" },
		"address as name": func(s *cluster.Settings) { s.Node = "10.0.0.1" },
		"bind":            func(s *cluster.Settings) { s.Bind = "x" },
		"advertise":       func(s *cluster.Settings) { s.Advertise = "x" },
		"half a pair":     func(s *cluster.Settings) { s.Link.CertFile = "x" },
		"key file":        func(s *cluster.Settings) { s.KeyFile += "x" },
		"certificate": func(s *cluster.Settings) {
			s.Link = cluster.LinkSettings{Listen: s.Link.Listen, CertFile: "x", PrivateKeyFile: "x", CAFile: "x"}
		},
		"taken": func(s *cluster.Settings) { s.Link.Listen = "192.0.2.1:1" },
	} {
		s := settings(t, "a")
		change(&s)
		if n, err := cluster.Start(s, cluster.Parts{}); err == nil {
			_ = n.Leave(t.Context())
			t.Errorf("%s was taken", name)
		}
	}
	if s := cluster.DefaultSettings(); s.Enabled() {
		t.Error("a cluster is on by default")
	}
	if s := settings(t, "a"); !s.Enabled() || s.Check() != nil {
		t.Errorf("%+v: %v", s, s.Check())
	}
}

// TestAdvertise: others are told an address, also where the settings have a name.
func TestAdvertise(t *testing.T) {
	defer goleak.VerifyNone(t, lastProbe())
	local := bridge.NewLocal(bridge.LocalConfig{})
	defer local.Close(t.Context())
	for advertise, want := range map[string]string{"localhost:7946": "127.0.0.1", "192.0.2.7:1": "192.0.2.7", "no-such-host.invalid:1": ""} {
		s := settings(t, "a")
		s.Advertise = advertise
		n, err := cluster.Start(s, cluster.Parts{Local: local})
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", advertise, err)
			}
			continue
		}
		got, _, _ := net.SplitHostPort(n.Gossip.View().Nodes[0].Gossip) // any port was bound, so that is told
		if want == "" || got != want && got != "::1" {
			t.Errorf("%s: others are told %s", advertise, got)
		}
		if err := n.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
