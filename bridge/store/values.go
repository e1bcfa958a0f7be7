package store

import (
	"context"
	"database/sql"
	"encoding"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"dragoman/bridge"
)

// This file is how values are stored: times as microseconds, ids as text, the rest
// as JSON.

// micro is a time as it is stored. The zero time is one like any other.
func micro(t time.Time) int64 { return t.UnixMicro() }

// moment scans a time.
type moment struct{ to *time.Time }

// Scan implements sql.Scanner.
func (m moment) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", v)
	}
	*m.to = time.UnixMicro(n).UTC()
	return nil
}

// id is what the id types of bridge have in common.
type id interface {
	String() string
	IsZero() bool
}

// text is an id as it is stored.
func text(i id) string {
	if i.IsZero() {
		return ""
	}
	return i.String()
}

// ident scans an id.
type ident struct{ to encoding.TextUnmarshaler }

// Scan implements sql.Scanner.
func (i ident) Scan(v any) error {
	s, err := stringOf(v)
	if err != nil || s == "" {
		return err
	}
	return i.to.UnmarshalText([]byte(s))
}

// document scans JSON.
type document struct{ to any }

// Scan implements sql.Scanner.
func (d document) Scan(v any) error {
	s, err := stringOf(v)
	if err != nil || s == "" {
		return err
	}
	return json.Unmarshal([]byte(s), d.to)
}

func stringOf(v any) (string, error) {
	switch s := v.(type) {
	case nil:
		return "", nil
	case string:
		return s, nil
	case []byte:
		return string(s), nil
	}
	return "", fmt.Errorf("a text is stored as %T", v)
}

// encode is JSON as it is stored. It is given structs of this package, which can
// be encoded.
func encode(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

// row is a row that was found.
type row interface{ Scan(to ...any) error }

// collect scans all rows of a query.
func collect[T any](ctx context.Context, tx *sql.Tx, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// count is for SELECT COUNT(*).
func count(ctx context.Context, tx *sql.Tx, query string, args ...any) (n int, err error) {
	return n, tx.QueryRowContext(ctx, query, args...).Scan(&n)
}

// touched runs a statement and tells how many rows it has changed.
func touched(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	done, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// mailKey is a mail address as it is compared.
func mailKey(mail string) string { return strings.ToLower(strings.TrimSpace(mail)) }

// maxText is the length of the longest text in a column of its own, in bytes.
const maxText = 64 << 10

// plain refuses what not every database can store.
func plain(texts ...string) error {
	for _, s := range texts {
		if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return bridge.Errorf(bridge.BadRequest, "a text is too long, or no text")
		}
	}
	return nil
}

// small refuses attributes that are too large.
func small(attrs map[string]string) error {
	n := 0
	for k, v := range attrs {
		n += len(k) + len(v)
	}
	if n > bridge.MaxAttrs {
		return bridge.Errorf(bridge.BadRequest, "the attributes have more than %d bytes", bridge.MaxAttrs)
	}
	return nil
}

// most bounds how many are asked for.
func most(limit, usual, bound int) int {
	if limit <= 0 {
		limit = usual
	}
	return min(limit, bound)
}

// maxPage is how many are listed at once.
const maxPage = 100
