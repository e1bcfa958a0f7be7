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
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/bridge/store"
	"dragoman/dialects"
	"dragoman/dialects/k3k"
	"dragoman/dialects/k3k/client"
	"dragoman/e2e/transcript"
)

// world is a node that speaks k3k over connections in memory, with media that
// connects as soon as it is negotiated.
type world struct {
	*transcript.Local
	t     *testing.T
	rooms *bridge.Local
	media *bridgetest.Media
}

type gate struct{}

func (gate) Admit(context.Context, bridge.Credentials) (bridge.Grant, error) {
	return bridge.Grant{}, nil
}
func (gate) Failed(bridge.Credentials) {}

// issuer believes that a token is the name of a user.
type issuer struct{}

func (issuer) Issuer() (name, url string) { return "test", "" }

func (issuer) ByIDToken(_ context.Context, token bridge.Secret) (bridge.Grant, error) {
	name := string(token)
	return bridge.Grant{User: bridge.UserID("test:" + name), Name: name, Profile: &bridge.Profile{Nickname: name}}, nil
}

func (i issuer) ByAccessToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	return i.ByIDToken(ctx, token)
}

// inWorld runs a test of a node with a real store, in virtual time.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	url := "sqlite:" + t.TempDir() + "/k3k.db"
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(t.Context(), store.Config{URL: url, Key: "a key of this test, and no other"})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, media: &bridgetest.Media{Connects: true}}
		w.rooms = bridge.NewLocal(bridge.LocalConfig{Media: w.media})
		mux := http.NewServeMux()
		err = k3k.New().Mount(mux, dialects.Env{
			Host: w.rooms, Gate: gate{}, Store: db, Login: issuer{}, IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
			Log: slog.New(slog.DiscardHandler), Config: func(any) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Local = transcript.Handler(mux)
		f(t, w)
		if err := errors.Join(w.Close(), w.rooms.Close(context.Background()), db.Close()); err != nil {
			t.Error(err)
		}
	})
}

// rest is how a user, or a guest, asks over HTTP.
func (w *world) rest(token string) client.REST {
	return client.REST{Base: "http://k3k.test", Token: token, HTTP: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) },
	}}}
}

// meet makes a room and returns an invite.
func (w *world) meet(password string) client.Place {
	w.t.Helper()
	r := w.rest("ann")
	if err := r.Login(w.t.Context(), "ann"); err != nil {
		w.t.Fatal(err)
	}
	p, err := r.Meet(w.t.Context(), "Meeting", password)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// seat is a client with what its connections are.
type seat struct {
	*client.Client
	w    *world
	name string
}

func (w *world) join(p client.Pass, name string, change func(*client.Config)) *seat {
	w.t.Helper()
	s := &seat{w: w, name: name}
	cfg := client.Config{
		URL: "ws://k3k.test/signaling", Name: name,
		Dialer: &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }},
		Peers:  func(context.Context, client.Session, bool) (client.Negotiator, error) { return &side{w: w}, nil },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.Client, err = client.Join(w.t.Context(), cfg, p); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// guest comes in by invite code.
func (w *world) guest(at client.Place, name string, change func(*client.Config)) *seat {
	w.t.Helper()
	p, err := w.rest("").StartInvited(w.t.Context(), at.Invite, "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.join(p, name, change)
}

func web(c *client.Config) { c.Web, c.Protocol = true, client.LaterProtocol }

// side is the client's side of a connection that has nothing behind it.
type side struct{ w *world }

func (s *side) Offer(context.Context) (string, error) {
	return transcript.Wish{Type: "offer", Audio: "sendrecv", Video: "sendrecv"}.Offer(), nil
}

// Accept lets packets arrive.
func (s *side) Accept(_ context.Context, answer string) error {
	for _, p := range s.w.media.Peers() {
		if raw := p.ID().Array(); strings.Contains(answer, fmt.Sprintf("a=ice-pwd:%x\r\n", raw)) {
			for _, pub := range p.Receives() {
				p.Fire(bridge.PeerTrack{Pub: pub, Track: bridge.Audio, Live: true})
				p.Fire(bridge.PeerTrack{Pub: pub, Track: bridge.Video, Live: true})
			}
		}
	}
	return nil
}

func (s *side) Answer(_ context.Context, offer string) (string, error) {
	return transcript.Wish{Type: "answer"}.Answer(offer)
}

func (s *side) Close() error { return nil }

// subscriptions returns how many streams a client gets over connections that are
// up.
func (s *seat) subscriptions() (n int) {
	me, err := s.Self(s.w.t.Context())
	if err != nil {
		s.w.t.Fatal(err)
	}
	for _, p := range s.w.media.Peers() {
		if p.Config.Owner.String() == me.ID && !p.Closed() && p.Remote() != "" {
			n += len(p.Sends())
		}
	}
	return n
}

func all() client.State { return client.State{Audio: true, Video: true} }

// TestFiveAtOnce: five clients that lose waiters when two negotiations are under
// way come in at the same moment; all end up with all media (reference 13.1).
func TestFiveAtOnce(t *testing.T) {
	for name, habit := range map[string]func(*client.Config){"mustang": nil, "web": web} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				at := w.meet("")
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				seats := make([]*seat, 5)
				for i := range seats {
					seats[i] = w.guest(at, fmt.Sprint("g", i), habit)
				}
				published := make(chan error)
				for _, s := range seats {
					go func() { published <- s.Publish(ctx, "video", all()) }()
				}
				for range seats {
					if err := <-published; err != nil {
						t.Errorf("publish: %v", err)
					}
				}
				time.Sleep(30 * time.Second) // synctest
				synctest.Wait()
				for _, s := range seats {
					if n := s.subscriptions(); n != len(seats)-1 {
						t.Errorf("%s gets %d streams of %d", s.name, n, len(seats)-1)
					}
				}
				for _, s := range seats {
					s.Close()
				}
			})
		})
	}
}

