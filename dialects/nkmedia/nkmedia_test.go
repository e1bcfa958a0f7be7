package nkmedia_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/nkmedia"
	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

// settings are the folders of transcripts, with what is different about the node.
var settings = map[string]func(*world){
	"testdata": func(*world) {},
	"testdata/broken": func(w *world) {
		w.media.Refuse = bridge.Errorf(bridge.Unavailable, "there is no port")
	},
}

func TestTranscripts(t *testing.T) {
	for dir, set := range settings {
		transcripttest.Dir(t, dir, func(t *testing.T) transcript.World {
			w := newWorld(t)
			set(w)
			return w.open()
		})
	}
}

// The tables of the reference, by section.
var (
	requests = map[string]string{
		"4":   "core/user/login",
		"5.1": "core/event/subscribe",
		"5.2": "core/event/unsubscribe",
		"5.5": "core/event/send core/event/get_subscriptions core/core/event core/user/list core/user/get core/user/send_event core/session/send_event core/session/stop core/session/cmd",
		"5.6": "core/session/log",
		"6":   "media/conf/create media/conf/destroy media/conf/get_list media/conf/get_info media/conf/msglog_send media/conf/msglog_get",
		"8":   "media/session/create media/session/destroy media/session/set_answer media/session/get_offer media/session/get_answer media/session/get_info media/session/get_list media/session/update_media media/session/set_type media/session/recorder_action media/session/player_action media/session/conf_action media/session/set_candidate media/session/set_candidate_end",
		"11":  "media/call/create media/call/ringing media/call/accepted media/call/rejected media/call/hangup media/call/set_candidate media/call/set_candidate_end media/call/get_info media/call/get_list",
		"14":  "media/room/create media/room/destroy media/room/get_list media/room/get_info media/room/msglog_send media/room/msglog_get media/room/info media/room/list media/session/start media/session/stop media/session/info",
	}
	events = map[string]string{
		"4": "core/user_event core/session_event",
		"7": "media/conf/created media/conf/destroyed media/conf/started_member media/conf/stopped_member media/conf/msglog_new_msg",
		"9": "media/session/answer media/session/type media/session/destroyed",
	}
	// codes are those that a bridge uses (reference 12), with their texts.
	codes = map[int]string{
		100005: "Timeout", 100006: "Not implemented", 100010: "Registered process stopped", 100011: "User stop received",
		100012: "API stop received", 100030: "Unauthorized", 100031: "Not authenticated", 100032: "Already authenticated",
		100033: "User not found", 100034: "Duplicated session id", 100035: "Invalid session id", 100040: "Invalid operation",
		100041: "Invalid parameters", 100042: "Unknown command '", 100044: "Syntax error: ", 100045: "Missing field: ",
		100060: "Session timeout", 100062: "Session not found", 300001: "No mediaserver available", 300003: "Session has failed",
		300004: "Incompatible session", 300010: "Offer not set", 300013: "Answer already set", 300014: "No ICE candidates",
		300015: "Missing SDP", 304001: "Conference not found", 304002: "Conference already exists", 304003: "Conference destroyed",
		304005: "Invalid publisher", 304006: "Publisher stopped",
	}
	// elsewhere is what no transcript hears, and why.
	elsewhere = map[string]string{
		"media/session/candidate":     "descriptions are complete",
		"media/session/candidate_end": "descriptions are complete",
		"media/session/info":          "never sent",
		"code 100002 Internal error":  "nothing is known to cause it",
	}
)

// TestEveryRowHasATranscript lists what of the reference no transcript speaks.
func TestEveryRowHasATranscript(t *testing.T) {
	sent, heard := map[string]int{}, map[string]int{}
	for dir := range settings {
		s, h, err := transcript.Types(dir, spoken)
		if err != nil {
			t.Fatal(err)
		}
		for k, n := range s {
			sent[k] += n
		}
		for k, n := range h {
			heard[k] += n
		}
	}
	for section, row := range requests {
		for name := range strings.FieldsSeq(row) {
			if sent[name] == 0 {
				t.Errorf("no transcript sends %s (%s)", name, section)
			}
		}
	}
	for section, row := range events {
		for name := range strings.FieldsSeq(row) {
			if heard[name] == 0 {
				t.Errorf("no transcript hears %s (%s)", name, section)
			}
		}
	}
	for code, text := range codes {
		found := slices.ContainsFunc(keys(heard), func(k string) bool {
			return strings.HasPrefix(k, fmt.Sprintf("code %d %s", code, text))
		})
		if !found {
			t.Errorf("no transcript hears %d %q (12)", code, text)
		}
	}
	for name := range heard {
		if code, ok := strings.CutPrefix(name, "code "); ok && !known(code) {
			t.Errorf("a transcript hears %s, which is not in the reference", code)
		}
	}
	for name := range elsewhere {
		if heard[name] > 0 {
			t.Errorf("%s is in a transcript, and said not to be", name)
		}
	}
	for _, name := range []string{"ack", "core/ping"} {
		if heard[name] == 0 {
			t.Errorf("no transcript hears %s", name)
		}
	}
}

