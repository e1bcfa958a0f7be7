// Package node starts a server in the process of a test: what "dragoman serve
// --dev" runs, on ports that are free.
package node

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cmd/serve"
	"dragoman/config"
	"dragoman/dialects/admin"
)

// Options change what is started.
type Options struct {
	// Config edits the configuration; may be nil.
	Config func(c *config.Config)
	// Level of the log, which is shown when the test fails; default info.
	Level slog.Level
}

// Node is a running server.
type Node struct {
	*serve.Server
	ports serve.Ports
}

// Start starts a server that ends with the test.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	cfg := config.Development()
	cfg.HTTP.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Media.UDP, cfg.Media.TCP = "127.0.0.1:0", "127.0.0.1:0"
	if o.Config != nil {
		o.Config(&cfg)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: o.Level}))
	s, err := serve.New(cfg, serve.Options{Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &Node{Server: s, ports: s.Ports()}
}

// Cluster starts nodes that are one cluster, and waits until they know each other. edit
// changes the configuration of each.
func Cluster(t testing.TB, size int, edit ...func(c *config.Config)) []*Node {
	t.Helper()
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	var key [32]byte
	rand.Read(key[:])
	if err := os.WriteFile(keys, []byte(base64.StdEncoding.EncodeToString(key[:])), 0o600); err != nil {
		t.Fatal(err)
	}
	var nodes []*Node
	for i := range size {
		nodes = append(nodes, Start(t, Options{Config: func(c *config.Config) {
			c.Store.URL, c.Store.Key = bridge.Secret("sqlite:"+filepath.Join(dir, "store.db")), bridge.Secret(base64.StdEncoding.EncodeToString(key[:]))
			c.Cluster.Node, c.Cluster.KeyFile = fmt.Sprint("n", i), keys
			c.Cluster.Bind, c.Cluster.Link.Listen = "127.0.0.1:0", "127.0.0.1:0"
			if i > 0 {
				c.Cluster.Seeds = []string{nodes[0].ports.Gossip}
			}
			for _, f := range edit {
				f(c)
			}
		}}))
	}
	for _, n := range nodes {
		n.meets(t, size)
	}
	return nodes
}

// meets waits until so many nodes answer this one.
func (n *Node) meets(t testing.TB, size int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		var seen struct{ Nodes []admin.Node }
		if resp, err := client.Get(n.Admin() + "/api/v1/nodes"); err == nil {
			err = json.NewDecoder(resp.Body).Decode(&seen)
			resp.Body.Close()
			if err == nil && len(seen.Nodes) == size && !slices.ContainsFunc(seen.Nodes, func(o admin.Node) bool { return !o.Answers }) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the nodes are no cluster: %+v", seen)
		}
	}
}

// Place returns where a dialect is to be reached: on the shared listener, below
// its prefix.
func (n *Node) Place(dialect string) (addr, path string) { return n.ports.HTTP, "/" + dialect }

// URL is the root of the shared listener.
func (n *Node) URL() string { return "http://" + n.ports.HTTP }

// Admin is the root of the operator's listener.
func (n *Node) Admin() string { return "http://" + n.ports.Admin }
