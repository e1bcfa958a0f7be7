// Package ical writes the calendar objects of invitations: one VEVENT in an
// iCalendar object (RFC 5545) that asks for something or takes it back (RFC 5546).
package ical

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Methods of a calendar object (RFC 5546, 3.2).
const (
	Request = "REQUEST"
	Cancel  = "CANCEL"
)

// Person is an organizer or an attendee. Chair says that the person leads the
// meeting.
type Person struct {
	Name, Mail string
	Chair      bool
}

// Event is what a calendar object tells. All texts may hold anything.
type Event struct {
	Method               string
	UID                  string // the same for the life of a meeting
	Sequence             int    // counts up with every change
	Stamp, Starts, Ends  time.Time
	Summary, Description string
	URL                  string // also the location
	Organizer            Person
	Attendees            []Person
}

// String returns the calendar object.
func (e Event) String() string {
	var w writer
	w.line("BEGIN:VCALENDAR")
	w.line("PRODID:-//Dragoman//Conferences//EN")
	w.line("VERSION:2.0")
	w.line("CALSCALE:GREGORIAN")
	w.line("METHOD:" + e.Method)
	w.line("BEGIN:VEVENT")
	w.line("UID:" + escape(e.UID))
	w.line(fmt.Sprintf("SEQUENCE:%d", e.Sequence))
	w.line("DTSTAMP:" + stamp(e.Stamp))
	w.line("DTSTART:" + stamp(e.Starts))
	w.line("DTEND:" + stamp(e.Ends))
	w.line("SUMMARY:" + escape(e.Summary))
	w.line("DESCRIPTION:" + escape(e.Description))
	if e.URL != "" {
		w.line("URL:" + plain(e.URL))
		w.line("LOCATION:" + escape(e.URL))
	}
	w.line("ORGANIZER" + name(e.Organizer) + ":mailto:" + plain(e.Organizer.Mail))
	for _, p := range e.Attendees {
		role := "REQ-PARTICIPANT"
		if p.Chair {
			role = "CHAIR"
		}
		w.line("ATTENDEE" + name(p) + ";ROLE=" + role + ";PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:" + plain(p.Mail))
	}
	status := "CONFIRMED"
	if e.Method == Cancel {
		status = "CANCELLED"
	}
	w.line("STATUS:" + status)
	w.line("END:VEVENT")
	w.line("END:VCALENDAR")
	return w.b.String()
}

func stamp(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

func name(p Person) string {
	if p.Name == "" {
		return ""
	}
	return ";CN=" + parameter(p.Name)
}

// writer folds lines (RFC 5545, 3.1).
type writer struct{ b strings.Builder }

// maxLine is how long a line may be, in octets, without its end.
const maxLine = 75

func (w *writer) line(s string) {
	room := maxLine
	for len(s) > room {
		at := room
		for at > 0 && !utf8.RuneStart(s[at]) {
			at--
		}
		w.b.WriteString(s[:at] + "\r\n ")
		s = s[at:]
		room = maxLine - 1 // the blank counts
	}
	w.b.WriteString(s + "\r\n")
}

// escape makes a TEXT (RFC 5545, 3.3.11). Control characters but line ends are
// dropped.
func escape(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(s, ""))
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\\' || r == ';' || r == ',':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\t' || !unicode.IsControl(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// parameter makes the value of a parameter, in quotes where it needs them (RFC 5545,
// 3.2). Quotes have no way to be said.
func parameter(s string) string {
	s = plain(strings.ReplaceAll(s, `"`, ""))
	if strings.ContainsAny(s, ":;,") {
		return `"` + s + `"`
	}
	return s
}

// plain drops control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
