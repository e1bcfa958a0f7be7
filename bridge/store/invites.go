package store

import (
	"context"
	"database/sql"

	"dragoman/bridge"
)

// invites implements bridge.Invites.
type invites struct{ *DB }

const inviteColumns = `code, room, creator, created, updated_by, updated, expires, active`

func scanInvite(r row) (i bridge.Invite, err error) {
	err = r.Scan(ident{&i.Code}, &i.Room, ident{&i.Creator}, moment{&i.Created}, ident{&i.UpdatedBy}, moment{&i.Updated}, moment{&i.Expires}, &i.Active)
	return i, err
}

// Create implements bridge.Invites.
func (s invites) Create(ctx context.Context, i bridge.Invite) error {
	if i.Code.IsZero() || plain(string(i.Room)) != nil {
		return bridge.Errorf(bridge.BadRequest, "an invite has a code and a room")
	}
	i.Created, i.Updated = dates(i.Created, i.Updated)
	return s.writing(ctx, "invite", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO invites (`+inviteColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			text(i.Code), string(i.Room), text(i.Creator), micro(i.Created), text(i.UpdatedBy), micro(i.Updated), micro(i.Expires), i.Active)
		return err
	})
}

// Get implements bridge.Invites.
func (s invites) Get(ctx context.Context, code bridge.InviteCode) (i bridge.Invite, err error) {
	err = s.reading(ctx, "invite", func(ctx context.Context, tx *sql.Tx) (err error) {
		i, err = scanInvite(tx.QueryRowContext(ctx, `SELECT `+inviteColumns+` FROM invites WHERE code = $1`, text(code)))
		return err
	})
	return i, err
}

// List implements bridge.Invites.
func (s invites) List(ctx context.Context, room bridge.RoomID, offset, limit int) (found []bridge.Invite, all int, err error) {
	if plain(string(room)) != nil {
		return nil, 0, nil
	}
	err = s.reading(ctx, "invite", func(ctx context.Context, tx *sql.Tx) (err error) {
		if all, err = count(ctx, tx, `SELECT COUNT(*) FROM invites WHERE room = $1`, string(room)); err != nil {
			return err
		}
		found, err = collect(ctx, tx, scanInvite, `SELECT `+inviteColumns+` FROM invites WHERE room = $1
			ORDER BY created, code LIMIT $2 OFFSET $3`, string(room), most(limit, maxPage, maxPage), max(0, offset))
		return err
	})
	return found, all, err
}

// Change implements bridge.Invites.
func (s invites) Change(ctx context.Context, code bridge.InviteCode, change func(*bridge.Invite) error) (i bridge.Invite, err error) {
	err = s.writing(ctx, "invite", func(ctx context.Context, tx *sql.Tx) (err error) {
		i, err = scanInvite(tx.QueryRowContext(ctx, `SELECT `+inviteColumns+` FROM invites WHERE code = $1`+s.forUpdate, text(code)))
		if err != nil {
			return err
		}
		was := i
		if err := change(&i); err != nil {
			return changed{err}
		}
		i.Code, i.Room, i.Creator, i.Created = was.Code, was.Room, was.Creator, was.Created
		_, err = tx.ExecContext(ctx, `UPDATE invites SET updated_by = $1, updated = $2, expires = $3, active = $4 WHERE code = $5`,
			text(i.UpdatedBy), micro(i.Updated), micro(i.Expires), i.Active, text(code))
		return err
	})
	return i, err
}
