package media_test

import (
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

func TestServerOffersPublishAndSubscribe(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	ahoy := mediatest.Config{NoCandidates: true}
	p := publish(ctx, t, e, ahoy, bridge.PeerOptions{Codecs: []string{"opus", "VP8"}})
	p.awaitState(ctx, bridge.PeerConnected)
	p.awaitTrack(ctx, p.id, bridge.Audio, true)
	p.awaitTrack(ctx, p.id, bridge.Video, true)

	s, c := subscribe(ctx, t, e, p.id, ahoy, bridge.PeerOptions{})
	s.awaitState(ctx, bridge.PeerConnected)
	must(t, c.WaitVideo(ctx, p.id.String(), 30))
	must(t, c.WaitAudio(ctx, p.id.String()))
	v := c.Stats()[p.id.String()+"/video"]
	clean(t, "video", v)
	if v.Last.Source != p.client.Source() {
		t.Errorf("frames of %d, want %d", v.Last.Source, p.client.Source())
	}
}

func TestOfferText(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	s := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Codecs: []string{"opus", "VP8"}, MaxBitrate: 300_000})
	must(t, s.Receive(bridge.NewPublicationID(), bridge.Camera))
	offer, err := s.Offer(ctx)
	must(t, err)
	text := string(offer)
	t.Log(text)
	if strings.Contains(text, "%") {
		t.Error("a percent sign")
	}
	if a, v := strings.Index(text, "m=audio"), strings.Index(text, "m=video"); a < 0 || v < a {
		t.Error("audio is not before video")
	}
}

// TestMark: an offer's m-lines have names of the dialect's, which the answer repeats, and
// by which the client knows what it gets.
func TestMark(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Mark: "s7-"}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(p.id, bridge.SendOptions{}))
	offer, answer := serverOffers(ctx, t, s, c)
	for what, text := range map[string]string{"offer": offer, "answer": answer} {
		for _, line := range []string{"a=group:BUNDLE s7-0 s7-1", "a=mid:s7-0", "a=mid:s7-1"} {
			if !strings.Contains(text, line+"\r\n") {
				t.Errorf("the %s has no line %q:\n%s", what, line, text)
			}
		}
	}
	must(t, c.WaitVideo(ctx, p.id.String(), 5))
	must(t, c.WaitAudio(ctx, p.id.String()))
}

// TestClaimedAnew: what is taken off a peer and put on again with more, while an offer waits
// for its answer, is sent.
func TestClaimedAnew(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	for name, o := range map[string]bridge.SendOptions{"sound first": {NoVideo: true}, "picture first": {NoAudio: true}} {
		t.Run(name, func(t *testing.T) {
			s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
			must(t, s.Send(p.id, o))
			offer, err := s.Offer(ctx)
			must(t, err)
			must(t, s.Drop(p.id))
			must(t, s.Send(p.id, bridge.SendOptions{}))
			answer, err := c.Answer(ctx, string(offer))
			must(t, err)
			must(t, s.Accept(ctx, bridge.SDP(answer)))
			serverOffers(ctx, t, s, c)
			must(t, c.WaitAudio(ctx, p.id.String()))
			must(t, c.WaitVideo(ctx, p.id.String(), 5))
		})
	}
}
