package spreed_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/spreed"
	"dragoman/e2e/transcript"
)

// play plays steps that are written in the test, in a world of its own.
func play(t *testing.T, change func(*world), lines ...string) *world {
	t.Helper()
	var w *world
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t)
		if change != nil {
			change(w)
		}
		w.open()
		text := `{"transcript":1,"dialect":"spreed","title":"` + t.Name() + `","needs":[]}` + "\n" + strings.Join(lines, "\n")
		s, err := transcript.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := transcript.Play(context.Background(), s, w); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

const (
	dialCleo  = `{"who":"cleo","do":"dial","path":"/ws"}`
	selfCleo  = `{"who":"cleo","dir":"<","msg":{"Data":{"Type":"Self","Id":{"$cap":"cleo"},"$rest":true},"From":{"$ref":"cleo"}}}`
	helloCleo = `{"who":"cleo","dir":">","msg":{"Type":"Hello","Iid":"0","Hello":{"Name":"team","Ua":"x","Credentials":{"PIN":"7"}}}}`
)

func TestTurn(t *testing.T) {
	play(t, func(w *world) {
		w.env.ICE = func() []dialects.ICEServer {
			return []dialects.ICEServer{
				{URLs: []string{"stun:stun.example:3478"}},
				{URLs: []string{"turn:turn.example:3478?transport=udp", "turns:turn.example:443?transport=tcp"}, Username: "1700000000:x", Credential: "pw", TTL: time.Hour},
			}
		}
	}, dialCleo, `{"who":"cleo","dir":"<","msg":{"Data":{"Type":"Self","Stun":["stun:stun.example:3478"],"Turn":{"username":"1700000000:x","password":"pw","ttl":3600,"urls":["turn:turn.example:3478?transport=udp","turns:turn.example:443?transport=tcp"]},"$rest":true},"From":{"$any":true}}}`)
}

func TestGate(t *testing.T) {
	refused := func(code string) string {
		return `{"who":"cleo","dir":"<","msg":{"Data":{"Type":"Error","Code":"` + code + `","Message":{"$any":true}},"From":{"$ref":"cleo"},"Iid":"0"}}`
	}
	for code, want := range map[bridge.Code]string{bridge.TooMany: "unknown", bridge.Unauthenticated: "authorization_required", bridge.Banned: "invalid_credentials"} {
		play(t, func(w *world) { w.gate.err = bridge.Errorf(code, "") }, dialCleo, selfCleo, helloCleo, refused(want))
	}
	w := play(t, nil,
		`{"do":"http","method":"POST","path":"/-/act","body":{"do":"create","room":"team","secret":"right"},"expect":{"status":200}}`,
		dialCleo, selfCleo, helloCleo, refused("invalid_credentials"))
	if w.gate.failed != 1 {
		t.Errorf("the gate was told of %d wrong PINs, want 1", w.gate.failed)
	}
	play(t, func(w *world) { w.gate.grant = bridge.Grant{Role: bridge.Listener, User: "gate:x"} },
		`{"do":"http","method":"POST","path":"/-/act","body":{"do":"enter","who":"amy","room":"team","name":"Amy"},"expect":{"status":200}}`,
		dialCleo, selfCleo, strings.ReplaceAll(helloCleo, `,"Credentials":{"PIN":"7"}`, ""),
		`{"who":"cleo","do":"ignore"}`,
		`{"do":"http","method":"POST","path":"/-/act","body":{"do":"streams","room":"team"},"expect":{"status":200,"body":{"ok":true,"got":[]}}}`)
}

// TestShutdown shows that nothing is left of a node that ends, also of clients that
// it keeps a seat for.
func TestShutdown(t *testing.T) {
	play(t, nil,
		`{"do":"http","method":"POST","path":"/-/act","body":{"do":"enter","who":"amy","room":"team","name":"Amy"},"expect":{"status":200,"body":{"ok":true,"got":{"$cap":"amy"}}}}`,
		dialCleo, selfCleo, strings.ReplaceAll(helloCleo, `,"Credentials":{"PIN":"7"}`, ""), `{"who":"cleo","do":"ignore"}`,
		`{"who":"cleo","dir":">","msg":{"Type":"Offer","Offer":{"To":"${amy}","Type":"Offer","Offer":{"type":"offer","sdp":{"$sdp":{"type":"offer","audio":"sendrecv","video":"sendrecv","application":"yes"}}}}}}`,
		`{"do":"wait","for":"1s"}`,
		`{"who":"cleo","do":"close","abrupt":true}`,
		`{"do":"wait","for":"1s"}`,
		`{"do":"http","method":"POST","path":"/-/act","body":{"do":"legs","who":"${cleo}"},"expect":{"status":200,"body":{"ok":true,"got":[{"$any":true}]}}}`)
}

