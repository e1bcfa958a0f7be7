package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/bridge/gate"
	"dragoman/bridge/store"
	"dragoman/dialects"
	"dragoman/dialects/asn"
	"dragoman/dialects/asn/client"
	"dragoman/dialects/asn/rose"
	"dragoman/e2e/transcript"
)

// world is a node in memory.
type world struct {
	t     *testing.T
	w     *transcript.Local
	ids   dialects.IDs
	media *bridgetest.Media
}

func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(dir, "store.db"), Key: "a key of this test, and no other"})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, ids: dialects.NewIDs([]byte("a key of this test, and no other")), media: &bridgetest.Media{}}
		rooms := bridge.NewLocal(bridge.LocalConfig{Media: w.media})
		mux := http.NewServeMux()
		err = asn.New().Mount(mux, dialects.Env{
			Host: rooms, Gate: gate.Open{}, Dev: true, Store: db, IDs: w.ids, Log: slog.New(slog.DiscardHandler),
			Config: func(any) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		w.w = transcript.Handler(mux)
		f(t, w)
		if err := errors.Join(w.w.Close(), rooms.Close(context.Background())); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) config(e rose.Encoding, d *devices) client.Config {
	c := client.Config{
		URL: "ws://dragoman.test/ws", Encoding: e,
		Dialer: &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.w.Dial(ctx) }},
	}
	if d != nil {
		c.Peers = d.peer
	}
	return c
}

func (w *world) token(user string) bridge.Secret {
	w.t.Helper()
	h := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return w.w.Dial(ctx) },
	}}
	token, err := client.Token(w.t.Context(), h, "http://dragoman.test", user, "any", "")
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// devices makes legs that have no media, and remembers them.
type devices struct {
	mu   sync.Mutex
	legs []*side
}

type side struct {
	use   client.Use
	tell  func(text, mid string, index int)
	mu    sync.Mutex
	heard []string // what was done with it
}

func (d *devices) peer(_ context.Context, u client.Use) (client.Negotiator, error) {
	s := &side{use: u}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.legs = append(d.legs, s)
	return s, nil
}

// of returns what was done with the legs for a use, in alphabetical order:
// candidates come when they come.
func (d *devices) of(u client.Use) (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.legs {
		if s.use == u {
			s.mu.Lock()
			all = append(all, s.heard...)
			s.mu.Unlock()
		}
	}
	slices.Sort(all)
	return all
}

func (s *side) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, what)
}

func (s *side) OnCandidate(f func(text, mid string, index int)) { s.tell = f }

func (s *side) Offer(_ context.Context, m client.Media) (string, []rose.MediaSection, error) {
	s.note("offer")
	w := transcript.Wish{Type: "offer", Audio: "inactive", Video: "inactive", Stream: "s"}
	sections := []rose.MediaSection{{SDPMid: "0", MediaType: rose.MediaAudio}, {SDPMid: "1", MediaType: rose.MediaVideo}}
	if m.Audio {
		w.Audio = "sendonly"
	}
	if m.Video || m.Screen {
		w.Video = "sendonly"
	}
	if m.Screen {
		sections[1].MediaType = rose.MediaScreen
	}
	s.tell("candidate:1 1 udp 1 192.0.2.1 5 typ host", "0", 0)
	s.tell("", "", 0)
	return w.Offer(), sections, nil
}

func (s *side) Accept(context.Context, string) error { s.note("accept"); return nil }

func (s *side) Answer(_ context.Context, offer string) (string, error) {
	kinds := strings.Count(offer, "a=sendonly")
	s.note("answer " + strings.Repeat("+", kinds))
	return transcript.Wish{Type: "answer"}.Answer(offer)
}

func (s *side) AddCandidate(text, _ string, _ int) error { s.note("candidate"); return nil }

// Close waits, as a real leg does, until the candidate that it has just found is told.
func (s *side) Close() {
	s.tell("candidate:2 1 udp 1 192.0.2.2 5 typ host", "0", 0)
	s.note("close")
}

func is(name string, match func(rose.Value) bool) func(client.Event) bool {
	return func(e client.Event) bool { return e.Name == name && (match == nil || match(e.Argument)) }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, c *client.Client, match func(client.Event) bool) client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := c.Wait(ctx, match)
	if err != nil {
		log, _ := c.Log(t.Context())
		t.Fatalf("%v after %+v", err, log)
	}
	return e
}

