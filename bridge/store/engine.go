package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"dragoman/bridge"
)

// engine is all in which the two databases differ.
type engine struct {
	name        string
	read, write *sql.DB         // the same one for PostgreSQL
	snapshot    *sql.TxOptions  // of a transaction that only reads
	forUpdate   string          // what a SELECT ends with that locks its rows
	alone       string          // a statement that keeps other migrations out until the transaction ends
	state       func(error) int // one of the states below
}

// What a database may say.
const (
	other    = iota
	taken    // a key is there already
	missing  // a reference leads nowhere
	collided // with another transaction: try again
	away     // it cannot be reached, or is too busy
)

// open opens the database of a URL.
func open(text string) (engine, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(rest)
	case "postgres", "postgresql":
		return openPostgres(text)
	}
	return engine{}, errors.New("the URL begins neither with sqlite: nor with postgres://")
}

const (
	readers     = 4  // connections that read a SQLite file at the same time
	connections = 16 // to PostgreSQL
	idle        = 5 * time.Minute
)

// openSQLite has one connection that writes, so that writers wait in line for it
// instead of polling for the file's lock, and a few that read what was committed
// last, whatever is being written (write-ahead log). synchronous=FULL: a commit
// returns when the disk has it.
func openSQLite(path string) (engine, error) {
	if path == "" || strings.HasPrefix(path, "//") {
		return engine{}, errors.New("a SQLite database is a file: sqlite:/var/lib/dragoman/dragoman.db")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return engine{}, fmt.Errorf("sqlite: %w", err)
	}
	// Made here, because SQLite would let others read it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return engine{}, fmt.Errorf("sqlite: %w", err)
	}
	f.Close()
	dsn := func(settings ...string) string {
		q := url.Values{"_pragma": append([]string{
			"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		}, settings...), "_txlock": {"deferred"}}
		if len(settings) == 0 {
			q.Set("_txlock", "immediate")
		}
		return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	}
	e := engine{name: "sqlite", state: sqliteState, alone: `SELECT 1`}
	if e.write, err = sql.Open("sqlite", dsn()); err != nil {
		return e, err
	}
	e.write.SetMaxOpenConns(1)
	if e.read, err = sql.Open("sqlite", dsn("query_only(1)")); err != nil {
		return e, err
	}
	e.read.SetMaxOpenConns(readers)
	e.read.SetMaxIdleConns(readers)
	return e, nil
}

// The result codes of SQLite that say more than "error" (sqlite.org/rescode.html).
var sqliteStates = map[int]int{
	1555: taken, 2067: taken, // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE
	787: missing,                // SQLITE_CONSTRAINT_FOREIGNKEY
	5:   away, 6: away, 9: away, // SQLITE_BUSY, _LOCKED, _INTERRUPT
}

func sqliteState(err error) int {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return other
	}
	if s, known := sqliteStates[e.Code()]; known {
		return s
	}
	return sqliteStates[e.Code()&0xff]
}

// openPostgres makes a pool. Nobody is asked yet.
func openPostgres(text string) (engine, error) {
	cfg, err := pgx.ParseConfig(text)
	if err != nil {
		// Its text has the URL, and what of that is the password it only guesses.
		return engine{}, errors.New("the URL is not like postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "dragoman"
	}
	h := stdlib.OpenDB(*cfg)
	h.SetMaxOpenConns(connections)
	h.SetMaxIdleConns(connections)
	h.SetConnMaxIdleTime(idle)
	return engine{
		name: "postgres", read: h, write: h, state: postgresState, forUpdate: ` FOR UPDATE`,
		snapshot: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		alone:    `SELECT pg_advisory_xact_lock(7310579611)`, // any number that nobody else takes
	}, nil
}

// The SQLSTATEs of PostgreSQL that say more than "error" (its manual, appendix A);
// shorter ones are classes.
var postgresStates = map[string]int{
	"23505": taken, "23503": missing, "40001": collided, "40P01": collided,
	"08": away, "53": away, "57": away, "58": away,
}

func postgresState(err error) int {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return other
	}
	if s, known := postgresStates[e.Code]; known {
		return s
	}
	return postgresStates[e.Code[:min(2, len(e.Code))]]
}

func (e engine) collided(err error) bool { return err != nil && e.state(err) == collided }

// failure gives an error of the database its code. What has a code keeps it.
func (db *DB) failure(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*bridge.Error](err); ok {
		return err
	}
	if c, ok := errors.AsType[changed](err); ok {
		return c.error
	}
	e := db.classify(what, err)
	if e.Code == bridge.Internal || e.Code == bridge.Unavailable {
		db.failed.Add(1)
	}
	return e
}

func (db *DB) classify(what string, err error) *bridge.Error {
	if errors.Is(err, sql.ErrNoRows) {
		return bridge.Errorf(bridge.NotFound, "there is no such %s", what)
	}
	switch db.state(err) {
	case taken:
		return &bridge.Error{Code: bridge.Exists, Msg: "the " + what + " exists already", Err: err}
	case missing:
		return &bridge.Error{Code: bridge.NotFound, Msg: "what the " + what + " belongs to does not exist", Err: err}
	case collided, away:
		return &bridge.Error{Code: bridge.Unavailable, Msg: "the database is busy", Err: err}
	}
	if unreachable(err) {
		return &bridge.Error{Code: bridge.Unavailable, Msg: "the database did not answer in time", Err: err}
	}
	return &bridge.Error{Code: bridge.Internal, Msg: "the database has a problem", Err: err}
}

func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	for _, e := range []error{context.Canceled, context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, os.ErrDeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// changed is an error of a caller's function: it goes back as it came.
type changed struct{ error }

// Unwrap returns the caller's error.
func (c changed) Unwrap() error { return c.error }