// TestStuckReader shows that a client that reads nothing is given up, and that the
// others see it leave once.
func TestStuckReader(t *testing.T) {
	lines := []string{
		dialCleo, selfCleo, strings.ReplaceAll(helloCleo, `,"Credentials":{"PIN":"7"}`, ""), `{"who":"cleo","do":"ignore"}`,
		`{"do":"http","method":"POST","path":"/-/act","body":{"do":"enter","who":"amy","room":"team","name":"Amy"},"expect":{"status":200}}`,
		`{"who":"cleo","do":"stall"}`,
	}
	say := `{"do":"http","method":"POST","path":"/-/act","body":{"do":"say","who":"amy","text":{"$fill":100000}},"expect":{"status":200}}`
	for range 10 {
		lines = append(lines, say)
	}
	lines = append(lines, `{"do":"wait","for":"70s"}`,
		`{"do":"http","method":"POST","path":"/-/act","body":{"do":"heard","who":"amy"},"expect":{"status":200,"body":{"ok":true,"got":["unpublished 0","left  1"]}}}`)
	play(t, nil, lines...)
}

// TestHouse shows that the room in which sessions find each other is no room for
// clients.
func TestHouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).open()
		s, err := transcript.Read(strings.NewReader(`{"transcript":1,"dialect":"spreed","title":"x","needs":[]}` + "\n" + dialCleo + "\n" + selfCleo))
		if err != nil {
			t.Fatal(err)
		}
		if err := transcript.Play(t.Context(), s, w); err != nil {
			t.Fatal(err)
		}
		rooms, err := w.rooms.List(t.Context())
		if err != nil || len(rooms) != 0 {
			t.Errorf("listed: %v, %v", rooms, err)
		}
		if n := w.rooms.Counts().Rooms; n != 1 {
			t.Errorf("%d rooms run, want the house", n)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

func mount(t *testing.T, change func(*spreed.Config)) http.Handler {
	t.Helper()
	w := newWorld(t)
	t.Cleanup(func() { _ = w.rooms.Close(context.Background()) })
	w.cfg = change
	mux := http.NewServeMux()
	if err := spreed.New().Mount(mux, w.env); err != nil {
		t.Fatal(err)
	}
	return mux
}

func get(h http.Handler, path string) *http.Response {
	rw := httptest.NewRecorder()
	h.ServeHTTP(rw, httptest.NewRequest(http.MethodGet, "http://meet.example"+path, nil))
	return rw.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPages serves a web client from a directory, with its own templates and
// without (reference 1.3).
func TestPages(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "static/js/main.js", "the script")
	write(t, dir, "static/img/favicon.ico", "the icon")
	write(t, dir, "secret.txt", "not for you")
	h := mount(t, func(c *spreed.Config) { c.Assets, c.Title = dir, "Meet <us>" })
	page := body(t, get(h, "/team/standup"))
	for _, part := range []string{
		`<base href="/">`, `<ui></ui>`, `<body spreed-webrtc>`, `<script data-main="static/js/main" data-plugin="" src="static/js/libs/require/require.js">`, "Meet &lt;us&gt;",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %s:\n%s", part, page)
		}
	}
	checkContext(t, page)
	for path, want := range map[string]string{
		"/static/js/main.js": "the script", "/static/ver=17/js/main.js": "the script", "/favicon.ico": "the icon",
	} {
		if r := get(h, path); r.StatusCode != http.StatusOK || body(t, r) != want {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	if c := get(h, "/static/ver=17/js/main.js").Header.Get("Cache-Control"); c != "public, max-age=31536000" {
		t.Errorf("Cache-Control %q", c)
	}
	for _, path := range []string{"/static/", "/static/js/", "/static/none.js", "/static/../secret.txt", "/static/ver=1/../../secret.txt", "/static/%2e%2e/secret.txt"} {
		if r := get(h, path); r.StatusCode == http.StatusOK || strings.Contains(body(t, r), "not for you") {
			t.Errorf("%s: %s", path, r.Status)
		}
	}

	write(t, dir, "html/main.html", `<%define "mainPage"%><html><%template "head" .%><ui></ui> <%.App%> <%.Cfg.S%><%if .Csp%> csp<%end%></html><%end%>`)
	write(t, dir, "html/head.html", `<%define "head"%><script id="globalcontext" type="application/json"><%$%></script><%end%>`)
	page = body(t, get(mount(t, func(c *spreed.Config) { c.Assets = dir }), "/team"))
	if !strings.Contains(page, "<ui></ui> main static</html>") {
		t.Errorf("the client's own template: %s", page)
	}
	checkContext(t, page)
}

// checkContext reads what the page tells the scripts.
func checkContext(t *testing.T, page string) {
	t.Helper()
	_, rest, _ := strings.Cut(page, `<script id="globalcontext" type="application/json">`)
	text, _, _ := strings.Cut(rest, "</script>")
	var c struct {
		App, Host, S string
		Ssl, Csp     bool
		Languages    []string
		Cfg          struct{ B, Version string }
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if c.App != "main" || c.Host != "meet.example" || c.Ssl || c.S != "static" || c.Cfg.B != "/" || c.Cfg.Version != "0.29.7" || len(c.Languages) != 1 {
		t.Errorf("context %+v", c)
	}
}

func TestBadPages(t *testing.T) {
	for want, fill := range map[string]func(dir string){
		"assets: stat static": func(string) {},
		"assets: the templates in html define no mainPage": func(dir string) {
			write(t, dir, "static/x", "")
			write(t, dir, "html/x.html", `<%define "x"%><%end%>`)
		},
		"assets: template": func(dir string) {
			write(t, dir, "static/x", "")
			write(t, dir, "html/x.html", `<%if%>`)
		},
	} {
		dir := t.TempDir()
		fill(dir)
		w := newWorld(t)
		w.cfg = func(c *spreed.Config) { c.Assets = dir }
		if err := spreed.New().Mount(http.NewServeMux(), w.env); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		_ = w.rooms.Close(context.Background())
	}
}

// TestBase serves the dialect below a prefix.
func TestBase(t *testing.T) {
	w := newWorld(t)
	defer w.rooms.Close(context.Background())
	router, err := dialects.NewRouter([]dialects.Route{{Dialect: spreed.New(), Env: w.env}}, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ B string }
	if err := json.Unmarshal([]byte(body(t, get(router, "/spreed/api/v1/config"))), &c); err != nil || c.B != "/spreed/" {
		t.Errorf("B is %q, %v", c.B, err)
	}
	if got := body(t, get(router, "/spreed/.well-known/spreed-configuration")); !strings.Contains(got, `"http://meet.example/spreed"`) {
		t.Errorf("well-known: %s", got)
	}
}

// TestUserModes takes the user from a header of a proxy, or from a certificate.
func TestUserModes(t *testing.T) {
	chain := [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: "bob"}}}}
	for _, c := range []struct {
		mode  string
		proof func(*http.Request)
		ok    bool
	}{
		{"httpheader", func(r *http.Request) { r.Header.Set("X-Userid", "bob") }, true},
		{"httpheader", func(*http.Request) {}, false},
		{"certificate", func(r *http.Request) { r.TLS = &tls.ConnectionState{VerifiedChains: chain} }, true},
		{"certificate", func(r *http.Request) { r.TLS = &tls.ConnectionState{PeerCertificates: chain[0]} }, false},
		{"certificate", func(*http.Request) {}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.cfg = func(cfg *spreed.Config) { cfg.Users.Enabled, cfg.Users.Mode = true, c.mode }
			mux := http.NewServeMux()
			if err := spreed.New().Mount(mux, w.env); err != nil {
				t.Fatal(err)
			}
			w.open()
			defer w.Close()
			var self struct{ ID, Sid string }
			ws := dialSelf(t, w, &self)
			defer ws.Close()
			r := httptest.NewRequest(http.MethodPatch, "/api/v1/sessions/"+self.ID+"/", strings.NewReader(`{"id":"`+self.ID+`","sid":"`+self.Sid+`"}`))
			c.proof(r)
			rw := httptest.NewRecorder()
			mux.ServeHTTP(rw, r)
			if ok := rw.Code == http.StatusOK; ok != c.ok || ok && !strings.Contains(rw.Body.String(), `"userid": "bob"`) {
				t.Errorf("%s: %d %s", c.mode, rw.Code, rw.Body)
			}
		})
	}
}
