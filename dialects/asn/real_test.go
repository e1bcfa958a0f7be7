package asn_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	opengate "dragoman/bridge/gate"
	"dragoman/bridge/store"
	"dragoman/dialects"
	"dragoman/dialects/asn"
	"dragoman/dialects/asn/client"
	"dragoman/dialects/asn/rose"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// realSide is a leg with real media.
type realSide struct {
	*mediatest.Peer
	up bool
}

func (s *realSide) Offer(ctx context.Context, m client.Media) (string, []rose.MediaSection, error) {
	if !s.up && (m.Audio || m.Video) {
		if err := s.Publish(m.Audio, m.Video); err != nil {
			return "", nil, err
		}
		s.up = true
	}
	if m.Screen {
		if err := s.PublishScreen(); err != nil {
			return "", nil, err
		}
	}
	offer, err := s.Peer.Offer(ctx)
	return offer, nil, err
}

func (s *realSide) Close() { _ = s.Peer.Close() }

// TestRealMedia: a camera, a screen and a pause with the real engine behind.
func TestRealMedia(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	set := media.Default()
	set.UDP, set.TCP = "127.0.0.1:0", ""
	engine, err := media.New(set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	db, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db"), Key: "a key of this test, and no other"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	rooms := bridge.NewLocal(bridge.LocalConfig{Media: engine})
	mux := http.NewServeMux()
	if err := asn.New().Mount(mux, dialects.Env{
		Host: rooms, Gate: opengate.Open{}, Dev: true, Store: db, IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
		Log: slog.New(slog.DiscardHandler), Config: func(any) error { return nil },
	}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(func() { rooms.Close(context.Background()); s.Close() })

	devices := mediatest.NewClient(mediatest.Config{Trickle: true})
	t.Cleanup(devices.Close)
	legs := make(chan *realSide, 10)
	cfg := client.Config{URL: "ws" + strings.TrimPrefix(s.URL, "http") + "/ws", Peers: func(_ context.Context, u client.Use) (client.Negotiator, error) {
		p, err := devices.Peer()
		if err != nil {
			return nil, err
		}
		n := &realSide{Peer: p}
		if !u.Publish {
			legs <- n
		}
		return n, nil
	}}
	token, err := client.Token(ctx, nil, s.URL, "ann", "any", "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.Join(ctx, cfg, client.Ticket{Conference: "c", Name: "Ann", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Kill)
	cfg.Encoding = rose.BER
	b, err := client.Join(ctx, cfg, client.Ticket{Conference: "c", Name: "Bob"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	self, err := a.Self(ctx)
	ok(err)
	ok(a.Publish(ctx, client.Media{Audio: true, Video: true}))
	got := <-legs
	ok(got.WaitVideo(ctx, self.PartyID, 5))
	ok(got.WaitAudio(ctx, self.PartyID))
	ok(a.Publish(ctx, client.Media{Audio: true, Video: true, Screen: true}))
	screen := <-legs
	ok(screen.WaitVideo(ctx, self.PartyID, 5))
	ok(a.Mute(ctx, "", rose.MediaAudio, true))
	ok(got.WaitSilence(ctx, self.PartyID, 300*time.Millisecond))
	ok(got.WaitVideo(ctx, self.PartyID, 5))
	ok(a.Mute(ctx, "", rose.MediaAudio, false))
	ok(got.WaitAudio(ctx, self.PartyID))
	e, err := b.Wait(ctx, func(e client.Event) bool { return e.Name == "asnSDPOffer" })
	ok(err)
	pause := &rose.ConfigureMediaArgument{SubscriptionID: e.Argument.(*rose.SDPOfferArgument).SubscriptionID}
	pause.SessionToken, err = b.Session(ctx)
	ok(err)
	pause.Media = []rose.MediaSetting{{MediaType: rose.MediaAudio, Muted: new(true)}}
	ok(b.Call(ctx, rose.OpConfigureMedia, pause, new(rose.ConfigureMediaResult)))
	ok(got.WaitSilence(ctx, self.PartyID, 300*time.Millisecond))
	pause.Media[0].Muted = new(false)
	ok(b.Call(ctx, rose.OpConfigureMedia, pause, new(rose.ConfigureMediaResult)))
	ok(got.WaitAudio(ctx, self.PartyID))

	ok(a.Configure(ctx, "", rose.MediaSetting{MediaType: rose.MediaVideo, Enabled: new(false)}))
	_, err = b.Wait(ctx, func(e client.Event) bool {
		o, is := e.Argument.(*rose.SDPOfferArgument)
		return is && len(o.Sections) == 1 && o.Sections[0].MediaType == rose.MediaAudio
	})
	ok(err)
	ok(a.Configure(ctx, "", rose.MediaSetting{MediaType: rose.MediaVideo, Enabled: new(true)}))
	ok(got.WaitVideo(ctx, self.PartyID, 5))
	ok(got.WaitAudio(ctx, self.PartyID))
}
