package media_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(everyEngine{m}, goleak.IgnoreTopFunction(mediatest.Stuck))
}

// engineUnderTest is the media.Config.Engine of newEngine.
var engineUnderTest string

// everyEngine runs all tests on each engine.
type everyEngine struct{ m *testing.M }

func (e everyEngine) Run() int {
	for _, engineUnderTest = range []string{"portable", "auto"} {
		if code := e.m.Run(); code != 0 {
			fmt.Fprintln(os.Stderr, "on engine", engineUnderTest)
			return code
		}
	}
	return 0
}

// patience is how long a test waits for what should come.
const patience = 40 * time.Second

// testContext lets the test run beside others, and ends it in time.
func testContext(t *testing.T) context.Context {
	t.Helper()
	t.Parallel()
	return limited(t)
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newEngine starts an engine on loopback.
func newEngine(t *testing.T, change ...func(*media.Config)) *media.Engine {
	t.Helper()
	cfg := media.Default()
	cfg.UDP, cfg.TCP, cfg.Engine = "127.0.0.1:0", "", engineUnderTest
	if os.Getenv("MEDIA_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, f := range change {
		f(&cfg)
	}
	e, err := media.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error("close engine:", err)
		}
	})
	return e
}

func newClient(t *testing.T, cfg mediatest.Config) *mediatest.Client {
	t.Helper()
	c := mediatest.NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

// side is the engine's side of a peer, with the events that it told.
type side struct {
	bridge.Peer
	t testing.TB

	mu      sync.Mutex
	events  []bridge.Event
	changed chan struct{}
	closed  bool
}

func newSide(t testing.TB, e *media.Engine, owner bridge.ParticipantID, o bridge.PeerOptions) *side {
	t.Helper()
	s := &side{t: t, changed: make(chan struct{})}
	p, err := e.NewPeer(t.Context(), bridge.PeerConfig{
		ID: bridge.NewPeerID(), Room: "room", Owner: owner, Notify: s.notify, PeerOptions: o,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Peer = p
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *side) notify(e bridge.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.t.Errorf("event after Close: %+v", e)
	}
	s.events = append(s.events, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *side) Close() {
	if err := s.Peer.Close(); err != nil {
		s.t.Error("close peer:", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// told returns the events so far.
func (s *side) told() []bridge.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// await waits for an event that fits.
func (s *side) await(ctx context.Context, what string, fits func(bridge.Event) bool) bridge.Event {
	s.t.Helper()
	for {
		s.mu.Lock()
		i, changed := slices.IndexFunc(s.events, fits), s.changed
		var e bridge.Event
		if i >= 0 {
			e = s.events[i]
		}
		s.mu.Unlock()
		if e != nil {
			return e
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.t.Fatalf("no %s; events: %+v", what, s.told())
		}
	}
}

func (s *side) awaitState(ctx context.Context, want bridge.PeerState) {
	s.t.Helper()
	s.await(ctx, "state", func(e bridge.Event) bool {
		c, ok := e.(bridge.PeerChanged)
		return ok && c.State == want
	})
}

func (s *side) awaitTrack(ctx context.Context, pub bridge.PublicationID, track bridge.Track, live bool) bridge.PeerTrack {
	s.t.Helper()
	return s.await(ctx, "track", func(e bridge.Event) bool {
		c, ok := e.(bridge.PeerTrack)
		return ok && c.Pub == pub && c.Track == track && c.Live == live
	}).(bridge.PeerTrack)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serverOffers negotiates with an offer of the engine's.
func serverOffers(ctx context.Context, t testing.TB, s *side, c *mediatest.Peer) (offer, answer string) {
	t.Helper()
	o, err := s.Offer(ctx)
	must(t, err)
	answer, err = c.Answer(ctx, string(o))
	must(t, err)
	must(t, s.Accept(ctx, bridge.SDP(answer)))
	return string(o), answer
}

// clientOffers negotiates with an offer of the client's.
func clientOffers(ctx context.Context, t testing.TB, s *side, c *mediatest.Peer) (offer, answer string) {
	t.Helper()
	offer, err := c.Offer(ctx)
	must(t, err)
	a, err := s.Answer(ctx, bridge.SDP(offer))
	must(t, err)
	must(t, c.Accept(ctx, string(a)))
	return offer, string(a)
}

func newPeer(t testing.TB, c *mediatest.Client) *mediatest.Peer {
	t.Helper()
	p, err := c.Peer()
	must(t, err)
	return p
}

// published is a client that publishes its camera in the way of Ahoy.
type published struct {
	*side
	client *mediatest.Client
	peer   *mediatest.Peer
	owner  bridge.ParticipantID
	id     bridge.PublicationID
}

func publish(ctx context.Context, t *testing.T, e *media.Engine, cfg mediatest.Config, o bridge.PeerOptions) published {
	t.Helper()
	p := published{client: newClient(t, cfg), owner: bridge.NewParticipantID(), id: bridge.NewPublicationID()}
	p.side, p.peer = newSide(t, e, p.owner, o), newPeer(t, p.client)
	must(t, p.Receive(p.id, bridge.Camera))
	offer, err := p.Offer(ctx)
	must(t, err)
	must(t, p.peer.Publish(true, true))
	answer, err := p.peer.Answer(ctx, string(offer))
	must(t, err)
	must(t, p.Accept(ctx, bridge.SDP(answer)))
	return p
}

// subscribe makes a client that receives a publication in the way of Ahoy.
func subscribe(ctx context.Context, t *testing.T, e *media.Engine, id bridge.PublicationID, cfg mediatest.Config, o bridge.PeerOptions) (*side, *mediatest.Peer) {
	t.Helper()
	s, c := newSide(t, e, bridge.NewParticipantID(), o), newPeer(t, newClient(t, cfg))
	must(t, s.Send(id, bridge.SendOptions{}))
	serverOffers(ctx, t, s, c)
	return s, c
}
