package ahoy_test

import (
	"testing"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
)

// FuzzFrame sends what it likes to a member's connection, and sees that all that
// comes back is of the protocol (the tap of the node checks that), that the
// connection lives or is closed properly, and that the others still talk.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{
		`{"messageType":"MEDIA_SHARE_request","audio":1,"video":true,"maxVideoBitrate":"5"}`,
		`{"messageType":"MEDIA_request","members":[{"memberID":"","audio":1}]}`,
		`{"messageType":"CHAT_MESSAGE_request","message":{"text":"\ud800"},"transactionID":{"x":[]}}`,
		`{"messageType":"CONFERENCE_JOIN_request","conferenceID":"r","name":"\u0000"}`,
		`{"messageType":"CONFERENCE_DESCRIPTION_request","description":"\u2028"}`,
		`{"messageType":"CONFERENCE_DESTROY_request"}`,
		`{"messageType":"CONFERENCE_LOCK_request","lock":1e999}`,
		`{"messageType":"SDP_response","transactionID":""}`,
		`{"messagetype":"CONFERENCE_LEAVE_request"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		inBubble(t, nil, func(t *testing.T, w *world) {
			w.room(bridge.Spec{})
			g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
			g.publish(bridge.Camera, bridge.Live, bridge.Live)
			a := w.member("r", "A")
			if err := a.ws.WriteMessage(websocket.TextMessage, frame); err != nil {
				t.Fatal(err)
			}
			wait(second)
			for range len(a.frames) {
				<-a.frames
			}
			select {
			case _, open := <-a.frames:
				if open {
					t.Error("it does not stop")
				}
			default:
				if s := a.status("CONFERENCE_LEAVE_request", nil); s != 200 {
					t.Errorf("it leaves with %d", s)
				}
			}
		})
	})
}
