package serve

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"dragoman/dialects"
)

func TestProxies(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	cases := []struct {
		name   string
		peer   string
		header http.Header
		client string
		proto  string
	}{
		{"no proxy", "192.0.2.1:5", nil, "192.0.2.1", ""},
		{"a stranger says it is a proxy", "192.0.2.1:5", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}}, "192.0.2.1", ""},
		{"a stranger says Forwarded", "192.0.2.1:5", http.Header{"Forwarded": {"for=203.0.113.9;proto=https"}}, "192.0.2.1", ""},
		{"one proxy", "10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}}, "203.0.113.9", "https"},
		{"the client lies to the proxy", "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1, 203.0.113.9"}}, "203.0.113.9", ""},
		{"two proxies", "10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.9, 10.0.0.2"}}, "203.0.113.9", ""},
		{"two headers", "10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.9", "10.0.0.2"}}, "203.0.113.9", ""},
		{"all are proxies", "10.0.0.1:5", http.Header{"X-Forwarded-For": {"10.0.0.3, 10.0.0.2"}}, "10.0.0.3", ""},
		{"the proxy says nothing", "10.0.0.1:5", nil, "10.0.0.1", ""},
		{"nonsense", "10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.9, what"}, "X-Forwarded-Proto": {"gopher"}}, "10.0.0.1", ""},
		{"Forwarded", "10.0.0.1:5", http.Header{"Forwarded": {`for="[2001:db8::7]:4711";proto=HTTPS;by=x`}}, "2001:db8::7", "https"},
		{"Forwarded wins", "10.0.0.1:5", http.Header{"Forwarded": {"for=203.0.113.9"}, "X-Forwarded-For": {"1.1.1.1"}}, "203.0.113.9", ""},
		{"Forwarded, hidden", "10.0.0.1:5", http.Header{"Forwarded": {"for=203.0.113.9, for=_hidden"}}, "10.0.0.1", ""},
		{"with ports", "[fd00::1]:5", http.Header{"X-Forwarded-For": {"203.0.113.9:1234"}}, "203.0.113.9", ""},
		{"mapped address", "[::ffff:10.0.0.1]:5", http.Header{"X-Forwarded-For": {"::ffff:203.0.113.9"}}, "203.0.113.9", ""},
		{"the nearest proxy's scheme", "10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"http, https"}}, "203.0.113.9", "https"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			for name, values := range c.header {
				r.Header[name] = values
			}
			r.Header.Set("X-Real-Ip", "9.9.9.9")
			proxies(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if got := dialects.Remote(r).String(); got != c.client {
					t.Errorf("client %s, want %s", got, c.client)
				}
				if got := r.Header.Get("X-Forwarded-Proto"); got != c.proto {
					t.Errorf("scheme %q, want %q", got, c.proto)
				}
				for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
					if r.Header.Get(h) != "" {
						t.Errorf("%s is passed on", h)
					}
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
		})
	}
}
