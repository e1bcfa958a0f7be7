// Package store is what outlives a process, on SQL: it implements bridge.Store on
// SQLite, embedded, and on PostgreSQL, with the same statements and the same
// migrations.
//
// A method that returns without an error has its change on the disk. Passwords of
// rooms and what tickets stand for are sealed with a key that is not in the
// database; see seal.go. The package starts no goroutine of its own.
package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"dragoman/bridge"
)

// Config says which database, and what seals.
type Config struct {
	URL string // sqlite:<path of a file>, or postgres://…
	// Key seals passwords. All nodes of one database have the same; it has at least 16
	// bytes. What was sealed with another is lost.
	Key bridge.Secret
	Log *slog.Logger // nil: none
}

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	engine
	seal   sealer
	log    *slog.Logger
	failed atomic.Uint64
	again  atomic.Uint64
}

var _ bridge.Store = (*DB)(nil)

// timeout is how long any call may wait for the database, if its caller has no
// less patience.
const timeout = 15 * time.Second

// Open opens a database, brings its tables up to date and checks that the key is
// its own. The error tells neither the URL's password nor the key.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	seal, err := newSealer(cfg.Key)
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e, err := open(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db := &DB{engine: e, seal: seal, log: cfg.Log}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := db.prepare(ctx); err != nil {
		_ = db.Close() // the first error says more
		return nil, fmt.Errorf("store: %s: %w", e.name, err)
	}
	return db, nil
}

func (db *DB) prepare(ctx context.Context) error {
	applied, err := migrate(ctx, db.engine, steps())
	if err != nil {
		return err
	}
	for _, s := range applied {
		db.log.Info("the store's tables are brought up to date", "step", s)
	}
	return db.seal.belongs(ctx, db.write)
}

// Close closes the database, after the calls that are on their way.
func (db *DB) Close() error {
	err := db.write.Close()
	if db.read != db.write {
		if closing := db.read.Close(); err == nil {
			err = closing
		}
	}
	return err
}

// Accounts implements bridge.Store.
func (db *DB) Accounts() bridge.Accounts { return accounts{db} }

// Meetings implements bridge.Store.
func (db *DB) Meetings() bridge.Meetings { return meetings{db} }

// Rooms implements bridge.Store.
func (db *DB) Rooms() bridge.Rooms { return rooms{db} }

// Invites implements bridge.Store.
func (db *DB) Invites() bridge.Invites { return invites{db} }

// History implements bridge.Store.
func (db *DB) History() bridge.History { return history{db} }

// Tickets implements bridge.Store.
func (db *DB) Tickets() bridge.Tickets { return tickets{db} }

// Ready implements bridge.Store.
func (db *DB) Ready(ctx context.Context) error {
	return db.reading(ctx, "database", func(ctx context.Context, tx *sql.Tx) error {
		var n int64
		return tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM meta`).Scan(&n)
	})
}

// Stats is what a database has counted.
type Stats struct {
	Engine string // sqlite, postgres
	Open   int    // connections
	InUse  int
	Waited uint64 // calls that had to wait for a connection
	Again  uint64 // transactions that were repeated because the database asked for it
	Failed uint64 // calls that ended with Internal or Unavailable
}

// Stats returns what was counted.
func (db *DB) Stats() Stats {
	s := Stats{Engine: db.name, Again: db.again.Load(), Failed: db.failed.Load()}
	handles := []*sql.DB{db.write}
	if db.read != db.write {
		handles = append(handles, db.read)
	}
	for _, h := range handles {
		of := h.Stats()
		s.Open += of.OpenConnections
		s.InUse += of.InUse
		s.Waited += uint64(of.WaitCount)
	}
	return s
}

// tries is how often a transaction is begun that the database ends because of
// another one.
const tries = 5

// writing runs f in a transaction that is on the disk when it returns nil. What
// names the thing that errors are about.
func (db *DB) writing(ctx context.Context, what string, f func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := within(ctx, db.write, nil, f)
	for n := 1; n < tries && db.collided(err); n++ {
		db.again.Add(1)
		err = within(ctx, db.write, nil, f)
	}
	return db.failure(what, err)
}

// reading runs f in a transaction that sees the database as it is at one moment.
func (db *DB) reading(ctx context.Context, what string, f func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return db.failure(what, within(ctx, db.read, db.snapshot, f))
}

func within(ctx context.Context, h *sql.DB, o *sql.TxOptions, f func(context.Context, *sql.Tx) error) error {
	tx, err := h.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit, and otherwise the first error says more
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}
