package asn

import (
	"encoding/json"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// Attributes of meetings.
const attrPeople = Name + "/people" // contacts that have more than name and address

// draft is a meeting that is to be stored.
type draft struct {
	subject, text string
	starts, ends  time.Time
	organizer     rose.ConferenceContact
	attendees     []rose.MeetingAttendee
	notify        bool
}

// check makes the checks of reference 8.1. fresh says that the times are new.
func (d draft) check(now time.Time, fresh bool) error {
	switch {
	case strings.TrimSpace(d.subject) == "":
		return fail(rose.InvalidArgument, "the subject is empty")
	case !d.ends.After(d.starts):
		return fail(rose.InvalidArgument, "the meeting does not end after it begins")
	case fresh && !d.ends.After(now):
		return fail(rose.InvalidArgument, "the meeting is in the past")
	case strings.TrimSpace(d.organizer.DisplayName) == "":
		return fail(rose.DisplayNameMissing, "the organizer has no display name")
	}
	seen := map[string]bool{}
	for _, a := range d.attendees {
		address := strings.ToLower(deref(a.Contact.Mail))
		switch {
		case strings.TrimSpace(a.Contact.DisplayName) == "":
			return fail(rose.DisplayNameMissing, "an attendee has no display name")
		case d.notify && !wellFormed(address):
			return fail(rose.MailAddressMissing, "an attendee has no proper mail address")
		case address != "" && seen[address]:
			return fail(rose.InvalidArgument, "a mail address is there twice")
		}
		seen[address] = true
	}
	return nil
}

// wellFormed reports whether a text is a mail address that can be written to.
func wellFormed(s string) bool {
	if len(s) > 254 || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return false
	}
	a, err := mail.ParseAddress("<" + s + ">")
	return err == nil && a.Address == s
}

// into writes the draft into a meeting.
func (d draft) into(m *bridge.Meeting) error {
	m.Title, m.About = d.subject, d.text
	m.Starts.At, m.Ends.At = d.starts, d.ends
	m.Organizer = bridge.Contact{Name: d.organizer.DisplayName, Mail: deref(d.organizer.Mail)}
	m.Room.Spec.Title, m.Room.Spec.About = cut(d.subject, bridge.MaxTitle), cut(d.text, bridge.MaxAbout)
	people := map[string]json.RawMessage{}
	note := func(c rose.ConferenceContact) {
		if text := rose.JSON.Marshal(&c); string(text) != string(rose.JSON.Marshal(plainContact(bridge.Contact{Name: c.DisplayName, Mail: deref(c.Mail)}))) {
			people[personKey(c.DisplayName, deref(c.Mail))] = text
		}
	}
	note(d.organizer)
	m.Attendees = nil
	for _, a := range d.attendees {
		x := bridge.Attendee{Contact: bridge.Contact{Name: a.Contact.DisplayName, Mail: deref(a.Contact.Mail)}}
		if a.Role == rose.RoleModerator {
			x.Role = bridge.Moderator
		}
		m.Attendees = append(m.Attendees, x)
		note(a.Contact)
	}
	attrs := map[string]string{}
	for k, v := range m.Attrs {
		attrs[k] = v
	}
	delete(attrs, attrPeople)
	if len(people) > 0 {
		attrs[attrPeople] = string(marshal(people))
	}
	if m.Attrs = attrs; len(attrs[attrPeople]) > bridge.MaxAttrs*3/4 {
		return fail(rose.TooLarge, "the contacts are too large")
	}
	return nil
}

func personKey(name, mail string) string { return strings.ToLower(mail) + " " + name }

func plainContact(c bridge.Contact) *rose.ConferenceContact {
	out := &rose.ConferenceContact{DisplayName: shown(c.Name)}
	if c.Mail != "" {
		out.Mail = &c.Mail
	}
	return out
}

// contact returns somebody of a meeting as a client of ours has put it, if one has.
func contact(m bridge.Meeting, c bridge.Contact) rose.ConferenceContact {
	var people map[string]json.RawMessage
	var out rose.ConferenceContact
	if json.Unmarshal([]byte(m.Attrs[attrPeople]), &people) == nil {
		if text, ok := people[personKey(c.Name, c.Mail)]; ok && rose.JSON.Unmarshal(text, &out) == nil {
			return out
		}
	}
	return *plainContact(c)
}

// draftOf is the reverse of into.
func draftOf(m bridge.Meeting) draft {
	d := draft{subject: m.Title, text: m.About, starts: m.Starts.At, ends: m.Ends.At, organizer: contact(m, m.Organizer)}
	for _, a := range m.Attendees {
		x := rose.MeetingAttendee{Contact: contact(m, a.Contact)}
		if a.Role == bridge.Moderator {
			x.Role = rose.RoleModerator
		}
		d.attendees = append(d.attendees, x)
	}
	return d
}

// change takes in what of an argument is there.
func (d *draft) change(a *rose.UpdateMeetingArgument) {
	d.notify = a.Notify
	if a.Subject != nil {
		d.subject = *a.Subject
	}
	if a.Text != nil {
		d.text = *a.Text
	}
	if a.Start != nil {
		d.starts = *a.Start
	}
	if a.End != nil {
		d.ends = *a.End
	}
	if a.Attendees != nil {
		d.attendees = a.Attendees
	}
}
