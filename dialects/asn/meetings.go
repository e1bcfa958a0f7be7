package asn

import (
	"cmp"
	"context"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// meeting is a meeting as clients are told it (reference 8.1, 8.3).
func (c *caller) meeting(ctx context.Context, m bridge.Meeting) (*rose.Meeting, error) {
	d := draftOf(m)
	out := &rose.Meeting{
		ConferenceID: string(m.Room.Spec.ID), Subject: d.subject, Start: d.starts, End: d.ends, Organizer: d.organizer,
		Attendees: d.attendees, Sequence: int64(m.Sequence),
	}
	if out.Attendees == nil {
		out.Attendees = []rose.MeetingAttendee{}
	}
	if d.text != "" {
		out.Text = &d.text
	}
	if u := c.joinURL(m.Room.Spec.ID); u != "" {
		out.JoinURL = &u
	}
	if id := m.Room.Spec.Attrs[attrImage]; id != "" {
		out.ImageID = &id
	}
	info, err := c.d.env.Host.Lookup(ctx, m.Room.Spec.ID)
	if err != nil && bridge.CodeOf(err) != bridge.NotFound {
		return nil, err
	}
	out.PartyCount = int64(info.Members)
	switch {
	case m.Cancelled:
		out.State = rose.MeetingCancelled
	case info.Members > 0:
		out.State = rose.MeetingRunning
	case passed(m, time.Now()):
		out.State = rose.MeetingEnded
	}
	return out, nil
}

// imageKept is how long the picture of a meeting is kept after its end.
const imageKept = 30 * 24 * time.Hour

// picture keeps the picture of a meeting, which may be nil.
func (d *server) picture(ctx context.Context, i *rose.ConferenceImage, ends time.Time, m *bridge.Meeting) error {
	if i == nil {
		return nil
	}
	id, err := d.keepImage(ctx, *i, ends.Add(imageKept))
	if err != nil {
		return err
	}
	m.Room.Spec.Attrs = map[string]string{attrImage: id}
	return nil
}

// schedule handles asnScheduleMeeting.
func (c *caller) schedule(ctx context.Context, a *rose.ScheduleMeetingArgument) (outcome, error) {
	claims, err := c.user(a.Token)
	if err == nil {
		err = rose.Check(a)
	}
	if err != nil {
		return outcome{}, err
	}
	now := time.Now()
	d := draft{subject: a.Subject, text: deref(a.Text), starts: a.Start, ends: a.End, attendees: a.Attendees, notify: a.Notify}
	d.organizer = deref(a.Organizer)
	if claims.Name != "" {
		d.organizer.DisplayName = claims.Name
	}
	if claims.Mail != "" {
		d.organizer.Mail = &claims.Mail
	}
	if err := d.check(now, true); err != nil {
		return outcome{}, err
	}
	meeting := bridge.NewMeetingID()
	id := bridge.RoomID(meeting.String()) // a UUID: that is how k3k names rooms
	who := claims.account().id()
	m := bridge.Meeting{
		ID: meeting, Creator: who, Created: now, UpdatedBy: who,
		Room: bridge.StoredRoom{Creator: who, Spec: bridge.Spec{
			ID: id, Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: c.d.moderatorSecret(id)},
		}},
	}
	if err := d.into(&m); err != nil {
		return outcome{}, err
	}
	if err := c.d.picture(ctx, a.Image, d.ends, &m); err != nil {
		return outcome{}, err
	}
	if err := c.d.enlist(ctx, claims); err != nil {
		return outcome{}, err
	}
	if err := c.d.env.Store.Meetings().Create(ctx, m); err != nil {
		return outcome{}, err
	}
	told, err := c.meeting(ctx, m)
	if err != nil {
		return outcome{}, err
	}
	r := &rose.ScheduleMeetingResult{Meeting: *told}
	return c.notified(r, &r.NotNotified, a.Notify, c.invitations(m, nil)), nil
}

// enlist sees to it that a user has an account: others look up who has made
// something.
func (d *server) enlist(ctx context.Context, c Claims) error {
	_, err := d.env.Store.Accounts().Get(ctx, c.account().id())
	if bridge.CodeOf(err) != bridge.NotFound {
		return err
	}
	_, err = d.env.Store.Accounts().LogIn(ctx, bridge.Account{
		ID: c.account().id(), User: c.User, Name: c.Name, Profile: bridge.Profile{Mail: c.Mail},
	})
	return err
}

// mine finds a meeting that the caller may change (reference 8.1).
func (c *caller) mine(ctx context.Context, token *bridge.Secret, id string) (Claims, conference, error) {
	claims, err := c.user(token)
	if err != nil {
		return claims, conference{}, err
	}
	room, err := bridge.Normalize(id)
	if err != nil {
		return claims, conference{}, fail(rose.ConferenceNotFound, "there is no such meeting")
	}
	x, err := c.d.find(ctx, room)
	switch {
	case err != nil:
	case x.meeting == nil:
		err = fail(rose.ConferenceNotFound, "there is no such meeting")
	case !x.moderates(claims.account()):
		err = fail(rose.Forbidden, "only the organizer and moderators may do this")
	case x.over(time.Now()):
		err = fail(rose.ConferenceEnded, "the meeting was cancelled, or is over")
	}
	return claims, x, err
}

