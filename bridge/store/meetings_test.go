package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/store"
)

func TestMeetings(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s := db.Meetings()
		series := meeting("series")
		ok(t, s.Create(t.Context(), series))
		want := fill(func(m *bridge.Meeting) {
			m.ID, m.Series, m.Room.Spec.ID = bridge.NewMeetingID(), series.ID, "the room"
			m.Starts, m.Ends = bridge.Moment{At: noon, Zone: "Europe/Vienna"}, bridge.Moment{At: noon.Add(time.Hour), Zone: "America/Lima"}
			m.Invited = len(m.Attendees)
			m.Timeless = false
			m.Attendees[0].Account = m.Creator
		})
		ok(t, s.Create(t.Context(), want))
		none := bridge.AccountID{}
		same(t, must(s.Get(t.Context(), want.ID, none))(t), bridge.Entry{Meeting: want})
		same(t, must(s.Get(t.Context(), want.ID, want.Creator))(t), bridge.Entry{Meeting: want, Involved: true, Answer: bridge.Accepted})
		other := want.Attendees[1]
		same(t, must(s.Get(t.Context(), want.ID, other.Account))(t), bridge.Entry{Meeting: want, Involved: true, Answer: other.Answer})
		same(t, must(s.Exceptions(t.Context(), series.ID))(t), []bridge.Meeting{want})
		same(t, must(db.Rooms().Get(t.Context(), "the room"))(t), want.Room)

		fails(t, bridge.Exists, s.Create(t.Context(), want))
		twin := want
		twin.ID = bridge.NewMeetingID()
		fails(t, bridge.Exists, s.Create(t.Context(), twin)) // takes the same occurrence's place
		twin.Series = bridge.NewMeetingID()
		fails(t, bridge.NotFound, s.Create(t.Context(), twin))

		got, err := s.Change(t.Context(), want.ID, func(m *bridge.Meeting) error {
			fresh := fill(func(m *bridge.Meeting) { m.Title, m.Timeless = "changed", false })
			fresh.Room.Spec.ID = "not this"
			fresh.Ends.At = fresh.Starts.At
			*m = fresh
			return nil
		})
		ok(t, err)
		fresh := got
		fresh.ID, fresh.Series, fresh.Occurrence, fresh.Creator, fresh.Created = want.ID, want.Series, want.Occurrence, want.Creator, want.Created
		fresh.Room.Spec.ID, fresh.Room.Creator, fresh.Room.Created = want.Room.Spec.ID, want.Room.Creator, want.Room.Created
		same(t, got, fresh)
		if got.Title != "changed" {
			t.Errorf("%+v", got)
		}
		same(t, must(s.Get(t.Context(), want.ID, none))(t).Meeting, got)

		no := errors.New("no")
		if _, err = s.Change(t.Context(), want.ID, func(m *bridge.Meeting) error {
			m.Title, m.Attendees[0].Name = "x", "x"
			return no
		}); err != no { //nolint:errorlint // it comes back as it is
			t.Errorf("%v", err)
		}
		_, err = s.Change(t.Context(), want.ID, func(m *bridge.Meeting) error { m.Attendees = make([]bridge.Attendee, 1001); return nil })
		fails(t, bridge.BadRequest, err)
		same(t, must(s.Get(t.Context(), want.ID, none))(t).Meeting, got)

		absent := bridge.NewMeetingID()
		_, err = s.Get(t.Context(), absent, none)
		fails(t, bridge.NotFound, err)
		_, err = s.Change(t.Context(), absent, func(*bridge.Meeting) error { t.Error("called"); return nil })
		fails(t, bridge.NotFound, err)
		fails(t, bridge.NotFound, s.Delete(t.Context(), absent))
	})
}

