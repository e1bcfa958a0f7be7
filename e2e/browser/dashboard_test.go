package browser

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"dragoman/bridge"
	dialect "dragoman/dialects"
	"dragoman/dialects/admin"
)

// federation is one with LiveKit servers that does as the page says.
type federation struct {
	mu  sync.Mutex
	all []admin.Peering
}

func (*federation) Servers() []string { return []string{"main", "backup"} }

func (f *federation) All(context.Context) []admin.Peering { return f.Here() }

func (f *federation) Here() []admin.Peering {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.all {
		if f.all[i].State == "up" {
			f.all[i].BytesIn += 123_000
			f.all[i].BytesOut += 45_600
		}
	}
	return slices.Clone(f.all)
}

func (f *federation) Peer(_ context.Context, room bridge.RoomID, server, theirs string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if room == "nobody's" {
		return bridge.Errorf(bridge.NotFound, "there is no such room")
	}
	if theirs == "" {
		theirs = string(room)
	}
	f.all = append(f.all, admin.Peering{Room: string(room), Server: server, Theirs: theirs, Origin: "admin", State: "up", Since: time.Now(), In: 1, Out: 2, Puppets: 2, Views: 3})
	return nil
}

func (f *federation) Unpeer(_ context.Context, room bridge.RoomID, server string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = slices.DeleteFunc(f.all, func(p admin.Peering) bool { return p.Room == string(room) && p.Server == server })
	return nil
}

// TestDashboardOfAFederation: an operator makes a room one with a room of a LiveKit
// server, sees what goes over, who comes from there, and what fails, kicks one of them,
// and parts the rooms again; in both colour schemes.
func TestDashboardOfAFederation(t *testing.T) {
	rooms := bridge.NewLocal(bridge.LocalConfig{})
	f := &federation{all: []admin.Peering{{
		Room: "team-9", Server: "backup", Theirs: "team-9", Origin: "rule", State: "failed", Since: time.Now().Add(-3 * time.Hour),
		Error: "dial tcp 192.0.2.1:443: connect: connection refused", Out: 1,
	}}}
	mux := http.NewServeMux()
	d := admin.New(admin.Config{Open: true, Local: rooms, Ready: func() error { return nil }, Started: func() bool { return true }, Peerings: f, Version: "test"})
	if err := d.Mount(mux, dialect.Env{Host: rooms, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	page := httptest.NewServer(mux)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer func() {
		cancel()
		page.CloseClientConnections()
		page.Close()
		if err := rooms.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	b, err := Start(t.Context(), "dashboard")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	lena := join(ctx, t, rooms, bridge.JoinRequest{Room: "demo", Name: "Lena", Kind: bridge.Federated, Dialect: "livekit", Attrs: map[string]string{"livekit.server": "main"}, Create: &bridge.Spec{ID: "demo"}})
	join(ctx, t, rooms, bridge.JoinRequest{Room: "demo", Name: "Anna", Dialect: "ahoy"})

	waits := func(what string) {
		t.Helper()
		if err := b.Wait(ctx, what); err != nil {
			t.Fatalf("%v\n%s", err, b.Console())
		}
	}
	does := func(what string) {
		t.Helper()
		if _, err := Eval[bool](ctx, b, "("+what+", true)"); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(text string) string {
		return fmt.Sprintf("document.querySelector('#federation').innerText.includes(%q)", text)
	}
	if err := b.Open(ctx, page.URL); err != nil {
		t.Fatal(err)
	}
	does("window.confirm = () => true")
	waits(shows("connection refused"))
	waits(shows("3 h 0 min"))
	waits("[...document.querySelectorAll('#rooms tr')].find(r => r.innerText.includes('Lena')).innerText.includes('from main')")
	does("document.querySelector('#peer-room').value = 'demo'")
	does("document.querySelector('#peer-theirs').value = 'stage'")
	does("document.querySelector('#peer button').click()")
	waits(shows("stage"))
	waits(shows("kbit/s"))
	waits("document.querySelector('#log').innerText.includes('demo and stage on main: up')")
	does(`document.querySelector('#peer-room').value = "nobody's"`)
	does("document.querySelector('#peer button').click()")
	waits(shows("there is no such room"))
	for _, scheme := range []string{"light", "dark"} {
		params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, params); err != nil {
			t.Fatal(err)
		}
		waits(fmt.Sprintf("matchMedia('(prefers-color-scheme: %s)').matches", scheme))
		if dir := os.Getenv("DRAGOMAN_SCREENSHOTS"); dir != "" {
			if err := b.Save(ctx, dir, scheme); err != nil {
				t.Fatal(err)
			}
		}
		waits("document.documentElement.scrollWidth <= innerWidth")
	}
	does("[...document.querySelectorAll('#rooms tr')].find(r => r.innerText.includes('Lena')).querySelector('button.danger').click()")
	waits("!document.querySelector('#rooms').innerText.includes('Lena')")
	if _, err := lena.Drain(ctx); bridge.CodeOf(err) == 0 {
		t.Error("who was kicked is there")
	}
	does("[...document.querySelectorAll('#peerings tr')].find(r => r.innerText.includes('stage')).querySelector('button').click()")
	waits("!" + shows("stage"))
	waits("document.querySelector('#log').innerText.includes('are no longer one')")
}

func join(ctx context.Context, t *testing.T, rooms *bridge.Local, req bridge.JoinRequest) *bridge.Session {
	t.Helper()
	s, err := rooms.Join(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Leave(context.Background(), bridge.ByWish) })
	return s
}
