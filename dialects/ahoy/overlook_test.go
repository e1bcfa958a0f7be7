package ahoy_test

import (
	"testing"

	"dragoman/bridge"
)

// TestOverlookedOffer: a client that asks again before the first offer reaches it
// answers that one and none after it, until it is told to ask. What it has
// answered is what it gets meanwhile.
func TestOverlookedOffer(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.member("r", "A")
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
		joined := a.hear("CONFERENCE_JOIN_indication", nil)
		id := joined["member"].(object)["memberID"].(string)
		pub := g.publish(bridge.Camera, bridge.Live, bridge.Absent)
		a.hear("MEDIA_indication", object{"audio": on(), "video": off()})
		wish := func(video bool) object {
			return object{"members": []any{object{"memberID": id, "audio": true, "video": video}}}
		}
		a.ask("MEDIA_request", wish(false))
		first := a.hear("SDP_request", nil)
		g.do(bridge.Publish{Publication: bridge.Publication{
			ID: pub, Source: bridge.Camera, Audio: bridge.Live, Video: bridge.Live,
		}})
		a.hear("MEDIA_indication", object{"audio": on(), "video": on()})
		a.ask("MEDIA_request", wish(true))
		a.answer("SDP_response", first)
		old := w.last[a.id][false]
		a.hear("SDP_request", nil) // overlooked
		wait(11 * second)
		if old.Closed() || old.Remote() == "" {
			t.Error("what the client has answered is closed")
		}
		a.hear("MEDIA_indication", object{"audio": on(), "video": on()})
		if now := a.get(id, true, true); now == old || !old.Closed() || now.Closed() {
			t.Error("the client does not get all there is")
		}
		a.ask("MEDIA_request", wish(true)) // and what lacks nothing is not told again
		a.hear("SDP_request", nil)
		wait(11 * second)
		a.silent()
	})
}
