package k3k

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
)

// eventDoc is the resource of an event (reference 4.4).
type eventDoc struct {
	ID           bridge.MeetingID `json:"id"`
	CreatedBy    publicProfile    `json:"created_by"`
	CreatedAt    stamp            `json:"created_at"`
	UpdatedBy    publicProfile    `json:"updated_by"`
	UpdatedAt    stamp            `json:"updated_at"`
	Title        string           `json:"title"`
	Description  string           `json:"description"`
	Room         eventRoom        `json:"room"`
	Truncated    bool             `json:"invitees_truncated"`
	Invitees     []invitee        `json:"invitees"`
	Timeless     bool             `json:"is_time_independent"`
	AllDay       *bool            `json:"is_all_day,omitempty"`
	StartsAt     *moment          `json:"starts_at,omitempty"`
	EndsAt       *moment          `json:"ends_at,omitempty"`
	Recurrence   []string         `json:"recurrence_pattern,omitempty"`
	Adhoc        bool             `json:"is_adhoc"`
	Type         string           `json:"type"`
	InviteStatus string           `json:"invite_status"`
	Favorite     bool             `json:"is_favorite"`
	CanEdit      bool             `json:"can_edit"`
}

type eventRoom struct {
	ID          bridge.RoomID `json:"id"`
	Password    *string       `json:"password,omitempty"`
	WaitingRoom bool          `json:"waiting_room"`
}

type invitee struct {
	Profile any    `json:"profile"`
	Status  string `json:"status"`
}

// mailProfile is somebody who is known by an address only.
type mailProfile struct {
	Kind      string `json:"kind"`
	Mail      string `json:"email"`
	AvatarURL string `json:"avatar_url"`
}

// moment is a time with its zone.
type moment struct {
	At   *stamp  `json:"datetime"`
	Zone *string `json:"timezone"`
}

// statuses are what somebody said to an invitation.
var statuses = map[bridge.Answer]string{
	bridge.Unanswered: "pending", bridge.Accepted: "accepted", bridge.Tentative: "tentative", bridge.Declined: "declined",
}

func (d *server) eventDoc(r *request, e bridge.Entry, most int) (eventDoc, error) {
	creator, err := d.profileOf(r.ctx(), e.Creator)
	if err != nil {
		return eventDoc{}, err
	}
	updater, err := d.profileOf(r.ctx(), e.UpdatedBy)
	if err != nil {
		return eventDoc{}, err
	}
	room := e.Room
	doc := eventDoc{
		ID: e.ID, CreatedBy: creator, CreatedAt: stamp(e.Created), UpdatedBy: updater, UpdatedAt: stamp(e.Updated),
		Title: e.Title, Description: e.About, Room: eventRoom{room.Spec.ID, password(room), room.Spec.WaitingRoom},
		Truncated: most == 0 || max(e.Invited, len(e.Attendees)) > most, Invitees: []invitee{},
		Timeless: e.Timeless, Recurrence: e.Recurrence, Adhoc: e.Adhoc, Type: "single",
		InviteStatus: statuses[e.Answer], Favorite: e.Favorite, CanEdit: e.Creator == r.me.ID,
	}
	switch {
	case !e.Series.IsZero():
		doc.Type = "exception"
	case len(e.Recurrence) > 0:
		doc.Type = "recurring"
	}
	if !e.Timeless {
		doc.AllDay, doc.StartsAt, doc.EndsAt = &e.AllDay, momentOf(e.Starts), momentOf(e.Ends)
	}
	doc.Invitees, err = d.invitees(r.ctx(), e.Attendees[:min(most, len(e.Attendees))])
	return doc, err
}

func momentOf(m bridge.Moment) *moment {
	zone := m.Zone
	if zone == "" {
		zone = "UTC"
	}
	return &moment{when(m.At), &zone}
}

func (d *server) invitees(ctx context.Context, attendees []bridge.Attendee) ([]invitee, error) {
	all := []invitee{}
	for _, a := range attendees {
		i := invitee{Status: statuses[a.Answer]}
		if a.Account.IsZero() {
			i.Profile = mailProfile{"email", a.Mail, d.avatar(a.Mail)}
		} else {
			p, err := d.profileOf(ctx, a.Account)
			if err != nil {
				return nil, err
			}
			i.Profile = kindProfile{p, "registered"}
		}
		all = append(all, i)
	}
	return all, nil
}

