package spreed_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/spreed/client"
	"dragoman/dialects/spreed/wire"
	"dragoman/e2e/transcript"
)

// dialer reaches a world.
func dialer(w *world) *websocket.Dialer {
	return &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }}
}

// dialSelf connects and reads Self.
func dialSelf(t *testing.T, w *world, self any) *websocket.Conn {
	t.Helper()
	ws, res, err := dialer(w).Dial("ws://dragoman.test/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	var e struct{ Data json.RawMessage }
	if err := ws.ReadJSON(&e); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e.Data, self); err != nil {
		t.Fatal(err)
	}
	return ws
}

// peer is a client's peer connection without media.
type peer struct{ client.PeerConfig }

func newPeer(_ context.Context, cfg client.PeerConfig) (client.Peer, error) { return peer{cfg}, nil }

func (p peer) Offer(context.Context) (string, error) {
	w := transcript.Wish{Type: "offer", Audio: "sendrecv", Video: "sendrecv", Application: "yes"}
	if p.Kind == client.View {
		w.Audio, w.Video = "", "recvonly"
	}
	return w.Offer(), nil
}

func (p peer) Answer(_ context.Context, offer string) (string, error) {
	defer p.Notify(client.PeerEvent{What: client.PeerConnected})
	return transcript.Wish{Type: "answer"}.Answer(offer)
}

func (p peer) Accept(context.Context, string) error {
	p.Notify(client.PeerEvent{What: client.PeerConnected})
	return nil
}

func (p peer) AddCandidate(context.Context, wire.ICE) error { return nil }
func (p peer) Message([]byte) error                         { return errors.New("not open") }
func (p peer) Close() error                                 { return nil }

func dial(t *testing.T, w *world, cfg client.Config) *client.Client {
	t.Helper()
	cfg.URL, cfg.Dialer, cfg.Peers = "ws://dragoman.test/ws", dialer(w), newPeer
	c, err := client.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// join connects a client and brings it into a room.
func join(t *testing.T, w *world, room, pin string, cfg client.Config) *client.Client {
	t.Helper()
	c := dial(t, w, cfg)
	if err := c.Join(t.Context(), room, pin); err != nil {
		t.Fatal(err)
	}
	return c
}

// saw waits until a client has seen something. Names are those of now: what was
// seen before somebody said its name counts, too.
func saw(t *testing.T, c *client.Client, kind, name, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Saw(ctx, kind, name, text); err != nil {
		log, _ := c.Log(t.Context())
		t.Fatalf("%v\n%v", err, log)
	}
}

// called waits until a client was in calls with so many others.
func called(t *testing.T, c *client.Client, n int) {
	t.Helper()
	calls := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := c.Wait(ctx, func(e client.Entry) bool {
		if e.Kind == "call" {
			calls[e.From] = true
		}
		return len(calls) == n
	})
	if err != nil {
		t.Fatalf("in calls with %v: %v", calls, err)
	}
}

// TestClientsMeet has scripted clients, which behave as real ones do, meet each
// other and somebody of another dialect.
func TestClientsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).open()
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if peers := w.rooms.Counts().Peers; peers != 0 {
				t.Errorf("%d peers are left", peers)
			}
		}()
		if _, err := w.enter(t.Context(), script{Who: "amy", Room: "team", Name: "Amy"}); err != nil {
			t.Fatal(err)
		}
		names := []string{"Cleo", "Dan", "Eve"}
		all := map[string]*client.Client{}
		for _, n := range names {
			all[n] = join(t, w, "team", "", client.Config{Name: n})
		}
		for _, n := range names {
			called(t, all[n], 3)
		}
		synctest.Wait()
		for _, n := range names {
			calls, err := all[n].Calls(t.Context())
			if err != nil || len(calls) != 3 {
				t.Errorf("%s is in calls with %v, %v", n, calls, err)
			}
			self, _ := all[n].Self(t.Context())
			id, _ := w.participant(self.ID)
			taken := 0
			for _, p := range w.media.Of(id) {
				if len(p.Sends()) != 1 {
					t.Errorf("%s gets %d streams on one call", n, len(p.Sends()))
				}
				for _, pub := range p.Receives() {
					if w.published(pub) {
						taken++
					}
				}
			}
			if taken != 1 {
				t.Errorf("what %s sends is taken on %d calls", n, taken)
				for _, p := range w.media.Of(id) {
					t.Logf("%v receives %v sends %v", p.ID(), p.Receives(), p.Sends())
				}
			}
		}
		if err := all["Cleo"].Say(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		saw(t, all["Eve"], "chat", "Cleo", "hello")
		mid, err := all["Dan"].Whisper(t.Context(), "Eve", "psst")
		if err != nil {
			t.Fatal(err)
		}
		saw(t, all["Eve"], "whisper", "Dan", "psst")
		saw(t, all["Dan"], "sent", "", mid)
		saw(t, all["Dan"], "delivered", "Eve", mid)
		if err := all["Eve"].Lock(t.Context(), "77"); err != nil {
			t.Fatal(err)
		}
		saw(t, all["Cleo"], "room", "Eve", "77")
		late := join(t, w, "team", "77", client.Config{Name: "Late"})
		called(t, late, 4)
		synctest.Wait()
		if _, err := client.Dial(t.Context(), client.Config{URL: "ws://dragoman.test/none", Dialer: dialer(w)}); err == nil {
			t.Error("there is a socket where there should be none")
		}
		stranger := dial(t, w, client.Config{Name: "Stranger"})
		if err := stranger.Join(t.Context(), "team", ""); !refusedWith(err, "authorization_required") {
			t.Errorf("without the PIN: %v", err)
		}
		if err := all["Dan"].Reconnect(t.Context()); err != nil {
			t.Errorf("Dan, who was told the PIN, comes back: %v", err)
		}
		if calls, err := all["Dan"].Calls(t.Context()); err != nil || len(calls) != 4 {
			t.Errorf("Dan is in calls with %v, %v", calls, err)
		}
		if err := w.acts["amy"].Leave(t.Context(), bridge.ByWish); err != nil {
			t.Fatal(err)
		}
		saw(t, late, "bye", "Amy", "")
		saw(t, late, "left", "Amy", "hard")
		synctest.Wait()
		if err := all["Cleo"].Unload(t.Context()); err != nil {
			t.Fatal(err)
		}
		saw(t, late, "bye", "", "unload")
		saw(t, late, "left", "Cleo", "hard")
		for _, c := range []*client.Client{late, stranger, all["Dan"], all["Eve"]} {
			c.Close()
		}
	})
}

func refusedWith(err error, code string) bool {
	r, ok := errors.AsType[*client.Refused](err)
	return ok && r.Code == code
}
