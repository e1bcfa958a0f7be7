package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"dragoman/bridge"
)

// history implements bridge.History.
type history struct{ *DB }

// message is bridge.Said as it is stored. The two have the same fields: a new one
// there is a new one here, with a name that stays. Id and time have columns of
// their own.
type message struct {
	ID    bridge.MessageID     `json:"-"`
	From  bridge.ParticipantID `json:"from,omitzero"`
	Name  string               `json:"name,omitempty"`
	To    bridge.ParticipantID `json:"to,omitzero"`
	Group string               `json:"group,omitempty"`
	Text  string               `json:"text,omitempty"`
	Attrs map[string]string    `json:"attrs,omitempty"`
	At    time.Time            `json:"-"`

	Number uint64 `json:"number,omitempty"`
}

func scanMessage(r row) (bridge.Said, error) {
	var m message
	err := r.Scan(ident{&m.ID}, moment{&m.At}, document{&m})
	return bridge.Said(m), err
}

// Append implements bridge.History.
func (s history) Append(ctx context.Context, room bridge.RoomID, said bridge.Said, keep int) error {
	if room == "" || plain(string(room)) != nil || said.ID.IsZero() {
		return bridge.Errorf(bridge.BadRequest, "a message has an id and a room")
	}
	if len(said.Text) > bridge.MaxText {
		return bridge.Errorf(bridge.BadRequest, "the message has more than %d bytes", bridge.MaxText)
	}
	body, err := encode(message(said))
	if err != nil {
		return s.failure("message", err)
	}
	return s.writing(ctx, "message", func(ctx context.Context, tx *sql.Tx) error {
		var number int64
		if err := tx.QueryRowContext(ctx, `INSERT INTO chats (room, last) VALUES ($1, 1)
			ON CONFLICT (room) DO UPDATE SET last = chats.last + 1 RETURNING last`, string(room)).Scan(&number); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO messages (room, number, id, at, body) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (room, id) DO NOTHING`, string(room), number, text(said.ID), micro(said.At), body); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM messages WHERE room = $1 AND number <=
			(SELECT number FROM messages WHERE room = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)`,
			string(room), min(max(0, keep), bridge.MaxKeepChat))
		return err
	})
}

// Last implements bridge.History.
func (s history) Last(ctx context.Context, room bridge.RoomID, limit int) (found []bridge.Said, err error) {
	if plain(string(room)) != nil {
		return nil, nil
	}
	err = s.reading(ctx, "message", func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = collect(ctx, tx, scanMessage, `SELECT id, at, body FROM messages WHERE room = $1
			ORDER BY number DESC LIMIT $2`, string(room), min(max(0, limit), bridge.MaxKeepChat))
		return err
	})
	slices.Reverse(found)
	return found, err
}

// Clear implements bridge.History.
func (s history) Clear(ctx context.Context, room bridge.RoomID) error {
	if plain(string(room)) != nil {
		return nil
	}
	return s.writing(ctx, "message", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM chats WHERE room = $1`, string(room))
		return err
	})
}