// eventFields are what can be said of an event.
type eventFields struct {
	roomFields
	Title       *string   `json:"title"`
	Description *string   `json:"description"`
	Timeless    *bool     `json:"is_time_independent"`
	AllDay      *bool     `json:"is_all_day"`
	StartsAt    *moment   `json:"starts_at"`
	EndsAt      *moment   `json:"ends_at"`
	Recurrence  *[]string `json:"recurrence_pattern"`
	Adhoc       *bool     `json:"is_adhoc"`
}

// Bounds of events (reference 4.4).
const (
	longestDescription = 4096 // characters
	longestPattern     = 1024
	mostPatterns       = 4
)

// check checks the fields that are there.
func (f eventFields) check() error {
	if err := f.roomFields.check(); err != nil {
		return err
	}
	if err := length("title", f.Title, longestTitle); err != nil {
		return err
	}
	if err := length("description", f.Description, longestDescription); err != nil {
		return err
	}
	if f.Recurrence == nil {
		return nil
	}
	if len(*f.Recurrence) > mostPatterns {
		return &invalidField{"recurrence_pattern", "invalid_length", "there are too many patterns"}
	}
	for _, p := range *f.Recurrence {
		if err := length("recurrence_pattern", &p, longestPattern); err != nil {
			return err
		}
	}
	return nil
}

// apply changes a meeting.
func (f eventFields) apply(m *bridge.Meeting, now time.Time, by bridge.AccountID) error {
	if f.Title != nil {
		m.Title, m.Room.Spec.Title = *f.Title, *f.Title
	}
	if f.Description != nil {
		m.About = *f.Description
	}
	if f.Adhoc != nil {
		m.Adhoc = *f.Adhoc
	}
	f.roomFields.apply(&m.Room)
	m.Updated, m.UpdatedBy = now, by
	m.Sequence++
	return f.schedule(m)
}

// schedule changes when a meeting takes place.
func (f eventFields) schedule(m *bridge.Meeting) error {
	timeless := m.Timeless
	if f.Timeless != nil {
		timeless = *f.Timeless
	}
	some := f.AllDay != nil || f.StartsAt != nil || f.EndsAt != nil || f.Recurrence != nil && len(*f.Recurrence) > 0
	all := f.AllDay != nil && f.StartsAt != nil && f.EndsAt != nil
	was := m.Timeless
	m.Timeless, m.LastEnds = timeless, time.Time{}
	switch {
	case timeless && some:
		return bridge.Errorf(bridge.BadRequest, "what is at no particular time has no times")
	case timeless:
		m.AllDay, m.Starts, m.Ends, m.Recurrence = false, bridge.Moment{}, bridge.Moment{}, nil
		return nil
	case was && !all:
		return bridge.Errorf(bridge.BadRequest, "what is at a time has its beginning and its end")
	}
	return f.setTimes(m)
}

// setTimes sets what is given of a beginning, an end and their repetition.
func (f eventFields) setTimes(m *bridge.Meeting) error {
	if f.AllDay != nil {
		m.AllDay = *f.AllDay
	}
	for _, t := range []struct {
		from *moment
		to   *bridge.Moment
	}{{f.StartsAt, &m.Starts}, {f.EndsAt, &m.Ends}} {
		if t.from == nil {
			continue
		}
		at, err := t.from.read()
		if err != nil {
			return err
		}
		*t.to = at
	}
	if f.Recurrence != nil {
		m.Recurrence = *f.Recurrence
	}
	bad := func(p string) bool { return !recurs(p) }
	if m.Ends.At.Before(m.Starts.At) || slices.ContainsFunc(m.Recurrence, bad) {
		return errEvent
	}
	return nil
}

// errEvent is a time or a pattern that cannot be.
var errEvent = &restError{http.StatusUnprocessableEntity, "invalid_event", "the times or the patterns are not valid"}

// read reads a time.
func (m moment) read() (bridge.Moment, error) {
	if m.At == nil || m.Zone == nil {
		return bridge.Moment{}, &restError{http.StatusBadRequest, invalidJSON, "a time has no zone, or no time"}
	}
	if _, err := time.LoadLocation(*m.Zone); err != nil {
		return bridge.Moment{}, errEvent
	}
	return bridge.Moment{At: time.Time(*m.At), Zone: *m.Zone}, nil
}

