package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"dragoman/bridge"
)

// rooms implements bridge.Rooms.
type rooms struct{ *DB }

// spec is bridge.Spec as it is stored. The two have the same fields: a new one
// there is a new one here, with a name that stays. Id and secrets have columns of
// their own.
type spec struct {
	ID           bridge.RoomID                 `json:"-"`
	Title        string                        `json:"title,omitempty"`
	About        string                        `json:"about,omitempty"`
	Secrets      map[bridge.Role]bridge.Secret `json:"-"`
	Default      bridge.Role                   `json:"default_role,omitempty"`
	Max          int                           `json:"max,omitempty"`
	Ends         time.Time                     `json:"ends,omitzero"`
	Limit        time.Duration                 `json:"limit,omitempty"`
	WaitingRoom  bool                          `json:"waiting_room,omitempty"`
	NoHands      bool                          `json:"no_hands,omitempty"`
	NoChat       bool                          `json:"no_chat,omitempty"`
	MaxBitrate   int                           `json:"max_bitrate,omitempty"`
	NeverJoined  time.Duration                 `json:"never_joined,omitempty"`
	EmptyTimeout time.Duration                 `json:"empty_timeout,omitempty"`
	Keep         bool                          `json:"keep,omitempty"`
	KeepChat     int                           `json:"keep_chat,omitempty"`
	Unlisted     bool                          `json:"unlisted,omitempty"`
	Home         string                        `json:"home,omitempty"`
	Attrs        map[string]string             `json:"attrs,omitempty"`
}

// sealSecrets is the passwords of a room as they are stored.
func (s sealer) sealSecrets(room bridge.RoomID, secrets map[bridge.Role]bridge.Secret) (string, error) {
	if len(secrets) == 0 {
		return "", nil
	}
	open := make(map[bridge.Role]string, len(secrets)) // a bridge.Secret would encode as "redacted"
	for role, secret := range secrets {
		open[role] = string(secret)
	}
	data, err := json.Marshal(open)
	return s.close("room "+string(room), data), err
}

func (s sealer) openSecrets(room bridge.RoomID, sealed string) (map[bridge.Role]bridge.Secret, error) {
	if sealed == "" {
		return nil, nil
	}
	data, err := s.open("room "+string(room), sealed)
	if err != nil {
		return nil, err
	}
	var secrets map[bridge.Role]bridge.Secret
	return secrets, json.Unmarshal(data, &secrets)
}

const roomColumns = `rooms.id, rooms.creator, rooms.created, rooms.updated, rooms.spec, rooms.secrets`

// roomScan scans the columns of a room, alone or after others.
type roomScan struct {
	bridge.StoredRoom
	spec   spec
	sealed string
}

func (r *roomScan) columns() []any {
	return []any{&r.spec.ID, ident{&r.Creator}, moment{&r.Created}, moment{&r.Updated}, document{&r.spec}, &r.sealed}
}

func (r *roomScan) room(s sealer) (_ bridge.StoredRoom, err error) {
	r.Spec = bridge.Spec(r.spec)
	r.Spec.Secrets, err = s.openSecrets(r.Spec.ID, r.sealed)
	return r.StoredRoom, err
}

func (db *DB) scanRoom(r row) (bridge.StoredRoom, error) {
	var scan roomScan
	if err := r.Scan(scan.columns()...); err != nil {
		return scan.StoredRoom, err
	}
	return scan.room(db.seal)
}

// roomRow is what of a room can change, as it is stored.
func (db *DB) roomRow(r bridge.StoredRoom) (args []any, err error) {
	if id, err := bridge.Normalize(string(r.Spec.ID)); err != nil || id != r.Spec.ID {
		return nil, bridge.Errorf(bridge.BadRequest, "the room has no proper name")
	}
	if err := plain(r.Spec.Title, r.Spec.About, r.Spec.Home); err != nil {
		return nil, err
	}
	if err := small(r.Spec.Attrs); err != nil {
		return nil, err
	}
	body, err := encode(spec(r.Spec))
	if err != nil {
		return nil, err
	}
	secrets, err := db.seal.sealSecrets(r.Spec.ID, r.Spec.Secrets)
	return []any{string(r.Spec.ID), micro(r.Updated), body, secrets}, err
}

