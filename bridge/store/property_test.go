package store_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/store"
)

// model is what the lists have to say, kept in a slice.
type model struct {
	meetings  []bridge.Meeting
	favorites map[bridge.MeetingID]bool
	ann       bridge.AccountID
	mail      string
}

// list answers a query by looking at everything.
func (m model) list(q bridge.Query) (ids []string) {
	var found []bridge.Meeting
	for _, one := range m.meetings {
		if m.has(one, q) {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b bridge.Meeting) int {
		return cmp.Or(a.Starts.At.Compare(b.Starts.At), a.Created.Compare(b.Created), strings.Compare(a.ID.String(), b.ID.String()))
	})
	for _, one := range found {
		ids = append(ids, one.ID.String())
	}
	return ids
}

func (m model) has(one bridge.Meeting, q bridge.Query) bool {
	answer := bridge.Answer(99) // the creator's, before that to the account, before that to the address
	for _, a := range slices.Backward(one.Attendees) {
		if q.Mail != "" && strings.EqualFold(a.Mail, q.Mail) {
			answer = a.Answer
		}
	}
	for _, a := range slices.Backward(one.Attendees) {
		if a.Account == m.ann {
			answer = a.Answer
		}
	}
	if one.Creator == m.ann {
		answer = bridge.Accepted
	}
	ends := one.Ends.At
	if len(one.Recurrence) > 0 {
		if ends = one.LastEnds; ends.IsZero() {
			ends = noon.AddDate(1000, 0, 0)
		}
	}
	bounded := !q.From.IsZero() || !q.To.IsZero()
	return answer != 99 && !one.Cancelled && (len(q.Answers) == 0 || slices.Contains(q.Answers, answer)) &&
		(q.Adhoc == nil || *q.Adhoc == one.Adhoc) && (q.Timeless == nil || *q.Timeless == one.Timeless) &&
		(!q.Favorites || m.favorites[one.ID]) && (!bounded || !one.Timeless) &&
		(q.From.IsZero() || ends.After(q.From)) && (q.To.IsZero() || one.Starts.At.Before(q.To))
}

func oneOf[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func maybe(r *rand.Rand) *bool { return oneOf(r, nil, new(true), new(false)) }

// when is one of few times, so that many things are at the same.
func when(r *rand.Rand) time.Time { return noon.Add(time.Duration(r.IntN(12)) * time.Hour) }

func (m model) random(r *rand.Rand, i int) bridge.Meeting {
	one := bridge.Meeting{
		ID: bridge.NewMeetingID(), Title: fmt.Sprint(i), Created: when(r), Adhoc: r.IntN(3) == 0, Cancelled: r.IntN(9) == 0,
		Creator: oneOf(r, m.ann, bridge.AccountOf("test:other")),
	}
	one.Room.Spec.ID = bridge.RoomID(one.ID.String())
	if one.Timeless = r.IntN(4) == 0; !one.Timeless {
		one.Starts.At = when(r)
		one.Ends.At = one.Starts.At.Add(time.Duration(r.IntN(4)) * time.Hour)
		if r.IntN(4) == 0 {
			one.Recurrence, one.LastEnds = []string{"x"}, oneOf(r, time.Time{}, one.Ends.At.Add(5*time.Hour))
		}
	}
	one.Updated = one.Created
	for range r.IntN(4) { // by account, by mail, or as one who is known by both; perhaps more than once
		one.Attendees = append(one.Attendees, oneOf(r,
			bridge.Attendee{Account: m.ann}, bridge.Attendee{Contact: bridge.Contact{Mail: m.mail}},
			bridge.Attendee{Account: m.ann, Contact: bridge.Contact{Mail: m.mail}}, bridge.Attendee{Contact: bridge.Contact{Name: "x"}}))
		one.Attendees[len(one.Attendees)-1].Answer = bridge.Answer(r.IntN(4))
	}
	return one
}

// TestPages: whatever is asked, at whatever size of pages, all pages together are
// what a look at everything finds, in the same order, nothing twice.
func TestPages(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		m := model{favorites: map[bridge.MeetingID]bool{}, ann: account(t, db, "ann"), mail: "ann@example.org"}
		for i := range 120 {
			one := m.random(r, i)
			m.meetings = append(m.meetings, one)
			ok(t, db.Meetings().Create(t.Context(), one))
			if m.favorites[one.ID] = r.IntN(3) == 0; m.favorites[one.ID] {
				must(db.Meetings().Favor(t.Context(), m.ann, one.ID, true))(t)
			}
		}
		for range 60 {
			q := bridge.Query{
				Viewer: m.ann, Mail: oneOf(r, "", m.mail, strings.ToUpper(m.mail)), From: oneOf(r, time.Time{}, when(r)), To: oneOf(r, time.Time{}, when(r)),
				Adhoc: maybe(r), Timeless: maybe(r), Favorites: r.IntN(3) == 0, Limit: 1 + r.IntN(20),
				Answers: oneOf(r, nil, nil, []bridge.Answer{bridge.Accepted}, []bridge.Answer{bridge.Unanswered, bridge.Declined}),
			}
			want := m.list(q)
			var got []string
			for _, e := range everything(t, db, q) {
				got = append(got, e.ID.String())
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v\nhave %v\nwant %v", q, got, want)
			}
		}
		// A meeting that comes or goes while somebody reads pages shifts nothing else.
		q := bridge.Query{Viewer: m.ann, Limit: 7}
		want := m.list(q)
		page := must(db.Meetings().List(t.Context(), q))(t)
		ok(t, db.Meetings().Delete(t.Context(), page.Entries[6].ID))
		early := m.random(r, 1000)
		early.Creator, early.Cancelled = m.ann, false
		early.Timeless, early.Starts, early.Ends, early.Recurrence, early.Created = true, bridge.Moment{}, bridge.Moment{}, nil, time.Unix(1, 0)
		ok(t, db.Meetings().Create(t.Context(), early))
		q.After = page.Next
		var rest []string
		for _, e := range everything(t, db, q) {
			rest = append(rest, e.ID.String())
		}
		if !slices.Equal(rest, want[7:]) {
			t.Errorf("have %v\nwant %v", rest, want[7:])
		}
	})
}

// FuzzAfter: what clients send as a cursor is refused or is one.
func FuzzAfter(f *testing.F) {
	db := open(f, "sqlite:"+f.TempDir()+"/fuzz.db")
	ok(f, db.Meetings().Create(f.Context(), meeting("m")))
	other := meeting("n")
	ok(f, db.Meetings().Create(f.Context(), other))
	q := bridge.Query{Viewer: other.Creator, Limit: 1}
	f.Add(must(db.Meetings().List(f.Context(), q))(f).Next)
	f.Add("MSAyIDM")
	f.Add("")
	f.Fuzz(func(t *testing.T, after string) {
		q := q
		q.After = after
		if page, err := db.Meetings().List(t.Context(), q); err != nil && bridge.CodeOf(err) != bridge.BadRequest {
			t.Errorf("%q: %v", after, err)
		} else if err == nil && page.Next != "" && page.Next == after {
			t.Errorf("%q leads to itself", after)
		}
	})
}
