package asn_test

import (
	"testing"

	"dragoman/dialects"
	"dragoman/dialects/asn"
	"dragoman/dialects/asn/rose"
	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

// setting is a folder of transcripts and what is different about the node there.
type setting struct {
	set  func(*world)
	text bool // only JSON can say what is in it
}

var settings = map[string]setting{
	"testdata": {set: func(*world) {}},
}

// TestTranscripts plays everything in both encodings.
func TestTranscripts(t *testing.T) {
	for dir, s := range settings {
		transcripttest.Dir(t, dir, func(t *testing.T) transcript.World {
			w := newWorld(t)
			s.set(w)
			return w.open()
		})
		if s.text {
			continue
		}
		t.Run("BER", func(t *testing.T) {
			transcripttest.Dir(t, dir, func(t *testing.T) transcript.World {
				w := newWorld(t)
				s.set(w)
				return &binary{w.open(), map[string]rose.Operation{}}
			})
		})
	}
}

var _ dialects.Dialect = asn.New()
