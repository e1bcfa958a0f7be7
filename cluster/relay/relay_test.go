package relay_test

import (
	"slices"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
	"dragoman/cluster/relay"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// Each publication crosses the way between two nodes once, however many look at it
// there, and not at all where nobody does; it ends seconds after the last has gone.
func TestOncePerLink(t *testing.T) {
	w := newWorld(t, 3)
	a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
	room := w.room(2)
	cam := w.publish(0, room, mediatest.Config{})
	here := w.watch(0, room, cam.pub)
	here.sees(cam.pub, 5)
	for _, n := range w.nodes {
		if s := n.relays.Stats(); s.Opened > 0 || s.Pulled > 0 {
			t.Fatalf("something crosses though nobody looks: %+v", s)
		}
	}
	first := w.join(1, room, mediatest.Config{}, bridge.PeerOptions{})
	asked := time.Now()
	first.send(cam.pub)
	first.sees(cam.pub, 1)
	t.Logf("the first picture comes %v after it was asked for, with ICE and DTLS of client and lane", time.Since(asked))
	viewers := []*client{first, w.watch(1, room, cam.pub), w.watch(1, room, cam.pub), w.watch(2, room, cam.pub)}
	for _, v := range viewers {
		v.sees(cam.pub, 30)
		v.hears(cam.pub)
	}
	for _, n := range []*node{b, c} {
		if all := n.taken(a); len(all) != 2 || !slices.Contains(all, "audio ") || !slices.Contains(all, "video ") {
			t.Errorf("%s takes %q", n.Gossip.Self().Name, all)
		}
		s := n.relays.Stats()
		if s.Lanes != 1 || s.Pulled != 2 || s.PacketsOut != 0 {
			t.Errorf("%s: %+v", n.Gossip.Self().Name, s)
		}
	}
	if s := a.relays.Stats(); s.Lanes != 2 || s.Served != 4 || s.PacketsIn != 0 {
		t.Errorf("a: %+v", s)
	}
	seen, crossed := viewers[0].video(cam.pub).Packets, b.crossed(cam.pub, bridge.Video)
	if crossed > uint64(seen)*3/2 {
		t.Errorf("%d packets crossed, each of three viewers has got %d", crossed, seen)
	}
	for _, v := range viewers {
		if s := v.video(cam.pub); s.Lost == 0 && s.Broken+s.Undecodable+s.IDGaps > 0 {
			t.Errorf("damaged on the way: %+v", s)
		}
	}
	begin := time.Now()
	for _, v := range viewers[:3] {
		w.must(v.peer.Drop(cam.pub))
	}
	w.until("the end", func() bool { return len(b.taken(a)) == 0 && a.relays.Stats().Served == 2 })
	if d := time.Since(begin); d < time.Second {
		t.Errorf("ended after %v: views that switch would flap", d)
	}
	viewers[3].sees(cam.pub, 10) // c is not concerned
	before := viewers[3].video(cam.pub).Frames
	w.must(viewers[0].Leave(w.ctx, bridge.ByWish))
	viewers[3].sees(cam.pub, 10)
	if n := viewers[3].video(cam.pub).Frames; n <= before {
		t.Errorf("%d frames, %d before", n, before)
	}
}

// A layer that nobody looks at does not cross. One of the nodes has the portable engine.
func TestWantedLayersOnly(t *testing.T) {
	engine := "portable"
	w := newWorld(t, 2, func(_ *relay.Settings, c *media.Config) { c.Engine, engine = engine, "auto" })
	a, b := w.nodes[0], w.nodes[1]
	room := w.room(0)
	cam := w.publish(0, room, mediatest.Config{Simulcast: true})
	v := w.join(1, room, mediatest.Config{}, bridge.PeerOptions{})
	w.must(v.peer.Send(cam.pub, bridge.SendOptions{NoAudio: true}))
	w.must(v.peer.Prefer(cam.pub, bridge.LayerWish{RID: "q"}))
	v.send()
	v.sees(cam.pub, 15)
	if all := b.taken(a); !slices.Equal(all, []string{"video q"}) {
		t.Errorf("taken: %q", all)
	}
	w.must(v.peer.Prefer(cam.pub, bridge.LayerWish{RID: "f"}))
	w.until("the best layer", func() bool { return v.video(cam.pub).Last.Layer == 2 })
	w.until("the end of the other", func() bool { return slices.Equal(b.taken(a), []string{"video f"}) })
	w.must(v.peer.Prefer(cam.pub, bridge.LayerWish{NoMore: true}))
	w.until("the end of all", func() bool { return len(b.taken(a)) == 0 })
	w.must(v.peer.Prefer(cam.pub, bridge.LayerWish{}))
	v.sees(cam.pub, 15)
	if s := v.video(cam.pub); s.Lost == 0 && s.Broken+s.Undecodable > 0 {
		t.Errorf("damaged on the way: %+v", s)
	}
}

// Both ways go over one lane, whoever begins, and who talks on one node is heard and
// muted on the other.
func TestBothWays(t *testing.T) {
	w := newWorld(t, 2)
	room := w.room(1)
	ann, bob := w.publish(0, room, mediatest.Config{}), w.publish(1, room, mediatest.Config{})
	atA, atB := w.watch(0, room, bob.pub), w.watch(1, room, ann.pub)
	for v, pub := range map[*client]bridge.PublicationID{atA: bob.pub, atB: ann.pub} {
		v.sees(pub, 15)
		v.hears(pub)
	}
	for _, n := range w.nodes {
		if s := n.relays.Stats(); s.Lanes != 1 || s.Taken != 2 || s.Served != 2 {
			t.Errorf("%s: %+v", n.Gossip.Self().Name, s)
		}
	}
	w.must(ann.Do(w.ctx, bridge.SetTrack{ID: ann.pub, Track: bridge.Audio, Muted: true}))
	w.must(ann.Do(w.ctx, bridge.SetTrack{ID: ann.pub, Track: bridge.Video, Muted: true}))
	w.must(atB.far.WaitSilence(w.ctx, ann.pub.String(), 300*time.Millisecond))
	crossed := w.nodes[1].crossed(ann.pub, bridge.Video)
	late := w.watch(1, room, ann.pub)
	w.must(late.far.WaitConnected(w.ctx))
	w.must(late.far.WaitSilence(w.ctx, ann.pub.String(), 300*time.Millisecond))
	if n := w.nodes[1].crossed(ann.pub, bridge.Video); n != crossed {
		t.Errorf("%d packets crossed behind a mute", n-crossed)
	}
	w.must(ann.Do(w.ctx, bridge.SetTrack{ID: ann.pub, Track: bridge.Video}))
	late.sees(ann.pub, 15)
	atB.sees(ann.pub, 15)
}

// The owner of the room dies, and media between two other nodes does not stop. Then the
// node of the camera dies, and what came from it ends.
func TestDeaths(t *testing.T) {
	w := newWorld(t, 3)
	a, b := w.nodes[0], w.nodes[1]
	room := w.room(2)
	w.join(2, room, mediatest.Config{}, bridge.PeerOptions{})
	cam := w.publish(0, room, mediatest.Config{})
	v := w.watch(1, room, cam.pub)
	v.sees(cam.pub, 15)
	opened := b.relays.Stats().Opened
	usual := v.gap(cam.pub, func() { v.sees(cam.pub, 60) })
	gap := v.gap(cam.pub, func() {
		w.nodes[2].down()
		w.until("the room elsewhere", func() bool { return a.Stats().Owned+b.Stats().Owned == 1 })
		v.sees(cam.pub, 60)
	})
	t.Logf("the longest time without a frame is %v while the owner of the room dies, %v before", gap, usual)
	if gap > max(time.Second, 3*usual) {
		t.Errorf("%v without a frame", gap)
	}
	if s := v.video(cam.pub); s.Lost == 0 && s.Broken+s.Undecodable > 0 {
		t.Errorf("damaged while the owner died: %+v", s)
	}
	if s := b.relays.Stats(); s.Opened != opened || s.Lost != 0 || s.Pulled != 2 {
		t.Errorf("the lane was opened anew: %+v", s)
	}
	late := w.watch(1, room, cam.pub)
	late.sees(cam.pub, 15)

	a.down()
	w.until("the end of what came", func() bool { s := b.relays.Stats(); return s.Lanes == 0 && s.Taken == 0 })
}

// A node that forgets all about relays is asked again, and again until it answers.
func TestPulledAgain(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.nodes[0], w.nodes[1]
	room := w.room(1)
	cam := w.publish(0, room, mediatest.Config{})
	v := w.watch(1, room, cam.pub)
	v.sees(cam.pub, 10)
	a.relays.Close()
	w.until("the end", func() bool { return b.relays.Stats().Lanes == 0 })
	w.must(v.far.WaitSilence(w.ctx, cam.pub.String(), 300*time.Millisecond))
	w.until("attempts", func() bool { return b.relays.Stats().Failed > 0 })
	again, err := relay.Start(relay.Config{Settings: relay.DefaultSettings(), Cluster: a, Media: a.engine})
	w.must(err)
	t.Cleanup(again.Close)
	v.sees(cam.pub, 30)
	v.hears(cam.pub)
	if s := v.video(cam.pub); s.Lost == 0 && s.Broken+s.Undecodable > 0 {
		t.Errorf("damaged on the way: %+v", s)
	}
	if s := b.relays.Stats(); s.Opened != 2 || s.PacketsIn == 0 {
		t.Errorf("b: %+v", s)
	}
}

// byHand is a node that asks another one for media by itself.
type byHand struct {
	w     *world
	relay *media.Relay
	to    *node
	from  *node
	s     *link.Stream
}

// reach joins b's end of a relay, by hand, with a's.
func (w *world) reach(from, to *node, id uint64) *byHand {
	w.t.Helper()
	r, err := from.engine.NewRelay(w.ctx, media.RelayConfig{Peer: "by hand", Controlling: from.id() < to.id()})
	w.must(err)
	w.t.Cleanup(func() { w.must(r.Close()) })
	p := r.Params()
	answer, err := from.Ask(w.ctx, to.id(), link.RelayEnd{
		Relay: id, Ufrag: p.Ufrag, Password: p.Password, Candidates: p.Candidates, Fingerprint: p.Fingerprint,
	})
	w.must(err)
	e := answer.(link.RelayEnd)
	w.must(r.Connect(w.ctx, media.RelayParams{Ufrag: e.Ufrag, Password: e.Password, Candidates: e.Candidates, Fingerprint: e.Fingerprint}))
	return &byHand{w: w, relay: r, from: from, to: to}
}

// ask opens a stream with a question, or puts another one.
func (h *byHand) ask(q link.RelayPull) {
	h.w.t.Helper()
	if h.s == nil {
		var err error
		h.s, err = h.from.Open(h.w.ctx, h.to.id())
		h.w.must(err)
		h.w.t.Cleanup(h.s.Close)
	}
	h.w.must(h.s.Send(&link.Envelope{Body: q}))
}

// told waits for what fits.
func (h *byHand) told(what string, fits func(link.RelayOffers) bool) {
	h.w.t.Helper()
	for {
		e, err := h.s.Recv()
		if err == nil {
			err = e.Err
		}
		if err != nil {
			h.w.t.Fatalf("%s: %v", what, err)
		}
		if o, ok := e.Body.(link.RelayOffers); ok && fits(o) {
			return
		}
	}
}

// Who has no seat in a room gets nothing of it. Who has, gets it, and goes on getting it
// when the stream that it has asked on breaks; a number is good for one stream only.
func TestNoSeatNoMedia(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.nodes[0], w.nodes[1]
	room := w.room(0)
	cam := w.publish(0, room, mediatest.Config{})
	h := w.reach(b, a, 7)
	h.ask(link.RelayPull{Relay: 8})
	if e, err := h.s.Recv(); err != nil || bridge.CodeOf(e.Err) != bridge.NotFound {
		t.Errorf("a relay that there is not: %+v, %v", e, err)
	}
	h.s = nil
	watch := link.RelayWatch{Room: room, ID: cam.pub}
	var ssrc uint32
	take := func() link.RelayTake {
		w.must(h.relay.Watch(cam.pub))
		n, err := h.relay.Take(cam.pub, bridge.Video, "")
		w.must(err)
		ssrc = n
		return link.RelayTake{ID: cam.pub, Track: bridge.Video, SSRC: n}
	}
	refused := func(o link.RelayOffers) bool { return slices.Contains(o.Refused, ssrc) }
	h.ask(link.RelayPull{Relay: 7, Watch: []link.RelayWatch{watch}, Take: []link.RelayTake{take()}})
	h.told("refusal", refused)
	if placed, err := b.Place(w.ctx, link.Place{Room: room}); bridge.CodeOf(err) != bridge.NotFound {
		t.Errorf("a room of which this node has nobody: %+v, %v", placed, err)
	}
	placed, err := a.Place(w.ctx, link.Place{Room: room, Pubs: []bridge.PublicationID{cam.pub, bridge.NewPublicationID()}, Node: b.id()})
	if err != nil || placed.Sits || placed.At[0] != a.id() || placed.At[1] != "" {
		t.Errorf("placed: %+v, %v", placed, err)
	}

	w.join(1, room, mediatest.Config{}, bridge.PeerOptions{})
	h.told("offer", func(o link.RelayOffers) bool { return len(o.Of) == 1 && o.Of[0].Here && len(o.Of[0].Layers) == 1 })
	stranger := link.RelayTake{ID: bridge.NewPublicationID(), SSRC: 100_000}
	first := take()
	h.ask(link.RelayPull{Relay: 7, Take: []link.RelayTake{first, stranger}})
	h.told("refusal of what is not watched", func(o link.RelayOffers) bool { return slices.Equal(o.Refused, []uint32{stranger.SSRC}) })
	packets := func() uint64 { return h.relay.Stats().PacketsIn }
	w.until("packets", func() bool { return packets() > 20 })

	h.s.Close()
	h.s = nil
	h.ask(link.RelayPull{Relay: 7, Watch: []link.RelayWatch{watch}, Take: []link.RelayTake{first}})
	h.told("offer on another stream", func(o link.RelayOffers) bool { return len(o.Of) == 1 && o.Of[0].Here })
	before := packets()
	w.until("more packets", func() bool { return packets() > before+20 })
	h.ask(link.RelayPull{Relay: 7, Drop: []uint32{first.SSRC}, Take: []link.RelayTake{{ID: cam.pub, Track: bridge.Video, SSRC: first.SSRC}}})
	h.told("refusal of a number that was used", refused)
	if s := a.relays.Stats(); s.Refused < 3 || s.Served != 0 {
		t.Errorf("a: %+v", s)
	}
	if _, err := b.Ask(w.ctx, a.id(), link.RelayBye{Relay: 7}); err != nil {
		t.Error(err)
	}
	w.until("the end", func() bool { return a.relays.Stats().Lanes == 0 })
}

// Of many voices only the loudest cross.
func TestLoudest(t *testing.T) {
	w := newWorld(t, 2, func(s *relay.Settings, _ *media.Config) { s.MaxSpeakers = 1 })
	room := w.room(0)
	ann, bob := w.publish(0, room, mediatest.Config{}), w.publish(0, room, mediatest.Config{})
	bob.dev.Silence(true)
	v := w.watch(1, room, ann.pub, bob.pub)
	v.hears(ann.pub)
	v.sees(ann.pub, 5)
	v.sees(bob.pub, 5)
	voices := func() (all []bridge.PublicationID) {
		for _, l := range w.nodes[1].relays.Lanes() {
			for _, s := range l.Takes {
				if s.Track == bridge.Audio {
					all = append(all, s.Publication)
				}
			}
		}
		return all
	}
	w.until("one voice", func() bool { return slices.Equal(voices(), []bridge.PublicationID{ann.pub}) })
	ann.dev.Silence(true)
	bob.dev.Silence(false)
	v.hears(bob.pub)
	w.until("the other voice", func() bool { return slices.Equal(voices(), []bridge.PublicationID{bob.pub}) })
}

// A lane that nobody has asked anything of for half a minute is closed at both ends.
func TestIdleLane(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.nodes[0], w.nodes[1]
	room := w.room(0)
	cam := w.publish(0, room, mediatest.Config{})
	v := w.watch(1, room, cam.pub)
	v.sees(cam.pub, 5)
	v.sees(cam.pub, 5)
	w.must(v.peer.Drop(cam.pub))
	w.until("the end", func() bool { return a.relays.Stats().Served == 0 && b.relays.Stats().Taken == 0 })
	if s := b.relays.Stats(); s.Lanes != 1 {
		t.Errorf("b: %+v", s)
	}
	later := time.Now()
	w.until("the end of the lane", func() bool {
		later = later.Add(31 * time.Second) // again and again, as the puller must have ended before
		b.relays.Tidy(later)
		return b.relays.Stats().Lanes == 0
	})
	w.until("the same there", func() bool { return a.relays.Stats().Lanes == 0 })
	if s := b.relays.Stats(); s.Lost != 0 || s.PacketsIn == 0 {
		t.Errorf("b: %+v", s)
	}
	w.must(v.peer.Send(cam.pub, bridge.SendOptions{}))
	v.sees(cam.pub, 5)
}

// Who talked last comes first, and of those who never did always the same.
func TestChoose(t *testing.T) {
	now := time.Now()
	ids := []bridge.PublicationID{bridge.NewPublicationID(), bridge.NewPublicationID(), bridge.NewPublicationID()}
	spoke := map[bridge.PublicationID]time.Time{ids[0]: now.Add(-time.Second), ids[2]: now}
	for most, want := range map[int][]bridge.PublicationID{0: ids, 3: ids, 2: {ids[2], ids[0]}, 1: {ids[2]}} {
		if got := relay.Choose(slices.Clone(ids), spoke, most); !slices.Equal(got, want) {
			t.Errorf("%d of them: %v, want %v", most, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, s := range []relay.Settings{{MaxSpeakers: -1}, {Networks: []string{"here"}}, {Networks: []string{"10.0.0.0/33"}}} {
		if err := s.Check(); bridge.CodeOf(err) != bridge.BadRequest {
			t.Errorf("%+v: %v", s, err)
		}
		if _, err := relay.Start(relay.Config{Settings: s}); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	for _, s := range []relay.Settings{relay.DefaultSettings(), {Networks: []string{"10.0.0.0/8", "::1"}}} {
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestElsewhere: nobody is asked for what comes from no node.
func TestElsewhere(t *testing.T) {
	here, there := bridge.NewPublicationID(), bridge.NewPublicationID()
	asked := relay.Asked("room", func(room bridge.RoomID, id bridge.PublicationID) bool { return room == "room" && id == there }, here, there)
	if !slices.Equal(asked, []bridge.PublicationID{here}) {
		t.Errorf("asked for %v, want %v", asked, here)
	}
}
