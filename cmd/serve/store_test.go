package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/config"
	"dragoman/dialects/ahoy/client"
	k3k "dragoman/dialects/k3k/client"
	nkmedia "dragoman/dialects/nkmedia/client"
)

// ann makes an event with a password, as somebody who has logged in.
func ann(t *testing.T, s *Server) (k3k.REST, k3k.Place) {
	t.Helper()
	r := k3k.REST{Base: "http://" + s.Ports().HTTP + "/k3k", HTTP: plain, Token: "ann"}
	if err := r.Login(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	at, err := r.Meet(t.Context(), "a meeting", "hush")
	if err != nil {
		t.Fatal(err)
	}
	return r, at
}

// TestStoreOutlivesTheProcess: with a data directory, what was made is there again;
// without one, the file goes with the process.
func TestStoreOutlivesTheProcess(t *testing.T) {
	cfg := free()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	s := start(t, cfg)
	_, at := ann(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "dragoman.db")); err != nil {
		t.Fatal(err)
	}
	s = start(t, cfg)
	guest := k3k.REST{Base: "http://" + s.Ports().HTTP + "/k3k", HTTP: plain}
	if _, err := guest.StartInvited(t.Context(), at.Invite, "hush", ""); err != nil {
		t.Error(err)
	}

	s = start(t, free())
	scratch := s.db.scratch
	ann(t, s)
	if _, err := os.Stat(filepath.Join(scratch, "dragoman.db")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(scratch); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", scratch, err)
	}
}

// TestStoredRoomsBindEveryDialect: a room that is stored is made from what is
// stored, whoever comes first.
func TestStoredRoomsBindEveryDialect(t *testing.T) {
	s := start(t, free())
	_, at := ann(t, s)
	ahoy := client.Config{URL: "ws://" + s.Ports().HTTP + "/ahoy/"}
	_, err := client.Join(t.Context(), ahoy, client.Ticket{Room: at.Room, Name: "Ben", Create: true})
	if r, ok := errors.AsType[*client.Refusal](err); !ok || r.Status != 403 {
		t.Fatalf("without the password: %v", err)
	}
	c, err := client.Join(t.Context(), ahoy, client.Ticket{Room: at.Room, Name: "Ben", Password: "hush", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	info, err := s.rooms.Lookup(t.Context(), bridge.RoomID(at.Room))
	if err != nil || info.Title != "a meeting" || info.Members != 1 {
		t.Errorf("%+v %v", info, err)
	}
}

// TestChatOutlivesTheProcess, in rooms of the configuration that keep it.
func TestChatOutlivesTheProcess(t *testing.T) {
	cfg := free()
	cfg.DataDir = t.TempDir()
	cfg.Rooms = []config.Room{{Name: "hall", KeepChat: 10}}
	enter := func(s *Server) *bridge.Session {
		t.Helper()
		x, err := s.rooms.Join(t.Context(), bridge.JoinRequest{Room: "hall", Name: "Ann"})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	s := start(t, cfg)
	if err := enter(s).Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), Text: "remember me"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if chat := enter(start(t, cfg)).At.Chat; len(chat) != 1 || chat[0].Text != "remember me" || chat[0].Name != "Ann" {
		t.Errorf("the chat is %+v", chat)
	}
}

// TestWhoLogsIn: in development mode anybody does; with a configuration nobody, or
// those of the issuer.
func TestWhoLogsIn(t *testing.T) {
	begin := func(dev bool, issuer string) (*Server, *bytes.Buffer) {
		cfg := free()
		cfg.Dev = dev
		if issuer != "" {
			cfg.OIDC.Issuer, cfg.OIDC.ClientIDs = issuer, []string{"Frontend"}
		}
		var log bytes.Buffer
		s, err := New(cfg, Options{Version: "test", Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s, &log
	}
	told := func(s *Server) (url string) {
		_, body := get(t, "http://"+s.Ports().HTTP+"/k3k/v1/auth/login")
		var a struct{ OIDC struct{ URL string } }
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatal(err)
		}
		return a.OIDC.URL
	}
	login := func(s *Server) error {
		const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.AAAA" // signed by nobody
		return k3k.REST{Base: "http://" + s.Ports().HTTP + "/k3k", HTTP: plain}.Login(t.Context(), token)
	}
	nkLogin := func(s *Server) error {
		c, err := nkmedia.Join(t.Context(), nkmedia.Config{URL: "ws://" + s.Ports().HTTP + "/nkmedia/"}, nkmedia.Ticket{Conf: "x", User: "ann", Create: true})
		if err == nil {
			c.Close()
		}
		return err
	}
	s, devLog := begin(true, "")
	if err := errors.Join(login(s), nkLogin(s)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil || strings.Contains(devLog.String(), "WARN") {
		t.Errorf("%v %s", err, devLog)
	}
	s, log := begin(false, "")
	if r, ok := errors.AsType[*k3k.Refusal](login(s)); !ok || r.Status != http.StatusUnauthorized {
		t.Errorf("without an issuer: %v", r)
	}
	if r, ok := errors.AsType[*nkmedia.Refusal](nkLogin(s)); !ok || r.Code != nkmedia.Unauthorized {
		t.Errorf("without users of NkMEDIA: %v", r)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"set data_dir or store.url", "set dialects.nkmedia.user_file or dialects.nkmedia.callback"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the operator is not told to %s: %s", want, log)
		}
	}
	s, _ = begin(false, "http://127.0.0.1:1")
	if r, ok := errors.AsType[*k3k.Refusal](login(s)); !ok || r.Status != http.StatusServiceUnavailable {
		t.Errorf("the issuer is down: %v", r)
	}
	if got := told(s); got != "http://127.0.0.1:1" {
		t.Errorf("clients are sent to %q", got)
	}
}

func TestStoreThatCannotBeOpened(t *testing.T) {
	cfg := free()
	cfg.Store = config.Store{URL: "sqlite:/dev/null/x", Key: "0123456789abcdef"}
	s, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "store: ") {
		t.Errorf("started: %v", err)
	}
}
