package livekit

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/cluster/livekit/quiet"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// patience is how long a test waits for what should come.
const patience = 60 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// until waits until something holds that nothing tells.
func until(ctx context.Context, t testing.TB, what string, holds func() bool) {
	t.Helper()
	for tick := time.NewTicker(10 * time.Millisecond); !holds(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("waited in vain for:", what)
		}
	}
}

func testLog() *slog.Logger {
	if os.Getenv("MEDIA_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// mediaNode is an engine with what a room would say to it.
type mediaNode struct {
	*media.Engine
	t testing.TB
}

func newMediaNode(t testing.TB) mediaNode {
	t.Helper()
	cfg := media.Default()
	cfg.UDP, cfg.TCP = "127.0.0.1:0", ""
	e, err := media.New(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, e.Close()) })
	return mediaNode{e, t}
}

// client is a legacy client that publishes, or receives.
type client struct {
	side bridge.Peer
	pc   *mediatest.Peer
	dev  *mediatest.Client
	id   bridge.PublicationID
}

func (n mediaNode) peer(cfg mediatest.Config, o bridge.PeerOptions) client {
	n.t.Helper()
	return n.peerOf(bridge.NewParticipantID(), cfg, o)
}

func (n mediaNode) peerOf(owner bridge.ParticipantID, cfg mediatest.Config, o bridge.PeerOptions) client {
	n.t.Helper()
	c := client{dev: mediatest.NewClient(cfg), id: bridge.NewPublicationID()}
	n.t.Cleanup(c.dev.Close)
	var err error
	c.side, err = n.NewPeer(n.t.Context(), bridge.PeerConfig{
		ID: bridge.NewPeerID(), Room: "room", Owner: owner, Notify: func(bridge.Event) {}, PeerOptions: o,
	})
	must(n.t, err)
	n.t.Cleanup(func() { c.side.Close() })
	c.pc, err = c.dev.Peer()
	must(n.t, err)
	return c
}

// join negotiates, with an offer of the engine's.
func (c client) join(ctx context.Context, t testing.TB) {
	t.Helper()
	offer, err := c.side.Offer(ctx)
	must(t, err)
	answer, err := c.pc.Answer(ctx, string(offer))
	must(t, err, c.side.Accept(ctx, bridge.SDP(answer)))
}

// publish lets a client publish its camera and its microphone.
func (n mediaNode) publish(ctx context.Context, simulcast bool) client {
	n.t.Helper()
	c := n.peer(mediatest.Config{Simulcast: simulcast, Level: 20}, bridge.PeerOptions{Simulcast: simulcast})
	c.shoot(ctx, n.t)
	return c
}

// shoot publishes.
func (c client) shoot(ctx context.Context, t testing.TB) {
	t.Helper()
	must(t, c.side.Receive(c.id, bridge.Camera))
	offer, err := c.side.Offer(ctx)
	must(t, err, c.pc.Publish(true, true))
	answer, err := c.pc.Answer(ctx, string(offer))
	must(t, err, c.side.Accept(ctx, bridge.SDP(answer)))
}

// watch lets a client receive a publication.
func (n mediaNode) watch(ctx context.Context, id bridge.PublicationID) client {
	n.t.Helper()
	c := n.peer(mediatest.Config{}, bridge.PeerOptions{})
	c.id = id
	must(n.t, c.side.Send(id, bridge.SendOptions{}))
	c.join(ctx, n.t)
	must(n.t, c.pc.WaitConnected(ctx))
	return c
}

func (c client) video() mediatest.Stats { return c.pc.Stats()[c.id.String()+"/video"] }

// dial joins a room of a server, as the federation does.
func dial(ctx context.Context, s *livekittest.Server, id string, grant auth.VideoGrant, cb *lksdk.RoomCallback) (*lksdk.Room, error) {
	token, err := Settings{Key: livekittest.Key, Secret: bridge.Secret(s.Secret())}.token(identity{id: id, grant: grant})
	if err != nil {
		return nil, err
	}
	room := lksdk.NewRoom(cb)
	return room, room.JoinWithContextAndToken(ctx, s.URL(), string(token),
		lksdk.WithAutoSubscribe(false), lksdk.WithDisableRegionDiscovery(), lksdk.WithConnectTimeout(5*time.Second),
		lksdk.WithRetransmitBufferSize(256), lksdk.WithLogger(quiet.Logger()))
}