func TestMeetingsRefuse(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for name, spoil := range map[string]func(*bridge.Meeting){
			"no id":               func(m *bridge.Meeting) { m.ID = bridge.MeetingID{} },
			"no room":             func(m *bridge.Meeting) { m.Room.Spec.ID = "" },
			"no start":            func(m *bridge.Meeting) { m.Starts = bridge.Moment{} },
			"ends before":         func(m *bridge.Meeting) { m.Ends.At = m.Starts.At.Add(-1) },
			"timeless with start": func(m *bridge.Meeting) { m.Timeless, m.Ends = true, bridge.Moment{} },
			"timeless, recurring": func(m *bridge.Meeting) {
				m.Timeless, m.Starts, m.Ends, m.Recurrence = true, bridge.Moment{}, bridge.Moment{}, []string{"x"}
			},
			"many rules":            func(m *bridge.Meeting) { m.Recurrence = make([]string, bridge.MaxRecurrence+1) },
			"many attendees":        func(m *bridge.Meeting) { m.Attendees = make([]bridge.Attendee, bridge.MaxAttendees+1) },
			"attendee of no kind":   func(m *bridge.Meeting) { m.Attendees = []bridge.Attendee{{}} },
			"attendee with a NUL":   func(m *bridge.Meeting) { m.Attendees[0].Name = "\x00" },
			"title that is no text": func(m *bridge.Meeting) { m.Title = "\xff" },
			"large attributes":      func(m *bridge.Meeting) { m.Attrs = map[string]string{"k": strings.Repeat("x", bridge.MaxAttrs)} },
		} {
			m := meeting("bad")
			spoil(&m)
			if err := db.Meetings().Create(t.Context(), m); bridge.CodeOf(err) != bridge.BadRequest {
				t.Errorf("%s: %v", name, err)
			}
			_, err := db.Rooms().Get(t.Context(), m.Room.Spec.ID)
			fails(t, bridge.NotFound, err)
		}
	})
}

// What belongs to a meeting goes with it; a room stays as long as a meeting has it.
func TestDeleteMeeting(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s, ann := db.Meetings(), account(t, db, "ann")
		first, second, exception := meeting("first"), meeting("second"), meeting("exception")
		second.Room = first.Room
		exception.Room, exception.Series, exception.Occurrence = first.Room, first.ID, noon
		for _, m := range []bridge.Meeting{first, second, exception} {
			ok(t, s.Create(t.Context(), m))
		}
		code := bridge.NewInviteCode()
		ok(t, db.Invites().Create(t.Context(), bridge.Invite{Code: code, Room: first.Room.Spec.ID}))
		must(s.Favor(t.Context(), ann, first.ID, true))(t)

		if e := must(s.OfRoom(t.Context(), first.Room.Spec.ID, ann))(t); e.ID != first.ID || !e.Favorite || e.Involved || len(e.Attendees) != 2 {
			t.Errorf("%+v", e)
		}
		ok(t, s.Delete(t.Context(), first.ID))
		for _, id := range []bridge.MeetingID{first.ID, exception.ID} {
			_, err := s.Get(t.Context(), id, ann)
			fails(t, bridge.NotFound, err)
		}
		must(db.Invites().Get(t.Context(), code))(t)
		if e := must(s.OfRoom(t.Context(), first.Room.Spec.ID, ann))(t); e.ID != second.ID {
			t.Errorf("%+v", e)
		}
		ok(t, s.Delete(t.Context(), second.ID))
		_, err := db.Invites().Get(t.Context(), code)
		fails(t, bridge.NotFound, err)
		for _, room := range []bridge.RoomID{first.Room.Spec.ID, "\x00"} {
			_, err = s.OfRoom(t.Context(), room, ann)
			fails(t, bridge.NotFound, err)
		}

		third := meeting("third")
		ok(t, s.Create(t.Context(), third))
		ok(t, db.Rooms().Delete(t.Context(), third.Room.Spec.ID))
		_, err = s.Get(t.Context(), third.ID, ann)
		fails(t, bridge.NotFound, err)
	})
}

