package ahoy_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/ahoy"
)

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ahoy.Config)
		want   string
	}{
		"defaults":         {func(*ahoy.Config) {}, ""},
		"redirect nowhere": {func(c *ahoy.Config) { c.Redirects = []ahoy.Redirect{{Room: "r"}} }, "redirects[0].url"},
		"redirect to http": {func(c *ahoy.Config) { c.Redirects = []ahoy.Redirect{{Room: "r", URL: "http://x"}} }, "redirects[0].url"},
		"redirect of what": {func(c *ahoy.Config) { c.Redirects = []ahoy.Redirect{{URL: "ws://x"}} }, "redirects[0]: give room or node"},
		"redirect of both": {func(c *ahoy.Config) { c.Redirects = []ahoy.Redirect{{Room: "r", Node: "n", URL: "ws://x"}} }, "redirects[0]: give room or node"},
		"a good redirect":  {func(c *ahoy.Config) { c.Redirects = []ahoy.Redirect{{Node: "n", URL: "wss://x/y"}} }, ""},
		"negative":         {func(c *ahoy.Config) { c.Room.TimeLimit = -1 }, "room: nothing here may be negative"},
		"too much to keep": {func(c *ahoy.Config) { c.Room.KeepChat = bridge.MaxKeepChat + 1 }, "room.keep_chat"},
	} {
		cfg := ahoy.DefaultConfig()
		c.change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		mounted := ahoy.New().Mount(http.NewServeMux(), dialects.Env{Config: func(into any) error {
			*into.(*ahoy.Config) = cfg
			return nil
		}})
		if (mounted == nil) != (c.want == "") {
			t.Errorf("%s: Mount answers %v", name, mounted)
		}
	}
	strict := errors.New("unknown key")
	if err := ahoy.New().Mount(http.NewServeMux(), dialects.Env{Config: func(any) error { return strict }}); !errors.Is(err, strict) {
		t.Errorf("Mount answers %v, want what the section's decoder says", err)
	}
}

// TestMaskIP: members are told each other's addresses unless the operator hides
// them (6).
func TestMaskIP(t *testing.T) {
	for mask, want := range map[bool]string{false: "127.0.0.1", true: ""} {
		inBubble(t, func(c *ahoy.Config) { c.MaskIP = mask }, func(t *testing.T, w *world) {
			w.room(bridge.Spec{})
			a := w.member("r", "A")
			b := w.dial()
			r := b.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r", "name": "B"})
			like(t, r["members"].([]any)[0].(object), object{"ip": want})
			a.hear("CONFERENCE_JOIN_indication", object{"member": object{"ip": want}})
		})
	}
}

// TestIndicateMute: clients written from the document alone are told of mute by
// MEDIA_indication, too; never about themselves.
func TestIndicateMute(t *testing.T) {
	inBubble(t, func(c *ahoy.Config) { c.IndicateMute = true }, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		a.share(true, true)
		b.hear("MEDIA_indication", object{"audio": on(), "video": on()})
		if err := w.publish(a.id, "mute"); err != nil {
			t.Fatal(err)
		}
		a.hear("MEDIA_event", object{"event": "audio_muted"})
		a.silent()
		b.hear("MEDIA_event", object{"event": "audio_muted"})
		b.hear("MEDIA_indication", object{"member": object{"memberID": a.id}, "audio": object{"available": true, "muted": true}, "video": on()})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
		a.hear("CONFERENCE_JOIN_indication", nil)
		pub := g.publish(bridge.Camera, bridge.Live, bridge.Live)
		a.hear("MEDIA_indication", object{"video": on()})
		g.do(bridge.SetTrack{ID: pub, Track: bridge.Video, Muted: true})
		a.hear("MEDIA_indication", object{"audio": on(), "video": object{"available": true, "muted": true}})
		g.do(bridge.SetTrack{ID: pub, Track: bridge.Video})
		g.do(bridge.SetTrack{ID: pub, Track: bridge.Video, Muted: true})
		a.silent() // there and back within the time that things take to settle
	})
}

// TestCreateNotAllowed: an operator's rooms are all there are.
func TestCreateNotAllowed(t *testing.T) {
	inBubble(t, func(c *ahoy.Config) { c.Create = false }, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.dial()
		like(t, a.ask("CONFERENCE_CREATE_request", object{"conferenceID": "q"}), object{"status": 403, "reason": "forbidden"})
		if s := a.status("CONFERENCE_JOIN_request", object{"conferenceID": "r"}); s != 200 {
			t.Errorf("join: %d", s)
		}
	})
}