// stand is tracks with a room for them.
type stand struct {
	*tracks
	room  *lksdk.Room
	mu    sync.Mutex
	mutes []bridge.Track // by moderators
}

func newStand(ctx context.Context, t testing.TB, n mediaNode, s *livekittest.Server, room string, transit bool) *stand {
	t.Helper()
	p := &stand{}
	p.tracks = newTracks(tracksConfig{engine: n.Engine, room: "room", transit: transit, log: testLog(), onMuted: func(_ bridge.PublicationID, track bridge.Track) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mutes = append(p.mutes, track)
	}})
	cb := &lksdk.RoomCallback{ParticipantCallback: p.callbacks(), OnLocalTrackSubscribed: p.subscribed, OnReconnected: p.reconnected}
	grant := puppetGrant(room, bridge.PublishAudio|bridge.PublishVideo|bridge.PublishScreen)
	var err error
	p.room, err = dial(ctx, s, "ours/puppet", grant, cb)
	must(t, err)
	p.attach(p.room)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() { // as the puppet does
		defer close(done)
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case now := <-tick.C:
				p.look(now)
			case <-quit:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(quit)
		<-done
		p.close()
		p.room.Disconnect()
	})
	return p
}

func (p *stand) muted() []bridge.Track {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mutes)
}

// viewer is views with what the room of this node would say to them.
type viewer struct {
	*views
	t       testing.TB
	mu      sync.Mutex
	gates   map[bridge.PublicationID][2]bool
	always  map[bridge.PublicationID]media.RelayWish // besides those of clients
	talking []string
}

func idOf(who string, src bridge.Source) bridge.PublicationID {
	return publicationID("server", "room", who, src)
}

func newViewer(t testing.TB, n mediaNode, s *livekittest.Server, room string) *viewer {
	t.Helper()
	v := &viewer{t: t, gates: map[bridge.PublicationID][2]bool{}}
	v.views = newViews(viewsConfig{
		engine: n.Engine, log: testLog(), ids: idOf,
		dial: func(ctx context.Context, name string, cb *lksdk.RoomCallback) (*lksdk.Room, error) {
			return dial(ctx, s, "ours/node/"+name, observerGrant(room), cb)
		},
		speakers: func(all []string) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.talking = all
		},
	})
	quit, done := make(chan struct{}), make(chan struct{})
	go func() { // as the room's actor does
		defer close(done)
		wished := n.Wished()
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-wished:
			case <-tick.C:
			case <-quit:
				return
			}
			wishes := n.Wishes()
			v.mu.Lock()
			maps.Copy(wishes, v.always)
			v.mu.Unlock()
			v.want(wishes)
		}
	}()
	t.Cleanup(func() {
		close(quit)
		<-done
		v.close()
	})
	return v
}

// open opens or closes the gates of somebody's camera, and of its microphone.
func (v *viewer) open(who string, sound, picture bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gates[idOf(who, bridge.Camera)] = [2]bool{sound, picture}
	v.gate(maps.Clone(v.gates))
}

func (v *viewer) talks() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.talking
}

func pubOf(c client, audio, video bridge.TrackState) bridge.Publication {
	return bridge.Publication{ID: c.id, Source: bridge.Camera, Audio: audio, Video: video}
}

