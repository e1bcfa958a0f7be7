package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/gate/oidctest"
	"dragoman/cmd/serve"
	"dragoman/config"
	"dragoman/dialects/ahoy/client"
	"dragoman/dialects/all"
	asn "dragoman/dialects/asn/client"
	"dragoman/dialects/asn/rose"
)

// runMain makes a test binary the program that is tested.
const runMain = "TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// dragoman runs a command line in this process.
func dragoman(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func want(t *testing.T, code int, args ...string) string {
	t.Helper()
	got, stdout, stderr := dragoman(args...)
	if got != code {
		t.Fatalf("dragoman %s: %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout + stderr
}

func contains(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExitCodes(t *testing.T) {
	nobody := "--url=http://127.0.0.1:1"
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"", exitOK, "serve"},
		{"--help", exitOK, "is a conferencing bridge"},
		{"exit-codes", exitOK, "6  no node answers"},
		{"version", exitOK, "dragoman"},
		{"version -o json", exitOK, `"go": "go1`},
		{"version -o xml", exitUsage, "neither table nor json"},
		{"version now", exitUsage, "dragoman version"},
		{"sevre", exitUsage, "did you mean serve?"},
		{"room lits", exitUsage, `no command "lits"`},
		{"room show", exitUsage, "dragoman room show ROOM"},
		{"serve --colour", exitUsage, "unknown flag"},
		{"serve --drain-timeout=soon", exitConfig, `--drain-timeout: drain.timeout: "soon" is not a duration`},
		{"serve --http-listen=:8080", exitConfig, "--insecure"},
		{"serve --config /nowhere.yaml", exitNotFound, "/nowhere.yaml"},
		{"room list " + nobody, exitUnreachable, "no node answers at http://127.0.0.1:1"},
		{"healthcheck " + nobody, exitUnreachable, "no node answers"},
		{"replay /nowhere.jsonl --target ws://127.0.0.1:1", exitNotFound, "/nowhere.jsonl"},
		{"replay x.jsonl", exitUsage, "target"},
		{"record", exitUsage, "upstream"},
		{"bench --scenario nothing", exitUsage, "1 publisher to 50"},
		{"completion bash", exitOK, "dragoman"},
	} {
		code, stdout, stderr := dragoman(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("dragoman %s: %d, want %d and %q\n%.500s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Args == nil && c.Runnable() {
			t.Errorf("%s: no help, or any arguments are taken", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}

func TestConfigCommands(t *testing.T) {
	name := filepath.Join(t.TempDir(), "dragoman.yaml")
	want(t, exitOK, "config", "init", name)
	if code, _, _ := dragoman("config", "init", name); code == exitOK {
		t.Error("init has overwritten a file")
	}
	contains(t, want(t, exitOK, "config", "check", name), "is right")
	contains(t, want(t, exitOK, "config", "init"), "- name: ahoy", "- name: spreed", "- name: nkmedia", "- name: asn", "mail:", "# The shared listener")
	contains(t, want(t, exitOK, "config", "show", "-c", name, "--log-level", "warn"), "level: warn  # --log-level", "listen: \":8080\"  # "+name)
	contains(t, want(t, exitOK, "config", "show", "-o", "json"), `"development": true`, `"listen": "127.0.0.1:8080"`)
	contains(t, want(t, exitOK, "config", "docs"), "`http.listen`", "`dialects.spreed.grace`", "DRAGOMAN_DIALECTS_AHOY_MASK_IP")
	contains(t, want(t, exitOK, "config", "check"), "development mode")
	for text, problem := range map[string]string{
		"http:\n  lisen: x":                                          `:2: unknown key "http.lisen"; did you mean "listen"?`,
		"dialects:\n  - name: ahoy\n    mask_ipp: true":              `:3: unknown key "dialects.ahoy.mask_ipp"; did you mean "mask_ip"?`,
		"dialects:\n  - name: spreed\n    peers: sideways":           `:3: dialects.spreed.peers: "sideways" is neither`,
		"dialects:\n  - name: ahoy\n    redirects: [{url: nowhere}]": `:3: dialects.ahoy.redirects[0]: give room or node`,
	} {
		contains(t, want(t, exitConfig, "config", "check", write(t, "c.yaml", text)), problem)
	}
}

// program starts the program in a process of its own.
func program(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), runMain+"=1")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return c, &out
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// ports waits for a ports file.
func ports(t *testing.T, name string) (p serve.Ports) {
	t.Helper()
	wait(t, name, func() bool {
		data, err := os.ReadFile(name)
		return err == nil && json.Unmarshal(data, &p) == nil
	})
	return p
}

// anyPorts are flags with which a node takes ports that are free.
func anyPorts() []string {
	const free = "-listen=127.0.0.1:0"
	flags := []string{"--http" + free, "--admin" + free, "--media-udp=127.0.0.1:0", "--media-tcp=127.0.0.1:0"}
	for _, s := range sections() {
		flags = append(flags, "--dialects-"+s.Name+free)
	}
	return flags
}

func TestServeFromBeginToEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports.json")
	c, out := program(t, append(anyPorts(), "serve", "--ports-file="+file, "--drain-timeout=1h")...)
	p := ports(t, file)
	if p.PID != c.Process.Pid {
		t.Errorf("pid %d, want %d", p.PID, c.Process.Pid)
	}
	admin := "--url=http://" + p.Admin
	want(t, exitOK, "healthcheck", admin, "--ready")
	ann, err := client.Join(t.Context(), client.Config{URL: "ws://" + p.HTTP + "/ahoy/"}, client.Ticket{Room: "demo", Name: "Ann", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ann.Close()
	contains(t, want(t, exitOK, "room", "show", "demo", admin), "Ann", "ahoy", "moderator")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(t, "draining", func() bool {
		code, _, stderr := dragoman("healthcheck", admin, "--ready")
		return code == exitFailed && strings.Contains(stderr, "draining")
	})
	want(t, exitOK, "healthcheck", admin)
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the ports file stays: %v", err)
	}
	contains(t, out.String(), "development mode", "http://"+p.HTTP+"/", `"msg":"stopped"`)
}

// TestTokenASN: a token that is made from a node's configuration makes a moderator
// there.
func TestTokenOfASN(t *testing.T) {
	file := write(t, "c.yaml", fmt.Sprintf("http: {listen: '127.0.0.1:0'}\nmedia: {udp: '127.0.0.1:0', tcp: '127.0.0.1:0'}\nadmin: {listen: '127.0.0.1:0'}\ndata_dir: %s\n", t.TempDir()))
	make := []string{"token", "asn", "-c", file, "--user", "ann", "--conference", "standup"}
	token := strings.TrimSpace(want(t, exitOK, make...))
	contains(t, want(t, exitOK, append(make, "-o", "json")...), `"valid_to"`)
	for _, bad := range [][]string{{"token", "asn", "-c", file}, append(make, "--life", "-1s"), append(make, "--conference", " ")} {
		want(t, exitUsage, bad...)
	}
	contains(t, want(t, exitFailed, "token", "asn", "--user", "ann"), "data_dir is not set")
	at := filepath.Join(t.TempDir(), "ports.json")
	program(t, "serve", "-c", file, "--ports-file="+at)
	p := ports(t, at)
	ann, err := asn.Join(t.Context(), asn.Config{URL: "ws://" + p.HTTP + "/asn/ws"}, asn.Ticket{Conference: "standup", Name: "Ann", Token: bridge.Secret(token)})
	if r, ok := errors.AsType[*asn.Refusal](err); !ok || r.Number != 404 {
		t.Errorf("a token for a conference that is not there: %v, %v", ann, err)
	}
	free := want(t, exitOK, "token", "asn", "-c", file, "--user", "ann")
	ann, err = asn.Join(t.Context(), asn.Config{URL: "ws://" + p.HTTP + "/asn/ws"}, asn.Ticket{Conference: "standup", Name: "Ann", Token: bridge.Secret(strings.TrimSpace(free))})
	if err != nil {
		t.Fatal(err)
	}
	defer ann.Kill()
	ben, err := asn.Join(t.Context(), asn.Config{URL: "ws://" + p.HTTP + "/asn/ws"}, asn.Ticket{Conference: "standup", Name: "Ben", Token: bridge.Secret(token)})
	if err != nil {
		t.Fatal(err)
	}
	defer ben.Kill()
	if self, err := ben.Self(t.Context()); err != nil || self.Role != rose.RoleModerator {
		t.Errorf("%+v, %v", self, err)
	}
}

// here starts a node in this process.
func here(t *testing.T) serve.Ports {
	t.Helper()
	s, err := anywhere(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Ports()
}

func TestRoomCommands(t *testing.T) {
	admin := "--url=" + here(t).Admin // the scheme may be left out
	contains(t, want(t, exitOK, "room", "create", "team/stand up", "--max=5", "--title=Daily", "--moderator-password-file="+write(t, "pw", "secret\n"), admin), "Daily", "0 of 5", "moderator")
	contains(t, want(t, exitOK, "room", "list", admin), "ROOM", "team/stand up", "yes")
	contains(t, want(t, exitOK, "room", "list", "-o", "json", admin), `"id": "team/stand up"`)
	contains(t, want(t, exitOK, "room", "show", "team/stand up", admin), "Daily")
	card := want(t, exitOK, "room", "card", "team/stand up", admin)
	contains(t, card, "stand%20up")
	for _, e := range all.List() {
		contains(t, card, e.Title, "/"+e.New().Name()+"/")
	}
	if text := want(t, exitOK, "room", "show", "team/stand up", "-o", "json", admin); strings.Contains(text, "secret\"") {
		t.Errorf("a password is shown: %s", text)
	}
	contains(t, want(t, exitFailed, "room", "create", "team/stand up", admin), "such a room already")
	contains(t, want(t, exitFailed, "room", "create", "x", "--limit=soon", admin), "duration")
	want(t, exitOK, "room", "close", "team/stand up", admin)
	contains(t, want(t, exitNotFound, "room", "close", "team/stand up", admin), "no such room")
	contains(t, want(t, exitNotFound, "room", "create", "x", "--speaker-password-file=/nowhere", admin), "/nowhere")
}

func TestAdminKeys(t *testing.T) {
	var key newKey
	if err := json.Unmarshal([]byte(want(t, exitOK, "token", "admin", "--name", "ops", "--read-only", "-o", "json")), &key); err != nil {
		t.Fatal(err)
	}
	contains(t, want(t, exitOK, "token", "admin", "--name", "ops"), `- name: "ops"`, "hash: ")
	cfg := write(t, "c.yaml", "http: {listen: '127.0.0.1:0'}\nmedia: {udp: '127.0.0.1:0', tcp: '127.0.0.1:0'}\nadmin:\n  listen: 127.0.0.1:0\n  keys:\n    - {name: ops, hash: "+key.Hash+", read_only: true}\n")
	file := filepath.Join(t.TempDir(), "ports.json")
	_, _ = program(t, "serve", "--config", cfg, "--ports-file", file)
	admin := "--url=http://" + ports(t, file).Admin
	contains(t, want(t, exitRefused, "room", "list", admin), "needs a key")
	name := write(t, "key", key.Key+"\n")
	want(t, exitOK, "room", "list", "--key-file", name, admin)
	contains(t, want(t, exitRefused, "room", "create", "x", "--key-file", name, admin), "only look")
	t.Setenv("DRAGOMAN_ADMIN_KEY", key.Key)
	want(t, exitOK, "room", "list", admin)
	want(t, exitOK, "healthcheck", admin)
}

func TestHashOfAPassword(t *testing.T) {
	root := newRoot()
	var out bytes.Buffer
	root.SetArgs([]string{"token", "hash"})
	root.SetIn(strings.NewReader("open sesame\n"))
	root.SetOut(&out)
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if hash := bridge.Secret(strings.TrimSpace(out.String())); !gate.Check(hash, "open sesame") || gate.Check(hash, "open") {
		t.Errorf("%q", out.String())
	}
}

func TestRecordAndReplay(t *testing.T) {
	p := here(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	listener.Close()
	out := filepath.Join(t.TempDir(), "recorded.jsonl")
	c, log := program(t, "record", "--listen", at, "--upstream", "ws://"+p.Dialects["ahoy"], "--dialect", "ahoy", "--out", out)
	wait(t, "the recorder", func() bool {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + at + "/")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusUpgradeRequired
	})
	ann, err := client.Join(t.Context(), client.Config{URL: "ws://" + at + "/"}, client.Ticket{Room: "recorded", Name: "Ann", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := ann.Say(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	ann.Close()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	contains(t, log.String(), "steps in "+out)
	fresh := here(t)
	contains(t, want(t, exitOK, "replay", out, "--target", "ws://"+fresh.Dialects["ahoy"]), "as said")
	contains(t, want(t, exitFailed, "replay", out, "--target", "ws://"+fresh.Dialects["spreed"]), "differs", "1 of 1 transcripts differ")
}

func TestDoctor(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := anyPorts()
	contains(t, want(t, exitOK, append([]string{"doctor"}, free...)...), "configuration", "is free", "this machine only")
	text := want(t, exitFailed, append(append([]string{"doctor"}, free...), "--http-listen="+taken.Addr().String())...)
	contains(t, text, "fail   http.listen", "DRAGOMAN_HTTP_LISTEN", "1 of")
	var found []finding
	_, stdout, _ := dragoman(append(append([]string{"doctor", "-o", "json"}, free...), "--http-listen="+taken.Addr().String())...)
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || len(found) < 5 {
		t.Errorf("%v\n%s", err, stdout)
	}
	production := write(t, "c.yaml", fmt.Sprintf("http: {listen: '127.0.0.1:0', public_url: 'https://meet.example.org'}\nmedia: {udp: '127.0.0.1:0', tcp: '127.0.0.1:0'}\nadmin: {listen: '127.0.0.1:0'}\ndata_dir: %s\n", t.TempDir()))
	contains(t, want(t, exitFailed, "doctor", "-c", production), "nobody else gets audio or video", "http.trusted_proxies", "is writable")
	issuer, err := oidctest.Start()
	if err != nil {
		t.Fatal(err)
	}
	with := func(rest string) string {
		return write(t, "d.yaml", fmt.Sprintf("http: {listen: '127.0.0.1:0'}\nmedia: {udp: '127.0.0.1:0', tcp: '127.0.0.1:0', advertise: ['192.0.2.1']}\nadmin: {listen: '127.0.0.1:0'}\ndata_dir: %s\n%s", t.TempDir(), rest))
	}
	oidc := "oidc: {issuer: '" + issuer.URL() + "', client_ids: [x]}\n"
	text = want(t, exitOK, "doctor", "-c", with(oidc))
	contains(t, text, "oidc.issuer", "answers", "warn", "dialects.nkmedia", "nobody can log in", "dialects.asn.domain", "mail.server", "nobody gets mail")
	for _, rest := range []string{
		"dialects: [{name: nkmedia, callback: 'http://127.0.0.1:1/'}]\n",
		"dialects: [{name: ahoy}]\n",
		"dialects: [{name: asn, user_file: '" + write(t, "users", "") + "', domain: example.org, raw_listen: '127.0.0.1:0'}]\nmail: {server: '" + taken.Addr().String() + "', from: a@example.org}\n",
	} {
		text := want(t, exitOK, "doctor", "-c", with(rest))
		if strings.Contains(text, "nobody can log in: NkMEDIA") || strings.Contains(text, "warn dialects.asn") {
			t.Errorf("with %s: %s", rest, text)
		}
		if strings.Contains(rest, "asn") {
			contains(t, text, "dialects.asn.raw_listen", "mail.server", "can be reached")
		}
	}
	if err := issuer.Stop(); err != nil {
		t.Fatal(err)
	}
	contains(t, want(t, exitFailed, "doctor", "-c", with(oidc)), "refused", "openid-configuration")
	contains(t, want(t, exitFailed, "doctor", "-c", with("store: {url: 'postgres://u:s3cret@127.0.0.1:1/d', key: 0123456789abcdef}\n")), "store.url", "correct store.url")
	p := here(t)
	contains(t, want(t, exitOK, append(append([]string{"doctor"}, free...), "--admin-listen="+p.Admin)...), "runs and takes clients")
}

func TestDemo(t *testing.T) {
	text := want(t, exitOK, "demo")
	contains(t, text, "all see it")
	for _, s := range sections() {
		contains(t, text, " joins with "+s.Name)
	}
}

func TestLogIsJSONForProgramsAndTextForPeople(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		newLog(config.Log{Level: "info", Format: "auto"}, w).Info("x", "secret", bridge.Secret("s3cr3t"))
		newLog(config.Log{Level: "info", Format: "text"}, w).Info("y")
		newLog(config.Log{Level: "info", Format: "text"}, w).Debug("not shown")
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	var got []string
	for lines.Scan() {
		got = append(got, lines.Text())
	}
	if len(got) != 2 || !strings.HasPrefix(got[0], "{") || !strings.Contains(got[0], "redacted") || !strings.Contains(got[1], "msg=y") {
		t.Errorf("%q", got)
	}
}
