package store

import (
	"context"
	"database/sql"
	"time"

	"dragoman/bridge"
)

// tickets implements bridge.Tickets.
type tickets struct{ *DB }

// maxTicket is how much a ticket may stand for, in bytes.
const maxTicket = 64 << 10

// Put implements bridge.Tickets.
func (s tickets) Put(ctx context.Context, ticket bridge.Secret, value []byte, expires time.Time) error {
	if ticket == "" || len(value) > maxTicket {
		return bridge.Errorf(bridge.BadRequest, "a ticket is not empty, and stands for at most %d bytes", maxTicket)
	}
	hash := s.seal.hash(ticket)
	return s.writing(ctx, "ticket", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM tickets WHERE expires <= $1`, micro(time.Now())); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO tickets (hash, value, expires) VALUES ($1, $2, $3)
			ON CONFLICT (hash) DO UPDATE SET value = excluded.value, expires = excluded.expires`,
			hash, s.seal.close("ticket "+hash, value), micro(expires))
		return err
	})
}

// Get implements bridge.Tickets.
func (s tickets) Get(ctx context.Context, ticket bridge.Secret) (value []byte, err error) {
	err = s.reading(ctx, "ticket", func(ctx context.Context, tx *sql.Tx) (err error) {
		value, err = s.find(ctx, tx, `SELECT value FROM tickets WHERE hash = $1 AND expires > $2`, ticket)
		return err
	})
	return value, err
}

// Take implements bridge.Tickets.
func (s tickets) Take(ctx context.Context, ticket bridge.Secret) (value []byte, err error) {
	err = s.writing(ctx, "ticket", func(ctx context.Context, tx *sql.Tx) (err error) {
		value, err = s.find(ctx, tx, `DELETE FROM tickets WHERE hash = $1 AND expires > $2 RETURNING value`, ticket)
		return err
	})
	return value, err
}

func (s tickets) find(ctx context.Context, tx *sql.Tx, query string, ticket bridge.Secret) ([]byte, error) {
	hash := s.seal.hash(ticket)
	var sealed string
	if err := tx.QueryRowContext(ctx, query, hash, micro(time.Now())).Scan(&sealed); err != nil {
		return nil, err
	}
	return s.seal.open("ticket "+hash, sealed)
}
