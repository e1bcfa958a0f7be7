package ahoy_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/cluster/clustertest"
	"dragoman/dialects"
	"dragoman/dialects/ahoy"
	"dragoman/e2e/transcript"
)

// world is a node that speaks Ahoy over connections in memory, with media that a
// test scripts. It is a transcript.Stage.
type world struct {
	*transcript.Local
	t     *testing.T
	rooms clustertest.Rooms
	media *bridgetest.Media
	gate  *gate
	env   dialects.Env
	last  map[string]map[bool]*bridgetest.Peer // by who: the peer that sends, or receives, as answered last
}

// gate lets everybody in, unless it is told otherwise.
type gate struct {
	err    error
	grant  bridge.Grant
	failed int
	asked  []bridge.Credentials
}

func (g *gate) Admit(_ context.Context, c bridge.Credentials) (bridge.Grant, error) {
	g.asked = append(g.asked, c)
	return g.grant, g.err
}

func (g *gate) Failed(bridge.Credentials) { g.failed++ }

// frames is a tap that checks all that we send against the schema.
var _ transcript.Stage = (*world)(nil)

type frames struct{ t *testing.T }

func (f frames) Frame(_ dialects.ConnID, dir dialects.Direction, data []byte) {
	if dir != dialects.Out {
		return
	}
	if err := checkSchema(data); err != nil {
		f.t.Errorf("a frame that the schema does not allow: %v\n%s", err, data)
	}
}

// newWorld makes a node. It is open after open.
func newWorld(t *testing.T) *world { return newWorldOn(t, clustertest.Topologies()["here"]) }

// newWorldOn is newWorld where the rooms run as a topology says.
func newWorldOn(t *testing.T, rooms func(bridge.LocalConfig) (clustertest.Rooms, error)) *world {
	w := &world{t: t, media: &bridgetest.Media{}, gate: &gate{}, last: map[string]map[bool]*bridgetest.Peer{}}
	var err error
	if w.rooms, err = rooms(bridge.LocalConfig{Media: w.media}); err != nil {
		t.Fatal(err)
	}
	w.env = dialects.Env{
		Host: w.rooms, Gate: w.gate, IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
		Log: slog.New(slog.DiscardHandler), Tap: frames{t}, Counts: new(dialects.Counts),
		Config: func(any) error { return nil },
	}
	return w
}

// Dial implements transcript.World. What a script has closed before, the server has
// noticed by then, wherever its rooms run.
func (w *world) Dial(ctx context.Context) (net.Conn, error) {
	synctest.Wait()
	return w.Local.Dial(ctx)
}

// open mounts the dialect. What is to be changed in env is changed before.
func (w *world) open() *world {
	mux := http.NewServeMux()
	if err := ahoy.New().Mount(mux, w.env); err != nil {
		w.t.Fatal(err)
	}
	w.Local = transcript.Handler(mux)
	return w
}

// Close stops the node and waits for all that it has started.
func (w *world) Close() error {
	err := w.Local.Close()
	if closed := w.rooms.Close(context.Background()); closed != nil {
		err = closed
	}
	return err
}

// Describe implements transcript.Stage. It remembers which peer who has answered.
func (w *world) Describe(_ context.Context, who string, wish transcript.Wish, offer string) (string, error) {
	p := w.peerOf(offer)
	if p == nil {
		return "", fmt.Errorf("%s answers an offer of no peer", who)
	}
	if w.last[who] == nil {
		w.last[who] = map[bool]*bridgetest.Peer{}
	}
	w.last[who][len(p.Receives()) > 0] = p
	return wish.Answer(offer)
}

// Answered implements transcript.Stage. No server answers here: it offers.
func (w *world) Answered(_ context.Context, who, _ string) error {
	return fmt.Errorf("%s has heard an answer", who)
}

// peerOf returns the peer that made an offer.
func (w *world) peerOf(offer string) *bridgetest.Peer {
	for _, p := range w.media.Peers() {
		raw := p.ID().Array()
		if strings.Contains(offer, fmt.Sprintf("a=ice-pwd:%x\r\n", raw)) {
			return p
		}
	}
	return nil
}