// TestTracks: a client with three layers is one simulcast track in the LiveKit room, whose
// viewer changes between them within a second and asks the client for key frames; the best
// layer stops when nobody looks at it.
func TestTracks(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	c := n.publish(ctx, true)
	until(ctx, t, "three layers", func() bool { o := n.Offer(c.id); return len(o.Layers) == 3 && o.Sound })
	p := newStand(ctx, t, n, s, "r", false)
	pub := pubOf(c, bridge.Live, bridge.Live)
	p.set([]bridge.Publication{pub})
	ben := s.Join(t, "r", "ben", livekittest.JoinOptions{})
	const who = "ours/puppet"
	must(t, ben.WaitVideo(ctx, who, livekittest.Camera, 10), ben.WaitSound(ctx, who, livekittest.Microphone))
	info, sound := ben.Track(who, livekittest.Camera), ben.Track(who, livekittest.Microphone)
	if len(offersOf(info)) != 3 || offersOf(info)[0].Width >= offersOf(info)[2].Width || info.MimeType != "video/VP8" || info.Name != "camera" || sound.Name != "microphone" {
		t.Errorf("published: %v, %v", info, sound)
	}
	must(t, ben.WaitTold(ctx, livekittest.Told{What: livekittest.Talks, Who: who}))
	change := func(q livekit.VideoQuality) time.Duration {
		began := time.Now()
		must(t, ben.SetQuality(who, livekittest.Camera, q), ben.WaitLayer(ctx, who, livekittest.Camera, uint8(q)))
		return time.Since(began)
	}
	for _, q := range []livekit.VideoQuality{livekit.VideoQuality_LOW, livekit.VideoQuality_HIGH, livekit.VideoQuality_MEDIUM, livekit.VideoQuality_LOW} {
		took := change(q)
		t.Logf("%s after %v", q, took)
	}
	f := ben.Received(who, livekittest.Camera)
	if f.Lost == 0 && (f.Undecodable+f.Backward > 0 || f.Broken > f.Switches) { // LiveKit cuts off the last frame of a layer
		t.Errorf("video: %+v", f)
	}
	keys := n.Stats().KeyFrameRequests
	until(ctx, t, "a request for a key frame", func() bool {
		must(t, ben.WritePLI(who, livekittest.Camera)) // which LiveKit takes to be too early, at first
		return n.Stats().KeyFrameRequests > keys
	})

	sent := func() (all [3]uint64) {
		for i, l := range p.layers(c.id) {
			all[i] = l.out.Stats().Bytes
		}
		return all
	}
	until(ctx, t, "the best layer's end", func() bool {
		before := sent()
		next := before
		until(ctx, t, "more of the lowest layer", func() bool { next = sent(); return next[0] > before[0]+2000 })
		return next[2] == before[2] && next[1] == before[1]
	})
	t.Logf("HIGH after %v, having been stopped", change(livekit.VideoQuality_HIGH))
	pub.Audio, pub.Video = bridge.Muted, bridge.Silenced
	p.set([]bridge.Publication{pub})
	for _, src := range []livekit.TrackSource{livekittest.Camera, livekittest.Microphone} {
		must(t, ben.WaitTold(ctx, livekittest.Told{What: livekittest.Muted, Who: who, Text: src.String()}))
	}
	must(t, ben.WaitQuiet(ctx, who, livekittest.Camera, time.Second))
	if all := p.muted(); len(all) > 0 {
		t.Errorf("our own mutes are taken for a moderator's: %v", all)
	}
	pub.Audio, pub.Video = bridge.Live, bridge.Live
	p.set([]bridge.Publication{pub})
	must(t, ben.WaitVideo(ctx, who, livekittest.Camera, 10), ben.WaitSound(ctx, who, livekittest.Microphone))
	_, err := s.API().MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: "r", Identity: who, TrackSid: sound.Sid, Muted: true})
	must(t, err)
	until(ctx, t, "a moderator's mute", func() bool { return slices.Equal(p.muted(), []bridge.Track{bridge.Audio}) })
	p.set(nil)
	must(t, ben.WaitTold(ctx, livekittest.Told{What: livekittest.Unpublished, Who: who, Text: livekittest.Camera.String()}))
	if st := p.stats(); st.Published != 0 || st.Publishes != 2 || st.Bytes == 0 || st.TheirMutes != 1 {
		t.Errorf("stats: %+v", st)
	}
}

func (p *stand) layers(id bridge.PublicationID) []*upLayer {
	p.tracks.mu.Lock()
	defer p.tracks.mu.Unlock()
	if u := p.ups[upKey{id, bridge.Video}]; u != nil {
		return u.flows()
	}
	return nil
}

