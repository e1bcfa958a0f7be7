package transcript

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
