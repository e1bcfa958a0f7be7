package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/dialects"
	"dragoman/dialects/nkmedia"
	"dragoman/dialects/nkmedia/client"
	"dragoman/e2e/transcript"
)

// world is a node that speaks NkMEDIA over connections in memory, with media that
// connects as soon as it is negotiated.
type world struct {
	*transcript.Local
	t     *testing.T
	rooms *bridge.Local
	media *bridgetest.Media

	mu    sync.Mutex
	sides []*side
}

type gate struct{}

func (gate) Admit(_ context.Context, c bridge.Credentials) (bridge.Grant, error) {
	if c.Secret == "wrong" {
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "no")
	}
	return bridge.Grant{User: bridge.UserID("test:" + c.User)}, nil
}
func (gate) Failed(bridge.Credentials) {}

// inWorld runs a test in virtual time, once for each kind of client.
func inWorld(t *testing.T, f func(t *testing.T, w *world, cfg client.Config)) {
	t.Helper()
	for _, web := range []bool{false, true} {
		t.Run(fmt.Sprintf("web %v", web), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t, media: &bridgetest.Media{Connects: true}}
				w.rooms = bridge.NewLocal(bridge.LocalConfig{Media: w.media})
				mux := http.NewServeMux()
				err := nkmedia.New().Mount(mux, dialects.Env{
					Host: w.rooms, Gate: gate{}, Dev: true, IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
					Log: slog.New(slog.DiscardHandler), Config: func(any) error { return nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				w.Local = transcript.Handler(mux)
				f(t, w, client.Config{
					URL: "ws://nkmedia.test/nkapi/ws", Web: web, Peers: w.peer,
					Dialer: &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }},
				})
				if err := errors.Join(w.Close(), w.rooms.Close(context.Background())); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// side is the client's side of a connection, without media.
type side struct {
	use      client.Use
	accepted string
	fail     error
	closed   bool
}

func (w *world) peer(_ context.Context, u client.Use) (client.Negotiator, error) {
	return w.side(u, nil), nil
}

func (w *world) side(u client.Use, fail error) *side {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &side{use: u, fail: fail}
	w.sides = append(w.sides, s)
	return s
}

func (s *side) Offer(context.Context) (string, error) {
	return transcript.Wish{Type: "offer", Audio: "sendrecv", Video: "sendrecv"}.Offer(), s.fail
}

func (s *side) Accept(_ context.Context, answer string) error {
	s.accepted = answer
	return s.fail
}

func (s *side) Answer(_ context.Context, offer string) (string, error) {
	if s.fail != nil {
		return "", s.fail
	}
	return transcript.Wish{Type: "answer"}.Answer(offer)
}

func (s *side) Close() error {
	s.closed = true
	return nil
}

func (w *world) join(cfg client.Config, t client.Ticket) *client.Client {
	w.t.Helper()
	if t.Pass == "" {
		t.Pass = "s"
	}
	c, err := client.Join(w.t.Context(), cfg, t)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// saw waits for an event.
func saw(t *testing.T, c *client.Client, kind string, match func(client.Event) bool) client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := c.Wait(ctx, func(e client.Event) bool { return e.Type == kind && (match == nil || match(e)) })
	if err != nil {
		log, _ := c.Log(t.Context())
		t.Fatalf("%s: %v; it saw %+v", kind, err, log)
	}
	return e
}

func about(user string) func(client.Event) bool {
	return func(e client.Event) bool { return e.Member.User == user }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMeeting: two publish, each listens to the other, they talk, and one leaves.
func TestMeeting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world, cfg client.Config) {
		ctx := t.Context()
		ann := w.join(cfg, client.Ticket{Conf: "x", User: "ann", Create: true})
		id, err := ann.Publish(ctx, nil)
		must(t, err)
		bob := w.join(cfg, client.Ticket{Conf: "x", User: "bob", Create: true})
		saw(t, bob, client.Present, about("ann"))
		heard := saw(t, bob, client.Listening, about("ann"))
		if heard.Member.ID != id || heard.Session == "" {
			t.Errorf("bob listens to %+v", heard)
		}
		_, err = bob.Publish(ctx, map[string]any{"mute_video": true})
		must(t, err)
		saw(t, ann, client.Listening, about("bob"))
		saw(t, ann, "started_member", func(e client.Event) bool { return e.Member.Role == client.Listener && e.Member.User == "bob" })
		must(t, bob.Say(ctx, "hello"))
		if e := saw(t, ann, "msglog_new_msg", about("bob")); e.Text != "hello" || e.Subclass != "conf" {
			t.Errorf("ann was told %+v", e)
		}
		muted, most := true, 100_000
		must(t, ann.Update(ctx, id, &muted, &muted, &most))
		synctest.Wait()
		peer := w.media.Peers()[0]
		if pub := peer.Receives()[0]; w.media.Open(pub, bridge.Audio) || w.media.Open(pub, bridge.Video) || peer.MaxBitrate() != most {
			t.Errorf("ann is muted, and her limit is %d", peer.MaxBitrate())
		}
		members, err := ann.Members(ctx)
		must(t, err)
		if len(members) != 4 || members[0].User != "ann" || members[3].User != "bob" {
			t.Errorf("the members are %+v", members)
		}
		must(t, ann.Leave(ctx))
		saw(t, bob, "stopped_member", about("ann"))
		synctest.Wait()
		open := 0
		for _, s := range w.sides {
			if !s.closed {
				open++
			}
		}
		if open != 1 {
			t.Errorf("%d connections are open, want that which bob sends on", open)
		}
		must(t, bob.EndConf(ctx))
		saw(t, bob, "destroyed", func(e client.Event) bool { return e.Subclass == "conf" && e.Code == 100012 })
		bob.Close()
		if _, err := bob.Log(ctx); err != nil {
			t.Error(err)
		}
		if err := bob.Say(ctx, "x"); !errors.Is(err, client.ErrClosed) {
			t.Errorf("after the end it says: %v", err)
		}
	})
}

// TestForeign: a participant of another dialect is heard, with its screen.
func TestForeign(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world, cfg client.Config) {
		s, err := w.rooms.Join(t.Context(), bridge.JoinRequest{Room: "x", Create: &bridge.Spec{}, Name: "Zed", Dialect: "other"})
		must(t, err)
		ann := w.join(cfg, client.Ticket{Conf: "x", User: "ann"})
		for _, src := range []bridge.Source{bridge.Camera, bridge.Screen} {
			pub := bridge.Publication{ID: bridge.NewPublicationID(), Source: src, Audio: bridge.Live, Video: bridge.Live}
			must(t, s.Do(t.Context(), bridge.Publish{Publication: pub}))
			saw(t, ann, client.Listening, func(e client.Event) bool {
				return e.Member.User == "Zed" && strings.HasSuffix(e.Member.ID, pub.ID.String())
			})
		}
		must(t, s.Leave(t.Context(), bridge.ByWish))
		saw(t, ann, "destroyed", func(e client.Event) bool { return e.Subclass == "session" && e.Code == 304006 })
		ann.Kill()
		<-ann.Done()
	})
}