// TestViews: of somebody in the LiveKit room nothing comes while nobody looks, then it is
// whole, each layer when it is wanted, and no longer than that.
func TestViews(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	anna := s.Join(t, "r", "anna", livekittest.JoinOptions{Media: mediatest.Config{Simulcast: true, Level: 10}})
	must(t, anna.Publish(livekittest.Camera), anna.Publish(livekittest.Microphone))
	v := newViewer(t, n, s, "r")
	v.open("anna", true, true)
	id := idOf("anna", bridge.Camera)
	c := n.watch(ctx, id)
	must(t, c.pc.WaitVideo(ctx, "", 30), c.pc.WaitPackets(ctx, id.String(), "audio", 20)) // LiveKit tells no levels
	if got := c.video(); got.Last.Source != anna.Source() || got.Lost == 0 && got.Broken+got.Undecodable+got.IDGaps+got.Backward > 0 {
		t.Errorf("video: %+v", got)
	}
	until(ctx, t, "that anna is heard", func() bool { return slices.Equal(v.talks(), []string{"anna"}) })
	for _, rid := range []string{"q", "f", "h", "f", "q"} {
		began := time.Now()
		must(t, c.side.Prefer(id, bridge.LayerWish{RID: rid}))
		until(ctx, t, "layer "+rid, func() bool { return c.video().Last.Layer == uint8(slices.Index([]string{"q", "h", "f"}, rid)) })
		t.Logf("layer %s after %v", rid, time.Since(began))
	}
	until(ctx, t, "only the lowest layer and sound", func() bool {
		st := v.stats()
		return len(st.Streams) == 2 && !slices.ContainsFunc(st.Streams, func(s viewStream) bool { return s.Layer != "q" && s.Track == bridge.Video })
	})
	// LiveKit then tells anna to stop the others.
	until(ctx, t, "the end of anna's best layer", func() bool {
		best, low := anna.SentBytes(livekittest.Camera, "f"), anna.SentBytes(livekittest.Camera, "q")
		until(ctx, t, "more of the lowest", func() bool { return anna.SentBytes(livekittest.Camera, "q") > low+2000 })
		return anna.SentBytes(livekittest.Camera, "f") == best
	})
	if got := c.video(); got.Lost == 0 && got.Broken+got.Undecodable+got.IDGaps+got.Backward > 0 {
		t.Errorf("video: %+v", got)
	}
	keys := anna.KeyRequests(livekittest.Camera, "q")
	until(ctx, t, "a wish for a key frame", func() bool {
		late := n.watch(ctx, id) // who begins asks for one, if the last one is too old
		must(t, late.pc.WaitVideo(ctx, "", 1))
		late.side.Close()
		return anna.KeyRequests(livekittest.Camera, "q") > keys
	})

	v.open("anna", true, false)
	sound := func() int { return c.pc.Stats()[c.id.String()+"/audio"].Packets }
	until(ctx, t, "the end of the picture, but not of the sound", func() bool {
		before, heard := c.video().Packets, sound()
		until(ctx, t, "more sound", func() bool { return sound() > heard+20 })
		return c.video().Packets == before
	})
	v.open("anna", true, true)
	must(t, c.pc.WaitVideo(ctx, "", 10))

	c.side.Close()
	until(ctx, t, "the end of all streams", func() bool { return len(v.stats().Streams) == 0 })
	began := time.Now()
	c = n.watch(ctx, id) // while the server is about to end them
	must(t, c.pc.WaitVideo(ctx, "", 5))
	t.Logf("at once again after %v", time.Since(began))
	c.side.Close()
	until(ctx, t, "the end of all streams", func() bool { return len(v.stats().Streams) == 0 })
	bytes := v.stats().Bytes
	until(ctx, t, "the end of all connections", func() bool { return v.stats().Connections == 0 })
	if n := v.stats().Bytes - bytes; n > 4000 { // the last ones were on the way; in that time it would have been 30 000
		t.Errorf("%d bytes came that nobody wants", n)
	}
	again := n.watch(ctx, id)
	must(t, again.pc.WaitVideo(ctx, "", 15))
	if st := v.stats(); st.Packets == 0 || st.Lost+st.Failed+st.Refused+st.Resubscribed > 0 {
		t.Errorf("stats: %+v", st)
	}
}