// TestRoomDefaults: what the creator does not say, the operator does.
func TestRoomDefaults(t *testing.T) {
	inBubble(t, func(c *ahoy.Config) {
		c.Room = ahoy.Room{MaxMember: 1, TimeLimit: time.Hour, MaxVideoBitrate: 300, EmptyTimeout: 5 * time.Second, KeepChat: 3, Unlisted: true, WaitingRoom: false}
	}, func(t *testing.T, w *world) {
		a := w.dial()
		a.ask("CONFERENCE_CREATE_request", object{"conferenceID": "r", "conferenceName": "R"})
		like(t, a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r"}), object{"remainingSeconds": 3600})
		b := w.dial()
		if s := b.status("CONFERENCE_JOIN_request", object{"conferenceID": "r"}); s != 486 {
			t.Errorf("the second member: %d", s)
		}
		if s := b.status("CONFERENCE_JOIN_request", object{"conferenceID": "R"}); s != 404 {
			t.Errorf("an unlisted room by its name: %d", s)
		}
		i, err := w.rooms.Lookup(t.Context(), "r")
		if err != nil || i.MaxBitrate != 300_000 || !i.Unlisted {
			t.Errorf("the room is %+v, %v", i, err)
		}
		b.ask("CONFERENCE_CREATE_request", object{"conferenceID": "q", "maxMember": 5, "timeLimit": 60, "maxVideoBitrate": 1000})
		like(t, b.ask("CONFERENCE_JOIN_request", object{"conferenceID": "q"}), object{"remainingSeconds": 60})
		if i, err := w.rooms.Lookup(t.Context(), "q"); err != nil || i.MaxBitrate != 1_000_000 || i.Max != 5 {
			t.Errorf("the room is %+v, %v", i, err)
		}
		a.close()
		wait(10 * second)
		if s := b.status("CONFERENCE_JOIN_request", object{"conferenceID": "r"}); s != 404 {
			t.Errorf("after it was empty: %d", s)
		}
	})
}

// TestICEServers: what clients need to reach media, in the words of old and new
// browsers; nothing where nothing is configured.
func TestICEServers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		if r := w.dial().ask("CONFERENCE_JOIN_request", object{"conferenceID": "r"}); r["iceServers"] != nil {
			t.Errorf("iceServers %v, want none", r["iceServers"])
		}
	})
	servers := []dialects.ICEServer{
		{URLs: []string{"stun:s:3478"}},
		{URLs: []string{"turn:t:3478", "turns:t:5349?transport=tcp"}, Username: "u", Credential: "c"},
	}
	inWorld(t, func(w *world) { w.env.ICE = func() []dialects.ICEServer { return servers } }, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		r := w.dial().ask("CONFERENCE_JOIN_request", object{"conferenceID": "r"})
		want := []object{
			{"urls": "stun:s:3478", "url": "stun:s:3478"},
			{"urls": "turn:t:3478", "url": "turn:t:3478", "username": "u", "credential": "c"},
			{"urls": "turns:t:5349?transport=tcp", "url": "turns:t:5349?transport=tcp", "username": "u", "credential": "c"},
		}
		got := r["iceServers"].([]any)
		if len(got) != len(want) || len(got[0].(object)) != 2 {
			t.Fatalf("iceServers %v, want %v", got, want)
		}
		for i := range want {
			like(t, got[i].(object), want[i])
		}
	})
}

// host is a Host that answers some calls with an error.
type host struct {
	bridge.Host
	lookup, join, create, list error
}

func (h *host) Lookup(ctx ctx, id bridge.RoomID) (bridge.Info, error) {
	if h.lookup != nil {
		return bridge.Info{}, h.lookup
	}
	return h.Host.Lookup(ctx, id)
}

func (h *host) Join(ctx ctx, r bridge.JoinRequest) (*bridge.Session, error) {
	if h.join != nil {
		return nil, h.join
	}
	return h.Host.Join(ctx, r)
}

func (h *host) Create(ctx ctx, s bridge.Spec) error {
	if h.create != nil {
		return h.create
	}
	return h.Host.Create(ctx, s)
}

func (h *host) List(ctx ctx) ([]bridge.Info, error) {
	if h.list != nil {
		return nil, h.list
	}
	return h.Host.List(ctx)
}

