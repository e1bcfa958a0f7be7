package e2e

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"dragoman/config"
	"dragoman/e2e/node"
	"dragoman/e2e/stage"
	"dragoman/e2e/transcript"
)

// TestTranscripts plays this folder's own transcripts: over the network, with
// real media.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			n := node.Start(t, node.Options{})
			replay(t, name, n.URL())
		})
	}
}

// TestOverTheNetwork plays transcripts of the dialects, which are made for a
// scripted world in virtual time, against a real node: all those that need
// neither a scripted world nor hours. A dialect that passes here and there is
// told nothing by its world that a node would not tell it.
func TestOverTheNetwork(t *testing.T) {
	for dialect, patterns := range map[string][]string{
		"ahoy": {
			"binary", "chat*", "create-*", "description", "destroy", "join-[a-km-z]*", "join", "kick*", "leave", "leave-[ab]*",
			"lock*", "not-joined", "share-listener", "share-unasked", "statistics", "transaction", "unknown", "upgrade",
		},
		"nkmedia": {"chapter-16", "envelope", "fields", "outside", "subscriptions", "users"},
		"spreed": {
			"alive", "bad-input", "chat-across", "chat-group", "chat-private", "chat-states", "conference-refused", "hello",
			"hello-[abet]*", "leave", "left-hard", "pin-again", "rest-config", "rest-rooms", "room-errors", "room-pin", "self", "status",
		},
	} {
		for _, pattern := range patterns {
			files, err := filepath.Glob("../dialects/" + dialect + "/testdata/" + pattern + ".jsonl")
			if err != nil || len(files) == 0 {
				t.Errorf("no transcript %s of %s: %v", pattern, dialect, err)
			}
			for _, name := range files {
				t.Run(dialect+"/"+filepath.Base(name), func(t *testing.T) {
					t.Parallel() // most of the time they listen to nothing
					n := node.Start(t, node.Options{Config: func(c *config.Config) {
						c.Dialects = []config.Dialect{{Name: dialect, Enabled: true, Listen: "127.0.0.1:0"}}
					}})
					replay(t, name, "ws://"+n.Ports().Dialects[dialect])
				})
			}
		}
	}
}

func replay(t *testing.T, name, target string) {
	t.Helper()
	script, err := transcript.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := transcript.Remote(target)
	if err != nil {
		t.Fatal(err)
	}
	s := stage.New(w)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := transcript.Play(ctx, script, s); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}
