package nkmedia_test

import (
	"testing"

	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

// settings are the folders of transcripts, with what is different about the node.
var settings = map[string]func(*world){
	"testdata": func(*world) {},
}

func TestTranscripts(t *testing.T) {
	for dir, set := range settings {
		transcripttest.Dir(t, dir, func(t *testing.T) transcript.World {
			w := newWorld(t)
			set(w)
			return w.open()
		})
	}
}
