package media_test

import (
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

// Clients never say that they repeat sound. They are asked to in offers and in answers,
// once, and of Opus alone.
func TestSoundIsToBeRepeated(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	check := func(what, text string, want int) {
		t.Helper()
		sound, _, _ := strings.Cut(text, "\r\nm=video")
		if n := strings.Count(sound, "\r\na=rtcp-fb:111 nack\r\n"); n != want || strings.Count(sound, " nack") != want {
			t.Errorf("%s asks %d times:\n%s", what, n, sound)
		}
	}
	s, p := leg(t, e, newClient(t, mediatest.Config{}), bridge.NewParticipantID(), bridge.PeerOptions{})
	offer, answer := clientOffers(ctx, t, s, p)
	check("the client's offer", offer, 0)
	check("our answer", answer, 1)

	s = newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{})
	must(t, s.Send(bridge.PublicationID{}, bridge.SendOptions{Stream: "seat"}))
	offer, answer = serverOffers(ctx, t, s, newPeer(t, newClient(t, mediatest.Config{})))
	check("our offer", offer, 1)
	check("the client's answer", answer, 0)

	s = newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Codecs: []string{"PCMU", "VP8"}})
	must(t, s.Send(bridge.PublicationID{}, bridge.SendOptions{Stream: "seat"}))
	offer, _ = serverOffers(ctx, t, s, newPeer(t, newClient(t, mediatest.Config{})))
	check("an offer without Opus", offer, 0)
}
