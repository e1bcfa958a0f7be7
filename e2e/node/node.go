// Package node starts a server in the process of a test: what "dragoman serve
// --dev" runs, on ports that are free.
package node

import (
	"log/slog"
	"testing"

	"dragoman/cmd/serve"
	"dragoman/config"
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

// Place returns where a dialect is to be reached: on the shared listener, below
// its prefix.
func (n *Node) Place(dialect string) (addr, path string) { return n.ports.HTTP, "/" + dialect }

// URL is the root of the shared listener.
func (n *Node) URL() string { return "http://" + n.ports.HTTP }

// Admin is the root of the operator's listener.
func (n *Node) Admin() string { return "http://" + n.ports.Admin }
