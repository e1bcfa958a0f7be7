package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"math"
	"strings"

	"dragoman/bridge"
)

// writeAttendees stores the attendees of a meeting that has none.
func writeAttendees(ctx context.Context, tx *sql.Tx, m *bridge.Meeting) error {
	rows := make([][]any, 0, len(m.Attendees))
	for i, a := range m.Attendees {
		rows = append(rows, []any{text(m.ID), i, text(a.Account), a.Name, a.Mail, int64(a.Role), int64(a.Answer)})
	}
	return insert(ctx, tx, `INSERT INTO attendees (meeting, position, account, name, mail, role, answer) VALUES `, rows)
}

// readAttendees adds their attendees to meetings, of each at most some.
func readAttendees(ctx context.Context, tx *sql.Tx, most int, to ...*bridge.Meeting) error {
	if len(to) == 0 || most <= 0 {
		return nil
	}
	by := make(map[bridge.MeetingID]*bridge.Meeting, len(to))
	args := []any{most}
	for _, m := range to {
		by[m.ID] = m
		args = append(args, text(m.ID))
	}
	_, err := collect(ctx, tx, func(r row) (none struct{}, err error) {
		var id bridge.MeetingID
		var a bridge.Attendee
		if err := r.Scan(ident{&id}, ident{&a.Account}, &a.Name, &a.Mail, &a.Role, &a.Answer); err != nil {
			return none, err
		}
		by[id].Attendees = append(by[id].Attendees, a)
		return none, nil
	}, `SELECT meeting, account, name, mail, role, answer FROM attendees
		WHERE position < $1 AND meeting IN (`+places(2, len(to))+`) ORDER BY meeting, position`, args...)
	return err
}

// forever is the end of what never ends.
const forever = math.MaxInt64

// writeCalendar makes the rows of the calendar for a meeting that has none. A
// person who is known by account and by mail has two.
func writeCalendar(ctx context.Context, tx *sql.Tx, m *bridge.Meeting) error {
	if m.Cancelled {
		return nil
	}
	ends := micro(m.Ends.At)
	if len(m.Recurrence) > 0 {
		ends = forever
		if !m.LastEnds.IsZero() {
			ends = micro(m.LastEnds)
		}
	}
	var rows [][]any
	seen := map[string]bool{"": true}
	add := func(owner string, answer bridge.Answer) {
		if !seen[owner] {
			seen[owner] = true
			rows = append(rows, []any{owner, micro(m.Starts.At), micro(m.Created), text(m.ID), ends, m.Adhoc, m.Timeless, int64(answer)})
		}
	}
	add(text(m.Creator), bridge.Accepted)
	add(mailOwner(m.Organizer.Mail), bridge.Accepted)
	for _, a := range m.Attendees {
		add(text(a.Account), a.Answer)
		add(mailOwner(a.Mail), a.Answer)
	}
	return insert(ctx, tx, `INSERT INTO calendar (owner, starts, created, meeting, ends, adhoc, timeless, answer) VALUES `, rows)
}

// mailOwner is whose calendar it is that is known by mail.
func mailOwner(mail string) string {
	if key := mailKey(mail); key != "" {
		return "mailto:" + key
	}
	return ""
}

// insert stores rows, a hundred at a time.
func insert(ctx context.Context, tx *sql.Tx, into string, rows [][]any) error {
	for len(rows) > 0 {
		now := rows[:min(100, len(rows))]
		rows = rows[len(now):]
		var groups []string
		var args []any
		for _, r := range now {
			groups = append(groups, "("+places(len(args)+1, len(r))+")")
			args = append(args, r...)
		}
		if _, err := tx.ExecContext(ctx, into+strings.Join(groups, ", "), args...); err != nil {
			return err
		}
	}
	return nil
}

