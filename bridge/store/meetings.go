package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"dragoman/bridge"
)

// meetings implements bridge.Meetings.
type meetings struct{ *DB }

// body is what of a meeting no query asks for, as it is stored. Names stay.
type body struct {
	Title      string            `json:"title,omitempty"`
	About      string            `json:"about,omitempty"`
	Organizer  contact           `json:"organizer,omitzero"`
	Timeless   bool              `json:"timeless,omitempty"`
	AllDay     bool              `json:"all_day,omitempty"`
	Starts     zoned             `json:"starts,omitzero"`
	Ends       zoned             `json:"ends,omitzero"`
	Recurrence []string          `json:"recurrence,omitempty"`
	LastEnds   time.Time         `json:"last_ends,omitzero"`
	Adhoc      bool              `json:"adhoc,omitempty"`
	Cancelled  bool              `json:"cancelled,omitempty"`
	Sequence   int               `json:"sequence,omitempty"`
	UpdatedBy  bridge.AccountID  `json:"updated_by,omitzero"`
	Updated    time.Time         `json:"updated,omitzero"`
	Attrs      map[string]string `json:"attrs,omitempty"`
}

// contact is bridge.Contact as it is stored.
type contact struct {
	Name string `json:"name,omitempty"`
	Mail string `json:"mail,omitempty"`
}

// zoned is bridge.Moment as it is stored.
type zoned struct {
	At   time.Time `json:"at,omitzero"`
	Zone string    `json:"zone,omitempty"`
}

func bodyOf(m *bridge.Meeting) body {
	return body{
		Title: m.Title, About: m.About, Organizer: contact(m.Organizer), Timeless: m.Timeless, AllDay: m.AllDay,
		Starts: utc(m.Starts), Ends: utc(m.Ends), Recurrence: m.Recurrence, LastEnds: whole(m.LastEnds), Adhoc: m.Adhoc,
		Cancelled: m.Cancelled, Sequence: m.Sequence, UpdatedBy: m.UpdatedBy, Updated: whole(m.Updated), Attrs: m.Attrs,
	}
}

func (b body) to(m *bridge.Meeting) {
	m.Title, m.About, m.Organizer, m.Timeless, m.AllDay = b.Title, b.About, bridge.Contact(b.Organizer), b.Timeless, b.AllDay
	m.Starts, m.Ends, m.Recurrence, m.LastEnds = bridge.Moment(b.Starts), bridge.Moment(b.Ends), b.Recurrence, b.LastEnds
	m.Adhoc, m.Cancelled, m.Sequence = b.Adhoc, b.Cancelled, b.Sequence
	m.UpdatedBy, m.Updated, m.Attrs = b.UpdatedBy, b.Updated, b.Attrs
}

// whole is a time as the columns have it, for those in JSON.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func utc(m bridge.Moment) zoned { return zoned{whole(m.At), m.Zone} }

const meetingColumns = `meetings.id, meetings.series, meetings.occurrence, meetings.creator, meetings.created,
	meetings.invited, meetings.body, ` + roomColumns

const meetingTables = `meetings JOIN rooms ON rooms.id = meetings.room`

// scanMeeting scans a meeting without attendees, and what else was selected.
func (db *DB) scanMeeting(r row, more ...any) (m bridge.Meeting, err error) {
	var b body
	var in roomScan
	if err := r.Scan(slices.Concat([]any{
		ident{&m.ID}, ident{&m.Series}, moment{&m.Occurrence}, ident{&m.Creator}, moment{&m.Created}, &m.Invited, document{&b},
	}, in.columns(), more)...); err != nil {
		return m, err
	}
	b.to(&m)
	m.Room, err = in.room(db.seal)
	return m, err
}

// checkMeeting refuses what cannot be stored, or not be found again.
func checkMeeting(m *bridge.Meeting) error {
	switch {
	case m.ID.IsZero():
		return bridge.Errorf(bridge.BadRequest, "a meeting has an id")
	case len(m.Attendees) > bridge.MaxAttendees:
		return bridge.Errorf(bridge.BadRequest, "a meeting has at most %d attendees", bridge.MaxAttendees)
	case len(m.Recurrence) > bridge.MaxRecurrence:
		return bridge.Errorf(bridge.BadRequest, "a meeting has at most %d rules of recurrence", bridge.MaxRecurrence)
	}
	if err := checkTimes(m); err != nil {
		return err
	}
	for _, a := range m.Attendees {
		if err := plain(a.Name, a.Mail); err != nil {
			return err
		}
		if a.Account.IsZero() && mailKey(a.Mail) == "" && a.Name == "" {
			return bridge.Errorf(bridge.BadRequest, "an attendee is somebody")
		}
	}
	if err := small(m.Attrs); err != nil {
		return err
	}
	return plain(append(slices.Clone(m.Recurrence), m.Title, m.About, m.Organizer.Name, m.Organizer.Mail, m.Starts.Zone, m.Ends.Zone)...)
}

