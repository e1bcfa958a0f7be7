package media_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// pipe hands what an outlet of one engine gives to a stream of another one's inlet.
type pipe struct {
	t  *testing.T
	to *media.InletStream

	mu      sync.Mutex
	packets int
	jumps   int // sequence numbers that do not follow each other
	last    uint16
	refused error
}

// write is media.OutletConfig.Write.
func (p *pipe) write(h *rtp.Header, payload []byte, level uint8, hasLevel bool) error {
	h.PayloadType, h.SSRC = 77, 4711 // of no meaning to who takes it
	b, err := (&rtp.Packet{Header: *h, Payload: payload}).Marshal()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.packets++; p.packets > 1 && h.SequenceNumber != p.last+1 {
		p.jumps++
	}
	p.last = h.SequenceNumber
	if err := p.to.Write(b, level, hasLevel); err != nil {
		p.refused = err
	}
	return nil
}

func (p *pipe) seen() (packets, jumps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.packets, p.jumps
}

// through lays a pipe for a layer.
func through(t *testing.T, a *media.Engine, in *media.Inlet, id bridge.PublicationID, track bridge.Track, rid string) (*media.Outlet, *pipe) {
	t.Helper()
	to, err := in.Take(track, rid, a.Offer(id).Codecs[track])
	must(t, err)
	p := &pipe{t: t, to: to}
	out, err := a.NewOutlet(media.OutletConfig{Publication: id, Track: track, RID: rid, Write: p.write})
	must(t, err)
	return out, p
}

func newInlet(t *testing.T, e *media.Engine, id bridge.PublicationID, key func(string)) *media.Inlet {
	t.Helper()
	if key == nil {
		key = func(string) {}
	}
	in, err := e.NewInlet(id, key)
	must(t, err)
	t.Cleanup(in.Close)
	return in
}

// offered waits for what a client has published.
func offered(ctx context.Context, t *testing.T, e *media.Engine, id bridge.PublicationID, layers int) media.RelayOffer {
	t.Helper()
	until(ctx, t, "an offer", func() bool { o := e.Offer(id); return o.Sound && len(o.Layers) == layers })
	return e.Offer(id)
}

// A camera of one engine is seen and heard at another one to which a program carries it,
// in both directions at once.
func TestThrough(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	for _, way := range [][2]*media.Engine{{a, b}, {b, a}} {
		from, to := way[0], way[1]
		p := publish(ctx, t, from, mediatest.Config{}, bridge.PeerOptions{})
		o := offered(ctx, t, from, p.id, 1)
		if !o.Here || o.Through || o.Codecs != [2]string{"opus", "VP8"} || o.Params[bridge.Audio] == "" {
			t.Fatalf("offered: %+v", o)
		}
		wished := to.Wished()
		_, c := subscribe(ctx, t, to, p.id, mediatest.Config{}, bridge.PeerOptions{})
		must(t, c.WaitConnected(ctx))
		<-wished
		until(ctx, t, "a wish", func() bool { w := to.Wishes()[p.id]; return w.Sound && w.Video })
		in := newInlet(t, to, p.id, nil)
		in.Offer(o)
		if o := to.Offer(p.id); o.Here || !o.Through {
			t.Errorf("offered by the inlet: %+v", o)
		}
		_, sound := through(t, from, in, p.id, bridge.Audio, "")
		_, picture := through(t, from, in, p.id, bridge.Video, "")
		must(t, c.WaitVideo(ctx, "", 60))
		must(t, c.WaitAudio(ctx, ""))
		v, s := c.Stats()[p.id.String()+"/video"], c.Stats()[p.id.String()+"/audio"]
		clean(t, "video", v)
		if s.Silent > 0 || s.Wrong > 0 {
			t.Errorf("sound: %+v", s)
		}
		for _, x := range []*pipe{sound, picture} {
			if n, jumps := x.seen(); n == 0 || jumps > int(from.Stats().Lost) {
				t.Errorf("%d of %d packets do not follow", jumps, n)
			}
		}
		if s := in.Stats(); !s.Feeds || !s.Talking || s.PacketsIn == 0 || len(s.Takes) != 2 || s.Takes[0].In.Nacked > 0 || s.Shut > 0 {
			t.Errorf("inlet: %+v", s)
		}
		if w := to.Wishes()[p.id]; !w.Video {
			t.Errorf("what an inlet feeds is not wished any more: %+v", w)
		}
		if n, _ := picture.seen(); to.Stats().PacketsIn < uint64(n) || from.Stats().PacketsOut < uint64(n) {
			t.Errorf("not counted: %+v, %+v", from.Stats(), to.Stats())
		}
	}
}