// TestLate: one who comes into a room with publishers gets all, and publishes.
func TestLate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := w.meet("")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var seats []*seat
		for i := range 4 {
			s := w.guest(at, fmt.Sprint("g", i), nil)
			if err := s.Publish(ctx, "video", all()); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			seats = append(seats, s)
		}
		time.Sleep(10 * time.Second) // synctest
		for _, s := range seats {
			if n := s.subscriptions(); n != 3 {
				t.Errorf("%s gets %d streams", s.name, n)
			}
		}
		// One ends, and begins anew: nobody is left with a frozen duplicate.
		if err := seats[0].Unpublish(ctx, "video"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // synctest
		if err := seats[0].Publish(ctx, "video", all()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // synctest
		for _, s := range seats {
			log, err := s.Log(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if i := slices.IndexFunc(log, func(m client.Message) bool { return m.Name == "error" }); i >= 0 {
				t.Errorf("%s was told %s", s.name, log[i].Raw)
			}
			if n := s.subscriptions(); n != 3 {
				t.Errorf("%s gets %d streams after a camera began anew", s.name, n)
			}
		}
		for _, s := range seats {
			if err := s.Leave(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTalkAndModerate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := w.meet("pw")
		ctx := t.Context()
		pass, err := w.rest("ann").Start(ctx, at.Room, "")
		if err != nil {
			t.Fatal(err)
		}
		owner := w.join(pass, "Ann", nil)
		if _, err := w.rest("").StartInvited(ctx, at.Invite, "", ""); !refusedWith(err, http.StatusUnauthorized, "wrong_room_password") {
			t.Errorf("without the password: %v", err)
		}
		if pass, err = w.rest("").StartInvited(ctx, at.Invite, "pw", ""); err != nil {
			t.Fatal(err)
		}
		guest := w.join(pass, "Gus", web)
		if err := guest.Say(ctx, "", "hello"); err != nil {
			t.Fatal(err)
		}
		m, err := owner.Wait(ctx, func(m client.Message) bool { return m.Name == "message_sent" })
		if err != nil || m.Content != "hello" || m.Scope != "global" {
			t.Errorf("%+v, %v", m, err)
		}
		if err := owner.Say(ctx, m.Source, "psst"); err != nil {
			t.Fatal(err)
		}
		if m, err = guest.Wait(ctx, func(m client.Message) bool { return m.Scope == "private" }); err != nil || m.Content != "psst" {
			t.Errorf("%+v, %v", m, err)
		}
		people, err := owner.People(ctx)
		if err != nil || len(people) != 1 || people[0].Control.Name != "Gus" {
			t.Fatalf("%+v, %v", people, err)
		}
		if err := owner.Kick(ctx, people[0].ID); err != nil {
			t.Fatal(err)
		}
		if m, err = guest.Wait(ctx, func(m client.Message) bool { return m.Name == client.Disconnected }); err != nil || m.Code != 1000 {
			t.Errorf("%+v, %v", m, err)
		}
		time.Sleep(time.Second) // synctest: the server notices that it is gone
		// Its token still makes it the same participant.
		if pass, err = w.rest("").StartInvited(ctx, at.Invite, "pw", pass.Resumption); err != nil {
			t.Fatal(err)
		}
		again := w.join(pass, "Gus", nil)
		if me, err := again.Self(ctx); err != nil || me.ID != people[0].ID {
			t.Errorf("%+v, %v; want %s", me, err, people[0].ID)
		}
		if _, err := w.rest("").StartInvited(ctx, at.Invite, "pw", pass.Resumption); !refusedWith(err, http.StatusBadRequest, "session_running") {
			t.Errorf("while it runs: %v", err)
		}
		if _, err := w.rest("").Named(ctx, "demo"); err != nil {
			t.Error(err)
		}
		guest.Close()
		again.Close()
		owner.Close()
		if err := owner.Say(ctx, "", "x"); !errors.Is(err, client.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func refusedWith(err error, status int, code string) bool {
	r, ok := errors.AsType[*client.Refusal](err)
	return ok && r.Status == status && r.Code == code
}

func TestRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := w.meet("")
		if _, err := w.rest("ben").Start(t.Context(), at.Room, ""); !refusedWith(err, http.StatusUnauthorized, "unknown_sub") {
			t.Errorf("%v", err)
		}
		cfg := client.Config{URL: "ws://k3k.test/signaling", Dialer: &websocket.Dialer{
			NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) },
		}}
		if _, err := client.Join(t.Context(), cfg, client.Pass{Ticket: "x"}); err == nil {
			t.Error("a ticket that is none lets in")
		}
	})
}
