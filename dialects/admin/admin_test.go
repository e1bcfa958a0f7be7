package admin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/dialects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	full = "a-key-that-may-do-everything"
	look = "a-key-that-may-only-look-on"
)

// node is an admin listener over rooms without media.
type node struct {
	*httptest.Server
	t     *testing.T
	rooms *bridge.Local
	ready error
	up    bool
	log   *bytes.Buffer
}

func start(t *testing.T, change func(*Config)) *node {
	t.Helper()
	n := &node{t: t, rooms: bridge.NewLocal(bridge.LocalConfig{}), up: true, log: &bytes.Buffer{}}
	cfg := Config{
		Keys: []Key{
			{Name: "ops", Hash: sha256.Sum256([]byte(full))},
			{Name: "eyes", Hash: sha256.Sum256([]byte(look)), ReadOnly: true},
		},
		Local: n.rooms, Ready: func() error { return n.ready }, Started: func() bool { return n.up },
		Ways: func(id bridge.RoomID) []Way {
			return []Way{{Dialect: "toy", How: "by hand", URL: "ws://x/", Room: string(id)}}
		},
		Traffic: func() []Traffic {
			return []Traffic{{Stream: "s", Track: "video", Layers: []LayerTraffic{{RID: "h", Width: 640, Bytes: 7}}}}
		},
		Version: "v1",
	}
	if change != nil {
		change(&cfg)
	}
	mux := http.NewServeMux()
	env := dialects.Env{Host: n.rooms, Log: slog.New(slog.NewTextHandler(n.log, nil))}
	if err := New(cfg).Mount(mux, env); err != nil {
		t.Fatal(err)
	}
	n.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		n.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := n.rooms.Close(ctx); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return n
}

// do asks with a key and returns status and body.
func (n *node) do(method, path, key, body string) (int, string) {
	n.t.Helper()
	r, err := http.NewRequest(method, n.URL+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return n.send(r)
}

func (n *node) send(r *http.Request) (int, string) {
	n.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// want asks with the full key and decodes the answer.
func (n *node) want(status int, method, path, body string, to any) {
	n.t.Helper()
	got, text := n.do(method, path, full, body)
	if got != status {
		n.t.Fatalf("%s %s: %d, want %d\n%s", method, path, got, status, text)
	}
	if to != nil {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			n.t.Fatalf("%s %s: %v\n%s", method, path, err, text)
		}
	}
}

func (n *node) join(room, name string) *bridge.Session {
	n.t.Helper()
	s, err := n.rooms.Join(n.t.Context(), bridge.JoinRequest{Room: bridge.RoomID(room), Name: name, Dialect: "toy", AtMost: bridge.Speaker})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = s.Leave(context.Background(), bridge.ByWish) })
	return s
}

