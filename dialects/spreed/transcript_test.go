package spreed_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/cluster/clustertest"
	"dragoman/dialects/spreed"
	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

// TestTranscripts plays every transcript. What a file needs of the configuration
// is said by the beginning of its name.
func TestTranscripts(t *testing.T) {
	for name, rooms := range clustertest.Topologies() {
		t.Run(name, func(t *testing.T) { playAll(t, rooms) })
	}
}

func playAll(t *testing.T, rooms func(bridge.LocalConfig) (clustertest.Rooms, error)) {
	transcripttest.Dir(t, "testdata", func(t *testing.T) transcript.World {
		w := newWorldOn(t, rooms)
		name := t.Name()
		name = name[strings.LastIndex(name, "/")+1:]
		w.cfg = func(c *spreed.Config) {
			for prefix, set := range settings() {
				if strings.HasPrefix(name, prefix) {
					set(c)
				}
			}
		}
		return w.open()
	})
}

// settings are what transcripts need, by the beginning of their names.
func settings() map[string]func(*spreed.Config) {
	return map[string]func(*spreed.Config){
		"byhand-":  func(c *spreed.Config) { c.Types = []spreed.RoomType{{Match: "^hand", Type: "Room"}} },
		"relay-":   func(c *spreed.Config) { c.Peers = "relay" },
		"users-":   func(c *spreed.Config) { users(c) },
		"members-": func(c *spreed.Config) { users(c); c.Users.AuthorizeRoomJoin = true },
		"makers-":  func(c *spreed.Config) { users(c); c.Users.AuthorizeRoomCreation = true },
		"nolobby-": func(c *spreed.Config) { c.DefaultRoom = "" },
		"nomake-":  func(c *spreed.Config) { c.Create = false },
		"global-":  func(c *spreed.Config) { c.GlobalRoom = "everywhere" },
		"codes-":   func(c *spreed.Config) { c.Codes = []string{"Sesame"} },
		"stats-":   func(c *spreed.Config) { c.Stats = true },
		"silent-":  func(c *spreed.Config) { c.Notes = false },
	}
}

func users(c *spreed.Config) {
	c.Users.Enabled, c.Users.AllowRegistration, c.Users.Secret = true, true, "the shared secret"
}

// TestEveryMessage fails for what the protocol has and no transcript speaks.
func TestEveryMessage(t *testing.T) {
	spoken := map[string]int{}
	note := func(format string, args ...any) { spoken[fmt.Sprintf(format, args...)]++ }
	_, _, err := transcript.Types("testdata", func(s transcript.Spoken) string {
		switch {
		case s.HTTP != nil:
			noteRequest(note, s.HTTP)
		case s.Sent:
			m := member[map[string]any](s.Msg, "")
			kind := member[string](m, "Type")
			note("sent %s", kind)
			noteInside(note, "sent", member[map[string]any](m, kind))
		default:
			m := member[map[string]any](s.Msg, "Data")
			kind := member[string](m, "Type")
			if _, ok := m["Credentials"]; ok {
				kind = "Room"
			}
			note("heard %s", kind)
			note("error %s", member[string](m, "Code"))
			noteInside(note, "heard", m)
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	if missing := transcript.Missing(spoken, everything()...); len(missing) > 0 {
		t.Errorf("no transcript speaks:\n  %s", strings.Join(missing, "\n  "))
	}
}

// noteInside notes what is told apart below the type of a document.
func noteInside(note func(string, ...any), way string, doc map[string]any) {
	switch member[string](doc, "Type") {
	case "Bye":
		note("%s Bye %s", way, member[string](member[map[string]any](doc, "Bye"), "Reason"))
	case "Chat":
		for k := range member[map[string]any](member[map[string]any](doc, "Chat"), "Status") {
			note("%s Chat %s", way, k)
		}
	case "Offer", "Answer", "Candidate":
		inner := member[map[string]any](doc, member[string](doc, "Type"))
		for _, k := range []string{"_conference", "_token"} {
			if _, ok := inner[k]; ok {
				note("%s %s %s", way, doc["Type"], k)
			}
		}
		switch inner["_id"].(type) {
		case string:
			note("%s id text", way)
		case json.Number:
			note("%s id number", way)
		}
	}
}

// noteRequest notes what is asked of the REST API, and what the acts say that goes
// over data channels.
func noteRequest(note func(string, ...any), s *transcript.Step) {
	path := s.Path
	for _, prefix := range []string{"/api/v1/sessions/", "/static/img/buddy/"} {
		if strings.HasPrefix(path, prefix) {
			path = prefix
		}
	}
	status := 0
	if s.Expect != nil {
		status = s.Expect.Status
		note("error %s", member[string](s.Expect.Body.V, "code"))
	}
	note("%s %s %d", s.Method, path, status)
	what := func(doc map[string]any) string { return member[string](doc, "Type") + member[string](doc, "m") }
	switch member[string](s.Body.V, "do") {
	case "peer":
		note("channel sent %s", what(member[map[string]any](s.Body.V, "data")))
	case "sent":
		for _, doc := range member[[]any](s.Expect.Body.V, "got") {
			note("channel heard %s", what(member[map[string]any](doc, "")))
		}
	}
}

// member returns a member of an object, the object itself for no name, and the
// zero value for what is not there or is something else.
func member[T any](v any, name string) T {
	if m, ok := v.(map[string]any); ok && name != "" {
		v = m[name]
	}
	x, _ := v.(T)
	return x
}

// everything is the protocol.
func everything() (all []string) {
	add := func(prefix string, what string) {
		for _, w := range strings.Fields(what) {
			all = append(all, prefix+" "+w)
		}
	}
	add("sent", "Self Hello Offer Candidate Answer Users Authentication Bye Status Chat Conference Alive Sessions Room Leave")
	add("heard", "Self Welcome Users Sessions Room Alive Error Joined Left Status Chat Conference Offer Answer Candidate Bye")
	add("error", "unknown bad_request not_in_room default_room_disabled room_join_requires_account authorization_required "+
		"invalid_credentials authorization_not_required invalid_session_token already_authenticated contacts_not_enabled "+
		"bad_attestation no_such_session")
	add("error", "invalid_token auth_too_large session_patch_failed users_bad_request users_invalid_request users_invalid_session")
	for _, way := range []string{"sent", "heard"} {
		add(way+" Chat", "Typing State SeenMids FileInfo Geolocation ContactRequest AutoCall")
		add(way+" Offer", "_conference _token")
		add(way+" Answer", "_token")
		add(way+" Candidate", "_token")
		add(way+" id", "number text")
		add("channel "+way, "Talking Chat Screenshare Presentation YouTubeVideo bye")
	}
	add("sent Bye", "busy reject pickuptimeout abort ringertimeout failed error unsupported usermedia unload")
	add("heard Bye", "busy reject pickuptimeout abort ringertimeout failed error unsupported usermedia unload")
	all = append(all,
		"GET /api/v1/config 200", "POST /api/v1/rooms 200", "POST /api/v1/tokens 200", "POST /api/v1/tokens 403",
		"POST /api/v1/tokens 413", "PATCH /api/v1/sessions/ 200", "PATCH /api/v1/sessions/ 403", "POST /api/v1/users 200",
		"POST /api/v1/users 400", "POST /api/v1/users 403", "GET /api/v1/stats 200", "GET /.well-known/spreed-configuration 200",
		"GET /robots.txt 200", "GET /favicon.ico 204", "GET /static/img/buddy/ 200", "GET /static/img/buddy/ 404", "GET /ws 400", "POST /ws 405",
	)
	slices.Sort(all)
	return slices.Compact(all)
}