// TestRedirect: 302 with a URL only where the operator says so (4.2).
func TestRedirect(t *testing.T) {
	h := &host{}
	redirects := func(c *ahoy.Config) {
		c.Redirects = []ahoy.Redirect{{Room: "there", URL: "ws://there/"}, {Node: "b", URL: "wss://b.example/ahoy"}}
	}
	for _, configured := range []bool{true, false} {
		inWorld(t, func(w *world) {
			h.Host = w.rooms
			w.env.Host = h
			if configured {
				w.env.Config = func(into any) error { redirects(into.(*ahoy.Config)); return nil }
			}
		}, func(t *testing.T, w *world) {
			w.room(bridge.Spec{})
			a := w.dial()
			r := a.ask("CONFERENCE_JOIN_request", object{"conferenceID": " there "})
			if configured {
				like(t, r, object{"status": 302, "reason": "moved", "url": "ws://there/"})
			} else {
				like(t, r, object{"status": 404})
			}
			moved := &bridge.Error{Code: bridge.Moved, Node: "b"}
			for _, at := range []*error{&h.lookup, &h.join} {
				*at = moved
				r = a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r"})
				*at = nil
				if configured {
					like(t, r, object{"status": 302, "url": "wss://b.example/ahoy"})
				} else {
					like(t, r, object{"status": 503, "reason": "moved"})
				}
			}
			h.join = &bridge.Error{Code: bridge.Moved, Node: "c"}
			like(t, a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r"}), object{"status": 503})
			h.join = nil
			h.create = moved
			if s := a.status("CONFERENCE_CREATE_request", object{"conferenceID": "r2"}); s == 302 {
				t.Error("create is answered 302, which no client follows")
			}
			h.create = nil
			h.list = bridge.Errorf(bridge.Unavailable, "cut off")
			if s := a.status("CONFERENCE_JOIN_request", object{"conferenceID": "by name"}); s != 503 {
				t.Errorf("a search that fails: %d", s)
			}
			h.list = nil
		})
	}
}

// TestSearches: looking for a conference by its name is dear, so nobody may do it
// all the time.
func TestSearches(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{Title: "Our room"})
		a := w.dial()
		for range 9 {
			a.status("CONFERENCE_JOIN_request", object{"conferenceID": "nowhere"})
		}
		join := func(name string, want int) {
			t.Helper()
			if s := a.status("CONFERENCE_JOIN_request", object{"conferenceID": name}); s != want {
				t.Errorf("join of %q: %d, want %d", name, s, want)
			}
		}
		join("Our room", 200)
		join("Our room", 404)
		join("r", 200) // the id costs nothing
		wait(61 * second)
		join("Our room", 200)
	})
}

// TestGate: the gate is asked before any room, is told of wrong passwords, and
// what it grants is a bound.
func TestGate(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		a := w.dial()
		if s := a.status("CONFERENCE_JOIN_request", object{"conferenceID": "r", "password": "x"}); s != 403 || w.gate.failed != 1 {
			t.Errorf("a wrong password: %d, and the gate was told of %d", s, w.gate.failed)
		}
		if s := a.status("CONFERENCE_JOIN_request", object{"conferenceID": "nowhere"}); s != 404 || len(w.gate.asked) != 2 || w.gate.failed != 1 {
			t.Errorf("a room that is not there: %d, the gate was asked about %v", s, w.gate.asked)
		}
		if c := w.gate.asked[0]; c.Dialect != "ahoy" || c.Room != "r" || c.Remote.String() != "127.0.0.1" {
			t.Errorf("the gate was asked about %+v", c)
		}
		w.gate.err = bridge.Errorf(bridge.TooMany, "slow down")
		for _, kind := range []string{"CONFERENCE_JOIN_request", "CONFERENCE_CREATE_request"} {
			like(t, a.ask(kind, object{"conferenceID": "r"}), object{"status": 429, "reason": "too many requests"})
		}
		w.gate.err = nil
		w.gate.grant = bridge.Grant{Role: bridge.Listener, Name: "Known", User: "jwt:1"}
		like(t, a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r", "password": "m"}), object{"status": 200, "moderator": false, "speaker": false})
		w.gate.grant = bridge.Grant{}
		b := w.dial()
		r := b.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r"})
		like(t, r["members"].([]any)[0].(object), object{"name": "Known"})
	})
}