// Layers are streams of their own: who looks switches to one when it is there, at a key
// frame that was asked for, and misses none that goes.
func TestThroughLayers(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{Simulcast: true}, bridge.PeerOptions{Simulcast: true})
	o := offered(ctx, t, a, p.id, 3)
	var outs sync.Map // of rid
	in := newInlet(t, b, p.id, func(rid string) {
		if out, ok := outs.Load(rid); ok {
			out.(*media.Outlet).WantKey()
		}
	})
	in.Offer(o)
	s, c := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	var before *media.Outlet
	for i, rid := range []string{"q", "f", "h"} {
		must(t, s.Prefer(p.id, bridge.LayerWish{RID: rid}))
		until(ctx, t, "a wish for "+rid, func() bool { return slices.Equal(b.Wishes()[p.id].Layers, []string{rid}) })
		out, _ := through(t, a, in, p.id, bridge.Video, rid)
		outs.Store(rid, out)
		want := map[string]int{"q": 0, "h": 1, "f": 2}[rid]
		until(ctx, t, "layer "+rid, func() bool {
			v := c.Stats()[p.id.String()+"/video"]
			return v.Frames > 0 && int(v.Last.Layer) == want
		})
		if before != nil {
			before.Close()
			if n := len(in.Stats().Takes); n != i+1 {
				t.Errorf("%d streams", n)
			}
		}
		before = out
	}
	must(t, c.WaitVideo(ctx, "", 30))
	v := c.Stats()[p.id.String()+"/video"]
	clean(t, "video", v)
	if v.Switches != 2 {
		t.Errorf("%d switches", v.Switches)
	}
}

// Behind a closed gate nothing goes on, and afterwards it begins with a key frame.
func TestThroughGates(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	o := offered(ctx, t, a, p.id, 1)
	var out atomic.Pointer[media.Outlet]
	var keys atomic.Int64
	in := newInlet(t, b, p.id, func(string) {
		keys.Add(1)
		if out := out.Load(); out != nil {
			out.WantKey()
		}
	})
	x, picture := through(t, a, in, p.id, bridge.Video, "")
	out.Store(x)
	through(t, a, in, p.id, bridge.Audio, "")
	_, c := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitConnected(ctx))
	until(ctx, t, "packets that go nowhere", func() bool { return in.Stats().Shut > 20 })
	if n := c.Stats()[p.id.String()+"/video"].Packets; n > 0 {
		t.Errorf("%d packets came before the gate was open", n)
	}
	in.Offer(o)
	must(t, c.WaitVideo(ctx, "", 15))
	if keys.Load() == 0 {
		t.Error("no key frame was asked for")
	}
	o.Open[bridge.Video] = false
	in.Offer(o)
	before, _ := picture.seen()
	until(ctx, t, "packets for the closed gate", func() bool { n, _ := picture.seen(); return n > before+60 })
	shown := c.Stats()[p.id.String()+"/video"].Frames
	must(t, c.WaitAudio(ctx, ""))
	if n := c.Stats()[p.id.String()+"/video"].Frames; n != shown {
		t.Errorf("%d frames came through the closed gate", n-shown)
	}
	o.Open[bridge.Video] = true
	in.Offer(o)
	must(t, c.WaitVideo(ctx, "", 15))
	clean(t, "video", c.Stats()[p.id.String()+"/video"])
}