// places are n placeholders from a number on: $2, $3, $4.
func places(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

// usualPage is how many meetings are listed when nothing is said.
const usualPage = 30

// List implements bridge.Meetings.
func (s meetings) List(ctx context.Context, q bridge.Query) (page bridge.Page, err error) {
	limit := most(q.Limit, usualPage, maxPage)
	query, args, err := listQuery(q, limit+1) // one more shows that there is more
	if err != nil {
		return page, err
	}
	err = s.reading(ctx, "meeting", func(ctx context.Context, tx *sql.Tx) (err error) {
		page = bridge.Page{}
		page.Entries, err = collect(ctx, tx, func(r row) (e bridge.Entry, err error) {
			e.Involved = true
			e.Meeting, err = s.scanMeeting(r, &e.Favorite, &e.Answer)
			return e, err
		}, query, args...)
		if err != nil {
			return err
		}
		if len(page.Entries) > limit {
			page.Entries = page.Entries[:limit]
			page.Next = after(page.Entries[limit-1].Meeting).String()
		}
		at := make([]*bridge.Meeting, len(page.Entries))
		for i := range page.Entries {
			at[i] = &page.Entries[i].Meeting
		}
		return readAttendees(ctx, tx, q.Attendees, at...)
	})
	return page, err
}

// listQuery finds a page in the index of the calendar, for each of the viewer's
// names on its own so that it is a walk along the index, and then what is on it.
func listQuery(q bridge.Query, limit int) (string, []any, error) {
	a := &arguments{}
	owners := []string{text(q.Viewer)}
	if o := mailOwner(q.Mail); o != "" {
		owners = append(owners, o)
	}
	if err := plain(q.Mail); err != nil {
		return "", nil, err
	}
	from, err := parsePosition(q.After)
	if err != nil {
		return "", nil, err
	}
	filter := filters(q, a)
	if q.After != "" {
		filter += fmt.Sprintf(` AND (starts, created, meeting) > (%s, %s, %s)`, a.add(from.starts), a.add(from.created), a.add(from.id))
	}
	const key = `starts, created, meeting`
	var parts []string
	for i, o := range owners {
		where := `owner = ` + a.add(o) + filter
		if i > 0 { // what the account has, it has with its own answer
			where += ` AND NOT EXISTS (SELECT 1 FROM calendar AS own WHERE own.meeting = calendar.meeting AND own.owner = ` + a.add(owners[0]) + `)`
		}
		parts = append(parts, fmt.Sprintf(`SELECT * FROM (SELECT %s FROM calendar WHERE %s ORDER BY %s LIMIT %s) AS part%d`, key, where, key, a.add(limit), i))
	}
	mine := make([]string, len(owners))
	for i, o := range owners {
		mine[i] = `(SELECT answer FROM calendar WHERE calendar.meeting = page.meeting AND owner = ` + a.add(o) + `)`
	}
	return `WITH page AS (` + strings.Join(parts, ` UNION ALL `) + ` ORDER BY ` + key + ` LIMIT ` + a.add(limit) + `)
		SELECT ` + meetingColumns + `,
		EXISTS (SELECT 1 FROM favorites WHERE favorites.meeting = page.meeting AND account = ` + a.add(owners[0]) + `),
		COALESCE(` + strings.Join(mine, `, `) + `, 0)
		FROM page JOIN meetings ON meetings.id = page.meeting JOIN rooms ON rooms.id = meetings.room
		ORDER BY page.starts, page.created, page.meeting`, a.all, nil
}

// filters is what follows the owner in WHERE.
func filters(q bridge.Query, a *arguments) string {
	var b strings.Builder
	and := func(format string, value any) { fmt.Fprintf(&b, ` AND `+format, a.add(value)) }
	if !q.From.IsZero() || !q.To.IsZero() {
		and(`timeless = %s`, false)
	}
	if !q.From.IsZero() {
		and(`ends > %s`, micro(q.From))
	}
	if !q.To.IsZero() {
		and(`starts < %s`, micro(q.To))
	}
	if q.Adhoc != nil {
		and(`adhoc = %s`, *q.Adhoc)
	}
	if q.Timeless != nil {
		and(`timeless = %s`, *q.Timeless)
	}
	if q.Favorites {
		and(`meeting IN (SELECT meeting FROM favorites WHERE account = %s)`, text(q.Viewer))
	}
	if len(q.Answers) > 0 {
		b.WriteString(` AND answer IN (`)
		for i, answer := range q.Answers {
			b.WriteString(strings.Repeat(`, `, min(i, 1)) + a.add(int64(answer)))
		}
		b.WriteString(`)`)
	}
	return b.String()
}

// arguments numbers what a statement is given.
type arguments struct{ all []any }

// add returns the placeholder of a value.
func (a *arguments) add(v any) string {
	a.all = append(a.all, v)
	return fmt.Sprintf("$%d", len(a.all))
}

// position is where a page ends.
type position struct {
	starts, created int64
	id              string
}

func after(m bridge.Meeting) position {
	return position{micro(m.Starts.At), micro(m.Created), text(m.ID)}
}

// String returns the position as clients carry it.
func (p position) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", p.starts, p.created, p.id))
}

func parsePosition(s string) (p position, err error) {
	if s == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "%d %d %s", &p.starts, &p.created, &p.id)
	}
	var id bridge.MeetingID
	if err = cmp.Or(err, id.UnmarshalText([]byte(p.id))); err != nil || p.String() != s || len(s) > 200 {
		return p, bridge.Errorf(bridge.BadRequest, "the list does not go on from there: begin again")
	}
	return p, nil
}