// TestMediaRestart: the server is killed and comes back: media go on both ways, and who was
// muted is.
func TestMediaRestart(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	anna := s.Join(t, "r", "anna", livekittest.JoinOptions{})
	must(t, anna.Publish(livekittest.Camera))
	v := newViewer(t, n, s, "r")
	v.open("anna", true, true)
	looks := n.watch(ctx, idOf("anna", bridge.Camera))
	c := n.publish(ctx, false)
	p := newStand(ctx, t, n, s, "r", false)
	pub := pubOf(c, bridge.Live, bridge.Live)
	p.set([]bridge.Publication{pub})
	const who = "ours/puppet"
	must(t, looks.pc.WaitVideo(ctx, "", 10), anna.WaitVideo(ctx, who, livekittest.Camera, 10), anna.WaitSound(ctx, who, livekittest.Microphone))
	pub.Audio = bridge.Muted
	p.set([]bridge.Publication{pub})
	must(t, anna.WaitTold(ctx, livekittest.Told{What: livekittest.Muted, Who: who}))
	s.Kill()
	s.Restart()
	began := time.Now()
	must(t, anna.WaitTold(ctx, livekittest.Told{What: livekittest.Reconnected}))
	must(t, looks.pc.WaitVideo(ctx, "", 10), anna.WaitVideo(ctx, who, livekittest.Camera, 10))
	took := time.Since(began)
	if t.Logf("media after %v", took); took > 10*time.Second {
		t.Errorf("media after %v", took)
	}
	must(t, anna.Wait(ctx, "the mute", func() bool { x := anna.Track(who, livekittest.Microphone); return x != nil && x.Muted }))
	must(t, anna.WaitQuiet(ctx, who, livekittest.Microphone, time.Second))
	pub.Audio = bridge.Live
	p.set([]bridge.Publication{pub})
	must(t, anna.WaitSound(ctx, who, livekittest.Microphone))
}

// TestMediaPause: the server is out of breath for longer than streams may be silent; they
// are asked for again, and come when it can.
func TestMediaPause(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	anna := s.Join(t, "r", "anna", livekittest.JoinOptions{})
	must(t, anna.Publish(livekittest.Camera))
	v := newViewer(t, n, s, "r")
	v.open("anna", true, true)
	looks := n.watch(ctx, idOf("anna", bridge.Camera))
	must(t, looks.pc.WaitVideo(ctx, "", 10))
	s.Pause()
	defer s.Resume()
	until(ctx, t, "the watchdog", func() bool { return v.stats().Resubscribed > 0 })
	s.Resume()
	began := time.Now()
	must(t, looks.pc.WaitVideo(ctx, "", 10))
	t.Logf("video after %v; %+v", time.Since(began), v.stats())
}

// TestMediaThrough: somebody of one LiveKit room is seen and heard in another one, with
// three layers, though nobody of ours looks; and nothing comes when nobody there does.
func TestMediaThrough(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	anna := s.Join(t, "one", "anna", livekittest.JoinOptions{Media: mediatest.Config{Simulcast: true}})
	must(t, anna.Publish(livekittest.Camera), anna.Publish(livekittest.Microphone))
	v := newViewer(t, n, s, "one")
	v.open("anna", true, true)
	p := newStand(ctx, t, n, s, "two", true)
	pub := bridge.Publication{
		ID: idOf("anna", bridge.Camera), Source: bridge.Camera, Audio: bridge.Live, Video: bridge.Live,
		Layers: []bridge.Layer{{RID: "q"}, {RID: "h"}, {RID: "f"}},
	}
	p.set([]bridge.Publication{pub})
	ben := s.Join(t, "two", "ben", livekittest.JoinOptions{})
	const who = "ours/puppet"
	must(t, ben.WaitVideo(ctx, who, livekittest.Camera, 30), ben.WaitLayer(ctx, who, livekittest.Camera, 2))
	until(ctx, t, "sound", func() bool { return ben.Received(who, livekittest.Microphone).Packets > 20 })
	must(t, ben.SetQuality(who, livekittest.Camera, livekit.VideoQuality_LOW), ben.WaitLayer(ctx, who, livekittest.Camera, 0))
	f := ben.Received(who, livekittest.Camera)
	if f.Last.Source != anna.Source() || f.Lost == 0 && (f.Undecodable+f.Backward > 0 || f.Broken > f.Switches) {
		t.Errorf("video: %+v", f)
	}
	ben.Leave()
	until(ctx, t, "the end of all video", func() bool {
		return !slices.ContainsFunc(v.stats().Streams, func(s viewStream) bool { return s.Track == bridge.Video })
	})
	carl := s.Join(t, "two", "carl", livekittest.JoinOptions{})
	must(t, carl.WaitVideo(ctx, who, livekittest.Camera, 30))
}

