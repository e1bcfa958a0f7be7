package media_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// relayed joins two engines. With change, what the second is told of the first, and
// the other way round, is edited.
func relayed(ctx context.Context, t *testing.T, a, b *media.Engine, change func(a, b *media.RelayParams)) (at, bt *media.Relay) {
	t.Helper()
	at, err := a.NewRelay(ctx, media.RelayConfig{Peer: "b", Controlling: true})
	must(t, err)
	t.Cleanup(func() { must(t, at.Close()) })
	bt, err = b.NewRelay(ctx, media.RelayConfig{Peer: "a"})
	must(t, err)
	t.Cleanup(func() { must(t, bt.Close()) })
	ap, bp := at.Params(), bt.Params()
	if change != nil {
		change(&ap, &bp)
	}
	failed := make(chan error, 1)
	go func() { failed <- bt.Connect(ctx, ap) }()
	must(t, at.Connect(ctx, bp))
	must(t, <-failed)
	return at, bt
}

// pull makes b take a layer from a.
func pull(t *testing.T, a *media.Engine, at, bt *media.Relay, id bridge.PublicationID, track bridge.Track, rid string) uint32 {
	t.Helper()
	must(t, bt.Watch(id))
	bt.Offered(id, a.Offer(id))
	ssrc, err := bt.Take(id, track, rid)
	must(t, err)
	must(t, at.Serve(id, track, rid, ssrc))
	return ssrc
}

// until waits until something holds that nothing tells.
func until(ctx context.Context, t *testing.T, what string, holds func() bool) {
	t.Helper()
	for tick := time.NewTicker(10 * time.Millisecond); !holds(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("waited in vain for:", what)
		}
	}
}

// A camera of one engine is seen and heard at another one, each packet crosses once
// for three who look, and somebody who comes late begins with what is there.
func TestRelay(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	p.awaitTrack(ctx, p.id, bridge.Audio, true)
	at, bt := relayed(ctx, t, a, b, nil)
	_, first := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, first.WaitConnected(ctx))
	until(ctx, t, "a wish", func() bool { w := b.Wishes()[p.id]; return w.Sound && w.Video && w.Room == "room" })
	if o := a.Offer(p.id); !o.Here || !o.Sound || len(o.Layers) != 1 || !o.Open[bridge.Video] {
		t.Fatalf("offered: %+v", o)
	}
	if o := b.Offer(p.id); o.Here {
		t.Fatalf("offered by who has it not: %+v", o)
	}
	pull(t, a, at, bt, p.id, bridge.Audio, "")
	ssrc := pull(t, a, at, bt, p.id, bridge.Video, "")
	must(t, first.WaitVideo(ctx, "", 30))
	must(t, first.WaitAudio(ctx, ""))
	_, second := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	_, third := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, second.WaitVideo(ctx, "", 30))
	must(t, third.WaitVideo(ctx, "", 30))
	for _, c := range []*mediatest.Peer{first, second, third} {
		v := c.Stats()[p.id.String()+"/video"]
		clean(t, "relayed video", v)
		if s := c.Stats()[p.id.String()+"/audio"]; s.Silent > 0 {
			t.Errorf("levels are lost: %+v", s)
		}
	}
	in, out := bt.Stats(), at.Stats()
	var video uint64
	for _, s := range in.Takes {
		if s.Track == bridge.Video {
			video += s.In.Packets
		}
	}
	if camera := first.Stats()[p.id.String()+"/video"].Packets; video > uint64(camera)*5/4 || len(in.Takes) != 2 || len(out.Serves) != 2 {
		t.Errorf("%d packets crossed, %d were seen by each: %+v", video, camera, in)
	}
	// The last one has gone.
	at.Unserve(ssrc)
	bt.Untake(ssrc)
	bt.Unwatch(p.id)
	if in := bt.Stats(); len(in.Takes) != 0 || in.PacketsIn == 0 {
		t.Errorf("after the end: %+v", in)
	}
	if out := at.Stats(); len(out.Serves) != 1 || out.PacketsOut == 0 {
		t.Errorf("after the end: %+v", out)
	}
}

