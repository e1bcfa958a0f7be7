package asn_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	reader "github.com/arran4/golang-ical"

	"dragoman/bridge"
	"dragoman/bridge/notify"
	"dragoman/bridge/notify/smtptest"
	"dragoman/bridge/store"
	"dragoman/dialects/asn/rose"
)

// newOffice starts a mail server on a real socket, and a mailer that uses it.
func newOffice(t *testing.T) (<-chan smtptest.Mail, *notify.Mailer) {
	t.Helper()
	cfg := notify.DefaultConfig()
	addr, got := smtptest.Start(t)
	cfg.Server, cfg.Security, cfg.From = addr, notify.Plain, "bridge@example.org"
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	m := notify.New(cfg, notify.Options{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(m.Close)
	return got, m
}

// invitation is what a mail program makes of a mail.
type invitation struct {
	to, subject, text, method string
	event                     *reader.VEvent
}

// open reads a mail.
func open(t *testing.T, l smtptest.Mail) invitation {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(l.Data))
	if err != nil {
		t.Fatalf("%v\n%s", err, l.Data)
	}
	i := invitation{to: l.To}
	if i.subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		t.Error(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s: %v", kind, err)
	}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return i
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		if kind == "text/plain" {
			i.text = string(data)
			continue
		}
		i.method = params["method"]
		cal, err := reader.ParseCalendar(strings.NewReader(string(data)))
		if err != nil || len(cal.Events()) != 1 {
			t.Fatalf("%v\n%s", err, data)
		}
		i.event = cal.Events()[0]
	}
}

func (i invitation) property(p reader.ComponentProperty) string {
	if v := i.event.GetProperty(p); v != nil {
		return reader.FromText(v.Value)
	}
	return ""
}

func attendee(name, mail string, role rose.ConferenceRole) rose.MeetingAttendee {
	return rose.MeetingAttendee{Contact: rose.ConferenceContact{DisplayName: name, Mail: &mail}, Role: role}
}

// call calls an operation over HTTP as a user.
func (w *world) call(t *testing.T, user, op string, argument, into rose.Value) {
	t.Helper()
	status, _, body := w.post("/rest/"+op, basic(user), rose.JSON.Marshal(argument))
	if status != 200 {
		t.Fatalf("%s: %d %s", op, status, body)
	}
	if err := rose.JSON.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
}

// TestInvitations: a meeting with two attendees yields two mails that calendars
// understand; another node finds it, changes it and takes it back (reference 14.3).
func TestInvitations(t *testing.T) {
	mails, mailer := newOffice(t)
	w := newWorld(t)
	w.env.Mail = mailer
	w.open()
	start := time.Now().Add(24 * time.Hour).Truncate(time.Second).UTC()
	var made rose.ScheduleMeetingResult
	w.call(t, "alice", "asnScheduleMeeting", &rose.ScheduleMeetingArgument{
		Subject: "Größe; planning", Start: start, End: start.Add(time.Hour), Notify: true, Text: new("Bring cake.\nAnd tea."),
		Attendees: []rose.MeetingAttendee{attendee("Zoë, Tom", "tom@example.org", rose.RoleUser), attendee("Mia", "mia@example.org", rose.RoleModerator)},
	}, &made)
	if made.NotNotified != nil {
		t.Errorf("not notified: %v", made.NotNotified)
	}
	uid := made.Meeting.ConferenceID + "@dragoman.invalid"
	want := map[string]string{"tom@example.org": "REQUEST 0", "mia@example.org": "REQUEST 0"}
	expect := func(want map[string]string, subject, status string) {
		t.Helper()
		for range len(want) {
			i := open(t, <-mails)
			if got := i.method + " " + i.property(reader.ComponentPropertySequence); got != want[i.to] {
				t.Errorf("%s: %s, want %s", i.to, got, want[i.to])
			}
			if i.property(reader.ComponentPropertyUniqueId) != uid || i.property(reader.ComponentPropertySummary) != subject ||
				i.property(reader.ComponentPropertyStatus) != status || !strings.Contains(i.subject, subject) {
				t.Errorf("%s: %+v\n%s", i.to, i, i.event.Serialize(&reader.SerializationConfiguration{}))
			}
			if i.property(reader.ComponentPropertyDtStart) != start.Format("20060102T150405Z") || !strings.Contains(i.text, start.Format("2 January 2006, 15:04 MST")) {
				t.Errorf("%s: it begins otherwise: %s", i.to, i.text)
			}
			delete(want, i.to)
		}
		if len(want) > 0 {
			t.Errorf("no mail to %v", want)
		}
	}
	expect(want, "Größe; planning", "CONFIRMED")

	// The node dies without a word; another one has the same database.
	other := newWorld(t)
	if err := other.db.Close(); err != nil {
		t.Fatal(err)
	}
	other.db, other.env.Store, other.env.Mail = w.db, w.db, mailer
	other.open()
	var list rose.ListScheduledMeetingsResult
	other.call(t, "mia", "asnListScheduledMeetings", new(rose.ListScheduledMeetingsArgument), &list)
	if len(list.Meetings) != 1 || list.Meetings[0].ConferenceID != made.Meeting.ConferenceID || !list.Meetings[0].Start.Equal(start) {
		t.Errorf("%+v", list)
	}
	stored, err := other.db.Rooms().Get(t.Context(), bridge.RoomID(made.Meeting.ConferenceID))
	if err != nil || stored.Spec.Title != "Größe; planning" {
		t.Errorf("%+v, %v", stored, err) // this is how other dialects find it
	}
	var updated rose.UpdateMeetingResult
	other.call(t, "mia", "asnUpdateMeeting", &rose.UpdateMeetingArgument{
		ConferenceID: made.Meeting.ConferenceID, Notify: true, Subject: new("Moved"),
		Attendees: []rose.MeetingAttendee{attendee("Mia", "mia@example.org", rose.RoleModerator)},
	}, &updated)
	got := []invitation{open(t, <-mails), open(t, <-mails)}
	slices.SortFunc(got, func(a, b invitation) int { return strings.Compare(a.to, b.to) })
	for n, want := range []string{"mia@example.org REQUEST 1 CONFIRMED", "tom@example.org CANCEL 1 CANCELLED"} {
		i := got[n]
		if s := strings.Join([]string{i.to, i.method, i.property(reader.ComponentPropertySequence), i.property(reader.ComponentPropertyStatus)}, " "); s != want {
			t.Errorf("%s, want %s", s, want)
		}
	}
	other.call(t, "alice", "asnCancelMeeting", &rose.CancelMeetingArgument{ConferenceID: made.Meeting.ConferenceID, Notify: true, Reason: new("No cake.")}, new(rose.CancelMeetingResult))
	i := open(t, <-mails)
	if i.method != "CANCEL" || i.property(reader.ComponentPropertySequence) != "2" || !strings.Contains(i.text, "No cake.") {
		t.Errorf("%+v", i)
	}
	for _, x := range []*world{w, other} {
		if err := errors.Join(x.Local.Close(), x.rooms.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}
	if err := w.db.Close(); err != nil {
		t.Error(err)
	}
}

var _ *store.DB // the meeting is in a real one