// newRoom stores a room, and reports whether it was not there.
func (db *DB) newRoom(ctx context.Context, tx *sql.Tx, r bridge.StoredRoom) (bool, error) {
	r.Created, r.Updated = dates(r.Created, r.Updated)
	args, err := db.roomRow(r)
	if err != nil {
		return false, err
	}
	n, err := touched(ctx, tx, `INSERT INTO rooms (id, updated, spec, secrets, creator, created)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`, append(args, text(r.Creator), micro(r.Created))...)
	return n == 1, err
}

func (db *DB) updateRoom(ctx context.Context, tx *sql.Tx, r bridge.StoredRoom) error {
	args, err := db.roomRow(r)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE rooms SET updated = $2, spec = $3, secrets = $4 WHERE id = $1`, args...)
	return err
}

// lockRoom returns a room that nobody else changes until the transaction ends.
func (db *DB) lockRoom(ctx context.Context, tx *sql.Tx, id bridge.RoomID) (bridge.StoredRoom, error) {
	return db.scanRoom(tx.QueryRowContext(ctx, `SELECT `+roomColumns+` FROM rooms WHERE id = $1`+db.forUpdate, string(id)))
}

// dates fills in when something was made and changed.
func dates(created, updated time.Time) (time.Time, time.Time) {
	if created.IsZero() {
		created = time.Now()
	}
	if updated.IsZero() {
		updated = created
	}
	return created, updated
}

// Create implements bridge.Rooms.
func (s rooms) Create(ctx context.Context, r bridge.StoredRoom) error {
	return s.writing(ctx, "room", func(ctx context.Context, tx *sql.Tx) error {
		if fresh, err := s.newRoom(ctx, tx, r); fresh || err != nil {
			return err
		}
		return bridge.Errorf(bridge.Exists, "there is such a room already")
	})
}

// Get implements bridge.Rooms.
func (s rooms) Get(ctx context.Context, id bridge.RoomID) (r bridge.StoredRoom, err error) {
	if plain(string(id)) != nil {
		return r, bridge.Errorf(bridge.NotFound, "there is no such room")
	}
	err = s.reading(ctx, "room", func(ctx context.Context, tx *sql.Tx) (err error) {
		r, err = s.scanRoom(tx.QueryRowContext(ctx, `SELECT `+roomColumns+` FROM rooms WHERE id = $1`, string(id)))
		return err
	})
	return r, err
}

// List implements bridge.Rooms.
func (s rooms) List(ctx context.Context, creator bridge.AccountID, offset, limit int) (found []bridge.StoredRoom, all int, err error) {
	err = s.reading(ctx, "room", func(ctx context.Context, tx *sql.Tx) (err error) {
		if all, err = count(ctx, tx, `SELECT COUNT(*) FROM rooms WHERE creator = $1`, text(creator)); err != nil {
			return err
		}
		found, err = collect(ctx, tx, s.scanRoom, `SELECT `+roomColumns+` FROM rooms WHERE creator = $1
			ORDER BY created, id LIMIT $2 OFFSET $3`, text(creator), most(limit, maxPage, maxPage), max(0, offset))
		return err
	})
	return found, all, err
}

// Change implements bridge.Rooms.
func (s rooms) Change(ctx context.Context, id bridge.RoomID, change func(*bridge.StoredRoom) error) (r bridge.StoredRoom, err error) {
	if plain(string(id)) != nil {
		return r, bridge.Errorf(bridge.NotFound, "there is no such room")
	}
	err = s.writing(ctx, "room", func(ctx context.Context, tx *sql.Tx) (err error) {
		if r, err = s.lockRoom(ctx, tx, id); err != nil {
			return err
		}
		was := r
		if err := change(&r); err != nil {
			return changed{err}
		}
		r.Spec.ID, r.Creator, r.Created = was.Spec.ID, was.Creator, was.Created
		return s.updateRoom(ctx, tx, r)
	})
	return r, err
}

// Delete implements bridge.Rooms.
func (s rooms) Delete(ctx context.Context, id bridge.RoomID) error {
	if plain(string(id)) != nil {
		return bridge.Errorf(bridge.NotFound, "there is no such room")
	}
	return s.writing(ctx, "room", func(ctx context.Context, tx *sql.Tx) error { return deleteRoom(ctx, tx, id) })
}

// deleteRoom removes a room with all that refers to it.
func deleteRoom(ctx context.Context, tx *sql.Tx, id bridge.RoomID) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM chats WHERE room = $1`, string(id)); err != nil {
		return err
	}
	n, err := touched(ctx, tx, `DELETE FROM rooms WHERE id = $1`, string(id))
	if err == nil && n == 0 {
		return sql.ErrNoRows
	}
	return err
}
