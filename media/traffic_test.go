package media_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// clean reports frames that were damaged on the way. Where the machine was too
// slow for its own loopback, so that packets never came, there may be some.
func clean(t *testing.T, what string, v mediatest.Stats) {
	t.Helper()
	if v.Lost > 0 {
		t.Logf("%s: %d packets lost on loopback", what, v.Lost)
		return
	}
	if v.Broken+v.Undecodable+v.IDGaps+v.Backward > 0 {
		t.Errorf("%s: %+v", what, v)
	}
}

// Spreed's upload moves from one connection to another of the same client.
func TestTakeover(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	owner, id := bridge.NewParticipantID(), bridge.NewPublicationID()
	client := newClient(t, mediatest.Config{})
	first, p1 := leg(t, e, client, owner, bridge.PeerOptions{})
	second, p2 := leg(t, e, client, owner, bridge.PeerOptions{})
	must(t, first.Receive(id, bridge.Camera))
	clientOffers(ctx, t, first, p1)
	clientOffers(ctx, t, second, p2)
	_, c := subscribe(ctx, t, e, id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitVideo(ctx, "", 15))

	must(t, second.Receive(id, bridge.Camera))
	second.awaitTrack(ctx, id, bridge.Video, true)
	must(t, c.WaitVideo(ctx, "", 30))
	first.Close()
	must(t, c.WaitVideo(ctx, "", 30))
	must(t, c.WaitAudio(ctx, ""))
	v := c.Stats()[id.String()+"/video"]
	clean(t, "video", v)
	if v.Last.Source != client.Source() {
		t.Errorf("frames of %d", v.Last.Source)
	}

	stranger := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{})
	if code := bridge.CodeOf(stranger.Receive(id, bridge.Camera)); code != bridge.Forbidden {
		t.Errorf("somebody else's Receive: %v", code)
	}
}

// A publication moves to a client that is somebody else's camera, as far as the
// subscriber can see: numbers go on, and the switch is at a key frame.
func TestFreedLinesAreTaken(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	a := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	b := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(bridge.PublicationID{}, bridge.SendOptions{Stream: "seat"}))
	serverOffers(ctx, t, s, c)
	s.awaitState(ctx, bridge.PeerConnected)
	for _, p := range []published{a, b, a} {
		for _, id := range []bridge.PublicationID{{}, a.id, b.id} {
			_ = s.Drop(id)
		}
		must(t, s.Send(p.id, bridge.SendOptions{}))
		must(t, waitSource(ctx, c, "seat", p.client.Source()))
		must(t, c.WaitVideo(ctx, "seat", 15))
		must(t, c.WaitAudio(ctx, "seat"))
	}
	clean(t, "video", c.Stats()["seat/video"])
	for _, e := range s.told() {
		if _, ok := e.(bridge.PeerNegotiate); ok {
			t.Error("PeerNegotiate, though all m-lines were there")
		}
	}
}

// waitSource waits until frames of a camera come.
func waitSource(ctx context.Context, c *mediatest.Peer, stream string, source uint32) error {
	for {
		if c.Stats()[stream+"/video"].Last.Source == source {
			return nil
		}
		if err := c.WaitVideo(ctx, stream, 1); err != nil {
			return err
		}
	}
}

func TestGate(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	_, c := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitAudio(ctx, ""))
	must(t, c.WaitVideo(ctx, "", 10))
	e.Gate(p.id, bridge.Audio, false)
	e.Gate(p.id, bridge.Video, false)
	e.Gate(bridge.NewPublicationID(), bridge.Audio, false)
	must(t, c.WaitSilence(ctx, "", 300*time.Millisecond))
	frames := c.Stats()[p.id.String()+"/video"].Frames
	must(t, c.WaitSilence(ctx, "", 300*time.Millisecond))
	if n := c.Stats()[p.id.String()+"/video"].Frames; n != frames {
		t.Errorf("%d frames through a closed gate", n-frames)
	}
	p.await(ctx, "talking behind a closed gate", func(e bridge.Event) bool {
		h, ok := e.(bridge.PeerHeard)
		return ok && h.Talking && h.Pub == p.id
	})
	e.Gate(p.id, bridge.Audio, true)
	e.Gate(p.id, bridge.Video, true)
	must(t, c.WaitAudio(ctx, ""))
	must(t, c.WaitVideo(ctx, "", 10))
	clean(t, "video", c.Stats()[p.id.String()+"/video"])
	if a := c.Stats()[p.id.String()+"/audio"]; a.Lost+a.Backward > 0 {
		t.Errorf("audio: %+v", a)
	}
}

func TestMuteIsDetected(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{DetectMute: true})
	p.await(ctx, "talking", func(e bridge.Event) bool { h, ok := e.(bridge.PeerHeard); return ok && h.Talking })
	begin := time.Now()
	p.client.Silence(true)
	p.await(ctx, "end of talking", func(e bridge.Event) bool { h, ok := e.(bridge.PeerHeard); return ok && !h.Talking })
	p.await(ctx, "silence", func(e bridge.Event) bool {
		s, ok := e.(bridge.PeerSilence)
		return ok && s.Silent && s.Pub == p.id
	})
	if d := time.Since(begin); d < 1200*time.Millisecond { // a pause between words is no mute
		t.Errorf("muted after %s", d)
	}
	p.client.Silence(false)
	p.await(ctx, "sound", func(e bridge.Event) bool { s, ok := e.(bridge.PeerSilence); return ok && !s.Silent })
}