// TestMeeting: two clients of two encodings meet; what one publishes the other
// receives by itself.
func TestMeeting(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var da, db devices
		a, err := client.Join(t.Context(), w.config(rose.JSON, &da), client.Ticket{Conference: "c", Name: "Ann", Token: w.token("ann")})
		must(t, err)
		b, err := client.Join(t.Context(), w.config(rose.BER, &db), client.Ticket{Conference: "c", Name: "Bob", Properties: []rose.StringPair{{Key: "k", Value: "v"}}})
		must(t, err)
		ann, err := a.Self(t.Context())
		must(t, err)
		bob, err := b.Self(t.Context())
		must(t, err)
		if ann.Role != rose.RoleModerator || bob.Role != rose.RoleUser || bob.Contact.DisplayName != "Bob" {
			t.Errorf("%+v, %+v", ann, bob)
		}
		wait(t, a, is("asnPartyAdded", nil))
		must(t, b.Publish(t.Context(), client.Media{Audio: true}))
		wait(t, a, is(client.Negotiated, nil))
		must(t, b.Publish(t.Context(), client.Media{Audio: true, Video: true}))
		wait(t, a, is("asnSDPOffer", func(v rose.Value) bool { return len(v.(*rose.SDPOfferArgument).Sections) == 2 }))
		synctest.Wait()
		if got := da.of(client.Use{Party: bob.PartyID}); !slices.Equal(got, []string{"answer +", "answer ++", "candidate"}) {
			t.Errorf("the subscription: %v", got)
		}
		if got := db.of(client.Use{Publish: true}); !slices.Equal(got, []string{"accept", "accept", "candidate", "offer", "offer"}) {
			t.Errorf("the publishing leg: %v", got)
		}
		if m, err := b.Published(t.Context()); err != nil || m != (client.Media{Audio: true, Video: true}) {
			t.Errorf("published %+v, %v", m, err)
		}
		must(t, a.Mute(t.Context(), bob.PartyID, rose.MediaAudio, true))
		wait(t, b, is("asnPartyChanged", func(v rose.Value) bool {
			p := v.(*rose.PartyChangedArgument)
			return p.ByPartyID != nil && *p.ByPartyID == ann.PartyID && len(p.Party.Media) == 2 && p.Party.Media[0].Muted
		}))
		must(t, b.Mute(t.Context(), "", rose.MediaAudio, false))
		err = b.Remove(t.Context(), ann.PartyID, "")
		if r, ok := errors.AsType[*client.Refusal](err); !ok || r.Number != 403 {
			t.Errorf("a user removes the moderator: %v", err)
		}
		all, err := a.Parties(t.Context())
		if err != nil || len(all) != 1 || all[0].PartyID != bob.PartyID {
			t.Errorf("%+v, %v", all, err)
		}
		must(t, a.Remove(t.Context(), bob.PartyID, "enough"))
		wait(t, b, is("asnPartyRemoved", func(v rose.Value) bool { return *v.(*rose.PartyRemovedArgument).Reason == "enough" }))
		wait(t, a, is("asnPartyRemoved", nil))
		synctest.Wait()
		if got := da.of(client.Use{Party: bob.PartyID}); !slices.Contains(got, "close") {
			t.Errorf("the subscription to one who is gone: %v", got)
		}
		must(t, a.Leave(t.Context()))
		wait(t, a, is(client.Disconnected, nil))
		b.Kill()
	})
}

// TestScreen: a screen comes in a subscription of its own, and goes.
func TestScreen(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var da, db devices
		token := w.token("ann")
		a, err := client.Join(t.Context(), w.config(rose.BER, &da), client.Ticket{Conference: "c", Name: "Ann", Token: token})
		must(t, err)
		must(t, a.Publish(t.Context(), client.Media{Screen: true}))
		b, err := client.Join(t.Context(), w.config(rose.JSON, &db), client.Ticket{Conference: "c", Name: "Bob"})
		must(t, err)
		ann, err := a.Self(t.Context())
		must(t, err)
		wait(t, b, is(client.Negotiated, nil))
		use := client.Use{Party: ann.PartyID, Screen: true}
		if got := db.of(use); len(got) == 0 || got[0] != "answer +" {
			t.Errorf("the screen: %v", got)
		}
		must(t, a.Configure(t.Context(), "", rose.MediaSetting{MediaType: rose.MediaScreen, Enabled: new(false)}))
		wait(t, b, is("asnPartyChanged", func(v rose.Value) bool { return len(v.(*rose.PartyChangedArgument).Party.Media) == 0 }))
		synctest.Wait()
		if got := db.of(use); !slices.Contains(got, "close") {
			t.Errorf("the screen that is gone: %v", got)
		}
		a.Kill()
		b.Kill()
	})
}

// TestAlive: a client keeps its party alive by itself, and finds it again.
func TestAlive(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, err := client.Join(t.Context(), w.config(rose.JSON, nil), client.Ticket{Conference: "c", Name: "Ann", Token: w.token("ann"), Capabilities: []int64{9}})
		must(t, err)
		<-time.NewTimer(5 * time.Minute).C
		self, err := a.Self(t.Context())
		must(t, err)
		session, err := a.Session(t.Context())
		must(t, err)
		a.Kill()
		if _, err := a.Self(t.Context()); err != nil {
			t.Errorf("after the end: %v", err)
		}
		if err := a.Mute(t.Context(), "", rose.MediaAudio, true); !errors.Is(err, client.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		b, err := client.Join(t.Context(), w.config(rose.BER, nil), client.Ticket{Conference: "c", Name: "Ann", Session: session})
		must(t, err)
		again, err := b.Self(t.Context())
		must(t, err)
		if self.PartyID != again.PartyID || again.Role != rose.RoleModerator {
			t.Errorf("%+v came back as %+v", self, again)
		}
		b.Kill()
		_, err = client.Join(t.Context(), w.config(rose.JSON, nil), client.Ticket{Conference: "nowhere", Name: "Ann"})
		if r, ok := errors.AsType[*client.Refusal](err); !ok || r.Number != 404 || !strings.Contains(r.Error(), "404") {
			t.Errorf("joined nowhere: %v", err)
		}
	})
}
