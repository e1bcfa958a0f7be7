package ahoy

import (
	"testing"

	"dragoman/bridge"
)

// The name that members are told is one by which the room can be joined.
func TestConferenceName(t *testing.T) {
	for want, room := range map[string]bridge.Info{
		"id-1":     {ID: "id-1"},
		"Our room": {ID: "id-2", Title: "Our room"},
		"id-3":     {ID: "id-3", Title: "Of some of us", Unlisted: true},
	} {
		if got := conferenceName(room); got != want {
			t.Errorf("%+v is called %q, want %q", room, got, want)
		}
	}
}
