package livekittest

import (
	"testing"

	"github.com/livekit/protocol/livekit"
)

// TestServer starts a server, kills it, and starts it again on the same ports.
func TestServer(t *testing.T) {
	s := Start(t, Options{})
	for range 2 {
		all, err := s.API().ListRooms(t.Context(), &livekit.ListRoomsRequest{})
		if err != nil || len(all.Rooms) > 0 {
			t.Errorf("rooms: %v, %v", all, err)
		}
		s.Kill()
		s.Restart()
	}
}
