// Package transcripttest plays transcripts in tests. It is apart from package
// transcript so that programs that play them, too, do not carry the testing
// package.
package transcripttest

import (
	"context"
	"io"
	"path/filepath"
	"testing"
	"testing/synctest"

	"dragoman/e2e/transcript"
)

// Dir plays every *.jsonl file of a directory, each in a subtest and a synctest
// bubble of its own: time is virtual, and a goroutine that is left fails the
// test. newWorld is called inside the bubble; a world that is an io.Closer is
// closed at the end, and what newWorld has given to t.Cleanup runs after that.
func Dir(t *testing.T, dir string, newWorld func(t *testing.T) transcript.World) {
	t.Helper()
	for _, name := range files(t, dir) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s, err := transcript.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if err := transcript.Play(context.Background(), s, w); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if c, ok := w.(io.Closer); ok {
					if err := c.Close(); err != nil {
						t.Errorf("close the world: %v", err)
					}
				}
			})
		})
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts in %s: %v", dir, err)
	}
	return names
}
