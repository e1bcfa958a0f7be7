package client_test

import (
	"context"
	"encoding/json"
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
	"dragoman/dialects/ahoy"
	"dragoman/dialects/ahoy/client"
	"dragoman/dialects/ahoy/percent"
	"dragoman/e2e/transcript"
)

// world is a node in memory, and what its clients have sent.
type world struct {
	*transcript.Local
	t     *testing.T
	media *bridgetest.Media

	mu    sync.Mutex
	sent  []map[string]any
	peers []*negotiator
}

type open struct{}

func (open) Admit(context.Context, bridge.Credentials) (bridge.Grant, error) {
	return bridge.Grant{}, nil
}
func (open) Failed(bridge.Credentials) {}

// Frame implements dialects.Tap.
func (w *world) Frame(_ dialects.ConnID, dir dialects.Direction, data []byte) {
	if dir != dialects.In {
		return
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		w.t.Errorf("a client sends %q", data)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, m)
}

// last returns the last message of a type that a client has sent.
func (w *world) last(kind string) map[string]any {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range slices.Backward(w.sent) {
		if m["messageType"] == kind {
			return m
		}
	}
	w.t.Errorf("no client has sent a %s", kind)
	return nil
}

// negotiator is the client's side of a connection, without media.
type negotiator struct {
	w      *world
	use    client.Use
	offer  string
	fail   error
	closed bool
}

func (n *negotiator) Answer(_ context.Context, offer string) (string, error) {
	n.offer = offer
	if n.fail != nil {
		return "", n.fail
	}
	answer, err := transcript.Wish{Type: "answer"}.Answer(offer)
	if err == nil && n.use.Publish {
		n.w.fire(n)
	}
	return answer, err
}

func (n *negotiator) Close() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.closed = true
}

// fire makes the server hear the media, soon.
func (w *world) fire(n *negotiator) {
	for _, p := range w.media.Peers() {
		if strings.Contains(n.offer, fmt.Sprintf("a=ice-pwd:%x\r\n", p.ID().Array())) {
			time.AfterFunc(100*time.Millisecond, func() { p.Fire(bridge.PeerChanged{State: bridge.PeerConnected}) })
		}
	}
}

// of returns the connections for a member, oldest first.
func (w *world) of(name string, publish bool) (all []*negotiator) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.peers {
		if n.use.Member.Name == name && n.use.Publish == publish {
			all = append(all, n)
		}
	}
	return all
}

func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, media: &bridgetest.Media{}}
		rooms := bridge.NewLocal(bridge.LocalConfig{Media: w.media})
		mux := http.NewServeMux()
		if err := ahoy.New().Mount(mux, dialects.Env{
			Host: rooms, Gate: open{}, IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
			Log: slog.New(slog.DiscardHandler), Tap: w, Config: func(any) error { return nil },
		}); err != nil {
			t.Fatal(err)
		}
		w.Local = transcript.Handler(mux)
		f(t, w)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := rooms.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) config(q client.Quirks) client.Config {
	return client.Config{
		URL:    "ws://dragoman.test/ahoy",
		Dialer: &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }},
		Quirks: q,
		Peers: func(_ context.Context, u client.Use) (client.Negotiator, error) {
			n := &negotiator{w: w, use: u}
			if u.Member.Name == "No camera" {
				n.fail = errors.New("no camera")
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.peers = append(w.peers, n)
			return n, nil
		},
	}
}

func (w *world) join(q client.Quirks, t client.Ticket) *client.Client {
	w.t.Helper()
	c, err := client.Join(w.t.Context(), w.config(q), t)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// soon is a context that ends before a test that hangs does.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestMeeting plays a meeting in each style of client: two come, share, see each
// other, chat, share a screen, are locked in, kicked, and leave.
func TestMeeting(t *testing.T) {
	for name, q := range map[string]client.Quirks{"web": {}, "ahoy-js": client.AhoyJS(), "AhoyKit": client.AhoyKit()} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) { meeting(t, w, q) })
		})
	}
}