// TestRefusals: what the server refuses is told in its words.
func TestRefusals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world, cfg client.Config) {
		refused := func(what string, err error, code int) {
			t.Helper()
			r, ok := errors.AsType[*client.Refusal](err)
			if !ok || r.Code != code || r.Text == "" || !strings.Contains(r.Error(), r.Request) {
				t.Errorf("%s: %v, want %d", what, err, code)
			}
		}
		_, err := client.Join(t.Context(), cfg, client.Ticket{Conf: "x", User: "ann", Pass: "wrong"})
		refused("a wrong password", err, client.Unauthorized)
		_, err = client.Join(t.Context(), cfg, client.Ticket{Conf: "none", User: "ann", Pass: "s"})
		refused("no conference", err, 304001)
		must(t, w.rooms.Create(t.Context(), bridge.Spec{ID: "s", Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "p", bridge.Listener: "q"}}))
		_, err = client.Join(t.Context(), cfg, client.Ticket{Conf: "s", User: "ann", Pass: "s", Password: "no"})
		refused("a wrong password of the room", err, client.Unauthorized)
		ann := w.join(cfg, client.Ticket{Conf: "s", User: "ann", Password: "p", Session: "device"})
		_, err = ann.Publish(t.Context(), map[string]any{"type": "park"})
		refused("a type from elsewhere", err, 100006)
		_, err = ann.Publish(t.Context(), nil)
		must(t, err)
		_, err = client.Join(t.Context(), cfg, client.Ticket{Conf: "s", User: "bob", Pass: "s", Session: "device"})
		refused("a session id that is taken", err, 100034)
		cfg.Peers = nil
		deaf := w.join(cfg, client.Ticket{Conf: "s", User: "deaf", Password: "p"})
		if _, err := deaf.Publish(t.Context(), nil); err == nil {
			t.Error("a client without media publishes")
		}
		deaf.Close()
		ann.Close()
		cfg.URL = "ws://nkmedia.test:1/"
		cfg.Dialer = &websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody") }}
		if _, err := client.Join(t.Context(), cfg, client.Ticket{}); err == nil {
			t.Error("nobody answers, and it is in")
		}
	})
}

