package transcript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
)

// Load reads a file.
func Load(name string) (*Script, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// Dir plays every *.jsonl file of a directory, each in a subtest and a synctest
// bubble of its own: time is virtual, and a goroutine that is left fails the
// test. newWorld is called inside the bubble; a world that is an io.Closer is
// closed at the end, and what newWorld has given to t.Cleanup runs after that.
func Dir(t *testing.T, dir string, newWorld func(t *testing.T) World) {
	t.Helper()
	for _, name := range files(t, dir) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s, err := Load(name)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if err := Play(context.Background(), s, w); err != nil {
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

// A Spoken is a frame, or an HTTP request, that a transcript sends or asks for.
type Spoken struct {
	Sent bool // by the client
	Who  string
	Msg  any    // the pattern, or what is sent; nil for a text, a binary frame, and HTTP
	Text string // of a text frame
	HTTP *Step  // the request; nil for a frame
}

// Types counts what the transcripts of a directory speak, by what key returns
// for it: usually the type of the message. The empty key is not counted.
func Types(dir string, key func(Spoken) string) (sent, heard map[string]int, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err == nil && len(names) == 0 {
		err = errors.New("no transcripts in " + dir)
	}
	sent, heard = map[string]int{}, map[string]int{}
	for _, name := range names {
		s, loadErr := Load(name)
		if loadErr != nil {
			return nil, nil, loadErr
		}
		for _, f := range s.spoken() {
			counts := heard
			if f.Sent {
				counts = sent
			}
			if k := key(f); k != "" {
				counts[k]++
			}
		}
	}
	return sent, heard, err
}

// spoken returns all frames and requests of a script.
func (s *Script) spoken() (all []Spoken) {
	for i := range s.Steps {
		step := &s.Steps[i]
		switch step.kind() {
		case "send", "hear":
			text, _ := step.Text.V.(string)
			f := Spoken{Sent: step.Dir == ">", Who: step.Who, Msg: step.Msg.V, Text: text}
			if step.AnyOrder == nil {
				all = append(all, f)
			}
			for _, v := range step.AnyOrder {
				f.Msg = v.V
				all = append(all, f)
			}
		case "http":
			all = append(all, Spoken{Sent: true, Who: step.Who, HTTP: step})
		}
	}
	return all
}

// Missing returns the wanted types that were not counted, in order.
func Missing(counts map[string]int, want ...string) []string {
	all := map[string]bool{}
	for _, w := range want {
		all[w] = counts[w] == 0
	}
	maps.DeleteFunc(all, func(_ string, missing bool) bool { return !missing })
	return slices.Sorted(maps.Keys(all))
}
