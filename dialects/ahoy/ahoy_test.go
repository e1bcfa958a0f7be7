package ahoy_test

import (
	"testing"

	"dragoman/e2e/transcript"
)

func TestTranscripts(t *testing.T) {
	for _, dir := range []string{"testdata"} {
		transcript.Dir(t, dir, func(t *testing.T) transcript.World { return newWorld(t, nil).open() })
	}
}