// TestHangs: a client that answers nothing is closed after five seconds; others do
// not notice.
func TestHangs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world, cfg client.Config) {
		ann := w.join(cfg, client.Ticket{Conf: "x", User: "ann", Create: true})
		deaf := cfg
		deaf.Mute = true
		start := time.Now()
		bob := w.join(deaf, client.Ticket{Conf: "x", User: "bob"})
		e := saw(t, bob, client.Disconnected, nil)
		if took := time.Since(start); e.Code != websocket.CloseNormalClosure || took < 4900*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("it is closed with %d after %v", e.Code, took)
		}
		bob.Close()
		time.Sleep(10 * time.Minute) // in a synctest bubble
		if _, err := ann.Publish(t.Context(), map[string]any{"create_conf": true}); err != nil {
			t.Errorf("the other one: %v", err)
		}
		ann.Close()
	})
}

// TestBroken: a client whose media fails says so, and goes on.
func TestBroken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world, cfg client.Config) {
		ann := w.join(cfg, client.Ticket{Conf: "x", User: "ann", Create: true})
		_, err := ann.Publish(t.Context(), nil)
		must(t, err)
		broken := errors.New("no camera")
		bad := cfg
		bad.Peers = func(_ context.Context, u client.Use) (client.Negotiator, error) {
			return w.side(u, broken), nil
		}
		bob := w.join(bad, client.Ticket{Conf: "x", User: "bob"})
		saw(t, bob, client.Failed, func(e client.Event) bool { return e.Member.User == "ann" && e.Text == "no camera" })
		if _, err := bob.Publish(t.Context(), nil); !errors.Is(err, broken) {
			t.Errorf("publish: %v", err)
		}
		bad.Peers = func(context.Context, client.Use) (client.Negotiator, error) { return nil, broken }
		cid := w.join(bad, client.Ticket{Conf: "x", User: "cid"})
		saw(t, cid, client.Failed, about("ann"))
		if _, err := cid.Publish(t.Context(), nil); !errors.Is(err, broken) {
			t.Errorf("publish: %v", err)
		}
		blind := cfg
		blind.Blind = true
		dan := w.join(blind, client.Ticket{Conf: "x", User: "dan"})
		must(t, dan.Say(t.Context(), "hi"))
		saw(t, ann, "msglog_new_msg", about("dan"))
		for _, c := range []*client.Client{bob, cid, dan, ann} {
			c.Close()
		}
		synctest.Wait()
		if i := slices.IndexFunc(w.sides, func(s *side) bool { return !s.closed }); i >= 0 {
			t.Errorf("a connection is open: %+v", w.sides[i].use)
		}
	})
}
