package livekit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	protocol "github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
)

// TestRestart: a LiveKit server that is away for some seconds costs nobody a seat who
// comes back, and those who do not come back leave.
func TestRestart(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	max := server.Join(t, "meeting", "max", livekittest.JoinOptions{Name: "Max"})
	ann, ben := s.join("meeting", "Ann"), s.join("meeting", "Ben")
	ann.sees("Ben", "Lucy", "Max")
	must(t, lucy.Wait(ctx, "ours", func() bool { return len(lucy.People()) == 3 }))
	server.Kill()
	away := func(name string, on bool) func() bool {
		return func() bool { p := ann.one(name); return !p.ID.IsZero() && p.Away == on }
	}
	ann.wait("Lucy to be away", away("Lucy", true))
	max.Leave()
	ben.leave()
	pause := time.NewTimer(3 * time.Second) // the server is away for that
	<-pause.C
	server.Restart()
	ann.wait("Lucy to be back", away("Lucy", false))
	_, err := lucy.WaitNamed(ctx, "Ann")
	must(t, err)
	ann.sees("Lucy")
	event(ann, "Max to leave", func(e bridge.Left) bool { return e.P.Name == "Max" })
	ann.mu.Lock()
	if n := times(ann, func(e bridge.Left) bool { return e.P.Name == "Lucy" }); n > 0 {
		t.Errorf("Lucy left %d times", n)
	}
	ann.mu.Unlock()
	all, err := server.API().ListParticipants(ctx, &protocol.ListParticipantsRequest{Room: "meeting"})
	must(t, err)
	for _, p := range all.Participants { // the SDK of Lucy's client does not notice
		if p.Name == "Ben" {
			t.Error("Ben is there, who has left meanwhile")
		}
	}
	lucy.Say("again")
	event(ann, "chat", func(e bridge.Said) bool { return e.Text == "again" })
}

// TestLost: when LiveKit stays away its people leave, and the room goes on.
func TestLost(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann")
	ann.sees("Lucy")
	server.Kill()
	event(ann, "Lucy to be lost", func(e bridge.Left) bool { return e.P.Name == "Lucy" && e.Reason == bridge.ByLoss })
	ann.do(bridge.Say{ID: bridge.NewMessageID(), Text: "and yet"})
	s.until(within(t), "that to be told", func() bool {
		p := s.Peerings()
		return len(p) == 1 && p[0].In == 0 && p[0].State != livekit.Up
	})
}

// TestRefused: a server that does not take our key is a peering that has failed, which
// tells why, but no secret.
func TestRefused(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	set := settings(server, "there")
	set.Secret = "this is not the secret of the server"
	nobody := settings(server, "nobody")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nobody.URL = "ws://" + l.Addr().String()
	must(t, l.Close())
	s := newSite(t, "here", set, nobody)
	s.join("meeting", "Ann")
	s.until(within(t), "both to fail", func() bool {
		p := s.Peerings()
		return len(p) == 2 && p[0].State == livekit.Failed && p[1].State == livekit.Failed && s.Stats().Refused > 2
	})
	for i, want := range []string{"connect", "401"} {
		text := s.Peerings()[i].Error
		if !strings.Contains(text, want) && !strings.Contains(text, "unauthorized") {
			t.Errorf("%s says %q, want something about %q", s.Peerings()[i].Server, text, want)
		}
		if strings.Contains(text, string(set.Secret)) || strings.Contains(text, livekittest.Key) || strings.Contains(text, "eyJ") {
			t.Errorf("the error tells secrets: %s", text)
		}
	}
}

// hook signs a webhook.
func hook(t *testing.T, body, secret string) *http.Request {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	token, err := auth.NewAccessToken(livekittest.Key, secret).SetValidFor(time.Minute).SetSha256(base64.StdEncoding.EncodeToString(sum[:])).ToJWT()
	must(t, err)
	q := httptest.NewRequest(http.MethodPost, "/livekit/webhook", bytes.NewBufferString(body))
	q.Header.Set("Authorization", token)
	return q
}

