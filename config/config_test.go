package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"dragoman/bridge"
	"dragoman/dialects/all"
)

// own is the section of a dialect that exists in these tests only.
type own struct {
	Greeting string
	Key      bridge.Secret
	Codes    []string
	Turn     struct{ TTL time.Duration }
	Users    []struct {
		Name string
		PIN  bridge.Secret
	}
}

func sections() []Section {
	o := own{Greeting: "hello"}
	o.Turn.TTL = time.Hour
	return []Section{{Name: "ahoy", Listen: "127.0.0.1:8082"}, {Name: "spreed", Listen: "127.0.0.1:8084", Config: o}}
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "dragoman.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(fs, sections())
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestPrecedence(t *testing.T) {
	const here, env, flag = 1, 2, 4
	cases := []struct {
		path, file, env, flag string
		get                   func(*Loaded) any
		want                  [8]any // by which of file, environment and flag say something
	}{
		{
			"http.listen", "http: {listen: ':1'}", ":2", ":3",
			func(l *Loaded) any { return l.HTTP.Listen },
			[8]any{":8080", ":1", ":2", ":2", ":3", ":3", ":3", ":3"},
		},
		{
			"drain.timeout", "drain:\n  timeout: 10s", "20s", "30s",
			func(l *Loaded) any { return l.Drain.Timeout },
			[8]any{30 * time.Minute, 10 * time.Second, 20 * time.Second, 20 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		},
		{
			"limits.frame", "limits: {frame: 64KiB}", "1MiB", "2048",
			func(l *Loaded) any { return l.Limits.Frame },
			[8]any{Size(0), Size(64 << 10), Size(1 << 20), Size(1 << 20), Size(2048), Size(2048), Size(2048), Size(2048)},
		},
		{
			"lobby.enabled", "lobby: {enabled: false}", "true", "false",
			func(l *Loaded) any { return l.Lobby.Enabled },
			[8]any{true, false, true, true, false, false, false, false},
		},
		{
			"http.trusted_proxies", "http: {trusted_proxies: [10.0.0.0/8]}", "10.1.0.0/16, 10.2.0.1", "10.3.0.1",
			func(l *Loaded) any { return strings.Join(l.HTTP.TrustedProxies, " ") },
			[8]any{"", "10.0.0.0/8", "10.1.0.0/16 10.2.0.1", "10.1.0.0/16 10.2.0.1", "10.3.0.1", "10.3.0.1", "10.3.0.1", "10.3.0.1"},
		},
		{
			"dialects.spreed.listen", "dialects: [{name: spreed, listen: ':1'}]", ":2", ":3",
			func(l *Loaded) any { return l.Dialects[1].Listen },
			[8]any{"", ":1", ":2", ":2", ":3", ":3", ":3", ":3"},
		},
		{
			"dialects.spreed.turn.ttl", "dialects: [{name: spreed, turn: {ttl: 1m}}]", "2m", "3m",
			func(l *Loaded) any { return section(l).Turn.TTL },
			[8]any{time.Hour, time.Minute, 2 * time.Minute, 2 * time.Minute, 3 * time.Minute, 3 * time.Minute, 3 * time.Minute, 3 * time.Minute},
		},
	}
	for _, c := range cases {
		for said := range 8 {
			t.Run(c.path+" "+string(rune('0'+said)), func(t *testing.T) {
				production := false
				o := Options{Dev: &production, Sections: sections()}
				wantOrigin := ""
				if said&here != 0 {
					o.File = file(t, c.file)
					wantOrigin = "dragoman.yaml:"
				}
				if said&env != 0 {
					t.Setenv(EnvName(c.path), c.env)
					wantOrigin = EnvName(c.path)
				}
				if said&flag != 0 {
					o.Flags = flags(t, "--"+FlagName(c.path)+"="+c.flag)
					wantOrigin = "--" + FlagName(c.path)
				} else {
					o.Flags = flags(t)
				}
				l, err := Load(o)
				if err != nil {
					t.Fatal(err)
				}
				if got := c.get(l); got != c.want[said] {
					t.Errorf("%v, want %v", got, c.want[said])
				}
				if got := l.Origins[c.path]; !strings.Contains(got, wantOrigin) || got == "" && wantOrigin != "" {
					t.Errorf("origin %q, want %q", got, wantOrigin)
				}
			})
		}
	}
}

// section decodes the way a dialect does.
func section(l *Loaded) own {
	o := own{Greeting: "hello"}
	o.Turn.TTL = time.Hour
	if err := l.Section("spreed")(&o); err != nil {
		return own{Greeting: err.Error()}
	}
	return o
}

func TestMistakesAreToldWithTheirLine(t *testing.T) {
	cases := []struct{ name, file, want string }{
		{"key of a section", "http:\n  lisen: ':1'", `dragoman.yaml:2: unknown key "http.lisen"; did you mean "listen"?`},
		{"key at the top", "\n\nlobi: {}", `dragoman.yaml:3: unknown key "lobi"; did you mean "lobby"?`},
		{"key in the wrong section", "data_dir: x\nlevel: debug", `dragoman.yaml:2: unknown key "level"; did you mean "log.level"?`},
		{"key like nothing", "zebracrossing: 1", `dragoman.yaml:1: unknown key "zebracrossing"`},
		{"key in a list", "rooms:\n  - name: a\n    maxx: 3", `dragoman.yaml:3: unknown key "rooms[0].maxx"; did you mean "max"?`},
		{"dialect", "dialects:\n  - name: ahoi", `dragoman.yaml:2: unknown dialect "ahoi"; did you mean "ahoy"?`},
		{"dialect without a name", "dialects:\n  - listen: ':1'", `dragoman.yaml:2: dialects[0]: has no name`},
		{"dialect twice", "dialects:\n  - name: ahoy\n  - name: ahoy", `dragoman.yaml:3: dialects.ahoy: is there twice`},
		{"key of a dialect", "dialects:\n  - name: ahoy\n    greeting: x", `dragoman.yaml:3: unknown key "dialects.ahoy.greeting"`},
		{"key of a dialect's section", "dialects:\n  - name: spreed\n    greting: x", `dragoman.yaml:3: unknown key "dialects.spreed.greting"; did you mean "greeting"?`},
		{"key of a list in a dialect's section", "dialects:\n  - name: spreed\n    users:\n      - {nam: x}", `dragoman.yaml:4: unknown key "dialects.spreed.users[0].nam"; did you mean "name"?`},
		{"key twice", "http:\n  listen: ':1'\n  listen: ':2'", `dragoman.yaml:3: http.listen: is there twice, first in line 2`},
		{"not yaml", "http: [", `dragoman.yaml: yaml: line 1`},
		{"two documents", "lobby: {}\n---\nlobby: {}", `dragoman.yaml: holds more than one document`},
		{"value for a section", "http: ':1'", `dragoman.yaml:1: http: has keys of its own`},
		{"section for a value", "data_dir: {a: b}", `dragoman.yaml:1: data_dir: is one value`},
		{"value for a list", "rooms: lobby", `dragoman.yaml:1: rooms: is a list`},
		{"map for the dialects", "dialects: {ahoy: {}}", `dragoman.yaml:1: dialects: is a list`},
		{"alias", "log: {level: &x info}\ndata_dir: *x", `dragoman.yaml:2: data_dir: aliases`},
		{"duration", "drain:\n  spread: 10", `dragoman.yaml:2: drain.spread: "10" is not a duration: write 10s`},
		{"size", "limits:\n  frame: 64kb", `dragoman.yaml:2: limits.frame: "64kb" is not a size`},
		{"number", "rooms: [{name: a, max: many}]", `dragoman.yaml:1: rooms[0].max: "many" is not a whole number`},
		{"bool", "lobby:\n  enabled: on", `dragoman.yaml:2: lobby.enabled: "on" is neither true nor false`},
		{"address", "http:\n  listen: 8080", `dragoman.yaml:2: http.listen: "8080" is not an address with a port`},
		{"port", "admin:\n  listen: 127.0.0.1:99999", `dragoman.yaml:2: admin.listen: "99999" is not a port`},
		{"choice", "log:\n  level: warning", `dragoman.yaml:2: log.level: "warning" is not one of debug, info, warn, error; did you mean "warn"?`},
		{"public url", "http:\n  public_url: meet.example.org", `dragoman.yaml:2: http.public_url: "meet.example.org" is not like https://`},
		{"proxies", "http:\n  trusted_proxies: [10.0.0.0/33]", `dragoman.yaml:2: http.trusted_proxies: "10.0.0.0/33" is neither`},
		{"room without name", "rooms:\n  - title: x", `dragoman.yaml:2: rooms[0].name: the room has no name`},
		{"room twice", "rooms:\n  - name: x\n  - name: ' x '", `dragoman.yaml:3: rooms[1].name: there are two rooms "x"`},
		{"open admin", "admin:\n  listen: ':9090'", `dragoman.yaml:2: admin.listen: :9090 can be reached by others and there are no admin.keys`},
		{"weak key", "admin:\n  keys:\n    - name: a\n      key: short", `dragoman.yaml:4: admin.keys[0].key: has fewer than 16 characters`},
		{"key and hash", "admin:\n  keys:\n    - {name: a}", `dragoman.yaml:3: admin.keys[0]: needs either key, key_file or hash`},
		{"redacted", "rooms:\n  - name: x\n    secrets:\n      moderator: redacted", `dragoman.yaml:4: rooms[0].secrets.moderator: "redacted" is what secrets are printed as`},
		{"hash of a secret", "rooms:\n  - name: x\n    secrets:\n      speaker: $argon2id$nonsense", `dragoman.yaml:4: rooms[0].secrets.speaker: `},
		{"brake", "brake:\n  pause: -1s", `dragoman.yaml:2: brake.pause: is less than 0`},
		{"certificate", "tls:\n  mode: files\n  cert_file: x", `dragoman.yaml:1: tls.key_file: is missing`},
		{"store", "store: {url: 'mysql://x'}", `dragoman.yaml:1: store.url: begins neither`},
		{"key of a store", "store: {key: short}", `dragoman.yaml:1: store.key: has fewer than 16 bytes`},
		{"shared store without a key", "data_dir: /x\nstore: {url: 'postgres://a:b@c/d'}", `dragoman.yaml:2: store.key: is missing: all nodes`},
		{"file without a key", "store: {url: 'sqlite:/x'}", `dragoman.yaml:1: store.key: is missing: without it and data_dir`},
		{"issuer", "oidc: {issuer: 'login.example', client_ids: [a]}", `dragoman.yaml:1: oidc.issuer: "login.example" is not like`},
		{"issuer without clients", "oidc: {issuer: 'https://login.example'}", `dragoman.yaml:1: oidc.client_ids: is empty`},
		{"clients without an issuer", "oidc: {client_ids: [a]}", `dragoman.yaml:1: oidc.issuer: is missing`},
		{"claim", "oidc: {issuer: 'https://a', client_ids: [a], required: [mail]}", `dragoman.yaml:1: oidc.required[0]: "mail" is not one of`},
		{"half an introspection", "oidc: {issuer: 'https://a', client_ids: [a], introspect_id: x}", `dragoman.yaml:1: oidc.introspect_id: goes with`},
		{"relay by TLS without a certificate", "media: {turn: {tls: ':5349'}}", `dragoman.yaml:1: media.turn.tls: needs a certificate`},
		{"address of a relay", "media: {turn: {udp: here}}", `media.turn.udp: "here" is not an address and port`},
		{"same host", "dialects:\n  - {name: ahoy, hosts: [A.example]}\n  - {name: spreed, hosts: [a.example]}", `dragoman.yaml:3: dialects.spreed.hosts: host name a.example is ahoy's already`},
		{"same listener", "dialects:\n  - {name: ahoy, listen: ':1'}\n  - {name: spreed, listen: ':1'}", `dragoman.yaml:3: dialects.spreed.listen: address :1 is ahoy's already`},
		{"secret file", "rooms:\n  - name: x\n    secrets: {speaker_file: /nowhere}", `dragoman.yaml:3: rooms[0].secrets.speaker_file: secret: open /nowhere`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(Options{File: file(t, c.file), Sections: sections()})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

func TestMistakesOutsideTheFileNameTheirPlace(t *testing.T) {
	t.Setenv("DRAGOMAN_LOG_LEVEL", "loud")
	_, err := Load(Options{Flags: flags(t, "--drain-spread=soon"), Sections: sections()})
	for _, want := range []string{
		`DRAGOMAN_LOG_LEVEL: log.level: "loud" is not one of`,
		`--drain-spread: drain.spread: "soon" is not a duration`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestUnusedVariablesAreTold(t *testing.T) {
	t.Setenv("DRAGOMAN_HTTP_LISTN", ":1")
	t.Setenv("DRAGOMAN_PORTS_FILE", "x")
	t.Setenv("DRAGOMAN_DIALECTS_AHOY_LISTEN", "127.0.0.1:0")
	l, err := Load(Options{Sections: sections()})
	if err != nil || !reflect.DeepEqual(l.Unused, []string{"DRAGOMAN_HTTP_LISTN"}) {
		t.Errorf("%q, %v", l.Unused, err)
	}
}

const planted = "planted-secret-0123456789"

// A configuration with a secret wherever there can be one.
func withSecrets(t *testing.T) *Loaded {
	t.Helper()
	t.Setenv("DRAGOMAN_DIALECTS_SPREED_KEY", planted)
	l, err := Load(Options{Sections: sections(), File: file(t, `
admin:
  keys:
    - {name: me, key: `+planted+`}
rooms:
  - {name: a, secrets: {listener: `+planted+`, speaker_file: `+file(t, planted+"\n")+`, moderator: `+planted+`}}
dialects:
  - name: spreed
    codes: [`+planted+`]
    users:
      - {name: bob, pin: `+planted+`}
      - {name: al, pin_file: `+file(t, planted)+`}
`)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSecretsAreReadAndNeverShown(t *testing.T) {
	l := withSecrets(t)
	o := section(l)
	for name, got := range map[string]bridge.Secret{
		"plain": l.Rooms[0].Secrets.Moderator, "file": l.Rooms[0].Secrets.Speaker, "key": l.Admin.Keys[0].Key,
		"environment": o.Key, "section": o.Users[0].PIN, "section, file": o.Users[1].PIN,
	} {
		if string(got) != planted {
			t.Errorf("%s: not read", name)
		}
	}
	var shown bytes.Buffer
	if err := l.WriteYAML(&shown); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteJSON(&shown); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown.String(), planted) {
		t.Errorf("a secret is shown:\n%s", shown.String())
	}
	if n := strings.Count(shown.String(), "redacted"); n < 16 {
		t.Errorf("%d secrets are shown as redacted, want 8 in each form:\n%s", n, shown.String())
	}
}

func TestSecretsAreNotInErrors(t *testing.T) {
	for name, text := range map[string]string{
		"list":         "rooms: [{name: a, secrets: {speaker: [" + planted + "]}}]",
		"twice":        "rooms: [{name: a, secrets: {speaker: " + planted + ", speaker_file: " + file(t, planted) + "}}]",
		"empty name":   "admin: {keys: [{key: " + planted + "}]}",
		"two of a key": "rooms: [{name: a, secrets: {speaker: " + planted + ", speaker: " + planted + "}}]",
	} {
		_, err := Load(Options{File: file(t, text)})
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), planted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNumbersInQuotesOrNotAreTheSamePIN(t *testing.T) {
	l, err := Load(Options{File: file(t, "rooms:\n  - {name: 007, secrets: {speaker: 0123}}")})
	if err != nil || l.Rooms[0].Name != "007" || l.Rooms[0].Secrets.Speaker != "0123" {
		t.Errorf("%+v, %v", l.Rooms, err)
	}
}

func TestAListOfDialectsSwitchesOffTheOthers(t *testing.T) {
	for text, want := range map[string][2]bool{
		"lobby: {}":                  {true, true},
		"dialects: [{name: spreed}]": {false, true},
		"dialects: []":               {false, false},
		"dialects: [{name: ahoy, enabled: false}]":       {false, false},
		"dialects: [{name: ahoy}, {name: spreed}]":       {true, true},
		"dialects: [{name: spreed, hosts: [a.example]}]": {false, true},
	} {
		l, err := Load(Options{File: file(t, text), Sections: sections()})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{l.Dialects[0].Enabled, l.Dialects[1].Enabled}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	t.Setenv("DRAGOMAN_DIALECTS_AHOY_ENABLED", "true")
	if l, err := Load(Options{File: file(t, "dialects: []"), Sections: sections()}); err != nil || !l.Dialects[0].Enabled {
		t.Errorf("the environment does not switch on: %v", err)
	}
}

func TestDevelopmentMode(t *testing.T) {
	l, err := Load(Options{Sections: sections()})
	if err != nil || !l.Dev {
		t.Fatalf("%+v, %v", l, err)
	}
	got := []string{l.HTTP.Listen, l.Dialects[0].Listen, l.Dialects[1].Listen, l.Admin.Listen, l.Media.UDP, l.Media.TCP}
	want := []string{"127.0.0.1:8080", "127.0.0.1:8082", "127.0.0.1:8084", "127.0.0.1:9090", "127.0.0.1:7000", "127.0.0.1:7000"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if l, err := Load(Options{File: file(t, ""), Sections: sections()}); err != nil || l.Dev || l.Dialects[0].Listen != "" {
		t.Errorf("with a file: dev %v, %v", l.Dev, err)
	}
	yes := true
	if l, err := Load(Options{File: file(t, ""), Dev: &yes, Sections: sections()}); err != nil || !l.Dev {
		t.Errorf("with a file and --dev: %v, %v", l.Dev, err)
	}
}

func TestDevelopmentModeStaysOnLoopback(t *testing.T) {
	for _, flag := range []string{
		"--http-listen=:8080", "--http-listen=0.0.0.0:0", "--admin-listen=[::]:9090", "--media-udp=192.0.2.1:7000",
		"--media-tcp=:0", "--dialects-ahoy-listen=example.org:1",
	} {
		_, err := Load(Options{Flags: flags(t, flag), Sections: sections()})
		if err == nil || !strings.Contains(err.Error(), "is not loopback") || !strings.Contains(err.Error(), "--insecure") {
			t.Errorf("%s: %v", flag, err)
		}
		if _, err := Load(Options{Flags: flags(t, flag), Insecure: true, Sections: sections()}); err != nil {
			t.Errorf("%s --insecure: %v", flag, err)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "127.8.8.8:1", "[::1]:8080", "localhost:8080"} {
		if _, err := Load(Options{Flags: flags(t, "--http-listen="+address), Sections: sections()}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestSampleIsValidAndComplete(t *testing.T) {
	var sample bytes.Buffer
	if err := WriteSample(&sample, sections()); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Options{File: file(t, sample.String()), Sections: sections()})
	if err != nil {
		t.Fatalf("%v\n%s", err, sample.String())
	}
	production := false
	defaults, err := Load(Options{Dev: &production, Sections: sections()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Dialects {
		l.Dialects[i].Settings, defaults.Dialects[i].Settings = nil, nil
	}
	if !reflect.DeepEqual(plain(reflect.ValueOf(l.Config)), plain(reflect.ValueOf(defaults.Config))) {
		t.Errorf("the sample does not say the defaults:\n%s", sample.String())
	}
	// Examples hold once they are no comments any more.
	text := strings.ReplaceAll(sample.String(), ": []\n#", ":\n#")
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#  ") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	if _, err := Load(Options{File: file(t, strings.Join(lines, "")), Sections: sections()}); err == nil || !strings.Contains(err.Error(), "rooms[0].name: the room has no name") || strings.Contains(err.Error(), "unknown key") {
		t.Errorf("%v", err)
	}
}

func TestShownConfigurationHasOrigins(t *testing.T) {
	name := file(t, "http:\n  listen: ':1'\ndialects:\n  - name: spreed\n    greeting: moin")
	l, err := Load(Options{File: name, Flags: flags(t, "--log-level=warn"), Sections: sections()})
	if err != nil {
		t.Fatal(err)
	}
	var y, j bytes.Buffer
	if err := l.WriteYAML(&y); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`listen: ":1"  # ` + name + ":2", "level: warn  # --log-level", "greeting: moin  # " + name + ":5", "ttl: 1h\n", "- name: ahoy\n    enabled: false",
	} {
		if !strings.Contains(y.String(), want) {
			t.Errorf("no %q in\n%s", want, y.String())
		}
	}
	if err := l.WriteJSON(&j); err != nil {
		t.Fatal(err)
	}
	var out struct {
		Config struct {
			HTTP     struct{ Listen string }
			Dialects []struct{ Name, Greeting string }
		}
		Origins map[string]string
	}
	if err := json.Unmarshal(j.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if out.Config.HTTP.Listen != ":1" || out.Config.Dialects[1].Greeting != "moin" || out.Origins["http.listen"] != name+":2" {
		t.Errorf("%+v", out)
	}
}

func TestEveryKeyIsExplainedAndCanBeSaid(t *testing.T) {
	fs := flags(t)
	for _, k := range Keys(sections()) {
		if strings.HasPrefix(k.Path, "dialects.spreed.") {
			continue // explained by the dialect's own source
		}
		if k.Text == "" {
			t.Errorf("%s: no text", k.Path)
		}
		if k.Flag != "" && !strings.Contains(k.Flag, "<") && fs.Lookup(strings.TrimPrefix(k.Flag, "--")) == nil {
			t.Errorf("%s: no flag %s", k.Path, k.Flag)
		}
	}
	var b bytes.Buffer
	if err := WriteReference(&b, sections()); err != nil || !strings.Contains(b.String(), "`http.listen` (text, default `\":8080\"`, in development mode `\"127.0.0.1:8080\"`)") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestSectionsOfDialectsDoNotShadowWhatAllHave(t *testing.T) {
	for _, e := range all.List() {
		own := Section{Config: e.Config}.own()
		for _, f := range fieldsOf(own) {
			if common(f.name) {
				t.Errorf("%s: the key %s is one that every dialect has", e.New().Name(), f.name)
			}
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "1": 1, "64KiB": 65536, "1 MiB": 1 << 20, "2GiB": 2 << 30, "7B": 7} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s: written %s, read %d, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1KB", "9999999999GiB", "1.5MiB", "KiB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("http: {listen: ':1'}\ndialects: [{name: spreed, users: [{pin: 1}]}]")
	f.Add("rooms: [a, {name: [b]}]\nlog: *x")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		d, err := parse("f", []byte(text), reflect.ValueOf(&c).Elem(), sections())
		if err == nil && d == nil {
			t.Error("neither a document nor an error")
		}
	})
}