func checkTimes(m *bridge.Meeting) error {
	timed := !m.Starts.At.IsZero() || !m.Ends.At.IsZero() || len(m.Recurrence) > 0
	switch {
	case m.Timeless && timed:
		return bridge.Errorf(bridge.BadRequest, "a meeting at no particular time has neither start nor end nor recurrence")
	case !m.Timeless && (m.Starts.At.IsZero() || m.Ends.At.Before(m.Starts.At)):
		return bridge.Errorf(bridge.BadRequest, "a meeting ends after it begins")
	}
	return nil
}

// Create implements bridge.Meetings.
func (s meetings) Create(ctx context.Context, m bridge.Meeting) error {
	if err := checkMeeting(&m); err != nil {
		return err
	}
	m.Created, m.Updated = dates(m.Created, m.Updated)
	stored, err := encode(bodyOf(&m))
	if err != nil {
		return s.failure("meeting", err)
	}
	series := sql.NullString{String: text(m.Series), Valid: !m.Series.IsZero()}
	return s.writing(ctx, "meeting", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := s.newRoom(ctx, tx, m.Room); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO meetings (id, room, series, occurrence, creator, created, invited, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, text(m.ID), string(m.Room.Spec.ID), series, micro(m.Occurrence),
			text(m.Creator), micro(m.Created), len(m.Attendees), stored); err != nil {
			return err
		}
		if err := writeAttendees(ctx, tx, &m); err != nil {
			return err
		}
		return writeCalendar(ctx, tx, &m)
	})
}

// Get implements bridge.Meetings.
func (s meetings) Get(ctx context.Context, id bridge.MeetingID, viewer bridge.AccountID) (bridge.Entry, error) {
	return s.one(ctx, viewer, `WHERE meetings.id = $1`, text(id))
}

// OfRoom implements bridge.Meetings.
func (s meetings) OfRoom(ctx context.Context, room bridge.RoomID, viewer bridge.AccountID) (bridge.Entry, error) {
	if plain(string(room)) != nil {
		return bridge.Entry{}, bridge.Errorf(bridge.NotFound, "there is no such meeting")
	}
	return s.one(ctx, viewer, `WHERE meetings.room = $1 AND series IS NULL ORDER BY meetings.created, meetings.id LIMIT 1`, string(room))
}

func (s meetings) one(ctx context.Context, viewer bridge.AccountID, where string, arg any) (e bridge.Entry, err error) {
	err = s.reading(ctx, "meeting", func(ctx context.Context, tx *sql.Tx) (err error) {
		e = bridge.Entry{}
		if e.Meeting, err = s.scanMeeting(tx.QueryRowContext(ctx, `SELECT `+meetingColumns+` FROM `+meetingTables+` `+where, arg)); err != nil {
			return err
		}
		if err := readAttendees(ctx, tx, bridge.MaxAttendees, &e.Meeting); err != nil || viewer.IsZero() {
			return err
		}
		if i := slices.IndexFunc(e.Attendees, func(a bridge.Attendee) bool { return a.Account == viewer }); i >= 0 {
			e.Involved, e.Answer = true, e.Attendees[i].Answer
		}
		if e.Creator == viewer {
			e.Involved, e.Answer = true, bridge.Accepted
		}
		n, err := count(ctx, tx, `SELECT COUNT(*) FROM favorites WHERE account = $1 AND meeting = $2`, text(viewer), text(e.ID))
		e.Favorite = n > 0
		return err
	})
	return e, err
}

// Exceptions implements bridge.Meetings.
func (s meetings) Exceptions(ctx context.Context, series bridge.MeetingID) (found []bridge.Meeting, err error) {
	err = s.reading(ctx, "meeting", func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = collect(ctx, tx, func(r row) (bridge.Meeting, error) { return s.scanMeeting(r) },
			`SELECT `+meetingColumns+` FROM `+meetingTables+` WHERE series = $1 ORDER BY occurrence`, text(series))
		if err != nil {
			return err
		}
		at := make([]*bridge.Meeting, len(found))
		for i := range found {
			at[i] = &found[i]
		}
		return readAttendees(ctx, tx, bridge.MaxAttendees, at...)
	})
	return found, err
}

