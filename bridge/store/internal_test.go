package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"dragoman/bridge"
)

func sqliteEngine(t *testing.T) engine {
	t.Helper()
	e, err := open("sqlite:" + filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.read.Close(); e.write.Close() })
	return e
}

// An acknowledged write is on the disk, and readers do not wait for writers: that
// is what these settings are for.
func TestSettingsOfSQLite(t *testing.T) {
	e := sqliteEngine(t)
	for name, h := range map[string]*sql.DB{"write": e.write, "read": e.read} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000",
			"query_only": map[string]string{"write": "0", "read": "1"}[name],
		} {
			var have string
			if err := h.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&have); err != nil || have != want {
				t.Errorf("%s: %s is %s, %v; want %s", name, pragma, have, err, want)
			}
		}
	}
	if _, err := e.read.ExecContext(t.Context(), "CREATE TABLE x (y TEXT)"); err == nil {
		t.Error("who reads can write")
	}
}

func tables(t *testing.T, e engine) string {
	t.Helper()
	var all []string
	err := within(t.Context(), e.read, nil, func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = collect(ctx, tx, func(r row) (s string, err error) { return s, r.Scan(&s) },
			`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestMigrate(t *testing.T) {
	e := sqliteEngine(t)
	one, two := step{1, "0001_a.sql", "CREATE TABLE a (x TEXT)"}, step{2, "0002_b.sql", "CREATE TABLE b (x TEXT); CREATE TABLE c (x TEXT)"}
	for _, r := range []struct {
		all     []step
		applied string
		err     string
		tables  string
	}{
		{[]step{one}, "[0001_a.sql]", "", "a migrations"},
		{[]step{one}, "[]", "", "a migrations"},
		{[]step{one, {2, "0002_bad.sql", "CREATE TABLE b (x TEXT); CREATE TABLE a (x TEXT)"}}, "[]", "0002_bad.sql: ", "a migrations"},
		{[]step{one, two}, "[0002_b.sql]", "", "a b c migrations"},
		{[]step{one}, "[]", "step 2, which this program does not know", "a b c migrations"},
		{[]step{{1, "0001_a.sql", "CREATE TABLE a (x BIGINT)"}, two}, "[]", "another 0001_a.sql", "a b c migrations"},
	} {
		applied, err := migrate(t.Context(), e, r.all)
		if fmt.Sprint(applied) != r.applied || (err == nil) != (r.err == "") || err != nil && !strings.Contains(err.Error(), r.err) {
			t.Errorf("applied %v, %v; want %s, %q", applied, err, r.applied, r.err)
		}
		if have := tables(t, e); have != r.tables {
			t.Errorf("there are %s; want %s", have, r.tables)
		}
	}
}

func TestStepsAreInOrder(t *testing.T) {
	all := steps()
	if len(all) == 0 {
		t.Fatal("there are none")
	}
	for i, s := range all {
		if s.number != int64(i+1) || !strings.HasPrefix(s.name, fmt.Sprintf("%04d_", i+1)) || s.text == "" {
			t.Errorf("step %d is %+v", i+1, s)
		}
	}
}

func TestSeal(t *testing.T) {
	s, err := newSealer("sixteen bytes it is")
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSealer("sixteen bytes they are")
	if err != nil {
		t.Fatal(err)
	}
	a, b := s.close("here", []byte("secret")), s.close("here", []byte("secret"))
	if a == b || strings.Contains(a, "secret") {
		t.Errorf("%s, %s", a, b)
	}
	if got, err := s.open("here", a); string(got) != "secret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for name, r := range map[string]func() ([]byte, error){
		"elsewhere":   func() ([]byte, error) { return s.open("there", a) },
		"another key": func() ([]byte, error) { return other.open("here", a) },
		"changed":     func() ([]byte, error) { return s.open("here", a[:len(a)-2]+"AA") },
		"cut":         func() ([]byte, error) { return s.open("here", a[:8]) },
		"no form":     func() ([]byte, error) { return s.open("here", a[2:]) },
		"empty":       func() ([]byte, error) { return s.open("here", "") },
	} {
		if got, err := r(); !errors.Is(err, errSeal) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if again := s.hash("x"); again != s.hash("x") || s.hash("x") == s.hash("y") || s.hash("x") == other.hash("x") {
		t.Error("a hash depends on the key and on what is hashed, and on nothing else")
	}
}

// Lists and lookups walk along an index: nothing looks at a whole table.
func TestPlans(t *testing.T) {
	e := sqliteEngine(t)
	if _, err := migrate(t.Context(), e, steps()); err != nil {
		t.Fatal(err)
	}
	list := func(q bridge.Query) string {
		text, _, err := listQuery(q, 30)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	cursor := position{1, 2, bridge.NewMeetingID().String()}.String()
	yes := true
	for name, query := range map[string]string{
		"list":          list(bridge.Query{}),
		"list by mail":  list(bridge.Query{Mail: "a@b", After: cursor, Adhoc: &yes, Favorites: true}),
		"meeting":       `SELECT ` + meetingColumns + ` FROM ` + meetingTables + ` WHERE meetings.id = $1`,
		"of a room":     `SELECT ` + meetingColumns + ` FROM ` + meetingTables + ` WHERE meetings.room = $1 AND series IS NULL ORDER BY meetings.created, meetings.id LIMIT 1`,
		"exceptions":    `SELECT ` + meetingColumns + ` FROM ` + meetingTables + ` WHERE series = $1 ORDER BY occurrence`,
		"attendees":     `SELECT account FROM attendees WHERE position < $1 AND meeting IN ($2, $3) ORDER BY meeting, position`,
		"rooms":         `SELECT ` + roomColumns + ` FROM rooms WHERE creator = $1 ORDER BY created, id LIMIT $2 OFFSET $3`,
		"by mail":       `SELECT ` + accountColumns + ` FROM accounts WHERE mail = $1 ORDER BY created, id LIMIT 1`,
		"invites":       `SELECT ` + inviteColumns + ` FROM invites WHERE room = $1 ORDER BY created, code LIMIT $2`,
		"messages":      `SELECT id FROM messages WHERE room = $1 ORDER BY number DESC LIMIT $2`,
		"stale tickets": `DELETE FROM tickets WHERE expires <= $1`,
	} {
		var plan []string
		args := make([]any, strings.Count(query, "$"))
		err := within(t.Context(), e.read, nil, func(ctx context.Context, tx *sql.Tx) (err error) {
			plan, err = collect(ctx, tx, func(r row) (s string, err error) { var a, b, c int; return s, r.Scan(&a, &b, &c, &s) },
				`EXPLAIN QUERY PLAN `+query, args...)
			return err
		})
		if err != nil {
			t.Fatal(name, err)
		}
		for _, line := range plan {
			scan := strings.HasPrefix(line, "SCAN ") && !strings.Contains(line, "page") && !strings.Contains(line, "part")
			if scan || strings.Contains(line, "TEMP B-TREE") && !strings.HasPrefix(name, "list") {
				t.Errorf("%s: %s", name, strings.Join(plan, "; "))
				break
			}
		}
		if strings.HasPrefix(name, "list") {
			t.Logf("%s: %s", name, strings.Join(plan, "; "))
		}
	}
}