func TestRoomsByAPI(t *testing.T) {
	n := start(t, nil)
	var made Room
	n.want(201, "POST", "/api/v1/rooms", `{"id":" demo ","title":"Demo","secrets":{"moderator":"m"},"max":7,"limit":"1h","waiting_room":false}`, &made)
	if made.ID != "demo" || made.Title != "Demo" || made.Max != 7 || !slices.Equal(made.Secured, []string{"moderator"}) {
		t.Errorf("%+v", made)
	}
	n.want(409, "POST", "/api/v1/rooms", `{"id":"demo"}`, nil)
	bob := n.join("demo", "Bob")
	var seen Room
	n.want(200, "GET", "/api/v1/rooms/demo", "", &seen)
	if len(seen.Participants) != 1 || seen.Participants[0].Name != "Bob" || seen.Participants[0].Dialect != "toy" || seen.Participants[0].Role != "speaker" || seen.Members != 1 {
		t.Errorf("%+v", seen)
	}
	var list struct{ Rooms []Room }
	n.want(200, "GET", "/api/v1/rooms", "", &list)
	if len(list.Rooms) != 1 || list.Rooms[0].Members != 1 {
		t.Errorf("%+v", list)
	}

	n.want(204, "POST", "/api/v1/rooms/demo/lock", `{"on":true}`, nil)
	if i, err := n.rooms.Lookup(t.Context(), "demo"); err != nil || !i.Locked {
		t.Errorf("not locked: %v", err)
	}
	n.want(204, "POST", "/api/v1/rooms/demo/lock", `{"on":false}`, nil)

	n.want(204, "POST", "/api/v1/rooms/demo/mute", `{"track":"audio","participants":["`+bob.At.Self.ID.String()+`"]}`, nil)
	if e := next[bridge.MuteAsked](t, bob); e.Track != bridge.Audio {
		t.Errorf("%+v", e)
	}
	n.want(204, "POST", "/api/v1/rooms/demo/kick", `{"participant":"`+bob.At.Self.ID.String()+`","reason":"too loud"}`, nil)
	if e := next[bridge.Kicked](t, bob); e.Reason != "too loud" {
		t.Errorf("%+v", e)
	}
	n.want(404, "POST", "/api/v1/rooms/demo/kick", `{"participant":"`+bob.At.Self.ID.String()+`"}`, nil)
	ann := n.join("demo", "Ann")
	n.want(204, "DELETE", "/api/v1/rooms/demo", "", nil)
	if e := next[bridge.Ended](t, ann); e.Reason != bridge.ByEnd {
		t.Errorf("%+v", e)
	}
	n.want(404, "GET", "/api/v1/rooms/demo", "", nil)
	if left, err := n.rooms.List(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// next waits for an event of a type.
func next[E bridge.Event](t *testing.T, s *bridge.Session) E {
	t.Helper()
	for {
		events, err := s.Drain(t.Context())
		for _, e := range events {
			if e, ok := e.(E); ok {
				return e
			}
		}
		if err != nil {
			t.Fatalf("the seat is lost: %v", err)
		}
		select {
		case <-s.Ready():
		case <-time.After(5 * time.Second):
			t.Fatalf("no %T came", *new(E))
		}
	}
}

func TestTraffic(t *testing.T) {
	n := start(t, nil)
	var out struct{ Traffic []Traffic }
	n.want(200, "GET", "/api/v1/traffic", "", &out)
	if len(out.Traffic) != 1 || out.Traffic[0].Track != "video" || out.Traffic[0].Layers[0].Bytes != 7 {
		t.Errorf("%+v", out)
	}
	none := start(t, func(c *Config) { c.Traffic = nil })
	if _, text := none.do("GET", "/api/v1/traffic", full, ""); !strings.Contains(text, `"traffic": []`) {
		t.Errorf("%s", text)
	}
}

func TestRoomNamesInPaths(t *testing.T) {
	n := start(t, nil)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"team/stand up?"}`, nil)
	var r Room
	n.want(200, "GET", "/api/v1/rooms/team%2Fstand%20up%3F", "", &r)
	if r.ID != "team/stand up?" {
		t.Errorf("%+v", r)
	}
	var card struct{ Ways []Way }
	n.want(200, "GET", "/api/v1/rooms/not%20there/card", "", &card)
	if len(card.Ways) != 1 || card.Ways[0].Room != "not there" {
		t.Errorf("%+v", card)
	}
}

func TestKeys(t *testing.T) {
	n := start(t, nil)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"demo"}`, nil)
	for _, c := range []struct {
		method, path, key, body string
		status                  int
	}{
		{"GET", "/api/v1/rooms", "", "", 401},
		{"GET", "/api/v1/rooms", "wrong-wrong-wrong", "", 401},
		{"GET", "/api/v1/rooms", look, "", 200},
		{"GET", "/api/v1/events", "", "", 401},
		{"GET", "/api/v1/rooms/demo/card", look, "", 200},
		{"POST", "/api/v1/rooms", look, `{"id":"x"}`, 403},
		{"DELETE", "/api/v1/rooms/demo", look, "", 403},
		{"DELETE", "/api/v1/rooms/demo", "", "", 401},
		{"POST", "/api/v1/rooms/demo/kick", "", `{}`, 401},
		{"POST", "/api/v1/rooms/demo/mute", "", `{}`, 401},
		{"POST", "/api/v1/rooms/demo/lock", "", `{"on":true}`, 401},
		{"GET", "/api/v1/nothing", full, "", 404},
		{"GET", "/livez", "", "", 200},
		{"GET", "/readyz", "", "", 200},
		{"GET", "/startupz", "", "", 200},
		{"GET", "/", "", "", 200},
	} {
		if status, text := n.do(c.method, c.path, c.key, c.body); status != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, status, c.status, text)
		}
	}
	if strings.Contains(n.log.String(), full) || strings.Contains(n.log.String(), "wrong-wrong") {
		t.Errorf("a key is in the log:\n%s", n.log)
	}
}

