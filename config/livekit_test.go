package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
)

// TestLiveKit: an entry has the usual settings but for what it says, its secret comes from
// a file, and what is wrong is told with its line and what to change.
func TestLiveKit(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret that a server would have\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Options{Sections: sections(), File: file(t, `
livekit:
  - name: main
    url: wss://livekit.example.org
    key: APIkey
    secret_file: `+secret+`
    rooms: [lobby, "team-*"]
    export: publishers
    transit: true
  - {name: other, url: "ws://127.0.0.1:7880", api_url: "http://127.0.0.1:7881", key: k, secret: sixteen-letters-0, import: false}
rooms:
  - {name: demo, home: main/stage}
  - {name: more, home: other}
`)})
	if err != nil {
		t.Fatal(err)
	}
	first, second := livekit.DefaultSettings(), livekit.DefaultSettings()
	first.Name, first.URL, first.Key, first.Secret = "main", "wss://livekit.example.org", "APIkey", "a secret that a server would have"
	first.Rooms, first.Export, first.Transit = []string{"lobby", "team-*"}, "publishers", true
	second.Name, second.URL, second.APIURL, second.Key, second.Secret = "other", "ws://127.0.0.1:7880", "http://127.0.0.1:7881", "k", "sixteen-letters-0"
	second.Import = false
	if want := []livekit.Settings{first, second}; !reflect.DeepEqual(l.LiveKit, want) {
		t.Errorf("%+v, want %+v", l.LiveKit, want)
	}
	if l.Rooms[0].Home != "main/stage" || l.Rooms[1].Home != "other" {
		t.Errorf("%+v", l.Rooms)
	}
	var yaml, json bytes.Buffer
	if err := errors.Join(l.WriteYAML(&yaml), l.WriteJSON(&json)); err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{yaml.String(), json.String()} {
		if strings.Contains(shown, "a secret that") || strings.Contains(shown, "APIkey") || !strings.Contains(shown, "team-*") {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestWhatIsWrongWithLiveKit(t *testing.T) {
	const good = "name: main, url: 'wss://lk.example', key: k, secret: sixteen-letters-0"
	for text, want := range map[string]string{
		"livekit: [{" + good + "}]":                     "",
		"livekit: [{" + good + ", room: stage}]":        "",
		"livekit: [{" + good + ", rooms: ['*']}]":       "",
		"livekit: [{" + good + "}]\nrooms: [{name: a}]": "",
		"livekit: [{}]": "dragoman.yaml:1: livekit[0].name: needs 1 to 64",
		"livekit: [{name: main, url: 'wss://lk.example', key: k}]":                               "livekit[0].secret: is missing: key and secret are a pair",
		"livekit: [{name: main, url: 'wss://lk.example', secret: sixteen-letters-0}]":            "livekit[0].key: is missing: key and secret are a pair",
		"livekit: [{name: main, url: 'wss://lk.example', key: k, secret: short}]":                "livekit[0].secret: has fewer than 16",
		"livekit: [{name: main, key: k, secret: sixteen-letters-0}]":                             "livekit[0].url: is missing",
		"livekit: [{name: main, url: 'lk.example:7880', key: k, secret: sixteen-letters-0}]":     "livekit[0].url: is not like wss://",
		"livekit: [{name: main, url: 'wss://u:hushhush@lk.x', key: k, secret: sixteen-letters}]": "livekit[0].url: is not like wss://",
		"livekit: [{" + good + ", api_url: 'wss://lk.example'}]":                                 "livekit[0].api_url: is not like https://",
		"livekit: [{" + good + ", rooms: ['team-*'], room: stage}]":                              "livekit[0].room: has no {room} in it",
		"livekit: [{" + good + ", rooms: [a, b], room: stage}]":                                  "livekit[0].room: has no {room} in it",
		"livekit: [{" + good + ", rooms: [a, 'b*c']}]":                                           "livekit[0].rooms[1]: \"b*c\" is neither a name",
		"livekit: [{" + good + ", room: ''}]":                                                    "livekit[0].room: is empty",
		"livekit: [{" + good + ", export: some}]":                                                "livekit[0].export: is not one of",
		"livekit: [{" + good + ", export: none, import: false}]":                                 "nobody would see anybody",
		"livekit: [{" + good + ", puppet_kind: agent}]":                                          "livekit[0].puppet_kind: is not one of",
		"livekit: [{" + good + ", max_puppets: -1}]":                                             "livekit[0].max_puppets: is less than 0",
		"livekit: [{" + good + ", max_puppet: 1}]":                                               "did you mean \"max_puppets\"?",
		"livekit: [{" + good + "}, {" + good + "}]":                                              "livekit[1].name: there are two servers \"main\"",
		"livekit: [{name: m, url: 'wss://lk.example', key: k, secret: redacted}]":                "livekit[0].secret: \"redacted\" is what secrets are printed as",
		"livekit: [{" + good + "}]\nrooms: [{name: a, home: man/x}]":                             "rooms[0].home: \"man\" is not the name of a server in livekit; did you mean \"main\"?",
		"livekit: [{" + good + "}]\nrooms: [{name: a, home: main/}]":                             "rooms[0].home: names no room after the /",
		"livekit: [{" + good + "}]\ncluster: {name: 'a b'}":                                      "cluster.name: needs 1 to 64 letters",
		"cluster: {name: 'a b'}":                                                                 "",
		"rooms: [{name: a, home: main}]":                                                         "rooms[0].home: \"main\" is not the name",
	} {
		_, err := Load(Options{File: file(t, text), Sections: sections()})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "sixteen-letters") || strings.Contains(err.Error(), "hushhush")) {
			t.Errorf("%s: a secret is told: %v", text, err)
		}
	}
}

// TestSampleOfLiveKit: the sample shows an entry with the usual settings, commented out.
func TestSampleOfLiveKit(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSample(&b, sections()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"livekit: []\n", "#    room: \"{room}\"\n", "#    import: true\n", "#    max_puppets: 500\n", "#    secret: \"\"\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the sample has no %q", want)
		}
	}
	if err := livekit.DefaultSettings().Check(); err == nil || bridge.CodeOf(err) == 0 {
		t.Errorf("an entry that says nothing: %v", err)
	}
}
