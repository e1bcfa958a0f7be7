package spreed_test

import (
	"testing"

	"dragoman/dialects"
)

type frames struct{ t *testing.T }

func (f frames) Frame(_ dialects.ConnID, dir dialects.Direction, data []byte) {
	if dir != dialects.Out {
		return
	}
	if err := checkSchema(data); err != nil {
		f.t.Errorf("a frame that the schema does not allow: %v\n%s", err, data)
	}
}

func checkSchema([]byte) error { return nil }
