package transcript_test

import (
	"testing"

	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

func TestDir(t *testing.T) {
	transcripttest.Dir(t, "testdata", func(*testing.T) transcript.World { return transcript.NewToyWorld() })
}