func keys(m map[string]int) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

func known(text string) bool {
	for code, want := range codes {
		if strings.HasPrefix(text, fmt.Sprintf("%d %s", code, want)) {
			return true
		}
	}
	return false
}

// spoken is the name of a frame: of a request, an event, or the code of an error or
// an end.
func spoken(f transcript.Spoken) string {
	m, _ := f.Msg.(map[string]any)
	data, _ := m["data"].(map[string]any)
	switch {
	case m["ack"] != nil:
		return "ack"
	case m["result"] == "error" && !f.Sent:
		return fmt.Sprintf("code %v %v", data["code"], data["error"])
	case m["class"] == nil:
		return ""
	case !f.Sent && m["cmd"] == "event":
		if body, _ := data["body"].(map[string]any); data["type"] == "destroyed" {
			// Both ends have a reason that only they are counted under.
			usual := map[any]string{"session": "100011", "conf": "100005"}[data["subclass"]]
			if code := fmt.Sprint(body["code"]); code != usual {
				return fmt.Sprintf("code %v %v", code, body["reason"])
			}
		}
		if data["class"] == "core" {
			return fmt.Sprintf("core/%v", data["subclass"])
		}
		return fmt.Sprintf("%v/%v/%v", data["class"], data["subclass"], data["type"])
	case !f.Sent:
		return fmt.Sprintf("core/%v", m["cmd"])
	}
	sub := m["subclass"]
	if sub == nil {
		sub = "core"
	}
	return fmt.Sprintf("%v/%v/%v", m["class"], sub, m["cmd"])
}

func TestNames(t *testing.T) {
	d := nkmedia.New()
	if d.Name() != "nkmedia" || len(d.Subprotocols()) != 0 {
		t.Errorf("the dialect is %q and speaks %q", d.Name(), d.Subprotocols())
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*nkmedia.Config){
		"two ways in":          func(c *nkmedia.Config) { c.UserFile, c.Callback = "x", "http://x/" },
		"no such file":         func(c *nkmedia.Config) { c.UserFile = filepath.Join(t.TempDir(), "none") },
		"no address":           func(c *nkmedia.Config) { c.Callback = "ftp://x" },
		"no host":              func(c *nkmedia.Config) { c.Callback = "http:///x" },
		"no time":              func(c *nkmedia.Config) { c.CallbackTimeout = 0 },
		"too much time":        func(c *nkmedia.Config) { c.CallbackTimeout = 5 * time.Second },
		"no pings":             func(c *nkmedia.Config) { c.Ping = 0 },
		"rare pings":           func(c *nkmedia.Config) { c.Ping = time.Hour },
		"rooms without an end": func(c *nkmedia.Config) { c.Room.Idle = 0 },
		"a long log":           func(c *nkmedia.Config) { c.Room.KeepLog = 1001 },
		"negative bitrate":     func(c *nkmedia.Config) { c.Room.MaxBitrate = -1 },
	} {
		w := newWorld(t)
		w.configure(change)
		if nkmedia.New().Mount(http.NewServeMux(), w.env) == nil {
			t.Errorf("%s is mounted", name)
		}
		if err := w.rooms.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := nkmedia.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	w := newWorld(t)
	w.env.Config = func(any) error { return fmt.Errorf("a setting that there is not") }
	if nkmedia.New().Mount(http.NewServeMux(), w.env) == nil {
		t.Error("a section that cannot be read is taken")
	}
}

// TestPage: what is no WebSocket is told so.
func TestPage(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	if err := nkmedia.New().Mount(mux, w.env); err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/nkapi/ws", nil))
	if rec.Code != http.StatusUpgradeRequired || rec.Header().Get("Upgrade") != "websocket" {
		t.Errorf("a page is answered %d", rec.Code)
	}
}