// TestWebhooks: what a server has signed is believed, and nothing else.
func TestWebhooks(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ann := s.join("meeting", "Ann")
	body := `{"event":"participant_joined","room":{"name":"meeting"},"id":"1","new":"field"}`
	changed := hook(t, body, server.Secret())
	changed.Body = http.NoBody
	none := hook(t, body, server.Secret())
	none.Header.Del("Authorization")
	get := httptest.NewRequest(http.MethodGet, "/livekit/webhook", nil)
	big := httptest.NewRequest(http.MethodPost, "/livekit/webhook", bytes.NewReader(make([]byte, 2<<20)))
	for _, c := range []struct {
		what string
		q    *http.Request
		want int
	}{
		{"signed", hook(t, body, server.Secret()), http.StatusOK},
		{"wrong secret", hook(t, body, "another secret of at least 32 bytes"), http.StatusUnauthorized},
		{"another body", changed, http.StatusUnauthorized},
		{"not signed", none, http.StatusUnauthorized},
		{"no webhook", hook(t, "]", server.Secret()), http.StatusUnauthorized},
		{"GET", get, http.StatusMethodNotAllowed},
		{"too big", big, http.StatusRequestEntityTooLarge},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, c.q)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.what, w.Code, c.want)
		}
	}
	if is := s.Stats(); is.Webhooks != 1 || is.Forged != 4 {
		t.Errorf("counted %d webhooks, %d forged", is.Webhooks, is.Forged)
	}
	ann.leave()
}

// TestRealWebhooks: those of a real server are taken.
func TestRealWebhooks(t *testing.T) {
	var s *site
	ready := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		<-ready
		s.ServeHTTP(w, q)
	}))
	defer web.Close()
	server := livekittest.Start(t, livekittest.Options{Webhook: web.URL})
	s = newSite(t, "here", settings(server, "there"))
	close(ready)
	server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	s.join("meeting", "Ann").sees("Lucy")
	s.until(within(t), "webhooks", func() bool { return s.Stats().Webhooks > 0 })
	if n := s.Stats().Forged; n > 0 {
		t.Errorf("%d were taken for forged", n)
	}
}

// TestPeer: the admin API peers rooms and ends it, also what a rule or the room's maker
// wants.
func TestPeer(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	set := settings(server, "there")
	set.Rooms = []string{"team-*"}
	s := newSite(t, "here", set)
	ctx := within(t)
	lucy := server.Join(t, "elsewhere", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	server.Join(t, "team-x", "max", livekittest.JoinOptions{Name: "Max"})
	must(t, s.local.Create(ctx, bridge.Spec{ID: "homely", Home: "there/elsewhere"}))
	for _, c := range []struct {
		room         bridge.RoomID
		peer, unpeer func() error
		name         string
	}{
		{"plain", func() error { return s.Peer(ctx, "plain", "there", "elsewhere") }, nil, "Lucy"},
		{"team-x", nil, nil, "Max"},
		{"homely", nil, nil, "Lucy"},
	} {
		ann := s.join(c.room, "Ann")
		if c.peer != nil {
			if len(s.Peerings()) != 0 {
				t.Errorf("%s is peered: %+v", c.room, s.Peerings())
			}
			must(t, c.peer())
		}
		ann.sees(c.name)
		must(t, s.Unpeer(ctx, c.room, "there"))
		ann.sees()
		if code := bridge.CodeOf(s.Unpeer(ctx, c.room, "there")); code != bridge.NotFound {
			t.Errorf("%s: unpeered again: %v", c.room, code)
		}
		must(t, s.Peer(ctx, c.room, "there", ""), s.Unpeer(ctx, c.room, "there"))
		ann.leave()
	}
	must(t, lucy.WaitPeople(ctx))
	for _, err := range []error{s.Peer(ctx, "nowhere", "there", ""), s.Peer(ctx, "plain", "nobody", "")} {
		if bridge.CodeOf(err) != bridge.NotFound {
			t.Errorf("peered with nothing: %v", err)
		}
	}
	if err := s.Peer(ctx, "plain", "there", "bad\nname"); bridge.CodeOf(err) != bridge.BadRequest {
		t.Errorf("a bad name: %v", err)
	}
}

// TestClose: all leave, and nothing is left behind.
func TestClose(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann")
	ann.sees("Lucy")
	_, err := lucy.WaitNamed(within(t), "Ann")
	must(t, err)
	s.Close()
	ann.sees()
	must(t, lucy.WaitPeople(within(t)))
	if is := s.Stats(); is.Rooms+is.Peerings+is.Seated+is.Puppets != 0 {
		t.Errorf("left behind: %+v", is)
	}
	must(t, ann.Do(context.Background(), bridge.Say{ID: bridge.NewMessageID(), Text: "on"}))
}
