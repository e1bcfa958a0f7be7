package nkmedia_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/crypto/bcrypt"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/nkmedia"
)

// TestBadFrames: for each frame the exact reaction; and nobody else notices
// anything.
func TestBadFrames(t *testing.T) {
	const closes = -1
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	for name, c := range map[string]struct {
		frame string
		code  int // closes; 0: it is fine
	}{
		"nothing":                     {``, closes},
		"blanks":                      {"  \n", closes},
		"not JSON":                    {`{"class":`, closes},
		"two values":                  {`{"class":"core","cmd":"x","tid":9}{}`, closes},
		"an array":                    {`[{"class":"core","cmd":"x","tid":9}]`, closes},
		"a string":                    {`"core"`, closes},
		"not UTF-8":                   {"{\"class\":\"core\",\"cmd\":\"\xff\",\"tid\":9}", closes},
		"a class that is null":        {`{"class":null,"cmd":"x","tid":9}`, closes},
		"a cmd that is a number":      {`{"class":"core","cmd":7,"tid":9}`, closes},
		"a subclass that is a number": {`{"class":"core","subclass":7,"cmd":"x","tid":9}`, closes},
		"keys in upper case":          {`{"CLASS":"core","CMD":"x","TID":9}`, closes},
		"a tid that is an object":     {`{"class":"core","cmd":"x","tid":{}}`, closes},
		"a tid that is true":          {`{"class":"core","cmd":"x","tid":true}`, closes},
		"a result without a tid":      {`{"result":"ok"}`, closes},
		"an ack of nothing":           {`{"ack":null}`, closes},
		"nested too deep":             {`{"class":"core","cmd":"x","tid":9,"data":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, closes},
		"deep":                        {`{"class":"media","subclass":"conf","cmd":"get_list","tid":9,"data":{"x":` + deep + `}}`, 0},
		"a name that is long":         {`{"class":"media","subclass":"conf","cmd":"get_info","tid":9,"data":{"conf_id":"` + strings.Repeat("x", 200) + `"}}`, 100044},
		"a name with a NUL":           {`{"class":"media","subclass":"conf","cmd":"create","tid":9,"data":{"class":"sfu","conf_id":"a\u0000b"}}`, 100044},
		"half a surrogate":            {`{"class":"media","subclass":"conf","cmd":"get_info","tid":9,"data":{"conf_id":"\ud800"}}`, 304001},
		"a huge number":               {`{"class":"media","subclass":"conf","cmd":"create","tid":9,"data":{"class":"sfu","bitrate":1e400}}`, 100044},
		"a session that is a list":    {`{"class":"media","subclass":"session","cmd":"get_info","tid":9,"data":{"session_id":[]}}`, 100044},
		"an offer that is a list":     {`{"class":"media","subclass":"session","cmd":"create","tid":9,"data":{"type":"publish","offer":[]}}`, 100044},
		"a command that is long":      {`{"class":"media","subclass":"conf","cmd":"` + strings.Repeat("x", 5000) + `","tid":9}`, 100042},
		"the fields of another":       {`{"class":"media","subclass":"session","cmd":"destroy","tid":9,"data":{"conf_id":"x"}}`, 100045},
		"the name of a hidden room":   {`{"class":"media","subclass":"conf","cmd":"get_info","tid":9,"data":{"conf_id":"nkmedia*house*"}}`, 304001},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, w *world) {
				bob, a := w.login("bob"), w.login("ann")
				if err := a.ws.WriteMessage(websocket.TextMessage, []byte(c.frame)); err != nil {
					t.Fatal(err)
				}
				if c.code == closes {
					if code := a.closed(time.Second); code != websocket.CloseNormalClosure {
						t.Errorf("closed with %d", code)
					}
				} else if m := a.answer(9); c.code == 0 && m["result"] != "ok" || c.code > 0 && m["data"].(object)["code"] != float64(c.code) {
					t.Errorf("answered %v", m)
				}
				like(t, bob.ask("media/conf/get_list", object{}), object{"result": "ok"})
				if len(bob.events) > 0 {
					t.Errorf("bob was told %v", bob.events)
				}
			})
		})
	}
}

// answer waits for the answer to a request that was sent raw.
func (u *user) answer(tid float64) object {
	u.t.Helper()
	for {
		m, err := u.read(5 * time.Second)
		if err != nil {
			u.t.Fatal(err)
		}
		if m["result"] != nil && m["tid"] == tid {
			return m
		}
	}
}

// TestSizes: a megabyte is taken, more closes.
func TestSizes(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		a := w.login("ann")
		log := object{"source": "web", "message": strings.Repeat("x", 1<<20-200)}
		like(t, a.ask("core/session/log", log), object{"result": "ok"})
		log["more"] = strings.Repeat("x", 1<<17)
		a.write(object{"class": "core", "subclass": "session", "cmd": "log", "data": log, "tid": 5})
		if code := a.closed(time.Second); code != websocket.CloseMessageTooBig {
			t.Errorf("closed with %d", code)
		}
	})
}

// TestLog: what clients log is dropped beyond a bound, and never costs an answer.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	inBubble(t, func(w *world) {
		w.env.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, func(t *testing.T, w *world) {
		a := w.login("ann")
		for range 150 {
			like(t, a.ask("core/session/log", object{"source": "web", "message": strings.Repeat("m", 2000)}), object{"result": "ok"})
		}
		synctest.Wait()
		if n := strings.Count(out.String(), "the client says"); n != 100 {
			t.Errorf("%d lines are logged", n)
		}
		a.pass(time.Minute)
		like(t, a.ask("core/session/log", object{"source": "web", "message": "again"}), object{"result": "ok"})
		synctest.Wait()
		if !strings.Contains(out.String(), "again") || strings.Contains(out.String(), strings.Repeat("m", 501)) {
			t.Error("after a minute nothing is logged, or it is logged at length")
		}
	})
}

// TestUserFile: those who are in the file may log in. Who guesses is reported to the
// server's gate, which brakes.
func TestUserFile(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte("ann:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	inBubble(t, func(w *world) {
		w.configure(func(c *nkmedia.Config) { c.UserFile = path })
		w.env.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, func(t *testing.T, w *world) {
		a := w.dial()
		for _, c := range []struct {
			user, pass string
			code       int
		}{
			{"ann", "Secret", 100030},
			{"bob", "secret", 100030},
			{"ann", "secret", 0},
		} {
			if got := a.code("core/user/login", object{"user": c.user, "pass": c.pass}); got != c.code {
				t.Errorf("%v: %d", c, got)
			}
		}
		if w.gate.failed != 2 {
			t.Errorf("%d failures are reported", w.gate.failed)
		}
		if strings.Contains(out.String(), "ecret") {
			t.Errorf("a password is logged: %s", out.String())
		}
	})
}

// TestNobodyLogsIn: outside of development mode, where nothing says who may log in,
// nobody does. The operator is told which setting is missing.
func TestNobodyLogsIn(t *testing.T) {
	for dev, code := range map[bool]int{true: 0, false: 100030} {
		var out bytes.Buffer
		inBubble(t, func(w *world) {
			w.env.Dev, w.env.Log = dev, slog.New(slog.NewTextHandler(&out, nil))
		}, func(t *testing.T, w *world) {
			if got := w.dial().code("core/user/login", object{"user": "ann", "pass": "s"}); got != code {
				t.Errorf("in development mode (%v) a login is answered %d", dev, got)
			}
			if w.gate.failed > 0 {
				t.Error("who cannot log in is said to have guessed")
			}
		})
		told := strings.Contains(out.String(), "level=WARN") &&
			strings.Contains(out.String(), "dialects.nkmedia.user_file") && strings.Contains(out.String(), "dialects.nkmedia.callback")
		if told == dev {
			t.Errorf("in development mode (%v) the operator is told %q", dev, out.String())
		}
	}
}

// TestCallback: a program is asked who may log in, and as what.
func TestCallback(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q map[string]string
		if json.NewDecoder(r.Body).Decode(&q) != nil || r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if q["password"] != "s" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, `{"role":"listener"}`)
	}))
	defer s.Close()
	// Not in a bubble: a real server answers.
	w := newWorld(t)
	w.configure(func(c *nkmedia.Config) { c.Callback, c.CallbackSecret = s.URL, "key" })
	w.open()
	a := w.dial()
	if got := a.code("core/user/login", object{"user": "ann", "pass": "no"}); got != 100030 {
		t.Errorf("a wrong password: %d", got)
	}
	if got := a.code("core/user/login", object{"user": "ann", "pass": "s"}); got != 0 {
		t.Errorf("the right one: %d", got)
	}
	if err := w.rooms.Create(t.Context(), bridge.Spec{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := a.code("media/conf/destroy", object{"conf_id": "x"}); got != 100030 {
		t.Errorf("one who may only listen ends a conference: %d", got)
	}
	a.ws.Close()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestBounds: one client does not take all that there is.
func TestBounds(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		a := w.login("ann")
		for i := range 121 {
			want := 0
			if i == 120 {
				want = 300001
			}
			if code := a.code("media/conf/create", object{"class": "sfu", "conf_id": i}); code != want {
				t.Fatalf("conference %d: %d", i, code)
			}
		}
		a.pass(time.Minute)
		if code := a.code("media/conf/create", object{"class": "sfu"}); code != 0 {
			t.Errorf("a minute later: %d", code)
		}
		for i := range 257 {
			want := 0
			if i == 256 {
				want = 300001
			}
			create := object{"type": "publish", "conf_id": "0", "offer": object{"sdp": wishOffer()}, "wait_reply": true}
			if code := a.code("media/session/create", create); code != want {
				t.Fatalf("session %d: %d", i, code)
			}
		}
	})
}

// TestShutdown: clients of a node that goes come back elsewhere.
func TestShutdown(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		a := w.login("ann")
		if err := w.rooms.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if code := a.closed(time.Second); code != websocket.CloseGoingAway {
			t.Errorf("closed with %d", code)
		}
	})
}

// TestComesBack: a client whose old connection is just going gets its id again.
func TestComesBack(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		old := w.dial()
		login := object{"user": "ann", "pass": "s", "session_id": "device"}
		if code := old.code("core/user/login", login); code != 0 {
			t.Fatal(code)
		}
		again := w.dial()
		go func() {
			time.Sleep(200 * time.Millisecond) // in a synctest bubble
			old.ws.Close()
		}()
		if code := again.code("core/user/login", login); code != 0 {
			t.Errorf("refused with %d", code)
		}
	})
}

// TestSearches: members that nobody has told of are searched for, but not without
// end.
func TestSearches(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		g := w.join(bridge.JoinRequest{Room: "far", Create: &bridge.Spec{}, Name: "Zed"})
		if err := g.act("publish", "camera", act{}); err != nil {
			t.Fatal(err)
		}
		a := w.login("ann")
		listen := func(id string) int {
			return a.code("media/session/create", object{"type": "listen", "publisher_id": id})
		}
		for range 29 {
			if code := listen("session-" + bridge.NewPublicationID().String()); code != 304005 {
				t.Fatalf("somebody who is not there: %d", code)
			}
		}
		zed := "session-" + g.pubs[bridge.Camera].String()
		if code := listen(zed); code != 0 {
			t.Errorf("the last search: %d", code)
		}
		if err := g.act("publish", "screen", act{}); err != nil {
			t.Fatal(err)
		}
		screen := "session-" + g.pubs[bridge.Screen].String()
		if code := listen(screen); code != 0 {
			t.Errorf("in a room where one is already: %d", code)
		}
		other := w.join(bridge.JoinRequest{Room: "farther", Create: &bridge.Spec{}, Name: "Yan"})
		if err := other.act("publish", "camera", act{}); err != nil {
			t.Fatal(err)
		}
		yan := "session-" + other.pubs[bridge.Camera].String()
		if code := listen(yan); code != 304005 {
			t.Errorf("one search too many: %d", code)
		}
		a.pass(time.Minute)
		if code := listen(yan); code != 0 {
			t.Errorf("a minute later: %d", code)
		}
	})
}

// TestWhoHangs: a client that takes no answer is closed after five seconds, and those
// it shares a conference with lose nothing.
func TestWhoHangs(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		bob := w.login("bob")
		bob.ask("media/conf/create", object{"class": "sfu", "conf_id": "x"})
		a := w.login("ann")
		a.silent = true
		a.ask("core/event/subscribe", object{"class": "media", "subclass": "conf", "obj_id": "x"})
		if code := a.closed(6 * time.Second); code != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", code)
		}
		bob.pass(time.Second)
		bob.ask("core/event/subscribe", object{"class": "media", "subclass": "conf", "obj_id": "x"})
		for i := range 40 {
			like(t, bob.ask("media/conf/msglog_send", object{"conf_id": "x", "msg": object{"n": i}}), object{"result": "ok"})
			like(t, bob.event("msglog_new_msg")["body"].(object), object{"n": i, "msg_id": i + 1})
		}
	})
}

// slowHost takes its time to let anybody in.
type slowHost struct {
	bridge.Host
	takes atomic.Int64
}

func (h *slowHost) Join(ctx context.Context, r bridge.JoinRequest) (*bridge.Session, error) {
	time.Sleep(time.Duration(h.takes.Load())) // in a synctest bubble
	return h.Host.Join(ctx, r)
}

// TestLateByUs: a client whose answer stands behind what takes us longer than it may
// take has answered in time.
func TestLateByUs(t *testing.T) {
	for range 20 { // what is due and what is said are looked at in any order
		host := &slowHost{}
		inBubble(t, func(w *world) { host.Host, w.env.Host = w.env.Host, host }, func(t *testing.T, w *world) {
			w.join(bridge.JoinRequest{Room: "x", Create: &bridge.Spec{}, Name: "Zed"})
			a := w.dial()
			a.silent = true
			like(t, a.ask("core/user/login", object{"user": "ann", "pass": "s"}), object{"result": "ok"})
			host.takes.Store(int64(8 * time.Second))
			a.write(object{"class": "media", "subclass": "conf", "cmd": "get_info", "data": object{"conf_id": "x"}, "tid": 77})
			a.write(object{"result": "ok", "tid": 1}) // to our ping
			for m := (object{}); m["tid"] != 77.0; {
				var err error
				if m, err = a.read(time.Minute); err != nil {
					t.Error(err)
					return
				}
			}
			time.Sleep(10 * time.Second) // in a synctest bubble
			like(t, a.ask("media/conf/get_list", object{}), object{"result": "ok"})
		})
	}
}

// TestNeverAnswers: who goes on without answering us is given twice the time, because
// answers might stand behind all that.
func TestNeverAnswers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		a, begin := w.dial(), time.Now()
		a.silent = true
		like(t, a.ask("core/user/login", object{"user": "ann", "pass": "s"}), object{"result": "ok"})
		var asks sync.WaitGroup
		asks.Go(func() {
			for a.ws.WriteJSON(object{"class": "media", "subclass": "conf", "cmd": "get_list", "tid": 2}) == nil {
				time.Sleep(100 * time.Millisecond) // in a synctest bubble
			}
		})
		if code := a.closed(time.Minute); code != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", code)
		}
		if took := time.Since(begin); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("closed after %s", took)
		}
		a.ws.Close()
		asks.Wait()
	})
}

// TestNothingStays: when all clients have gone and conferences have ended, only the
// rooms in which connections meet are left.
func TestNothingStays(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		var all []*user
		for i := range 5 {
			u := w.login(fmt.Sprint("user", i))
			u.ask("core/event/subscribe", object{"class": "media"})
			offer := wishOffer()
			like(t, u.ask("media/session/create", object{"type": "publish", "conf_id": "x", "create_conf": true, "offer": object{"sdp": offer}}), object{"result": "ok"})
			like(t, u.ask("media/session/create", object{"type": "echo", "offer": object{"sdp": offer}}), object{"result": "ok"})
			all = append(all, u)
		}
		if n := w.rooms.Stats().Peers; n != 10 {
			t.Errorf("there are %d connections of media", n)
		}
		for _, u := range all {
			u.ws.Close()
		}
		time.Sleep(20 * time.Minute) // in a synctest bubble
		synctest.Wait()
		if s := w.rooms.Stats(); s.Peers != 0 || s.Sessions != 0 || s.Participants != 0 || s.Rooms != 2 {
			t.Errorf("there remain %+v", s)
		}
		if n := w.env.Counts.Open.Load(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
}

var _ dialects.Tap = frames{}
