package all

import (
	"net/url"
	"strings"
	"testing"
)

func TestEntriesDoNotCollide(t *testing.T) {
	names, listeners := map[string]bool{}, map[string]bool{}
	for _, e := range List() {
		name := e.New().Name()
		if name == "" || name != strings.ToLower(name) || names[name] || listeners[e.Listen] || e.Title == "" || e.Config == nil {
			t.Errorf("%q: %+v", name, e)
		}
		if !strings.HasPrefix(e.Listen, "127.0.0.1:808") {
			t.Errorf("%s listens at %s in development mode", name, e.Listen)
		}
		names[name], listeners[e.Listen] = true, true
	}
}

func TestCards(t *testing.T) {
	want := map[string][2]string{
		"asn":     {"wss://meet.example/x/ws", "team/a b?"},
		"ahoy":    {"wss://meet.example/x/", "team/a b?"},
		"k3k":     {"https://meet.example/x/invite/71c0db01-2c7c-5335-9619-047a1e74ab86", "67b4d8e3-fc36-508c-8241-5d85e7b70c3f"},
		"nkmedia": {"wss://meet.example/x/", "team/a b?"},
		"spreed":  {"https://meet.example/x/team/a%20b%3F", ""},
	}
	for _, e := range List() {
		name := e.New().Name()
		address, enter := e.Card(&url.URL{Scheme: "https", Host: "meet.example", Path: "/x/"}, "team/a b?")
		if got := [2]string{address, enter}; got != want[name] {
			t.Errorf("%s: %q, want %q", name, got, want[name])
		}
	}
}