// Media implements transcript.Stage. "publish" says what happens to what who
// sends; "sees" and "hears", that who receives it, and "silent", that it does not.
func (w *world) Media(_ context.Context, s transcript.Step) error {
	synctest.Wait()
	if s.Publish != "" {
		return w.publish(s.Who, s.Publish)
	}
	for _, other := range slices.Concat(s.Sees, s.Hears, s.Silent) {
		from := w.last[other][true]
		if from == nil {
			return fmt.Errorf("%s sends nothing", other)
		}
		audio, video := w.gets(s.Who, from.Receives()[0])
		switch {
		case slices.Contains(s.Sees, other) && !video:
			return fmt.Errorf("%s does not see %s", s.Who, other)
		case slices.Contains(s.Hears, other) && !audio:
			return fmt.Errorf("%s does not hear %s", s.Who, other)
		case slices.Contains(s.Silent, other) && (audio || video):
			return fmt.Errorf("%s gets %s", s.Who, other)
		}
	}
	return nil
}

// gets reports what who receives of a publication.
func (w *world) gets(who string, pub bridge.PublicationID) (audio, video bool) {
	to := w.last[who][false]
	for _, p := range w.media.Sending(pub) {
		if to != nil && p.Config.Owner == to.Config.Owner && p.Remote() != "" {
			o := p.Options(pub)
			return !o.NoAudio, !o.NoVideo
		}
	}
	return false, false
}

// publish makes the engine find out something about what who sends.
func (w *world) publish(who, what string) error {
	p := w.last[who][true]
	if p == nil {
		return fmt.Errorf("%s has answered no offer", who)
	}
	pub := p.Receives()[0]
	track := func(t bridge.Track) { p.Fire(bridge.PeerTrack{Pub: pub, Track: t, Live: true}) }
	switch what {
	case "camera", "screen": // everything that the answer sends
		p.Fire(bridge.PeerChanged{State: bridge.PeerConnected})
		for _, s := range strings.Split(string(p.Remote()), "m=")[1:] {
			if strings.Contains(s, "a=sendonly") {
				track(map[bool]bridge.Track{true: bridge.Audio, false: bridge.Video}[strings.HasPrefix(s, "audio")])
			}
		}
	case "connected":
		p.Fire(bridge.PeerChanged{State: bridge.PeerConnected})
	case "audio":
		track(bridge.Audio)
	case "video":
		track(bridge.Video)
	case "failed":
		p.Fire(bridge.PeerChanged{State: bridge.PeerFailed})
	case "mute", "unmute":
		p.Config.Notify(bridge.PeerSilence{Pub: pub, Silent: what == "mute"})
	case "talk", "hush":
		p.Config.Notify(bridge.PeerHeard{Pub: pub, Talking: what == "talk"})
	default:
		return fmt.Errorf("nothing is known of %q", what)
	}
	return nil
}

// inBubble runs a test of a node in virtual time. configure changes the dialect's
// section; nil does not.
func inBubble(t *testing.T, configure func(*ahoy.Config), f func(t *testing.T, w *world)) {
	t.Helper()
	inWorld(t, func(w *world) {
		if configure != nil {
			w.env.Config = func(into any) error { configure(into.(*ahoy.Config)); return nil }
		}
	}, f)
}

// inWorld runs a test of a node, changed before it opens, in virtual time.
func inWorld(t *testing.T, change func(w *world), f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		change(w)
		w.open()
		defer func() {
			if err := w.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		f(t, w)
	})
}

type ctx = context.Context

// dialer is how package client reaches the node.
func (w *world) dialer() *websocket.Dialer {
	return &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }}
}

// guest joins as a member of another dialect does.
func (w *world) guest(req bridge.JoinRequest) *guest {
	w.t.Helper()
	if req.Dialect == "" {
		req.Dialect = "other"
	}
	s, err := w.rooms.Join(context.Background(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return &guest{w: w, s: s}
}

// guest is a member of another dialect.
type guest struct {
	w    *world
	s    *bridge.Session
	seen []bridge.Event // all that it was told
}

// events returns what is new.
func (g *guest) events() []bridge.Event {
	synctest.Wait()
	events, _ := g.s.Drain(context.Background())
	g.seen = append(g.seen, events...)
	return events
}

func (g *guest) do(c bridge.Command) {
	g.w.t.Helper()
	if err := g.s.Do(context.Background(), c); err != nil {
		g.w.t.Errorf("%T: %v", c, err)
	}
}

// publish shares a stream and returns its id.
func (g *guest) publish(src bridge.Source, audio, video bridge.TrackState) bridge.PublicationID {
	g.w.t.Helper()
	id := bridge.NewPublicationID()
	g.do(bridge.Publish{Publication: bridge.Publication{ID: id, Source: src, Audio: audio, Video: video}})
	return id
}

const second = time.Second

func answerWish() transcript.Wish { return transcript.Wish{Type: "answer"} }