// Change implements bridge.Meetings. The room's row is locked before the
// meeting's, as deleting a room does it.
func (s meetings) Change(ctx context.Context, id bridge.MeetingID, change func(*bridge.Meeting) error) (m bridge.Meeting, err error) {
	err = s.writing(ctx, "meeting", func(ctx context.Context, tx *sql.Tx) error {
		was, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		m = was
		m.Attendees = slices.Clone(was.Attendees)
		if err := change(&m); err != nil {
			return changed{err}
		}
		m.ID, m.Creator, m.Created, m.Series, m.Occurrence = was.ID, was.Creator, was.Created, was.Series, was.Occurrence
		m.Room.Spec.ID, m.Room.Creator, m.Room.Created = was.Room.Spec.ID, was.Room.Creator, was.Room.Created
		m.Invited = len(m.Attendees)
		return s.update(ctx, tx, &m, &was)
	})
	return m, err
}

// lock returns a meeting that nobody else changes until the transaction ends.
func (s meetings) lock(ctx context.Context, tx *sql.Tx, id bridge.MeetingID) (m bridge.Meeting, err error) {
	var room bridge.RoomID
	if err := tx.QueryRowContext(ctx, `SELECT room FROM meetings WHERE id = $1`, text(id)).Scan(&room); err != nil {
		return m, err
	}
	if _, err := s.lockRoom(ctx, tx, room); err != nil {
		return m, err
	}
	m, err = s.scanMeeting(tx.QueryRowContext(ctx, `SELECT `+meetingColumns+` FROM `+meetingTables+` WHERE meetings.id = $1`+s.forUpdate, text(id)))
	if err != nil {
		return m, err
	}
	return m, readAttendees(ctx, tx, bridge.MaxAttendees, &m)
}

func (s meetings) update(ctx context.Context, tx *sql.Tx, m, was *bridge.Meeting) error {
	if err := checkMeeting(m); err != nil {
		return err
	}
	stored, err := encode(bodyOf(m))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE meetings SET invited = $1, body = $2 WHERE id = $3`, m.Invited, stored, text(m.ID)); err != nil {
		return err
	}
	if err := s.updateRoom(ctx, tx, m.Room); err != nil {
		return err
	}
	if !slices.Equal(m.Attendees, was.Attendees) {
		if _, err := tx.ExecContext(ctx, `DELETE FROM attendees WHERE meeting = $1`, text(m.ID)); err != nil {
			return err
		}
		if err := writeAttendees(ctx, tx, m); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM calendar WHERE meeting = $1`, text(m.ID)); err != nil {
		return err
	}
	return writeCalendar(ctx, tx, m)
}

// Delete implements bridge.Meetings.
func (s meetings) Delete(ctx context.Context, id bridge.MeetingID) error {
	return s.writing(ctx, "meeting", func(ctx context.Context, tx *sql.Tx) error {
		m, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM meetings WHERE id = $1`, text(id)); err != nil {
			return err
		}
		n, err := count(ctx, tx, `SELECT COUNT(*) FROM meetings WHERE room = $1`, string(m.Room.Spec.ID))
		if err != nil || n > 0 {
			return err
		}
		return deleteRoom(ctx, tx, m.Room.Spec.ID)
	})
}

// Favor implements bridge.Meetings.
func (s meetings) Favor(ctx context.Context, who bridge.AccountID, id bridge.MeetingID, on bool) (changed bool, err error) {
	query := `DELETE FROM favorites WHERE account = $1 AND meeting = $2`
	if on {
		query = `INSERT INTO favorites (account, meeting) VALUES ($1, $2) ON CONFLICT (account, meeting) DO NOTHING`
	}
	err = s.writing(ctx, "meeting", func(ctx context.Context, tx *sql.Tx) error {
		var there int
		if err := tx.QueryRowContext(ctx, `SELECT 1 FROM meetings WHERE id = $1`, text(id)).Scan(&there); err != nil {
			return err
		}
		n, err := touched(ctx, tx, query, text(who), text(id))
		changed = n > 0
		return err
	})
	return changed, err
}
