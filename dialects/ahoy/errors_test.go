package ahoy

import (
	"errors"
	"fmt"
	"testing"

	"dragoman/bridge"
)

// TestEveryCode: the table is complete, and only uses what clients know.
func TestEveryCode(t *testing.T) {
	known := map[int]bool{400: true, 403: true, 404: true, 429: true, 470: true, 486: true, 500: true, 501: true, 503: true}
	for _, c := range bridge.Codes() {
		o, ok := outcomes[c]
		if !ok || o.reason == "" || !known[o.status] {
			t.Errorf("%v: %+v", c, o)
		}
		if got := outcomeOf(fmt.Errorf("wrapped: %w", bridge.Errorf(c, "text"))); got != o {
			t.Errorf("%v becomes %+v", c, got)
		}
	}
	if len(outcomes) != len(bridge.Codes()) {
		t.Errorf("%d codes in the table, there are %d", len(outcomes), len(bridge.Codes()))
	}
	if o := outcomeOf(errors.New("plain")); o.status != 500 {
		t.Errorf("an error without a code is %+v", o)
	}
	if o := outcomeOf(bridge.Errorf(0, "zero")); o.status != 500 {
		t.Errorf("an unknown code is %+v", o)
	}
	// What the reference fixes (3, 4.2).
	for c, want := range map[bridge.Code]outcome{
		bridge.WrongSecret: {403, "forbidden"}, bridge.Unauthenticated: {403, "forbidden"}, bridge.NotFound: {404, "not found"},
		bridge.RoomLocked: {470, "locked"}, bridge.RoomFull: {486, "conference full"}, bridge.BadRequest: {400, "bad request"},
		bridge.Internal: {500, "internal server error"}, bridge.NotSupported: {501, "not implemented"}, bridge.Exists: {486, "conference exists"},
	} {
		if outcomes[c] != want {
			t.Errorf("%v is %+v, want %+v", c, outcomes[c], want)
		}
	}
}