// Layers come by themselves: a switch to one that is not there yet goes on with the
// other until it is, and one that is dropped is missed by nobody.
func TestRelayedLayers(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{Simulcast: true}, bridge.PeerOptions{Simulcast: true})
	until(ctx, t, "three layers", func() bool { return len(a.Offer(p.id).Layers) == 3 })
	at, bt := relayed(ctx, t, a, b, nil)
	s, c := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, s.Prefer(p.id, bridge.LayerWish{RID: "q"}))
	must(t, bt.Watch(p.id))
	bt.Offered(p.id, a.Offer(p.id))
	wished := func(rid string) func() bool {
		return func() bool { return slices.Equal(b.Wishes()[p.id].Layers, []string{rid}) }
	}
	until(ctx, t, "a wish for q", wished("q"))
	low := pull(t, a, at, bt, p.id, bridge.Video, "q")
	must(t, c.WaitVideo(ctx, "", 15))
	must(t, s.Prefer(p.id, bridge.LayerWish{RID: "f"}))
	until(ctx, t, "a wish for f", wished("f"))
	must(t, c.WaitVideo(ctx, "", 15))
	if last := c.Stats()[p.id.String()+"/video"].Last; last.Layer != 0 {
		t.Fatalf("layer %d", last.Layer)
	}
	high := pull(t, a, at, bt, p.id, bridge.Video, "f")
	until(ctx, t, "the better layer", func() bool { return c.Stats()[p.id.String()+"/video"].Last.Layer == 2 })
	at.Unserve(low)
	bt.Untake(low)
	must(t, c.WaitVideo(ctx, "", 30))
	v := c.Stats()[p.id.String()+"/video"]
	clean(t, "video", v)
	if v.Switches != 1 {
		t.Errorf("%d switches", v.Switches)
	}
	if out := at.Stats(); len(out.Serves) != 1 || out.Serves[0].SSRC != high || out.Serves[0].RID != "f" {
		t.Errorf("served: %+v", out.Serves)
	}
}

// Five in a hundred packets are lost, and next to none is missed, though the machine may be
// too busy to repair in time. What is behind a closed gate
// does not cross.
func TestRelayRepairsAndGates(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	proxy, err := mediatest.NewProxy()
	must(t, err)
	udp, _ := a.Addrs()
	proxy.Start(udp)
	t.Cleanup(func() { must(t, proxy.Close()) })
	at, bt := relayed(ctx, t, a, b, func(a, b *media.RelayParams) {
		f := strings.Fields(a.Candidates[0])
		f[4], f[5] = proxy.Addr().Addr().String(), strconv.Itoa(int(proxy.Addr().Port()))
		a.Candidates, b.Candidates = []string{strings.Join(f, " ")}, nil
	})
	proxy.Set(mediatest.Loss{Down: 0.05, Up: 0.05})
	_, c := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitConnected(ctx))
	pull(t, a, at, bt, p.id, bridge.Audio, "")
	pull(t, a, at, bt, p.id, bridge.Video, "")
	must(t, c.WaitVideo(ctx, "", 100))
	v, s := c.Stats()[p.id.String()+"/video"], c.Stats()[p.id.String()+"/audio"]
	if 100*v.Lost > v.Packets || 100*s.Lost > s.Packets || proxy.Drops() == 0 || at.Stats().Repeated == 0 {
		t.Errorf("%d dropped, %d repeated; video %+v, audio %+v", proxy.Drops(), at.Stats().Repeated, v, s)
	}
	t.Logf("%d dropped, %d repeated, of %d packets", proxy.Drops(), at.Stats().Repeated, at.Stats().PacketsOut)
	proxy.Set(mediatest.Loss{})
	a.Gate(p.id, bridge.Audio, false)
	a.Gate(p.id, bridge.Video, false)
	must(t, c.WaitSilence(ctx, "", 300*time.Millisecond))
	bt.Offered(p.id, a.Offer(p.id))
	_, late := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, late.WaitConnected(ctx))
	crossed := at.Stats().PacketsOut
	must(t, late.WaitSilence(ctx, "", 300*time.Millisecond))
	if n := at.Stats().PacketsOut; n != crossed {
		t.Errorf("%d packets crossed behind a closed gate", n-crossed)
	}
	a.Gate(p.id, bridge.Video, true)
	must(t, late.WaitVideo(ctx, "", 15))
}