// A tile that gets no picture at once stays without one (spreed.md 12.1).
func TestPlaceholder(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	id := bridge.NewPublicationID()
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Placeholder: true}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(id, bridge.SendOptions{Stream: "tile"}))
	serverOffers(ctx, t, s, c)
	must(t, c.WaitConnected(ctx))
	begin := time.Now()
	must(t, c.WaitForeign(ctx, "tile"))
	t.Logf("first picture after %s", time.Since(begin))
	must(t, c.WaitForeign(ctx, "tile"))

	owner, client := bridge.NewParticipantID(), newClient(t, mediatest.Config{})
	up, p := newSide(t, e, owner, bridge.PeerOptions{}), newPeer(t, client)
	must(t, up.Receive(id, bridge.Camera))
	must(t, p.Publish(true, true))
	clientOffers(ctx, t, up, p)
	must(t, c.WaitVideo(ctx, "tile", 30))
	foreign := c.Stats()["tile/video"].Foreign

	e.Gate(id, bridge.Video, false)
	must(t, c.WaitForeign(ctx, "tile"))
	e.Gate(id, bridge.Video, true)
	must(t, c.WaitVideo(ctx, "tile", 30))
	v := c.Stats()["tile/video"]
	clean(t, "video", v)
	if v.Foreign == foreign {
		t.Error("no placeholder behind a closed gate")
	}
}

func TestUnwantedUploadIsSmall(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	client, owner := newClient(t, mediatest.Config{}), bridge.NewParticipantID()
	s, p := leg(t, e, client, owner, bridge.PeerOptions{MaxBitrate: 800_000})
	clientOffers(ctx, t, s, p)
	must(t, p.WaitBitrate(ctx, 60_000)) // nobody has claimed it
	id := bridge.NewPublicationID()
	must(t, s.Receive(id, bridge.Camera))
	for p.MaxBitrate() < 800_000 {
		must(t, ctx.Err())
		must(t, p.WaitBitrate(ctx, 2_000_000))
	}
	if n := p.MaxBitrate(); n > 1_000_000 {
		t.Errorf("may send %d", n)
	}
	e.Gate(id, bridge.Video, false)
	must(t, p.WaitBitrate(ctx, 80_000)) // nobody gets the picture; the sound remains
}

// TestLimit: what a client may send can be changed while it sends, without a
// negotiation.
func TestLimit(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	for _, most := range []int{200_000, 100_000} {
		must(t, p.Limit(most))
		must(t, p.peer.WaitBitrate(ctx, most+64_000)) // and the sound
	}
	must(t, p.Limit(0))
	for p.peer.MaxBitrate() < 2_500_000 {
		must(t, ctx.Err())
		must(t, p.peer.WaitBitrate(ctx, 3_000_000))
	}
	p.Close()
	if err := p.Limit(1); bridge.CodeOf(err) != bridge.Closed {
		t.Errorf("limit of a closed peer: %v", err)
	}
}

// TestSilentWish: one subscriber gets no sound any more, the others do; and it comes
// back without a negotiation.
func TestSilentWish(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
	_, other := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitAudio(ctx, ""))
	must(t, other.WaitAudio(ctx, ""))
	must(t, s.Prefer(p.id, bridge.LayerWish{Silent: true}))
	must(t, c.WaitSilence(ctx, "", 300*time.Millisecond))
	must(t, other.WaitAudio(ctx, ""))
	must(t, c.WaitVideo(ctx, "", 10))
	must(t, s.Prefer(p.id, bridge.LayerWish{}))
	must(t, c.WaitAudio(ctx, ""))
}

func TestLateJoinerSeesAtOnce(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	for range 3 {
		_, c := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
		must(t, c.WaitConnected(ctx))
		begin := time.Now()
		must(t, c.WaitVideo(ctx, "", 1))
		t.Logf("first frame after %s", time.Since(begin))
	}
}

