package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/bridge/store"
	"dragoman/bridge/store/pgtest"
)

const key bridge.Secret = "a key for tests, and for nothing else"

// postgres is the server of all tests in this process; it is started by the first
// that wants it.
var postgres struct {
	once   sync.Once
	server *pgtest.Server
	err    error
}

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		crashChild(url)
		return
	}
	code := m.Run()
	if postgres.server != nil {
		if err := postgres.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// engines are the databases on which everything has to hold.
var engines = []struct {
	name string
	url  func(testing.TB) string // of a new, empty database
}{
	{"sqlite", func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "data", "store test.db") }},
	{"postgres", func(t testing.TB) string {
		t.Helper()
		postgres.once.Do(func() { postgres.server, postgres.err = pgtest.Start(context.Background()) })
		if postgres.err != nil {
			t.Fatal(postgres.err)
		}
		url, err := postgres.server.Database(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return url
	}},
}

func open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: url, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, open(t, e.url(t))) })
	}
}

// eachURL is each for tests that open themselves.
func eachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, e.url(t)) })
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t testing.TB, want bridge.Code, err error) {
	t.Helper()
	if bridge.CodeOf(err) != want {
		t.Errorf("%v, want %v", err, want)
	}
}

// noon is a time with all the digits that are kept.
var noon = time.Date(2031, 5, 6, 12, 0, 0, 123456000, time.UTC)

func account(t testing.TB, db bridge.Store, name string) bridge.AccountID {
	t.Helper()
	a := must(db.Accounts().LogIn(t.Context(), bridge.Account{
		User: bridge.UserID("test:" + name), Name: name, Profile: bridge.Profile{Mail: name + "@example.org"},
	}))(t)
	return a.ID
}

func TestOpenAgain(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		cfg := store.Config{URL: url, Key: key, Log: slog.New(slog.NewTextHandler(&log, nil))}
		db := must(store.Open(t.Context(), cfg))(t)
		if !strings.Contains(log.String(), "0001_begin.sql") {
			t.Errorf("the log does not tell of migrations: %s", log.String())
		}
		room := bridge.StoredRoom{Spec: bridge.Spec{ID: "r", Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "sesame"}}}
		ok(t, db.Rooms().Create(t.Context(), room))
		ok(t, db.Ready(t.Context()))
		ok(t, db.Close())
		fails(t, bridge.Internal, db.Ready(t.Context()))

		log.Reset()
		db = must(store.Open(t.Context(), cfg))(t)
		if log.Len() > 0 {
			t.Errorf("migrated twice: %s", log.String())
		}
		if r := must(db.Rooms().Get(t.Context(), "r"))(t); r.Spec.Secrets[bridge.Speaker] != "sesame" {
			t.Errorf("%+v", r)
		}
		ok(t, db.Close())

		_, err := store.Open(t.Context(), store.Config{URL: url, Key: "another key, of another database"})
		if err == nil || !strings.Contains(err.Error(), "the key is not the one") || strings.Contains(err.Error(), "another key, of") {
			t.Errorf("%v", err)
		}
	})
}

// Nodes of a cluster start at the same time; one of them makes the tables.
func TestOpenTogether(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				db, err := store.Open(t.Context(), store.Config{URL: url, Key: key})
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if err := db.Rooms().Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: bridge.RoomID(fmt.Sprint("r", i))}}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		db := open(t, url)
		if _, n, err := db.Rooms().List(t.Context(), bridge.AccountID{}, 0, 0); n != 6 || err != nil {
			t.Errorf("%d rooms, %v", n, err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	ok(t, os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600))
	for _, r := range []struct {
		cfg  store.Config
		want string
	}{
		{store.Config{URL: "sqlite:" + filepath.Join(dir, "x.db"), Key: "short"}, "fewer than 16"},
		{store.Config{URL: "", Key: key}, "neither"},
		{store.Config{URL: "mysql://pass@host/", Key: key}, "neither"},
		{store.Config{URL: "sqlite:", Key: key}, "is a file"},
		{store.Config{URL: "sqlite:" + filepath.Join(file, "x.db"), Key: key}, "not a directory"},
		{store.Config{URL: "sqlite:" + file, Key: key}, "not a database"},
		{store.Config{URL: "postgres://u:hunter2@127.0.0.1:1x/d", Key: key}, "is not like"},
		{store.Config{URL: "postgres://u:hunter2@127.0.0.1:1/d?connect_timeout=2", Key: key}, "refused"},
	} {
		db, err := store.Open(t.Context(), r.cfg)
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%s: %v, want %q", r.cfg.URL, err, r.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

// Who reads a copy of the database does not learn passwords and tickets.
func TestNothingSecretIsStored(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := open(t, url)
		spec := bridge.Spec{ID: "r", Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "open sesame", bridge.Moderator: ""}}
		ok(t, db.Rooms().Create(t.Context(), bridge.StoredRoom{Spec: spec}))
		ok(t, db.Tickets().Put(t.Context(), "the ticket itself", []byte("what it stands for"), time.Now().Add(time.Hour)))
		dump := dump(t, url)
		if !strings.Contains(dump, "r") || len(dump) < 100 {
			t.Fatalf("the dump is empty: %q", dump)
		}
		for _, secret := range []string{"open sesame", "the ticket itself", "what it stands for", string(key)} {
			if strings.Contains(dump, secret) {
				t.Errorf("the database has %q", secret)
			}
		}
	})
}

// TestSealedForItsPlace: a password that was copied to another room does not open.
func TestSealedForItsPlace(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := open(t, url)
		for _, id := range []bridge.RoomID{"mine", "yours"} {
			ok(t, db.Rooms().Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: id, Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "s"}}}))
		}
		exec(t, url, `UPDATE rooms SET secrets = (SELECT secrets FROM rooms WHERE id = 'yours') WHERE id = 'mine'`)
		_, err := db.Rooms().Get(t.Context(), "mine")
		fails(t, bridge.Internal, err)
		must(db.Rooms().Get(t.Context(), "yours"))(t)
		if s := db.Stats(); s.Failed != 1 || s.Open < 1 || s.Engine == "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestEndedContext(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		fails(t, bridge.Unavailable, db.Ready(ctx))
		fails(t, bridge.Unavailable, db.Rooms().Create(ctx, bridge.StoredRoom{Spec: bridge.Spec{ID: "r"}}))
		_, err := db.Rooms().Get(t.Context(), "r")
		fails(t, bridge.NotFound, err)
	})
}

// raw opens a database past the package.
func raw(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, name := "pgx", url
	if path, is := strings.CutPrefix(url, "sqlite:"); is {
		driver, name = "sqlite", path
	}
	h := must(sql.Open(driver, name))(t)
	t.Cleanup(func() { h.Close() })
	return h
}

func exec(t testing.TB, url, statement string, args ...any) {
	t.Helper()
	must(raw(t, url).ExecContext(t.Context(), statement, args...))(t)
}

// dump is all that is in the tables that hold secrets.
func dump(t testing.TB, url string) string {
	t.Helper()
	var out strings.Builder
	h := raw(t, url)
	for _, q := range []string{
		`SELECT name || ' ' || value FROM meta`, `SELECT id || ' ' || spec || ' ' || secrets FROM rooms`, `SELECT hash || ' ' || value FROM tickets`,
	} {
		rows := must(h.QueryContext(t.Context(), q))(t)
		for rows.Next() {
			var s string
			ok(t, rows.Scan(&s))
			out.WriteString(s + "\n")
		}
		ok(t, rows.Err())
		rows.Close()
	}
	return out.String()
}
