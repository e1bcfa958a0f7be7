package k3k

import (
	"testing"

	"dragoman/bridge"
)

// TestEveryCode: one table says what becomes of each code of the room model.
func TestEveryCode(t *testing.T) {
	for _, c := range bridge.Codes() {
		o, ok := outcomes[c]
		if !ok || o.status < 400 || o.code == "" || o.close < 1000 {
			t.Errorf("%v: %+v", c, o)
		}
	}
	if len(outcomes) != len(bridge.Codes()) {
		t.Errorf("there are %d codes, and outcomes for %d", len(bridge.Codes()), len(outcomes))
	}
	if o := outcomeOf(errUnread); o.status != 500 {
		t.Errorf("an error without a code is %+v", o)
	}
}
