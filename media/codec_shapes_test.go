package media_test

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

// What a publisher has is what is offered to a subscriber; one that cannot take
// it hears, and that it does not see is told.
func TestCodecsOfBothSides(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	h264 := mediatest.Config{Codec: webrtc.MimeTypeH264}
	p := publish(ctx, t, e, h264, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	stream := p.id.String()

	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(p.id, bridge.SendOptions{}))
	offer, _ := serverOffers(ctx, t, s, c)
	if strings.Contains(offer, "VP8") || !strings.Contains(offer, "H264") {
		t.Errorf("offer of H.264:\n%s", offer)
	}
	must(t, c.WaitPackets(ctx, stream, "video", 50))
	if v := c.Stats()[stream+"/video"]; v.Codec != "H264" {
		t.Errorf("codec %s", v.Codec)
	}

	// The codec is not known yet when it is negotiated.
	later := bridge.NewPublicationID()
	_, early := subscribe(ctx, t, e, later, mediatest.Config{}, bridge.PeerOptions{})
	up, q := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, h264))
	must(t, up.Receive(later, bridge.Camera))
	must(t, q.Publish(true, true))
	clientOffers(ctx, t, up, q)
	must(t, early.WaitPackets(ctx, later.String(), "video", 50))

	// A client without H.264.
	deaf, blind := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Codecs: []string{"opus", "VP8"}}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, deaf.Send(p.id, bridge.SendOptions{}))
	serverOffers(ctx, t, deaf, blind)
	must(t, blind.WaitAudio(ctx, stream))
	deaf.awaitTrack(ctx, p.id, bridge.Video, false)
	if n := blind.Stats()[stream+"/video"].Packets; n > 0 {
		t.Errorf("%d packets of video", n)
	}
}

// PeerNegotiate is told where it helps, and not for what only the client can
// change.
func TestNegotiateIsToldWhereItHelps(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	told := func(s *side) (n int) {
		for _, e := range s.told() {
			if _, ok := e.(bridge.PeerNegotiate); ok {
				n++
			}
		}
		return n
	}
	// The client has offered to receive only.
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, c.Subscribe(1, 0))
	must(t, s.Send(bridge.NewPublicationID(), bridge.SendOptions{}))
	clientOffers(ctx, t, s, c)
	must(t, s.Receive(bridge.NewPublicationID(), bridge.Camera))
	if n := told(s); n != 0 {
		t.Errorf("told %d times", n)
	}
	// We have offered, and could offer more.
	s, c = newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(bridge.NewPublicationID(), bridge.SendOptions{NoVideo: true}))
	serverOffers(ctx, t, s, c)
	must(t, s.Receive(bridge.NewPublicationID(), bridge.Camera))
	must(t, s.Send(bridge.NewPublicationID(), bridge.SendOptions{}))
	if n := told(s); n != 2 {
		t.Errorf("told %d times", n)
	}
}