func meeting(t *testing.T, w *world, q client.Quirks) {
	ctx := soon(t)
	a := w.join(q, client.Ticket{Room: "r", Name: "A", Create: true})
	must(t, a.Publish(ctx, true, true))
	b := w.join(q, client.Ticket{Room: "r", Name: "B", Create: true})
	j, err := b.Joined(ctx)
	must(t, err)
	if !j.Self.Moderator || !j.Self.Speaker || j.Self.ID == "" || j.ConferenceID != "r" || j.RemainingSeconds != -1 || len(j.Members) != 1 || len(j.Raw) == 0 {
		t.Errorf("joined as %+v", j)
	}
	seen, err := b.Wait(ctx, func(e client.Event) bool { return e.Type == client.Answered && !e.Use.Publish })
	must(t, err)
	if seen.Use.Member.Name != "A" || !seen.Use.Audio || !seen.Use.Video {
		t.Errorf("B gets %+v", seen.Use)
	}
	must(t, b.Publish(ctx, true, true))
	member, err := a.Member(ctx, "B", func(m client.Member) bool { return m.VideoAvailable })
	must(t, err)
	_, err = a.Wait(ctx, func(e client.Event) bool { return e.Type == client.Answered && e.Use.Member.Name == "B" })
	must(t, err)

	must(t, a.Say(ctx, "hello"))
	said, err := b.Wait(ctx, client.OfType("CHAT_MESSAGE_indication"))
	must(t, err)
	if said.Text != "hello" || said.Member.Name != "A" {
		t.Errorf("B reads %+v", said)
	}
	screen, err := a.ShareScreen(ctx)
	must(t, err)
	_, err = b.Member(ctx, "A (screen)", func(m client.Member) bool { return m.VideoAvailable && !m.AudioAvailable })
	must(t, err)
	must(t, screen.Leave(ctx))
	_, err = b.Wait(ctx, func(e client.Event) bool {
		return e.Type == "CONFERENCE_LEAVE_indication" && e.Member.Name == "A (screen)"
	})
	must(t, err)

	must(t, a.Lock(ctx, true))
	_, err = b.Wait(ctx, client.OfType("CONFERENCE_LOCK_indication"))
	must(t, err)
	_, err = client.Join(ctx, w.config(q), client.Ticket{Room: "r", Name: "C"})
	if r, ok := errors.AsType[*client.Refusal](err); !ok || r.Status != 470 || r.Reason != "locked" {
		t.Errorf("a join of a locked conference: %v", err)
	}
	must(t, a.Describe(ctx, "about"))
	about, err := b.Wait(ctx, client.OfType("CONFERENCE_DESCRIPTION_indication"))
	must(t, err)
	if about.Text != "about" {
		t.Errorf("B reads the description %q", about.Text)
	}
	must(t, a.Kick(ctx, member.ID))
	over, err := b.Wait(ctx, client.OfType(client.Disconnected))
	must(t, err)
	if over.Code != 1000 {
		t.Errorf("B is closed with %d", over.Code)
	}
	<-b.Done()
	if err := b.Say(ctx, "x"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("chat of one who is gone: %v", err)
	}
	for _, n := range append(w.of("A", false), w.of("B", true)...) {
		if !n.closed && !q.LeakPeers {
			t.Errorf("a connection of B outlives it: %+v", n.use)
		}
	}
	must(t, a.Leave(ctx))
	<-a.Done()
}

// TestQuirks: what the styles put on the wire.
func TestQuirks(t *testing.T) {
	for name, c := range map[string]struct {
		q              client.Quirks
		flag           any
		password       any
		hasPassword    bool
		escaped        bool
		status         any
		mediaIsMember  bool
		saysThatLeaves bool
	}{
		"web":     {q: client.Quirks{}, flag: true, status: 200.0},
		"ahoy-js": {q: client.AhoyJS(), flag: 1.0, hasPassword: true, escaped: true, mediaIsMember: true},
		"AhoyKit": {q: client.AhoyKit(), flag: true, password: "", hasPassword: true, saysThatLeaves: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				ctx := soon(t)
				a := w.join(c.q, client.Ticket{Room: "r", Name: "A", Create: true})
				join := w.last("CONFERENCE_JOIN_request")
				if p, ok := join["password"]; ok != c.hasPassword || p != c.password {
					t.Errorf("joins with %v", join)
				}
				must(t, a.Publish(ctx, true, true))
				if m := w.last("MEDIA_SHARE_request"); m["audio"] != c.flag {
					t.Errorf("shares with %v", m)
				}
				answer := w.last("MEDIA_RECEIVE_response")
				sdp, _ := answer["sdp"].(string)
				if strings.HasPrefix(sdp, "v%3D") != c.escaped || answer["status"] != c.status {
					t.Errorf("answers with %v", answer)
				}
				if !strings.HasPrefix(percent.Unescape(sdp), "v=0") {
					t.Errorf("the answer is %q", sdp)
				}
				b := w.join(c.q, client.Ticket{Room: "r", Name: "B"})
				_, err := b.Wait(ctx, client.OfType(client.Answered))
				must(t, err)
				m := w.last("MEDIA_request")
				asked := m["members"].([]any)[0].(map[string]any)
				if id := w.of("A", false)[0].use.Member.ID; asked["memberID"] != id || asked["audio"] != c.flag {
					t.Errorf("asks with %v", m)
				}
				w.mu.Lock()
				w.sent = nil
				w.mu.Unlock()
				must(t, b.Leave(ctx))
				synctest.Wait()
				if said := len(w.sent) > 0; said != c.saysThatLeaves {
					t.Errorf("says that it leaves: %v", said)
				}
			})
		})
	}
}

