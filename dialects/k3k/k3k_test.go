package k3k_test

import (
	"testing"

	"dragoman/dialects/k3k"
	"dragoman/e2e/transcript"
)

func TestTranscripts(t *testing.T) {
	transcript.Dir(t, "testdata", func(t *testing.T) transcript.World { return newWorld(t).open() })
}

func TestNames(t *testing.T) {
	d := k3k.New()
	if d.Name() != "k3k" || len(d.Subprotocols()) != 2 {
		t.Errorf("the dialect is %q and speaks %q", d.Name(), d.Subprotocols())
	}
}
