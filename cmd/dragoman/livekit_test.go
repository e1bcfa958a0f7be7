package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dragoman/cluster/livekit/livekittest"
	"dragoman/cmd/serve"
	"dragoman/config"
)

// liveKitNode is the configuration of a node with LiveKit servers.
func liveKitNode(t *testing.T, listen, public, servers string) string {
	t.Helper()
	return write(t, "c.yaml", fmt.Sprintf(`
http: {listen: '%s', public_url: '%s', trusted_proxies: [127.0.0.1]}
media: {udp: '127.0.0.1:0', tcp: '127.0.0.1:0', advertise: [192.0.2.1]}
admin: {listen: '127.0.0.1:0', keys: [{name: ops, key: a-key-that-may-do-everything}]}
data_dir: %s
dialects: [{name: ahoy}]
livekit:%s
`, listen, public, t.TempDir(), servers))
}

func entry(name, url, key, secret string) string {
	return fmt.Sprintf("\n  - {name: %s, url: '%s', key: '%s', secret: '%s'}", name, url, key, secret)
}

// TestDoctorAndLiveKit: the doctor asks each server whether it takes the key, and says
// what to change.
func TestDoctorAndLiveKit(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	good := entry("main", server.URL(), livekittest.Key, server.Secret())
	off := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer off.Close()
	contains(t, want(t, exitOK, "doctor", "-c", liveKitNode(t, "127.0.0.1:0", "https://meet.example.org", good)),
		"livekit[0]", "main answers and takes the key; rooms there: 0", "https://meet.example.org/livekit/webhook, once a node runs", "urls: [https://meet.example.org/livekit/webhook]")
	for what, c := range map[string]struct {
		entry string
		says  []string
	}{
		"another secret": {entry("main", server.URL(), livekittest.Key, "a secret of another server, as long"), []string{"main: the server does not take the key", "livekit[].secret"}},
		"another key":    {entry("main", server.URL(), "unknown", server.Secret()), []string{"main: the server does not take the key", "list keys"}},
		"nobody":         {good + entry("gone", "ws://127.0.0.1:1", "k", server.Secret()), []string{"livekit[1]", "gone: ", "refused", "start the server, or correct livekit[].url", "main answers"}},
		"a wrong clock":  {entry("main", off.URL, "k", server.Secret()), []string{"the clock of main is -1h0m", "keep time"}},
		"in the open":    {entry("main", "ws://no-such-host.invalid", "k", server.Secret()), []string{"tokens go to main unencrypted", "wss://"}},
	} {
		text := want(t, exitFailed, "doctor", "-c", liveKitNode(t, "127.0.0.1:0", "https://meet.example.org", c.entry))
		contains(t, text, c.says...)
		if strings.Contains(text, server.Secret()) || strings.Contains(text, "as long") {
			t.Errorf("%s: a secret is told:\n%s", what, text)
		}
	}
	contains(t, want(t, exitOK, "doctor", "-c", liveKitNode(t, "127.0.0.1:0", "", good)), "it is not known how the servers reach this node", "set http.public_url")
}

// listed waits until a room there is among the peerings, and returns the list.
func listed(t *testing.T, theirs string) string {
	t.Helper()
	for end := time.After(10 * time.Second); ; {
		text := want(t, exitOK, "room", "peerings")
		if strings.Contains(text, theirs) {
			return text
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-end:
			t.Fatalf("no %s in\n%s", theirs, text)
		}
	}
}

// TestPeeringCommands: an operator makes a room one with a room there, looks at it, and
// takes it back; the doctor finds where the servers may tell what happens.
func TestPeeringCommands(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	name := liveKitNode(t, "127.0.0.1:0", "", entry("main", server.URL(), livekittest.Key, server.Secret()))
	loaded, err := config.Load(config.Options{File: name, Sections: sections()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(loaded.Config, serve.Options{Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRAGOMAN_ADMIN_URL", s.Ports().Admin)
	t.Setenv("DRAGOMAN_ADMIN_KEY", "a-key-that-may-do-everything")
	want(t, exitOK, "room", "create", "demo", "--home", "main/stage")
	want(t, exitFailed, "room", "create", "x", "--home", "nowhere")
	want(t, exitOK, "room", "create", "more")
	want(t, exitNotFound, "room", "peer", "more", "--server", "nowhere")
	want(t, exitNotFound, "room", "peer", "nobody's")
	want(t, exitOK, "room", "peer", "more", "--server", "main", "--room", "foyer")
	contains(t, listed(t, "foyer"), "ROOM THERE", "demo", "stage", "home", "more", "admin")
	one := want(t, exitOK, "room", "peerings", "more")
	if strings.Contains(one, "stage") || !strings.Contains(one, "foyer") {
		t.Errorf("%s", one)
	}
	contains(t, want(t, exitOK, "room", "peerings", "-o", "json"), `"theirs": "foyer"`)
	want(t, exitOK, "room", "unpeer", "more")
	want(t, exitNotFound, "room", "unpeer", "more", "--server", "main")

	doctor := func(public string) string {
		file := liveKitNode(t, s.Ports().HTTP, public, entry("main", server.URL(), livekittest.Key, server.Secret()))
		return want(t, exitOK, "doctor", "-c", file, "--admin-listen="+s.Ports().Admin)
	}
	contains(t, doctor("http://"+s.Ports().HTTP), "/livekit/webhook is reached")
	contains(t, doctor("http://127.0.0.1:1"), "/livekit/webhook is not reached from here", "reverse proxy")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	contains(t, doctor(other.URL), "answered by another program: status 404")
}