// TestNoMedia: a client without media refuses offers, one that cannot answer says
// so, and Blind ones ask for nothing.
func TestNoMedia(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := soon(t)
		a := w.join(client.Quirks{}, client.Ticket{Room: "r", Name: "A", Create: true})
		must(t, a.Publish(ctx, true, true))
		cfg := w.config(client.Quirks{})
		cfg.Peers = nil
		b, err := client.Join(ctx, cfg, client.Ticket{Room: "r", Name: "B"})
		must(t, err)
		_, err = b.Wait(ctx, client.OfType("MEDIA_indication"))
		must(t, err)
		if err := b.Publish(ctx, true, false); err == nil {
			t.Error("a client without media publishes")
		}
		if m := w.last("MEDIA_RECEIVE_response"); m["status"] != 500.0 {
			t.Errorf("it answers %v", m)
		}
		n := w.join(client.Quirks{}, client.Ticket{Room: "r", Name: "No camera"})
		if err := n.Publish(ctx, true, false); err == nil || !strings.Contains(err.Error(), "no camera") {
			t.Errorf("publish: %v", err)
		}
		cfg = w.config(client.Quirks{})
		cfg.Blind = true
		blind, err := client.Join(ctx, cfg, client.Ticket{Room: "r", Name: "Blind"})
		must(t, err)
		must(t, a.Publish(ctx, false, false))
		_, err = blind.Wait(ctx, client.OfType("MEDIA_indication"))
		must(t, err)
		log, err := blind.Log(ctx)
		must(t, err)
		for _, e := range log {
			if e.Type == "SDP_request" || e.Type == "MEDIA_response" {
				t.Errorf("a blind client has %s", e.Type)
			}
		}
		b.Kill()
		blind.Kill()
		if _, err := a.Wait(ctx, func(e client.Event) bool {
			return e.Type == "CONFERENCE_LEAVE_indication" && e.Member.Name == "Blind"
		}); err != nil {
			t.Error(err)
		}
		// Waiting for what never comes ends with the connection, and with the context.
		if _, err := b.Wait(ctx, client.OfType("never")); !errors.Is(err, client.ErrClosed) {
			t.Errorf("wait on a dead connection: %v", err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := a.Wait(short, client.OfType("never")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait with a deadline: %v", err)
		}
		if _, err := a.Member(short, "nobody", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a member that never comes: %v", err)
		}
	})
}

// TestCreate: what the creator says is in the conference.
func TestCreate(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := soon(t)
		cfg := w.config(client.Quirks{})
		id, err := client.Create(ctx, cfg, client.Conference{Name: "Name", Description: "About", Password: "s", ModeratorPassword: "m", ListenerPassword: "l", MaxMember: 2, TimeLimit: 60, MaxVideoBitrate: 250})
		must(t, err)
		a := w.join(client.Quirks{}, client.Ticket{Room: id, Name: "A", Password: "s"})
		j, err := a.Joined(ctx)
		must(t, err)
		if j.Name != "Name" || j.Description != "About" || j.RemainingSeconds != 60 || j.Self.Moderator {
			t.Errorf("joined %+v", j)
		}
		if _, err := client.Create(ctx, cfg, client.Conference{ID: id}); err == nil || !strings.Contains(err.Error(), "486") {
			t.Errorf("create again: %v", err)
		}
		if _, err := client.Join(ctx, cfg, client.Ticket{Room: id, Password: "x"}); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("join with a wrong password: %v", err)
		}
		if err := a.Destroy(ctx); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("destroy by one who may not: %v", err)
		}
		m := w.join(client.Quirks{}, client.Ticket{Room: id, Name: "M", Password: "m"})
		must(t, m.Destroy(ctx))
		_, err = a.Wait(ctx, client.OfType("CONFERENCE_KICK_indication"))
		must(t, err)
		_, err = client.Join(ctx, client.Config{URL: "http://[::1]:0"}, client.Ticket{})
		if err == nil {
			t.Error("joined nowhere")
		}
	})
}

// TestLogIsBounded: the log keeps the newest events.
func TestLogIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		a := w.join(client.Quirks{}, client.Ticket{Room: "r", Name: "A", Create: true})
		for range 5000 {
			if err := a.Say(ctx, "x"); err != nil {
				t.Fatal(err)
			}
		}
		log, err := a.Log(ctx)
		must(t, err)
		if n := len(log); n > 4096 || log[n-1].N < 5000 {
			t.Errorf("%d events are kept, the last is number %d", n, log[n-1].N)
		}
	})
}
