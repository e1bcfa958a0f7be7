package gate_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate"
)

func TestCallback(t *testing.T) {
	var posted map[string]string
	var auth string
	var status int
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth, posted = r.Header.Get("Authorization"), nil
		if err := json.NewDecoder(r.Body).Decode(&posted); err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer s.Close()
	g, err := gate.NewCallback(gate.CallbackConfig{URL: s.URL, Secret: "key"})
	if err != nil {
		t.Fatal(err)
	}
	c := bridge.Credentials{Dialect: "nkmedia", User: "ann", Secret: "s", Remote: netip.MustParseAddr("192.0.2.1")}
	for _, x := range []struct {
		status int
		body   string
		code   bridge.Code
		want   bridge.Grant
	}{
		{200, `{}`, 0, bridge.Grant{User: "callback:ann", Name: "ann"}},
		{200, ``, 0, bridge.Grant{User: "callback:ann", Name: "ann"}},
		{204, ``, 0, bridge.Grant{User: "callback:ann", Name: "ann"}},
		{200, `{"user":"17","name":"Ann Lee","role":"listener","more":1}`, 0, bridge.Grant{User: "callback:17", Name: "Ann Lee", Role: bridge.Listener}},
		{200, `{"role":"king"}`, bridge.Unavailable, bridge.Grant{}},
		{200, `not JSON`, bridge.Unavailable, bridge.Grant{}},
		{200, `"` + strings.Repeat("x", 70_000) + `"`, bridge.Unavailable, bridge.Grant{}},
		{401, ``, bridge.Unauthenticated, bridge.Grant{}},
		{403, ``, bridge.Unauthenticated, bridge.Grant{}},
		{429, ``, bridge.TooMany, bridge.Grant{}},
		{302, ``, bridge.Unavailable, bridge.Grant{}},
		{500, ``, bridge.Unavailable, bridge.Grant{}},
	} {
		status, body = x.status, x.body
		got, err := g.Admit(context.Background(), c)
		if bridge.CodeOf(err) != x.code || got.User != x.want.User || got.Name != x.want.Name || got.Role != x.want.Role {
			t.Errorf("%d %.40s: %+v, %v", x.status, x.body, got, err)
		}
	}
	if auth != "Bearer key" || posted["user"] != "ann" || posted["password"] != "s" || posted["remote"] != "192.0.2.1" || posted["dialect"] != "nkmedia" {
		t.Errorf("it is asked %v with %q", posted, auth)
	}
	g.Failed(c)
	s.Close()
	if _, err := g.Admit(context.Background(), c); bridge.CodeOf(err) != bridge.Unavailable || strings.Contains(bridge.MessageOf(err), "127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestCallbackIsBounded(t *testing.T) {
	in, out := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		in <- true
		<-out
	}))
	defer s.Close()
	g, err := gate.NewCallback(gate.CallbackConfig{URL: s.URL, Most: 1})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := g.Admit(context.Background(), bridge.Credentials{User: "ann"})
		done <- err
	}()
	<-in
	if _, err := g.Admit(context.Background(), bridge.Credentials{User: "bob"}); bridge.CodeOf(err) != bridge.Unavailable {
		t.Errorf("a second question: %v", err)
	}
	out <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
	slow, err := gate.NewCallback(gate.CallbackConfig{URL: s.URL, Timeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-in }()
	if _, err := slow.Admit(context.Background(), bridge.Credentials{User: "ann"}); bridge.CodeOf(err) != bridge.Unavailable {
		t.Errorf("no answer in time: %v", err)
	}
	out <- true
	for _, bad := range []string{"", "ftp://x/", "http://", ":"} {
		if _, err := gate.NewCallback(gate.CallbackConfig{URL: bad}); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
}