// A client's stream and a relay's come first, before and afterwards, and what is closed
// says so.
func TestInletYields(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitTrack(ctx, p.id, bridge.Video, true)
	exists := func(what string, err error) {
		t.Helper()
		if bridge.CodeOf(err) != bridge.Exists {
			t.Errorf("%s: %v", what, err)
		}
	}
	key := func(string) {}
	_, err := a.NewInlet(p.id, key)
	exists("an inlet beside a client", err)
	at, bt := relayed(ctx, t, a, b, nil)
	must(t, bt.Watch(p.id))
	_, err = b.NewInlet(p.id, key)
	exists("an inlet beside a relay", err)
	bt.Unwatch(p.id)
	in := newInlet(t, b, p.id, key)
	_, err = b.NewInlet(p.id, key)
	exists("an inlet beside another", err)
	in.Offer(media.RelayOffer{Open: [2]bool{true, true}})
	s, err := in.Take(bridge.Video, "", "vp8")
	must(t, err)
	packet := []byte{0x80, 0xe0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}
	must(t, s.Write(packet, 0, false))
	pull(t, a, at, bt, p.id, bridge.Video, "")
	until(ctx, t, "the relay", func() bool { return !in.Stats().Feeds })
	exists("to write beside a relay", s.Write(packet, 0, false))
	if in.Stats().Feeds {
		t.Error("it feeds still")
	}
	bt.Unwatch(p.id)
	for _, codec := range []string{"opus", "VP7", "H264;packetization-mode=1;profile-level-id=640032"} {
		if _, err := in.Take(bridge.Video, "", codec); bridge.CodeOf(err) != bridge.NotSupported {
			t.Errorf("%s: %v", codec, err)
		}
	}
	if _, err := in.Take(2, "", "VP8"); bridge.CodeOf(err) != bridge.BadRequest {
		t.Error(err)
	}
	next, err := in.Take(bridge.Video, "", "H264;packetization-mode=1;profile-level-id=42e01f")
	must(t, err)
	for what, err := range map[string]error{
		"a stream whose place was taken": s.Write(packet, 0, false),
		"a stream that is closed":        func() error { next.Close(); next.Close(); s.Close(); return next.Write(packet, 0, false) }(),
		"an inlet that is closed":        func() error { in.Close(); in.Close(); _, err := in.Take(0, "", "opus"); return err }(),
	} {
		if bridge.CodeOf(err) != bridge.Closed {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s.Write([]byte{1, 2}, 0, false) == nil || in.Stats().Malformed != 1 {
		t.Error("what is not RTP was taken")
	}
}

// An engine that is closed takes its inlets and outlets with it, and they survive that.
func TestThroughClosedEngine(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	o := offered(ctx, t, a, p.id, 1)
	in := newInlet(t, b, p.id, nil)
	in.Offer(o)
	out, x := through(t, a, in, p.id, bridge.Video, "")
	until(ctx, t, "packets", func() bool { n, _ := x.seen(); return n > 10 })
	must(t, b.Close())
	until(ctx, t, "a refusal", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return bridge.CodeOf(x.refused) == bridge.Closed
	})
	in.Offer(o)
	in.Close()
	x.to.Report(1, 1)
	x.to.Close()
	if s := b.Stats(); s.PacketsIn == 0 || s.Publications != 0 {
		t.Errorf("afterwards: %+v", s)
	}
	if _, err := b.NewInlet(p.id, func(string) {}); bridge.CodeOf(err) != bridge.Unavailable {
		t.Error(err)
	}
	if _, err := b.NewOutlet(media.OutletConfig{Publication: p.id, Write: x.write}); bridge.CodeOf(err) != bridge.Unavailable {
		t.Error(err)
	}
	out.Close()
	n, _ := x.seen()
	until(ctx, t, "more of the client", func() bool { return a.Stats().PacketsIn > uint64(n)+100 })
	if after, _ := x.seen(); after != n {
		t.Errorf("%d packets after Close", after-n)
	}
	out.WantKey()
	out.Close()
	if s := a.Stats(); s.PacketsOut < uint64(n) {
		t.Errorf("afterwards: %+v", s)
	}
}

// An outlet wishes for what no client of its node feeds, and gets it from an inlet there.
func TestOutletWishes(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{Simulcast: true}, bridge.PeerOptions{Simulcast: true})
	o := offered(ctx, t, a, p.id, 3)
	for _, bad := range []media.OutletConfig{{Publication: p.id}, {Write: (&pipe{}).write}, {Publication: p.id, Track: 2, Write: (&pipe{}).write}} {
		if _, err := a.NewOutlet(bad); bridge.CodeOf(err) != bridge.BadRequest {
			t.Error(err)
		}
	}
	wished := b.Wished()
	var packets atomic.Int64
	count := func(*rtp.Header, []byte, uint8, bool) error { packets.Add(1); return nil }
	for _, track := range []bridge.Track{bridge.Audio, bridge.Video} {
		out, err := b.NewOutlet(media.OutletConfig{Publication: p.id, Track: track, RID: [2]string{"", "h"}[track], Room: "far", Write: count})
		must(t, err)
		t.Cleanup(out.Close)
	}
	select {
	case <-wished:
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	if w := b.Wishes()[p.id]; !w.Sound || !w.Video || !slices.Equal(w.Layers, []string{"h"}) || w.Room != "far" {
		t.Errorf("wishes: %+v", w)
	}
	if len(a.Wishes()) > 0 {
		t.Errorf("wishes for its own: %+v", a.Wishes())
	}
	in := newInlet(t, b, p.id, nil)
	in.Offer(o)
	if of := b.Offer(p.id); !of.Through || len(of.Layers) != 3 || !of.Open[bridge.Video] {
		t.Errorf("offered: %+v", of)
	}
	through(t, a, in, p.id, bridge.Video, "h")
	until(ctx, t, "packets", func() bool { return packets.Load() > 30 })
}

// What is paused comes again with a key frame, with numbers that go on.
func TestOutletPauses(t *testing.T) {
	ctx, a, b := testContext(t), newEngine(t), newEngine(t)
	p := publish(ctx, t, a, mediatest.Config{}, bridge.PeerOptions{})
	o := offered(ctx, t, a, p.id, 1)
	in := newInlet(t, b, p.id, nil)
	in.Offer(o)
	_, c := subscribe(ctx, t, b, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitConnected(ctx))
	out, x := through(t, a, in, p.id, bridge.Video, "")
	for range 2 {
		must(t, c.WaitVideo(ctx, "", 15))
		out.Pause(true)
		out.Pause(true)
		before, _ := x.seen()
		came := a.Stats().PacketsIn
		until(ctx, t, "more of the client", func() bool { return a.Stats().PacketsIn > came+100 })
		if n, _ := x.seen(); n != before {
			t.Errorf("%d packets while it was paused", n-before)
		}
		out.Pause(false)
	}
	must(t, c.WaitVideo(ctx, "", 15))
	clean(t, "video", c.Stats()[p.id.String()+"/video"])
	if n, jumps := x.seen(); jumps > int(a.Stats().Lost) {
		t.Errorf("%d of %d packets do not follow", jumps, n)
	}
}
