package dialects_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"dragoman/dialects"
)

// echo is a dialect whose page says who it is, and where.
type echo struct {
	name      string
	protocols []string
	fail      error
}

func (e echo) Name() string           { return e.name }
func (e echo) Subprotocols() []string { return e.protocols }

func (e echo) Mount(mux *http.ServeMux, _ dialects.Env) error {
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, e.name+" "+r.URL.Path+" "+dialects.Base(r))
	})
	return e.fail
}

func TestRouter(t *testing.T) {
	fallback := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "lobby "+r.URL.Path) })
	r, err := dialects.NewRouter([]dialects.Route{
		{Dialect: echo{name: "ahoy", protocols: []string{"conference-protocol"}}, Hosts: []string{"Ahoy.Old.Example"}},
		{Dialect: echo{name: "spreed"}, Hosts: []string{"meet.old.example", "alias.example"}, Prefix: "/s/"},
		{Dialect: echo{name: "k3k", protocols: []string{"k3k-1", "k3k-2"}}},
	}, fallback)
	if err != nil {
		t.Fatal(err)
	}
	upgrade := func(protocols string) http.Header {
		return http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {protocols}}
	}
	for _, c := range []struct {
		name, host, path string
		header           http.Header
		want             string
	}{
		{"nothing of ours", "any.example", "/", nil, "lobby /"},
		{"an unknown path", "any.example", "/room/x", nil, "lobby /room/x"},
		{"host", "meet.old.example", "/room/x", nil, "spreed /room/x /"},
		{"host with a port and in capitals", "MEET.old.example:8443", "/", nil, "spreed / /"},
		{"a second host", "alias.example", "/", nil, "spreed / /"},
		{"a host given in capitals", "ahoy.old.example", "/x", nil, "ahoy /x /"},
		{"prefix", "any.example", "/ahoy/x/y", nil, "ahoy /x/y /ahoy/"},
		{"prefix alone", "any.example", "/ahoy/", nil, "ahoy / /ahoy/"},
		{"own prefix", "any.example", "/s/x", nil, "spreed /x /s/"},
		{"the name is no prefix then", "any.example", "/spreed/x", nil, "lobby /spreed/x"},
		{"subprotocol", "any.example", "/what/ever", upgrade("x, conference-protocol"), "ahoy /what/ever /"},
		{"a second subprotocol", "any.example", "/", upgrade("k3k-2"), "k3k / /"},
		{"an unknown subprotocol", "any.example", "/", upgrade("x"), "lobby /"},
		{"a subprotocol without an upgrade", "any.example", "/", http.Header{"Sec-Websocket-Protocol": {"k3k-1"}}, "lobby /"},
		{"the host goes before the subprotocol", "meet.old.example", "/", upgrade("k3k-1"), "spreed / /"},
		{"the subprotocol goes before the prefix", "any.example", "/s/x", upgrade("k3k-1"), "k3k /s/x /"},
		{"the dialect's own prefix is taken off", "any.example", "/k3k/x", upgrade("ticket, k3k-1"), "k3k /x /k3k/"},
		{"and a path that only begins like it is not", "any.example", "/k3k", upgrade("k3k-1"), "k3k /k3k /"},
		{"an address", "[::1]:8080", "/k3k/", nil, "k3k / /k3k/"},
		{"a WebSocket on a prefix without a slash", "any.example", "/ahoy", upgrade(""), "lobby /ahoy"},
	} {
		q := httptest.NewRequest(http.MethodGet, "http://x"+c.path, nil)
		q.Host = c.host
		if c.header != nil {
			q.Header = c.header
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://any.example/ahoy", nil))
	if to := w.Header().Get("Location"); w.Code != http.StatusPermanentRedirect || to != "/ahoy/" {
		t.Errorf("a prefix without its slash: %d to %q", w.Code, to)
	}
	if r.Only("nothing") != nil {
		t.Error("a dialect that is not mounted has a handler")
	}
	w = httptest.NewRecorder()
	r.Only("k3k").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://any.example/v1", nil))
	if got := w.Body.String(); got != "k3k /v1 /" {
		t.Errorf("on its own listener: %q", got)
	}
}

func TestRouterRefuses(t *testing.T) {
	broken := errors.New("port: not a number")
	for name, c := range map[string]struct {
		routes []dialects.Route
		want   string
	}{
		"one name":        {[]dialects.Route{{Dialect: echo{name: "a"}}, {Dialect: echo{name: "a"}}}, `the name "a"`},
		"one host":        {[]dialects.Route{{Dialect: echo{name: "a"}, Hosts: []string{"h"}}, {Dialect: echo{name: "b"}, Hosts: []string{"H"}}}, `the host "h"`},
		"one subprotocol": {[]dialects.Route{{Dialect: echo{name: "a", protocols: []string{"p"}}}, {Dialect: echo{name: "b", protocols: []string{"p"}}}}, `the subprotocol "p"`},
		"one prefix":      {[]dialects.Route{{Dialect: echo{name: "a"}}, {Dialect: echo{name: "b"}, Prefix: "a"}}, `the prefix "a"`},
		"a long prefix":   {[]dialects.Route{{Dialect: echo{name: "a"}, Prefix: "/a/b/"}}, `must be one path segment`},
		"a wrong section": {[]dialects.Route{{Dialect: echo{name: "a", fail: broken}}}, "dialect a: port: not a number"},
	} {
		_, err := dialects.NewRouter(c.routes, http.NotFoundHandler())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestRemote(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"192.0.2.1": "192.0.2.1", "": "invalid IP", "nonsense": "invalid IP",
	} {
		if got := dialects.Remote(&http.Request{RemoteAddr: in}); got.String() != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
	if dialects.Remote(&http.Request{}) != (netip.Addr{}) {
		t.Error("no address is an address")
	}
	if b := dialects.Base(&http.Request{}); b != "/" {
		t.Errorf("the base of a request that was not routed is %q", b)
	}
}
