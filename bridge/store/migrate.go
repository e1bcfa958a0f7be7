package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrations embed.FS

// step is one file of migrations: 0001_begin.sql is step 1. A file that was
// released is never changed; what is to be different comes in a new one.
type step struct {
	number int64
	name   string
	text   string
}

func (s step) sum() string {
	sum := sha256.Sum256([]byte(s.text))
	return hex.EncodeToString(sum[:])
}

// steps are all that there are, in their order.
func steps() []step {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil // the pattern is a good one
	}
	var all []step
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		number, _, _ := strings.Cut(path.Base(name), "_")
		n, bad := strconv.ParseInt(number, 10, 64)
		if err == nil && bad == nil {
			all = append(all, step{n, path.Base(name), string(text)})
		}
	}
	slices.SortFunc(all, func(a, b step) int { return cmp.Compare(a.number, b.number) })
	return all
}

// migrate takes the steps that a database has not had yet, all in one transaction
// that keeps others out, and returns their names. A database that has had steps
// which this program does not know is left alone: it is a newer one's.
func migrate(ctx context.Context, e engine, all []step) (applied []string, err error) {
	err = within(ctx, e.write, nil, func(ctx context.Context, tx *sql.Tx) error {
		applied = nil
		if _, err := tx.ExecContext(ctx, e.alone); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (
			number BIGINT PRIMARY KEY, name TEXT NOT NULL, sum TEXT NOT NULL, applied BIGINT NOT NULL)`); err != nil {
			return err
		}
		had, err := hadBefore(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range all {
			if sum, ok := had[s.number]; ok {
				if sum != s.sum() {
					return fmt.Errorf("the database has had another %s than this program's", s.name)
				}
				delete(had, s.number)
				continue
			}
			if err := take(ctx, tx, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			applied = append(applied, s.name)
		}
		for n := range had {
			return fmt.Errorf("the database has had step %d, which this program does not know: a newer one has used it", n)
		}
		return nil
	})
	return applied, err
}

// hadBefore returns the sums of the steps that a database has had.
func hadBefore(ctx context.Context, tx *sql.Tx) (map[int64]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT number, sum FROM migrations`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	had := map[int64]string{}
	for rows.Next() {
		var n int64
		var sum string
		if err := rows.Scan(&n, &sum); err != nil {
			return nil, err
		}
		had[n] = sum
	}
	return had, rows.Err()
}

func take(ctx context.Context, tx *sql.Tx, s step) error {
	if _, err := tx.ExecContext(ctx, s.text); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO migrations (number, name, sum, applied) VALUES ($1, $2, $3, $4)`,
		s.number, s.name, s.sum(), time.Now().UnixMicro())
	return err
}