// Nobody gets what is another's: a wrong certificate, an SSRC that was used, what is
// not of this node.
func TestRelayRefusals(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	at, bt := relayed(ctx, t, a, b, nil)
	ssrc := pull(t, a, at, bt, p.id, bridge.Video, "")
	for what, got := range map[string]struct {
		err  error
		want bridge.Code
	}{
		"an SSRC again":              {at.Serve(p.id, bridge.Video, "", ssrc), bridge.BadRequest},
		"an SSRC that is too high":   {at.Serve(p.id, bridge.Video, "", 1<<31), bridge.BadRequest},
		"a track that there is not":  {at.Serve(p.id, 2, "", ssrc+1), bridge.BadRequest},
		"what is relayed itself":     {bt.Serve(p.id, bridge.Video, "", 1), bridge.NotFound},
		"what nobody has":            {at.Serve(bridge.NewPublicationID(), bridge.Video, "", ssrc+1), bridge.NotFound},
		"to watch what is of here":   {at.Watch(p.id), bridge.Exists},
		"to take what is not viewed": {func() error { _, err := bt.Take(bridge.NewPublicationID(), 0, ""); return err }(), bridge.NotFound},
	} {
		if code := bridge.CodeOf(got.err); code != got.want {
			t.Errorf("%s: %v", what, got.err)
		}
	}

	evil, err := a.NewRelay(ctx, media.RelayConfig{Peer: "b", Controlling: true})
	must(t, err)
	t.Cleanup(func() { must(t, evil.Close()) })
	good, err := b.NewRelay(ctx, media.RelayConfig{Peer: "a"})
	must(t, err)
	t.Cleanup(func() { must(t, good.Close()) })
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ap, bp := evil.Params(), good.Params()
	ap.Fingerprint = bp.Fingerprint
	failed := make(chan error, 1)
	go func() { failed <- evil.Connect(short, bp) }()
	if err := good.Connect(short, ap); err == nil || good.Stats().Up {
		t.Error("a certificate that nobody knows was taken")
	}
	if err := <-failed; err == nil && evil.Stats().Up {
		// What it believes does not count: nobody listens.
		if s := good.Stats(); s.PacketsIn != 0 {
			t.Errorf("packets of nobody: %+v", s)
		}
	}
}

// A relay whose other end is gone without a word freezes and then is over.
func TestRelayIsLost(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	at, bt := relayed(ctx, t, a, b, nil)
	_, c := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitConnected(ctx))
	pull(t, a, at, bt, p.id, bridge.Video, "")
	must(t, c.WaitVideo(ctx, "", 5))
	begin := time.Now()
	must(t, at.Close())
	select {
	case <-bt.Over():
	case <-ctx.Done():
		t.Fatal("nothing is noticed")
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("noticed after %v", d)
	}
	must(t, bt.Close())
	if w := b.Wishes()[p.id]; !w.Video {
		t.Errorf("nobody wants it any more: %+v", w)
	}
	if _, err := bt.Take(p.id, bridge.Video, ""); bridge.CodeOf(err) != bridge.Closed {
		t.Error("taken from a relay that is closed:", err)
	}
	at, bt = relayed(ctx, t, a, b, nil)
	pull(t, a, at, bt, p.id, bridge.Video, "")
	must(t, c.WaitVideo(ctx, "", 15))
}