func lossyEngine(t *testing.T) (*media.Engine, *mediatest.Proxy) {
	t.Helper()
	proxy, err := mediatest.NewProxy()
	must(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	e := newEngine(t, func(c *media.Config) { c.Advertise = []string{proxy.Addr().String()} })
	udp, _ := e.Addrs()
	proxy.Start(udp)
	return e, proxy
}

// withoutRTX edits descriptions so that nothing is retransmitted in streams of
// their own.
func withoutRTX(text string) string {
	for {
		less := mediatest.MungeSpreed(text)
		if less == text {
			return text
		}
		text = less
	}
}

// Every packet of sound and every frame arrives, once and as it was, though packets are
// lost and reordered on both ways.
func TestRepairOverLossyNetwork(t *testing.T) {
	for _, tt := range []struct {
		name  string
		munge func(string) string
		delay time.Duration
	}{
		{name: "retransmissions of their own"},
		{"far away, without retransmissions of their own", withoutRTX, 40 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := testContext(t)
			e, proxy := lossyEngine(t)
			cfg := mediatest.Config{NoCandidates: true, Bitrate: 600_000, Munge: tt.munge}
			p := publish(ctx, t, e, cfg, bridge.PeerOptions{})
			r, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, cfg))
			must(t, r.Send(p.id, bridge.SendOptions{}))
			_, answer := serverOffers(ctx, t, r, c)
			must(t, c.WaitVideo(ctx, "", 10))
			proxy.Set(mediatest.Loss{Up: 0.05, Down: 0.05, Reordered: 0.02, Doubled: 0.01, Delay: tt.delay})
			must(t, c.WaitVideo(ctx, "", 150))
			proxy.Set(mediatest.Loss{})
			must(t, c.WaitVideo(ctx, "", 30))
			must(t, c.WaitAudio(ctx, "")) // heard in order, so that all before has come
			v := c.Stats()[p.id.String()+"/video"]
			clean(t, "video", v)
			own := strings.Contains(answer, " rtx/")
			// Frames are counted one after the other. Pion asks on for what has come in a
			// stream of its own; otherwise nothing comes twice.
			if v.Lost+v.Foreign+v.Backward > 0 || v.Frames < 190 || !own && v.Duplicates > 0 {
				t.Errorf("picture: %+v", v)
			}
			a := c.Stats()[p.id.String()+"/audio"]
			if a.Lost+a.Duplicates+a.Wrong+a.Backward > 0 || a.Packets < 200 || a.Late == 0 {
				t.Errorf("sound: %+v", a)
			}
			if proxy.Drops() < 50 || v.Late == 0 {
				t.Errorf("%d packets dropped, %d late: the network was not bad", proxy.Drops(), v.Late)
			}
			s := e.Stats()
			if s.NACKsIn == 0 || s.NACKsOut == 0 || s.Repeated == 0 {
				t.Errorf("nothing was repaired: %+v", s)
			}
			if own && (s.Retransmitted == 0 || s.Retransmitted >= s.Repeated) || !own && s.Retransmitted != 0 { // sound has none
				t.Errorf("%d of %d repairs have a stream of their own", s.Retransmitted, s.Repeated)
			}
		})
	}
}

func TestSimulcast(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := published{
		client: newClient(t, mediatest.Config{Simulcast: true, Bitrate: 600_000}),
		owner:  bridge.NewParticipantID(), id: bridge.NewPublicationID(),
	}
	p.side, p.peer = newSide(t, e, p.owner, bridge.PeerOptions{Simulcast: true}), newPeer(t, p.client)
	must(t, p.Receive(p.id, bridge.Camera))
	must(t, p.peer.Publish(true, true))
	clientOffers(ctx, t, p.side, p.peer)
	track := p.awaitTrack(ctx, p.id, bridge.Video, true)
	if len(track.Layers) != 3 {
		t.Errorf("layers %+v", track.Layers)
	}
	s, c := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
	stream := p.id.String()
	must(t, c.WaitVideo(ctx, stream, 5))
	for _, wish := range []struct {
		rid   string
		layer uint8
	}{{"q", 0}, {"h", 1}, {"q", 0}, {"f", 2}, {"", 2}} {
		must(t, s.Prefer(p.id, bridge.LayerWish{RID: wish.rid}))
		must(t, waitLayer(ctx, c, stream, wish.layer))
		must(t, c.WaitVideo(ctx, stream, 10))
	}
	must(t, s.Prefer(p.id, bridge.LayerWish{NoMore: true}))
	must(t, c.WaitAudio(ctx, stream))
	frames := c.Stats()[stream+"/video"].Frames
	must(t, c.WaitAudio(ctx, stream))
	if n := c.Stats()[stream+"/video"].Frames; n != frames {
		t.Errorf("%d frames though none are wished", n-frames)
	}
	must(t, s.Prefer(p.id, bridge.LayerWish{NoMore: true, Silent: true}))
	must(t, c.WaitSilence(ctx, stream, 200*time.Millisecond))
	must(t, s.Prefer(p.id, bridge.LayerWish{Silent: true}))
	must(t, c.WaitVideo(ctx, stream, 10))
	must(t, s.Prefer(p.id, bridge.LayerWish{}))
	must(t, c.WaitAudio(ctx, stream))
	must(t, c.WaitVideo(ctx, stream, 10))

	// The best layer ends; the next one takes its place.
	p.client.Pause("f", true)
	must(t, waitLayer(ctx, c, stream, 1))
	must(t, c.WaitVideo(ctx, stream, 10))
	v := c.Stats()[stream+"/video"]
	clean(t, "video", v)
	if v.Switches < 4 {
		t.Errorf("%d switches", v.Switches)
	}
}

// waitLayer waits until frames of a layer come.
func waitLayer(ctx context.Context, c *mediatest.Peer, stream string, layer uint8) error {
	for {
		if c.Stats()[stream+"/video"].Last.Layer == layer {
			return nil
		}
		if err := c.WaitVideo(ctx, stream, 1); err != nil {
			return err
		}
	}
}
