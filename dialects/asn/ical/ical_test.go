package ical_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	reader "github.com/arran4/golang-ical"

	"dragoman/dialects/asn/ical"
)

func event() ical.Event {
	at := time.Date(2030, 1, 2, 4, 4, 5, 0, time.FixedZone("CET", 3600))
	return ical.Event{
		Method: ical.Request, UID: "c-1@bridge.example.org", Sequence: 3, Stamp: at, Starts: at, Ends: at.Add(time.Hour),
		Summary: "Weekly; planning, with \\ and more", Description: "Line one\r\nLine two\n" + strings.Repeat("größer ", 40),
		URL:       "https://meet.example.org/?room=c-1",
		Organizer: ical.Person{Name: "Alice", Mail: "alice@example.org"},
		Attendees: []ical.Person{
			{Name: `Zoë "Zed" Ünal`, Mail: "zoe@example.org", Chair: true}, {Name: "Lee, Bob; Dr.: x", Mail: "bob@example.org"}, {Mail: "eve@example.org"},
		},
	}
}

// TestEvent reads with the library of somebody else what is written here.
func TestEvent(t *testing.T) {
	e := event()
	cal, err := reader.ParseCalendar(strings.NewReader(e.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, e)
	}
	v := cal.Events()[0]
	for property, want := range map[reader.ComponentProperty]string{
		reader.ComponentPropertyUniqueId: e.UID, reader.ComponentPropertySequence: "3", reader.ComponentPropertyDtStart: "20300102T030405Z",
		reader.ComponentPropertyDtEnd: "20300102T040405Z", reader.ComponentPropertyDtstamp: "20300102T030405Z", reader.ComponentPropertySummary: e.Summary,
		reader.ComponentPropertyDescription: strings.ReplaceAll(e.Description, "\r\n", "\n"), reader.ComponentPropertyUrl: e.URL,
		reader.ComponentPropertyLocation: e.URL, reader.ComponentPropertyStatus: "CONFIRMED",
	} {
		got := v.GetProperty(property)
		if got == nil {
			t.Errorf("%s is missing", property)
			continue
		}
		value := got.Value
		if property == reader.ComponentPropertySummary || property == reader.ComponentPropertyDescription {
			value = reader.FromText(value)
		}
		if value != want {
			t.Errorf("%s is %q, want %q", property, value, want)
		}
	}
	var people []string
	for _, a := range v.Attendees() {
		people = append(people, a.Email()+" "+strings.Join(a.ICalParameters["CN"], "|")+" "+a.ICalParameters["ROLE"][0]+" "+a.ICalParameters["RSVP"][0])
	}
	want := "zoe@example.org Zoë Zed Ünal CHAIR TRUE/bob@example.org Lee, Bob; Dr.: x REQ-PARTICIPANT TRUE/eve@example.org  REQ-PARTICIPANT TRUE"
	if got := strings.Join(people, "/"); got != want {
		t.Errorf("attendees %q, want %q", got, want)
	}
	e.Method = ical.Cancel
	if s := e.String(); !strings.Contains(s, "METHOD:CANCEL\r\n") || !strings.Contains(s, "STATUS:CANCELLED\r\n") {
		t.Errorf("a cancellation is\n%s", s)
	}
}

// TestLines: lines end in CRLF and are not longer than 75 octets, and no character is
// torn apart.
func TestLines(t *testing.T) {
	text := event().String()
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n") {
			t.Errorf("%d octets: %q", len(line), line)
		}
	}
}

// TestInjection: nothing that people write becomes a line of its own.
func TestInjection(t *testing.T) {
	e := event()
	evil := "x\r\nATTENDEE:mailto:evil@example.org\x00\u0085\nEND:VEVENT"
	e.Summary, e.Description, e.UID, e.URL = evil, evil, evil, evil
	e.Organizer, e.Attendees = ical.Person{Name: evil, Mail: evil}, []ical.Person{{Name: evil + `":;`, Mail: evil}}
	text := strings.ReplaceAll(e.String(), "\r\n ", "")
	n := map[string]int{}
	for line := range strings.SplitSeq(text, "\r\n") {
		n[line[:min(len(line), 8)]]++
	}
	if n["ATTENDEE"] != 1 || n["END:VEVE"] != 1 {
		t.Errorf("%v\n%s", n, text)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("a", "b@c", "d\r\ne")
	f.Fuzz(func(t *testing.T, name, mail, text string) {
		e := ical.Event{Method: ical.Request, UID: "u", Summary: text, Description: text, URL: text, Organizer: ical.Person{Name: name, Mail: mail}}
		for line := range strings.SplitSeq(e.String(), "\r\n") {
			if len(line) > 75 || strings.ContainsAny(line, "\r\n\x00") || !utf8.ValidString(line) {
				t.Fatalf("%q", line)
			}
		}
		if got := strings.Count(e.String(), "\r\nEND:VEVENT"); got != 1 {
			t.Fatalf("%d events", got)
		}
	})
}
