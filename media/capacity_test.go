package media_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// A subscriber that loses much gets a lower layer.
func TestCongestionLowersTheLayer(t *testing.T) {
	ctx := testContext(t)
	e, proxy := lossyEngine(t)
	client, id := newClient(t, mediatest.Config{Simulcast: true, Bitrate: 900_000}), bridge.NewPublicationID()
	up, p := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Simulcast: true}), newPeer(t, client)
	must(t, up.Receive(id, bridge.Camera))
	must(t, p.Publish(true, true))
	clientOffers(ctx, t, up, p)
	_, c := subscribe(ctx, t, e, id, mediatest.Config{NoCandidates: true}, bridge.PeerOptions{})
	must(t, waitLayer(ctx, c, id.String(), 2))
	proxy.Set(mediatest.Loss{Down: 0.25})
	must(t, waitSent(ctx, e, c, id.String(), "q"))
	if e.Stats().Peers != 2 {
		t.Error("a peer is gone")
	}
	for _, s := range e.PeerStats() {
		if len(s.Sends) > 0 && s.Estimate == 0 {
			t.Errorf("no estimate: %+v", s)
		}
	}
}

// waitSent waits until one of some layers is sent, whether or not what is lost lets its frames be
// seen.
func waitSent(ctx context.Context, e *media.Engine, c *mediatest.Peer, stream string, rids ...string) error {
	for {
		for _, p := range e.PeerStats() {
			for _, s := range p.Sends {
				if s.Track == bridge.Video && slices.Contains(rids, s.Layer) {
					return nil
				}
			}
		}
		if err := c.WaitPackets(ctx, stream, "video", 1); err != nil {
			return err
		}
	}
}

// watched is a viewer of a camera with three layers at the end of a path that is made
// worse.
type watched struct {
	e      *media.Engine
	proxy  *mediatest.Proxy
	viewer *mediatest.Peer
	stream string
	answer string // the viewer's
}

func watch(ctx context.Context, t *testing.T, cfg mediatest.Config) watched {
	t.Helper()
	w := watched{}
	w.e, w.proxy = lossyEngine(t)
	client, id := newClient(t, mediatest.Config{Simulcast: true, Bitrate: 1_600_000}), bridge.NewPublicationID()
	w.stream = id.String()
	up, p := newSide(t, w.e, bridge.NewParticipantID(), bridge.PeerOptions{Simulcast: true}), newPeer(t, client)
	must(t, up.Receive(id, bridge.Camera))
	must(t, p.Publish(true, true))
	clientOffers(ctx, t, up, p)
	s, c := newSide(t, w.e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, cfg))
	must(t, s.Send(id, bridge.SendOptions{}))
	_, w.answer = serverOffers(ctx, t, s, c)
	w.viewer = c
	must(t, waitLayer(ctx, c, w.stream, 2))
	return w
}

// rate sets what passes to the viewer, in bit/s.
func (w *watched) rate(bps int) { w.proxy.Set(mediatest.Loss{Rate: bps, Delay: 10 * time.Millisecond}) }

// Where packets are numbered, a viewer gets what its path takes, and more soon after
// it takes more: padding finds out.
func TestLayerFollowsThePath(t *testing.T) {
	ctx := testContext(t)
	w := watch(ctx, t, mediatest.Config{NoCandidates: true})
	if !strings.Contains(w.answer, "transport-wide-cc") {
		t.Fatalf("packets are not numbered: %s", w.answer)
	}
	w.rate(900_000)
	must(t, waitSent(ctx, w.e, w.viewer, w.stream, "q", "h"))
	must(t, waitSent(ctx, w.e, w.viewer, w.stream, "h"))
	begin := time.Now()
	w.rate(0)
	must(t, waitSent(ctx, w.e, w.viewer, w.stream, "f"))
	t.Logf("the best layer is back after %s", time.Since(begin))
	if s := w.e.Stats(); s.Padding == 0 {
		t.Errorf("nobody asked whether there is more: %+v", s)
	}
}

// Clients that cannot say what became of each packet are asked about none.
func TestNobodyIsNumberedInVain(t *testing.T) {
	ctx := testContext(t)
	for name, munge := range map[string]func(string) string{
		"no retransmissions": withoutRTX,
		"no feedback":        func(s string) string { return strings.ReplaceAll(s, " transport-cc", " ccm tmmbr") },
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(ctx, t, mediatest.Config{NoCandidates: true, Munge: munge})
			w.proxy.Set(mediatest.Loss{Down: 0.3})
			must(t, waitSent(ctx, w.e, w.viewer, w.stream, "q"))
			if s := w.e.Stats(); s.Padding != 0 {
				t.Errorf("%d packets of padding", s.Padding)
			}
		})
	}
}