func TestFavor(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s, ann, m := db.Meetings(), account(t, db, "ann"), meeting("m")
		ok(t, s.Create(t.Context(), m))
		for _, step := range []struct{ on, changed bool }{{false, false}, {true, true}, {true, false}, {false, true}, {false, false}, {true, true}} {
			if changed := must(s.Favor(t.Context(), ann, m.ID, step.on))(t); changed != step.changed {
				t.Errorf("%+v: %v", step, changed)
			}
			if e := must(s.Get(t.Context(), m.ID, ann))(t); e.Favorite != step.on {
				t.Errorf("%+v: %v", step, e.Favorite)
			}
		}
		if e := must(s.Get(t.Context(), m.ID, account(t, db, "bob")))(t); e.Favorite {
			t.Error("it is another's favorite")
		}
		_, err := s.Favor(t.Context(), ann, bridge.NewMeetingID(), true)
		fails(t, bridge.NotFound, err)
	})
}

func titles(entries []bridge.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Title)
	}
	return all
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s, ann, bob := db.Meetings(), account(t, db, "ann"), account(t, db, "bob")
		hours := func(m *bridge.Meeting, from, to int) {
			m.Starts.At, m.Ends.At = noon.Add(time.Duration(from)*time.Hour), noon.Add(time.Duration(to)*time.Hour)
		}
		add := func(title string, change func(*bridge.Meeting)) bridge.MeetingID {
			m := meeting(title)
			m.Creator, m.Attendees = ann, nil
			change(&m)
			ok(t, s.Create(t.Context(), m))
			return m.ID
		}
		add("early", func(m *bridge.Meeting) {
			hours(m, 0, 1)
			m.Creator = bob
			m.Attendees = []bridge.Attendee{{Account: ann, Answer: bridge.Declined}}
		})
		late := add("late", func(m *bridge.Meeting) { hours(m, 9, 10); m.Adhoc = true })
		add("mailed", func(m *bridge.Meeting) {
			hours(m, 5, 6)
			m.Creator = bob
			m.Attendees = []bridge.Attendee{{Account: bob}, {Contact: bridge.Contact{Mail: "ANN@example.org"}, Answer: bridge.Tentative}}
		})
		add("timeless", func(m *bridge.Meeting) { m.Timeless, m.Starts, m.Ends = true, bridge.Moment{}, bridge.Moment{} })
		add("weekly", func(m *bridge.Meeting) {
			hours(m, 2, 3)
			m.Recurrence, m.LastEnds = []string{"x"}, noon.Add(7*time.Hour)
		})
		add("daily", func(m *bridge.Meeting) { hours(m, 1, 2); m.Recurrence = []string{"x"} })
		add("cancelled", func(m *bridge.Meeting) { hours(m, 3, 4); m.Cancelled = true })
		add("organized", func(m *bridge.Meeting) { hours(m, 4, 5); m.Creator = bob; m.Organizer.Mail = "ann@example.org" })
		add("bob's", func(m *bridge.Meeting) { m.Creator = bob })
		must(s.Favor(t.Context(), ann, late, true))(t)
		must(s.Favor(t.Context(), bob, late, true))(t)

		yes, no, mail := true, false, "Ann@Example.ORG"
		at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
		for name, r := range map[string]struct {
			q    bridge.Query
			want string
		}{
			"by account":      {bridge.Query{}, "timeless early daily weekly late"},
			"by mail, too":    {bridge.Query{Mail: mail}, "timeless early daily weekly organized mailed late"},
			"from":            {bridge.Query{Mail: mail, From: at(6)}, "daily weekly late"},
			"to":              {bridge.Query{Mail: mail, To: at(4)}, "early daily weekly"},
			"from to":         {bridge.Query{Mail: mail, From: at(1), To: at(9)}, "daily weekly organized mailed"},
			"adhoc":           {bridge.Query{Mail: mail, Adhoc: &yes}, "late"},
			"not adhoc":       {bridge.Query{Adhoc: &no}, "timeless early daily weekly"},
			"timeless":        {bridge.Query{Timeless: &yes}, "timeless"},
			"not timeless":    {bridge.Query{Timeless: &no}, "early daily weekly late"},
			"favorites":       {bridge.Query{Mail: mail, Favorites: true}, "late"},
			"declined":        {bridge.Query{Mail: mail, Answers: []bridge.Answer{bridge.Declined}}, "early"},
			"two answers":     {bridge.Query{Mail: mail, Answers: []bridge.Answer{bridge.Declined, bridge.Tentative}}, "early mailed"},
			"all at once":     {bridge.Query{Mail: mail, From: at(0), To: at(10), Adhoc: &yes, Timeless: &no, Favorites: true, Answers: []bridge.Answer{bridge.Accepted}}, "late"},
			"first page only": {bridge.Query{Mail: mail, Limit: 2}, "timeless early"},
		} {
			r.q.Viewer = ann
			page := must(s.List(t.Context(), r.q))(t)
			if got := strings.Join(titles(page.Entries), " "); got != r.want {
				t.Errorf("%s: %s, want %s", name, got, r.want)
			}
		}
		if got := must(s.List(t.Context(), bridge.Query{}))(t); len(got.Entries) != 0 {
			t.Errorf("nobody's: %v", titles(got.Entries))
		}

		all := must(s.List(t.Context(), bridge.Query{Viewer: ann, Mail: mail, Attendees: 1}))(t).Entries
		for _, e := range all {
			want := map[string]bridge.Answer{"early": bridge.Declined, "mailed": bridge.Tentative}[e.Title]
			if want == bridge.Unanswered {
				want = bridge.Accepted
			}
			if !e.Involved || e.Answer != want || e.Favorite != (e.Title == "late") || len(e.Attendees) != min(1, e.Invited) {
				t.Errorf("%s: %+v", e.Title, e)
			}
			if e.Title == "mailed" && (e.Invited != 2 || e.Attendees[0].Account != bob) {
				t.Errorf("%+v", e)
			}
		}

		// Who is no longer invited no longer has it; who answers has the answer.
		early := all[1]
		change := func(f func(*bridge.Meeting)) {
			t.Helper()
			must(s.Change(t.Context(), early.ID, func(m *bridge.Meeting) error { f(m); return nil }))(t)
		}
		change(func(m *bridge.Meeting) { m.Attendees[0].Answer = bridge.Accepted; hours(m, 20, 21) })
		got := must(s.List(t.Context(), bridge.Query{Viewer: ann, From: at(20), Timeless: &no}))(t).Entries
		if slices.Compare(titles(got), []string{"daily", "early"}) != 0 || got[1].Answer != bridge.Accepted {
			t.Errorf("%+v", got)
		}
		change(func(m *bridge.Meeting) { m.Attendees = nil })
		if got := must(s.List(t.Context(), bridge.Query{Viewer: ann, From: at(20)}))(t).Entries; len(got) != 1 {
			t.Errorf("%v", titles(got))
		}
		change(func(m *bridge.Meeting) { m.Cancelled = true })
		if got := must(s.List(t.Context(), bridge.Query{Viewer: bob, From: at(20)}))(t).Entries; len(got) != 0 {
			t.Errorf("%v", titles(got))
		}
	})
}

func TestListRefuses(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for _, after := range []string{"x", "%", "MSAyIDM", strings.Repeat("A", 400), "MSAyIDM=", "MSAyIA"} {
			_, err := db.Meetings().List(t.Context(), bridge.Query{After: after})
			fails(t, bridge.BadRequest, err)
		}
		_, err := db.Meetings().List(t.Context(), bridge.Query{Mail: "a\x00"})
		fails(t, bridge.BadRequest, err)
	})
}