// recurs reports whether a pattern looks like one of RFC 5545, 3.8.5.
func recurs(pattern string) bool {
	name, value, ok := strings.Cut(pattern, ":")
	name, _, _ = strings.Cut(name, ";")
	switch strings.ToUpper(name) {
	case "RRULE":
		return ok && strings.Contains(strings.ToUpper(value), "FREQ=")
	case "RDATE", "EXDATE", "EXRULE":
		return ok && value != ""
	}
	return false
}

func (d *server) makeEvent(r *request) (reply, error) {
	q, err := body[eventFields](r)
	if err == nil {
		err = required(q.Title != nil && q.Description != nil && q.Timeless != nil)
	}
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return reply{}, err
	}
	now := time.Now()
	m := bridge.Meeting{
		ID: bridge.NewMeetingID(), Room: d.newRoom(r.me.ID, *q.Title, "", false), Timeless: true,
		Creator: r.me.ID, Created: now, Sequence: -1,
	}
	if err := q.apply(&m, now, r.me.ID); err != nil {
		return reply{}, err
	}
	if err := d.env.Store.Meetings().Create(r.ctx(), m); err != nil {
		return reply{}, err
	}
	doc, err := d.eventDoc(r, bridge.Entry{Meeting: m, Involved: true, Answer: bridge.Accepted}, mostInvitees)
	return reply{body: doc}, err
}

// mostInvitees is how many of those who are invited are told, where the client does
// not say.
const mostInvitees = bridge.MaxAttendees

// entry returns the event of a request, for those who are concerned, or for the one
// who made it.
func (d *server) entry(r *request, mine bool) (bridge.Entry, error) {
	var id bridge.MeetingID
	if id.UnmarshalText([]byte(r.PathValue("event"))) != nil {
		return bridge.Entry{}, bridge.Errorf(bridge.NotFound, "there is no such event")
	}
	e, err := d.env.Store.Meetings().Get(r.ctx(), id, r.me.ID)
	switch {
	case err != nil:
		return e, err
	case e.Creator == r.me.ID:
		return e, nil
	case mine || !e.Involved && !invitedByMail(e.Meeting, r.me):
		return e, denied
	}
	return e, nil
}

// invitedByMail reports whether an address of somebody's is invited.
func invitedByMail(m bridge.Meeting, who bridge.Account) bool {
	return who.Mail != "" && who.MailVerified && slices.ContainsFunc(m.Attendees, func(a bridge.Attendee) bool {
		return a.Account.IsZero() && strings.EqualFold(a.Mail, who.Mail)
	})
}

func (d *server) getEvent(r *request) (reply, error) {
	most, err := number(r, "invitees_max", 0, 0, 1<<20)
	if err != nil {
		return reply{}, err
	}
	e, err := d.entry(r, false)
	if err != nil {
		return reply{}, err
	}
	doc, err := d.eventDoc(r, e, most)
	return reply{body: doc}, err
}

func (d *server) changeEvent(r *request) (reply, error) {
	q, err := body[eventFields](r)
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return reply{}, err
	}
	e, err := d.entry(r, true)
	if err != nil {
		return reply{}, err
	}
	if q.empty() {
		return empty(), nil
	}
	e.Meeting, err = d.env.Store.Meetings().Change(r.ctx(), e.ID, func(m *bridge.Meeting) error {
		return q.apply(m, time.Now(), r.me.ID)
	})
	if err == nil {
		err = d.changed(r, e.Room, q.roomFields)
	}
	if err != nil {
		return reply{}, err
	}
	doc, err := d.eventDoc(r, e, mostInvitees)
	return reply{body: doc}, err
}

// empty reports whether nothing is to be changed.
func (f eventFields) empty() bool {
	return !f.Password.set && f.WaitingRoom == nil && f.Title == nil && f.Description == nil && f.Timeless == nil &&
		f.AllDay == nil && f.StartsAt == nil && f.EndsAt == nil && f.Recurrence == nil && f.Adhoc == nil
}

func (d *server) deleteEvent(r *request) (reply, error) {
	e, err := d.entry(r, true)
	if err == nil {
		err = d.env.Store.Meetings().Delete(r.ctx(), e.ID)
	}
	if err != nil {
		return reply{}, err
	}
	if _, err := d.env.Store.Rooms().Get(r.ctx(), e.Room.Spec.ID); bridge.CodeOf(err) == bridge.NotFound {
		return empty(), running(d.serve(r.ctx(), e.Room.Spec.ID, bridge.CloseRoom{Reason: bridge.ByEnd}))
	}
	return empty(), nil
}