// TestTracksChange: another codec is published anew; what the server does not let us
// publish comes again when it does; and what is encrypted from end to end is not taken.
func TestTracksChange(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	owner := bridge.NewParticipantID()
	c := n.peerOf(owner, mediatest.Config{Codec: webrtc.MimeTypeH264}, bridge.PeerOptions{})
	c.shoot(ctx, t)
	p := newStand(ctx, t, n, s, "r", false)
	p.set([]bridge.Publication{pubOf(c, bridge.Live, bridge.Live)})
	anna := s.Join(t, "r", "anna", livekittest.JoinOptions{})
	const who = "ours/puppet"
	codec := func(mime string) func() bool {
		return func() bool { x := anna.Track(who, livekittest.Camera); return x != nil && x.MimeType == mime }
	}
	must(t, anna.Wait(ctx, "H.264", codec("video/H264")), anna.WaitSound(ctx, who, livekittest.Microphone))
	next := n.peerOf(owner, mediatest.Config{}, bridge.PeerOptions{})
	next.id = c.id
	next.shoot(ctx, t)
	must(t, anna.Wait(ctx, "VP8", codec("video/VP8")), anna.WaitVideo(ctx, who, livekittest.Camera, 10))

	screen := n.peerOf(owner, mediatest.Config{}, bridge.PeerOptions{})
	must(t, screen.side.Receive(screen.id, bridge.Screen))
	offer, err := screen.side.Offer(ctx)
	must(t, err, screen.pc.PublishScreen())
	answer, err := screen.pc.Answer(ctx, string(offer))
	must(t, err, screen.side.Accept(ctx, bridge.SDP(answer)))
	p.set([]bridge.Publication{pubOf(c, bridge.Live, bridge.Live), {ID: screen.id, Source: bridge.Screen, Audio: bridge.Live, Video: bridge.Live}})
	must(t, anna.WaitVideo(ctx, who, livekittest.Screen, 5))
	if x := anna.Track(who, livekittest.Screen); x.Name != "screen" || anna.Track(who, livekittest.ScreenSound) != nil {
		t.Errorf("the screen is %v", x)
	}

	may := func(on bool) {
		_, err := s.API().UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{
			Room: "r", Identity: who, Permission: &livekit.ParticipantPermission{CanPublish: on, CanPublishData: true},
		})
		must(t, err)
	}
	may(false)
	must(t, anna.Wait(ctx, "nothing", func() bool { return anna.Track(who, livekittest.Camera) == nil }))
	may(true)
	must(t, anna.WaitVideo(ctx, who, livekittest.Camera, 10), anna.WaitSound(ctx, who, livekittest.Microphone))

	secret, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2})
	must(t, err, anna.Publish(livekittest.Camera))
	_, err = anna.Room.LocalParticipant.PublishTrack(secret, &lksdk.TrackPublicationOptions{
		Source: livekit.TrackSource_MICROPHONE, Encryption: livekit.Encryption_GCM,
	})
	must(t, err)
	v := newViewer(t, n, s, "r")
	v.open("anna", true, true)
	looks := n.watch(ctx, idOf("anna", bridge.Camera))
	must(t, looks.pc.WaitVideo(ctx, "", 20))
	if all := v.stats().Streams; len(all) != 1 || all[0].Track != bridge.Video {
		t.Errorf("taken: %+v", all)
	}
}
