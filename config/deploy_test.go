package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestCompose: what the compose file gives each node is a configuration of a cluster,
// and what it names is there.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("deploy/compose.cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Services map[string]struct {
			Environment map[string]string
			Secrets     []string
			Ports       []string
		}
		Configs map[string]struct{ Content string }
		Secrets map[string]struct{ File string }
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"admin.key": "a-key-of-enough-characters", "store.key": "a key of enough bytes", "cluster.keys": "AAAA", "store.url": "postgres://dragoman:x@postgres/dragoman",
	} {
		if c.Secrets[name].File == "" {
			t.Errorf("no secret %s", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings := strings.ReplaceAll(c.Configs["dragoman"].Content, "/run/secrets", dir)
	names, published := map[string]bool{}, map[string]bool{}
	for _, service := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[service]
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: there is no secret %s", service, secret)
			}
		}
		if service == "postgres" {
			continue
		}
		for k, v := range s.Environment {
			t.Setenv(k, v)
		}
		l, err := Load(Options{File: file(t, settings), Sections: sections()})
		if err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		if len(l.Unused) > 0 {
			t.Errorf("%s: %v mean nothing", service, l.Unused)
		}
		if !l.Cluster.Enabled() || l.Cluster.Node != service || l.Cluster.Advertise != service+":7946" || names[l.Cluster.Node] {
			t.Errorf("%s: %+v", service, l.Cluster)
		}
		names[l.Cluster.Node] = true
		port := strings.TrimPrefix(l.Media.UDP, ":")
		for _, want := range []string{port + ":" + port, port + ":" + port + "/udp"} {
			if !slices.Contains(s.Ports, want) || published[want] {
				t.Errorf("%s: %s is not published, or twice", service, want)
			}
			published[want] = true
		}
	}
	if len(names) != 3 {
		t.Errorf("nodes %v", names)
	}
	sampleOfLiveKit(t, settings, dir)
}

// sampleOfLiveKit: what the compose file has in comments is right, too.
func sampleOfLiveKit(t *testing.T, settings, dir string) {
	t.Helper()
	_, sample, found := strings.Cut(settings, "# livekit:\n")
	if !found {
		t.Fatal("there is no sample of livekit")
	}
	if err := os.WriteFile(filepath.Join(dir, "livekit.secret"), []byte("a secret of enough characters"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Options{File: file(t, settings+"\nlivekit:\n"+strings.ReplaceAll(sample, "# ", "")), Sections: sections()})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.LiveKit) != 1 || l.LiveKit[0].Secret == "" || !slices.Equal(l.LiveKit[0].Rooms, []string{"team-*"}) {
		t.Errorf("%+v", l.LiveKit)
	}
}
