package lobby

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func page(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	if cfg.Dialects == nil {
		cfg.Dialects = func() []Dialect { return []Dialect{{"ahoy", "Ahoy!", "/ahoy/"}, {"esperanto", "Esperanto", "/eo/"}} }
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEverythingThePageLoadsIsThere(t *testing.T) {
	h := page(t, Config{})
	types := map[string]string{".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
	files, err := fs.Glob(files, "page/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		name = strings.TrimPrefix(name, "page/")
		if name == "index.html" {
			continue
		}
		r := get(t, h, "/lobby/"+name)
		want := types[name[strings.LastIndex(name, "."):]]
		if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || want == "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s %s", name, r.Status, got)
		}
	}
	r := get(t, h, "/")
	if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || !strings.HasPrefix(got, "text/html") {
		t.Fatalf("/: %s %s", r.Status, got)
	}
	wanted := regexp.MustCompile(`(?:src|href)="([^"#:]+)`).FindAllStringSubmatch(body(t, r), -1)
	if len(wanted) < 5 {
		t.Fatalf("the page loads %d things", len(wanted))
	}
	for _, m := range wanted {
		if r := get(t, h, "/"+m[1]); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", m[1], r.Status)
		}
	}
	for _, name := range files {
		name = strings.TrimPrefix(name, "page/")
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		for _, m := range regexp.MustCompile(`from "\./([^"]+)"`).FindAllStringSubmatch(body(t, get(t, h, "/lobby/"+name)), -1) {
			if r := get(t, h, "/lobby/"+m[1]); r.StatusCode != http.StatusOK {
				t.Errorf("%s imports %s: %s", name, m[1], r.Status)
			}
		}
	}
}

func TestThePageMayLoadNothingElse(t *testing.T) {
	h := page(t, Config{})
	for _, path := range []string{"/", "/lobby/lobby.js", "/lobby/server.json", "/lobby/nothing.js"} {
		r := get(t, h, path)
		csp := r.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: no %q in %q", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: %q", path, csp)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s can be sniffed", path)
		}
	}
	err := fs.WalkDir(files, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		for _, foreign := range []string{`"https://`, `'https://`, `"http://`, `url(http`, "eval(", " style=\"", "onclick=\""} {
			if strings.Contains(strings.ReplaceAll(string(data), "http://www.w3.org/", ""), foreign) {
				t.Errorf("%s has %s, which the policy forbids", name, foreign)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	h := page(t, Config{})
	for _, path := range []string{"/nothing", "/lobby/", "/lobby/index.html", "/lobby/page", "/lobby/../lobby.go", "/lobby/nothing.js"} {
		if r := get(t, h, path); r.StatusCode == http.StatusOK {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", w.Code)
	}
}

func TestOnlyDialectsThatThePageSpeaksAreOffered(t *testing.T) {
	var out struct {
		Dialects []Dialect
		Rooms    []string
	}
	rooms := func(context.Context) ([]bridge.Info, error) { return []bridge.Info{{ID: "demo"}}, nil }
	if err := json.Unmarshal([]byte(body(t, get(t, page(t, Config{Rooms: rooms}), "/lobby/server.json"))), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Dialects) != 1 || out.Dialects[0].Name != "ahoy" || out.Dialects[0].Path != "/ahoy/" || len(out.Rooms) != 1 {
		t.Errorf("%+v", out)
	}
	for name, want := range map[string]bool{"ahoy": true, "k3k": true, "spreed": true, "nkmedia": true, "asn": true, "asnmedia": false, "k3kmedia": false, "nkcalls": false, "esperanto": false, "lobby": false, "panel": false, "../lobby": false} {
		if Speaks(name) != want {
			t.Errorf("Speaks(%q) = %v", name, !want)
		}
	}
	if text := body(t, get(t, page(t, Config{}), "/lobby/server.json")); !strings.Contains(text, `"rooms":[]`) {
		t.Errorf("rooms are listed: %s", text)
	}
}

func TestCard(t *testing.T) {
	h := page(t, Config{Ways: func(r *http.Request, room bridge.RoomID) []Way {
		return []Way{{"Ahoy!", "by path", "ws://" + r.Host + "/ahoy/", string(room)}}
	}})
	if text := body(t, get(t, h, "/lobby/card.json?room=%20team%20")); !strings.Contains(text, `"room":"team"`) || !strings.Contains(text, "ws://example.com/ahoy/") {
		t.Errorf("%s", text)
	}
	if r := get(t, h, "/lobby/card.json"); r.StatusCode != http.StatusBadRequest {
		t.Errorf("no room: %s", r.Status)
	}
}

// TestImports holds the dependency rule: the page speaks to dialects over the
// wire only.
func TestImports(t *testing.T) {
	for _, path := range bridgetest.Imports(t, "dialects/lobby")["dragoman/dialects/lobby"] {
		if (strings.Contains(path, ".") || strings.HasPrefix(path, "dragoman/")) && path != "dragoman/bridge" || path == "sync" {
			t.Errorf("lobby imports %s", path)
		}
	}
}
