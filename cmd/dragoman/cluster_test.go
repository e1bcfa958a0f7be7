package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dragoman/cmd/serve"
	"dragoman/config"
)

// TestNodes: an operator looks at a cluster of one, drains it and takes that back;
// the doctor finds it.
func TestNodes(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	text := func(more string) string {
		return fmt.Sprintf(`
http: {listen: '127.0.0.1:0', public_url: 'https://meet.example.org', trusted_proxies: [127.0.0.1]}
media: {udp: '127.0.0.1:0', tcp: '127.0.0.1:0', advertise: [192.0.2.1]}
admin: {listen: '127.0.0.1:0', keys: [{name: ops, key: a-key-that-may-do-everything}]}
data_dir: %s
store: {url: 'sqlite:%s', key: a key that all nodes share}
cluster: {node: first, key_file: %s, bind: '127.0.0.1:0', link: {listen: '127.0.0.1:0'}%s}
`, dir, filepath.Join(dir, "db"), keys, more)
	}
	loaded, err := config.Load(config.Options{File: write(t, "c.yaml", text("")), Sections: sections()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(loaded.Config, serve.Options{Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRAGOMAN_ADMIN_URL", s.Ports().Admin)
	t.Setenv("DRAGOMAN_ADMIN_KEY", "a-key-that-may-do-everything")
	contains(t, want(t, exitOK, "node", "list"), "NODE", "first", "up", "v1")
	contains(t, want(t, exitOK, "node", "list", "-o", "json"), `"self": true`)
	for _, c := range []struct {
		args  string
		state string
	}{
		{"drain", "draining"}, {"undrain", "up"}, {"drain first", "draining"}, {"drain first --undrain", "up"}, {"undrain first", "up"},
	} {
		want(t, exitOK, append([]string{"node"}, strings.Fields(c.args)...)...)
		contains(t, want(t, exitOK, "node", "list"), c.state)
	}
	want(t, exitNotFound, "node", "drain", "nobody")

	seed := s.Ports().Gossip
	contains(t, want(t, exitOK, "doctor", "-c", write(t, "c.yaml", text(fmt.Sprintf(", seeds: ['%s'], advertise: 'localhost:7946'", seed)))),
		"keys: 1", seed+" answers, and knows 1 nodes", "others are told localhost:7946")
	if err := os.WriteFile(keys, []byte(base64.StdEncoding.EncodeToString([]byte("another key of 32 bytes and more")[:32])), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(keys, 0o644); err != nil {
		t.Fatal(err)
	}
	contains(t, want(t, exitFailed, "doctor", "-c", write(t, "c.yaml", text(fmt.Sprintf(", seeds: ['%s'], advertise: 'no-such-host.invalid:7946'", seed)))),
		"chmod 600", "warn", "one of its keys", "the other nodes have to find the host")
	if err := os.WriteFile(keys, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, want(t, exitFailed, "doctor", "-c", write(t, "c.yaml", text(""))), "the key file has no key", "openssl rand -base64 32", "none: this node waits")
}