// update handles asnUpdateMeeting.
func (c *caller) update(ctx context.Context, a *rose.UpdateMeetingArgument) (outcome, error) {
	claims, x, err := c.mine(ctx, a.Token, a.ConferenceID)
	if err == nil {
		err = rose.Check(a)
	}
	if err != nil {
		return outcome{}, err
	}
	d := draftOf(x.meeting.Meeting)
	d.change(a)
	if err := d.check(time.Now(), a.Start != nil || a.End != nil); err != nil {
		return outcome{}, err
	}
	picture := bridge.Meeting{}
	if err := c.d.picture(ctx, a.Image, d.ends, &picture); err != nil {
		return outcome{}, err
	}
	var before []bridge.Attendee
	m, err := c.d.env.Store.Meetings().Change(ctx, x.meeting.ID, func(m *bridge.Meeting) error {
		if m.Cancelled {
			return fail(rose.ConferenceEnded, "the meeting was cancelled")
		}
		before = m.Attendees
		d := draftOf(*m)
		d.change(a)
		m.Sequence++
		m.UpdatedBy, m.Updated = claims.account().id(), time.Now()
		if picture.Room.Spec.Attrs != nil {
			m.Room.Spec.Attrs = picture.Room.Spec.Attrs
		}
		return d.into(m)
	})
	if err != nil {
		return outcome{}, err
	}
	if x.live != nil && a.Subject != nil {
		title := m.Room.Spec.Title
		err := c.d.command(ctx, m.Room.Spec.ID, bridge.Describe{Title: &title})
		if err != nil && bridge.CodeOf(err) != bridge.NotFound {
			return outcome{}, err
		}
	}
	told, err := c.meeting(ctx, m)
	if err != nil {
		return outcome{}, err
	}
	r := &rose.UpdateMeetingResult{Meeting: *told}
	return c.notified(r, &r.NotNotified, a.Notify, c.invitations(m, before)), nil
}

// cancel handles asnCancelMeeting.
func (c *caller) cancel(ctx context.Context, a *rose.CancelMeetingArgument) (outcome, error) {
	claims, x, err := c.mine(ctx, a.Token, a.ConferenceID)
	if err == nil {
		err = rose.Check(a)
	}
	if err != nil {
		return outcome{}, err
	}
	m, err := c.d.env.Store.Meetings().Change(ctx, x.meeting.ID, func(m *bridge.Meeting) error {
		if m.Cancelled {
			return fail(rose.ConferenceEnded, "the meeting was cancelled")
		}
		m.Cancelled = true
		m.Sequence++
		m.UpdatedBy, m.Updated = claims.account().id(), time.Now()
		return nil
	})
	if err != nil {
		return outcome{}, err
	}
	err = c.d.command(ctx, m.Room.Spec.ID, bridge.CloseRoom{Reason: bridge.ByEnd})
	if code := bridge.CodeOf(err); err != nil && code != bridge.NotFound && code != bridge.Closed {
		return outcome{}, err
	}
	r := new(rose.CancelMeetingResult)
	return c.notified(r, &r.NotNotified, a.Notify, c.cancellations(m, m.Attendees, deref(a.Reason))), nil
}

// maxListed is how many meetings a list tells.
const maxListed = rose.MaxList

// list handles asnListScheduledMeetings.
func (c *caller) list(ctx context.Context, a *rose.ListScheduledMeetingsArgument) (outcome, error) {
	claims, err := c.user(a.Token)
	if err == nil {
		err = rose.Check(a)
	}
	if err != nil {
		return outcome{}, err
	}
	q := bridge.Query{
		Viewer: claims.account().id(), Mail: claims.Mail, From: time.Now(), To: deref(a.To), Limit: 100, Attendees: bridge.MaxAttendees,
	}
	if a.From != nil {
		q.From = *a.From
	}
	r := &rose.ListScheduledMeetingsResult{Meetings: []rose.Meeting{}}
	for {
		page, err := c.d.env.Store.Meetings().List(ctx, q)
		if err != nil {
			return outcome{}, err
		}
		for _, e := range page.Entries {
			m, err := c.meeting(ctx, e.Meeting)
			if err != nil {
				return outcome{}, err
			}
			r.Meetings = append(r.Meetings, *m)
		}
		if q.After = page.Next; q.After == "" || len(r.Meetings) >= maxListed {
			break
		}
	}
	slices.SortFunc(r.Meetings, func(a, b rose.Meeting) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ConferenceID, b.ConferenceID))
	})
	return outcome{value: r}, nil
}