// A page of another site, open in the operator's browser, must not be able to do
// anything on a node without keys.
func TestWithoutKeysOtherSitesAreKeptOut(t *testing.T) {
	n := start(t, func(c *Config) { c.Keys, c.Open = nil, true })
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"program":      {func(*http.Request) {}, 201},
		"localhost":    {func(r *http.Request) { r.Host = "localhost:9090" }, 201},
		"ipv6":         {func(r *http.Request) { r.Host = "[::1]:9090" }, 201},
		"form":         {func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400},
		"text":         {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400},
		"no type":      {func(r *http.Request) { r.Header.Del("Content-Type") }, 400},
		"rebound name": {func(r *http.Request) { r.Host = "evil.example:9090" }, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, n.URL+"/api/v1/rooms", strings.NewReader(`{"id":"once"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			c.change(r)
			if status, text := n.send(r); status != c.status {
				t.Errorf("%d, want %d: %s", status, c.status, text)
			}
			if status, _ := n.do("DELETE", "/api/v1/rooms/once", "", ""); (status == 204) != (c.status == 201) {
				t.Errorf("the room was made, or was not: %d", status)
			}
		})
	}
}

func TestWithoutKeysAndNotOpenTheAPIIsClosed(t *testing.T) {
	n := start(t, func(c *Config) { c.Keys = nil })
	if status, _ := n.do("GET", "/api/v1/rooms", "", ""); status != 401 {
		t.Errorf("%d", status)
	}
}

func TestBadRequestsAreExplained(t *testing.T) {
	n := start(t, nil)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"demo"}`, nil)
	for _, c := range []struct{ path, body, want string }{
		{"/api/v1/rooms", `{`, "not a JSON document"},
		{"/api/v1/rooms", `{"id":"a"}{}`, "after the end"},
		{"/api/v1/rooms", `{"id":"a","colour":1}`, `there is no field \"colour\"`},
		{"/api/v1/rooms", `{"id":1}`, "id cannot be a number"},
		{"/api/v1/rooms", `{"id":""}`, "no name"},
		{"/api/v1/rooms", `{"id":"a","max":-1}`, "at least 0"},
		{"/api/v1/rooms", `{"id":"a","limit":"soon"}`, "duration"},
		{"/api/v1/rooms", `{"id":"a","default_role":"king"}`, "not a role"},
		{"/api/v1/rooms", `{"id":"a","secrets":{"king":"x"}}`, "secrets are for"},
		{"/api/v1/rooms", `{"id":"` + strings.Repeat("a", maxBody) + `"}`, "not a JSON document"},
		{"/api/v1/rooms/demo/kick", `{}`, "participant is missing"},
		{"/api/v1/rooms/demo/kick", `{"participant":"me"}`, "not an id"},
		{"/api/v1/rooms/demo/mute", `{"track":"smell"}`, "audio or video"},
	} {
		status, text := n.do("POST", c.path, full, c.body)
		if status != 400 || !strings.Contains(text, c.want) {
			t.Errorf("%s %.60s: %d %s", c.path, c.body, status, text)
		}
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, code := range bridge.Codes() {
		if statuses[code] < 400 {
			t.Errorf("%s has no status", code)
		}
	}
}

func TestHealth(t *testing.T) {
	n := start(t, nil)
	n.ready = bridge.Errorf(bridge.Unavailable, "draining")
	n.up = false
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/startupz": 503} {
		if status, text := n.do("GET", path, "", ""); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if left := n.rooms.Stats(); left.Participants != 0 || left.Sessions != 0 {
		t.Errorf("the heartbeat leaves something: %+v", left)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := n.rooms.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if status, _ := n.do("GET", "/livez", "", ""); status != 503 {
		t.Errorf("rooms that do not answer are alive: %d", status)
	}
}

// reader reads server-sent events.
type reader struct {
	t *testing.T
	*bufio.Scanner
}

func (n *node) listen(ctx context.Context, query string) *reader {
	n.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/api/v1/events"+query, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+look)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		n.t.Fatalf("events: %s", resp.Status)
	}
	return &reader{n.t, bufio.NewScanner(resp.Body)}
}

// until returns the data of the next event of a kind.
func (r *reader) until(kind string) (e told) {
	r.t.Helper()
	for r.Scan() {
		if r.Text() != "event: "+kind {
			continue
		}
		if !r.Scan() {
			break
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(r.Text(), "data: ")), &e); err != nil {
			r.t.Fatal(err)
		}
		return e
	}
	r.t.Fatalf("no %q came: %v", kind, r.Err())
	return e
}

func TestEventsTellWhatHappens(t *testing.T) {
	n := start(t, nil)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"demo"}`, nil)
	bob := n.join("demo", "Bob")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := n.listen(ctx, "")
	if e := r.until("room"); e.Room != "demo" || len(e.Is.Participants) != 1 {
		t.Errorf("%+v", e)
	}
	r.until("ready")
	ann := n.join("demo", "Ann")
	if e := r.until("joined"); e.Participant.Name != "Ann" || e.Participant.ID != ann.At.Self.ID.String() {
		t.Errorf("%+v", e.Participant)
	}
	pub := bridge.Publication{ID: bridge.NewPublicationID(), Audio: bridge.Live, Video: bridge.Live}
	if err := bob.Do(ctx, bridge.Publish{Publication: pub}); err != nil {
		t.Fatal(err)
	}
	if e := r.until("stream"); e.Stream.Owner != bob.At.Self.ID.String() || e.Stream.Video != "live" || e.Stream.Source != "camera" {
		t.Errorf("%+v", e.Stream)
	}
	if err := bob.Do(ctx, bridge.Say{ID: bridge.NewMessageID(), Text: "nobody else's business"}); err != nil {
		t.Fatal(err)
	}
	n.want(204, "POST", "/api/v1/rooms/demo/mute", `{"track":"video","force":true,"participants":["`+bob.At.Self.ID.String()+`"]}`, nil)
	if e := r.until("stream"); e.Stream.Video != "silenced" {
		t.Errorf("%+v", e.Stream)
	}
	n.want(201, "POST", "/api/v1/rooms", `{"id":"later"}`, nil)
	if e := r.until("room"); e.Room != "later" {
		t.Errorf("%+v", e)
	}
	if err := ann.Leave(ctx, bridge.ByWish); err != nil {
		t.Fatal(err)
	}
	if e := r.until("left"); e.ID != ann.At.Self.ID.String() || e.Reason != "left" {
		t.Errorf("%+v", e)
	}
	n.want(204, "DELETE", "/api/v1/rooms/demo", "", nil)
	if e := r.until("closed"); e.Room != "demo" {
		t.Errorf("%+v", e)
	}
}

func TestEventsOfOneRoomAndNoWords(t *testing.T) {
	n := start(t, nil)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"demo"}`, nil)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"other"}`, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := n.listen(ctx, "?room=demo")
	bob, eve := n.join("demo", "Bob"), n.join("other", "Eve")
	for _, s := range []*bridge.Session{eve, bob} {
		if err := s.Do(ctx, bridge.Say{ID: bridge.NewMessageID(), Text: "psst"}); err != nil {
			t.Fatal(err)
		}
	}
	n.want(204, "DELETE", "/api/v1/rooms/demo", "", nil)
	for r.Scan() {
		if strings.Contains(r.Text(), "psst") || strings.Contains(r.Text(), "Eve") {
			t.Errorf("told: %s", r.Text())
		}
		if r.Text() == "event: closed" {
			return
		}
	}
	t.Error("the stream ended early")
}

func TestEventStreamsAreBounded(t *testing.T) {
	n := start(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range MaxStreams {
		n.listen(ctx, "").until("ready")
	}
	if status, text := n.do("GET", "/api/v1/events", full, ""); status != 429 {
		t.Errorf("%d %s", status, text)
	}
}

func TestPage(t *testing.T) {
	n := start(t, nil)
	for path, kind := range map[string]string{"/": "text/html", "/dashboard.js": "text/javascript", "/dashboard.css": "text/css"} {
		resp, err := http.Get(n.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: %s %s", path, resp.Status, resp.Header.Get("Content-Type"))
		}
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for _, foreign := range []string{"http://", "https://", " style=", "<script>", "onclick=\""} {
			if bytes.Contains(data, []byte(foreign)) {
				t.Errorf("%s has %q", path, foreign)
			}
		}
	}
}

// TestImports holds the dependency rule.
func TestImports(t *testing.T) {
	for _, path := range bridgetest.Imports(t, "dialects/admin")["dragoman/dialects/admin"] {
		foreign := strings.Contains(path, ".") || strings.HasPrefix(path, "dragoman/")
		if foreign && path != "dragoman/bridge" && path != "dragoman/dialects" {
			t.Errorf("admin imports %s: a dialect knows rooms by bridge.Host, and nothing else of ours", path)
		}
		if path == "sync" {
			t.Error("admin imports sync: what is shared belongs to a room or to one goroutine")
		}
	}
}
