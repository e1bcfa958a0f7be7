package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/store"
)

// filled sets every field of a struct to something that is not zero, so that a
// field which the store forgets is noticed.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(noon.Add(time.Duration(*n) * time.Second)))
		return
	case bridge.ParticipantID:
		v.Set(reflect.ValueOf(bridge.NewParticipantID()))
		return
	case bridge.MeetingID:
		v.Set(reflect.ValueOf(bridge.NewMeetingID()))
		return
	case bridge.InviteCode:
		v.Set(reflect.ValueOf(bridge.NewInviteCode()))
		return
	case bridge.MessageID:
		v.Set(reflect.ValueOf(bridge.NewMessageID()))
		return
	case bridge.AccountID:
		v.Set(reflect.ValueOf(bridge.AccountOf(bridge.UserID(fmt.Sprint("test:", *n)))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n%3) + 1)
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		filled(k, n)
		filled(e, n)
		v.SetMapIndex(k, e)
	default:
		panic(v.Type().String() + " cannot be filled") //nolint:forbidigo // a test that is to be extended
	}
}

func fill[T any](set func(*T)) T {
	var v T
	n := 0
	filled(reflect.ValueOf(&v).Elem(), &n)
	set(&v)
	return v
}

func same(t testing.TB, have, want any) {
	t.Helper()
	if !reflect.DeepEqual(have, want) {
		t.Errorf("have\n%+v\nwant\n%+v", have, want)
	}
}

func TestAccounts(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s := db.Accounts()
		want := fill(func(a *bridge.Account) { a.ID, a.Mail = bridge.AccountOf(a.User), "Ann@Example.org" })
		got := must(s.LogIn(t.Context(), want))(t)
		same(t, got, want)
		same(t, must(s.Get(t.Context(), want.ID))(t), want)
		same(t, must(s.ByMail(t.Context(), " ann@example.ORG"))(t), want)

		// Who logs in again keeps the name it has given itself.
		again := bridge.Account{User: want.User, Name: "another", Profile: bridge.Profile{Mail: "new@example.org", Last: "Zoë"}, Until: noon}
		want.Profile, want.Until = again.Profile, noon
		same(t, must(s.LogIn(t.Context(), again))(t), want)
		same(t, must(s.Get(t.Context(), want.ID))(t), want)
		_, err := s.ByMail(t.Context(), "ann@example.org")
		fails(t, bridge.NotFound, err)

		got, err = s.Change(t.Context(), want.ID, func(a *bridge.Account) error {
			a.Name, a.Attrs, a.User, a.Created = "Ann", nil, "test:eve", time.Time{}
			return nil
		})
		ok(t, err)
		want.Name, want.Attrs = "Ann", nil
		same(t, got, want)
		same(t, must(s.Get(t.Context(), want.ID))(t), want)

		no := errors.New("no")
		if _, err = s.Change(t.Context(), want.ID, func(a *bridge.Account) error { a.Name = "x"; return no }); err != no { //nolint:errorlint // it comes back as it is
			t.Errorf("%v", err)
		}
		same(t, must(s.Get(t.Context(), want.ID))(t), want)
		for _, absent := range []bridge.AccountID{{}, bridge.AccountOf("test:nobody")} {
			_, err = s.Get(t.Context(), absent)
			fails(t, bridge.NotFound, err)
			_, err = s.Change(t.Context(), absent, func(*bridge.Account) error { t.Error("called"); return nil })
			fails(t, bridge.NotFound, err)
		}
		for _, mail := range []string{"", " ", "\x00"} {
			_, err = s.ByMail(t.Context(), mail)
			fails(t, bridge.NotFound, err)
		}
		for _, bad := range []bridge.Account{
			{},
			{User: "a\x00"},
			{User: "u", Name: "\xff"},
			{User: "u", Name: strings.Repeat("x", 70_000)},
			{User: "u", Attrs: map[string]string{"k": strings.Repeat("x", bridge.MaxAttrs)}},
		} {
			_, err = s.LogIn(t.Context(), bad)
			fails(t, bridge.BadRequest, err)
		}
	})
}

func TestFindAccounts(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for i, name := range []string{"Zoë Ångström", "100%", "under_score", `back\slash`} {
			must(db.Accounts().LogIn(t.Context(), bridge.Account{
				User: bridge.UserID(fmt.Sprint("test:", i)), Name: name, Profile: bridge.Profile{First: "First", Mail: fmt.Sprintf("U%d@Example.org", i)},
			}))(t)
		}
		for text, want := range map[string]int{
			"zoë": 1, "ÅNG": 1, "%": 1, "_": 1, `\`: 1, "first": 4, "EXAMPLE": 4, "u2@": 1, "nobody": 0, "": 4, "0%u": 0,
		} {
			if found := must(db.Accounts().Find(t.Context(), text, 0))(t); len(found) != want {
				t.Errorf("%q: found %+v, want %d", text, found, want)
			}
		}
		found := must(db.Accounts().Find(t.Context(), "first", 2))(t)
		if len(found) != 2 || found[0].Name != "100%" || found[1].Name != `back\slash` {
			t.Errorf("found %+v", found)
		}
		_, err := db.Accounts().Find(t.Context(), "\x00", 1)
		fails(t, bridge.BadRequest, err)
	})
}

func TestRooms(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s := db.Rooms()
		want := fill(func(r *bridge.StoredRoom) { r.Spec.ID = "Zoë's room" })
		ok(t, s.Create(t.Context(), want))
		same(t, must(s.Get(t.Context(), want.Spec.ID))(t), want)
		fails(t, bridge.Exists, s.Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: want.Spec.ID, Title: "other"}}))
		same(t, must(s.Get(t.Context(), want.Spec.ID))(t), want)

		got, err := s.Change(t.Context(), want.Spec.ID, func(r *bridge.StoredRoom) error {
			r.Spec = bridge.Spec{ID: "renamed", WaitingRoom: true, Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "new"}}
			r.Creator, r.Updated = bridge.AccountID{}, noon
			return nil
		})
		ok(t, err)
		want.Spec = bridge.Spec{ID: want.Spec.ID, WaitingRoom: true, Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "new"}}
		want.Updated = noon
		same(t, got, want)
		same(t, must(s.Get(t.Context(), want.Spec.ID))(t), want)
		must(s.Change(t.Context(), want.Spec.ID, func(r *bridge.StoredRoom) error { r.Spec.Secrets = nil; return nil }))(t)
		want.Spec.Secrets = nil
		same(t, must(s.Get(t.Context(), want.Spec.ID))(t), want)

		no := errors.New("no")
		if _, err = s.Change(t.Context(), want.Spec.ID, func(r *bridge.StoredRoom) error { r.Spec.Title = "x"; return no }); err != no { //nolint:errorlint // it comes back as it is
			t.Errorf("%v", err)
		}
		_, err = s.Change(t.Context(), want.Spec.ID, func(r *bridge.StoredRoom) error { r.Spec.Title = "\xff"; return nil })
		fails(t, bridge.BadRequest, err)
		same(t, must(s.Get(t.Context(), want.Spec.ID))(t), want)

		ok(t, s.Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: "dated"}}))
		if r := must(s.Get(t.Context(), "dated"))(t); time.Since(r.Created) > time.Minute || r.Updated != r.Created {
			t.Errorf("%+v", r)
		}
		ok(t, s.Delete(t.Context(), want.Spec.ID))
		for _, absent := range []bridge.RoomID{want.Spec.ID, "", "\x00", "\xff"} {
			fails(t, bridge.NotFound, s.Delete(t.Context(), absent))
			_, err = s.Get(t.Context(), absent)
			fails(t, bridge.NotFound, err)
			_, err = s.Change(t.Context(), absent, func(*bridge.StoredRoom) error { t.Error("called"); return nil })
			fails(t, bridge.NotFound, err)
		}
		for _, bad := range []bridge.Spec{
			{},
			{ID: " r"},
			{ID: "r\x00"},
			{ID: "r", About: "\x00"},
			{ID: "r", Attrs: map[string]string{"k": strings.Repeat("x", bridge.MaxAttrs)}},
		} {
			fails(t, bridge.BadRequest, s.Create(t.Context(), bridge.StoredRoom{Spec: bad}))
		}
	})
}

func TestListRooms(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ann := account(t, db, "ann")
		for i := range 7 {
			r := bridge.StoredRoom{Spec: bridge.Spec{ID: bridge.RoomID(fmt.Sprint("r", i))}, Creator: ann, Created: noon.Add(time.Duration(i%3) * time.Hour)}
			ok(t, db.Rooms().Create(t.Context(), r))
		}
		ok(t, db.Rooms().Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: "other"}}))
		var ids []string
		for offset := -1; offset < 8; offset += 3 {
			rooms, all, err := db.Rooms().List(t.Context(), ann, offset, 3)
			ok(t, err)
			if all != 7 {
				t.Errorf("%d in all", all)
			}
			for _, r := range rooms {
				ids = append(ids, string(r.Spec.ID))
			}
		}
		same(t, ids, []string{"r0", "r3", "r6", "r6", "r1", "r4", "r2", "r5"})
	})
}

func TestInvites(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s := db.Invites()
		for _, id := range []bridge.RoomID{"r", "other"} {
			ok(t, db.Rooms().Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: id}}))
		}
		want := fill(func(i *bridge.Invite) { i.Code, i.Room = bridge.NewInviteCode(), "r" })
		ok(t, s.Create(t.Context(), want))
		same(t, must(s.Get(t.Context(), want.Code))(t), want)
		fails(t, bridge.Exists, s.Create(t.Context(), want))
		fails(t, bridge.NotFound, s.Create(t.Context(), bridge.Invite{Code: bridge.NewInviteCode(), Room: "absent"}))
		fails(t, bridge.BadRequest, s.Create(t.Context(), bridge.Invite{Room: "r"}))
		fails(t, bridge.BadRequest, s.Create(t.Context(), bridge.Invite{Code: bridge.NewInviteCode(), Room: "\x00"}))

		got, err := s.Change(t.Context(), want.Code, func(i *bridge.Invite) error {
			i.Active, i.Expires, i.Updated, i.UpdatedBy = false, time.Time{}, noon, bridge.AccountID{}
			i.Room, i.Creator = "other", bridge.AccountID{}
			return nil
		})
		ok(t, err)
		want.Active, want.Expires, want.Updated, want.UpdatedBy = false, time.Time{}, noon, bridge.AccountID{}
		same(t, got, want)
		same(t, must(s.Get(t.Context(), want.Code))(t), want)
		no := errors.New("no")
		if _, err = s.Change(t.Context(), want.Code, func(i *bridge.Invite) error { i.Active = true; return no }); err != no { //nolint:errorlint // it comes back as it is
			t.Errorf("%v", err)
		}
		_, err = s.Change(t.Context(), bridge.NewInviteCode(), func(*bridge.Invite) error { return nil })
		fails(t, bridge.NotFound, err)
		_, err = s.Get(t.Context(), bridge.InviteCode{})
		fails(t, bridge.NotFound, err)

		for i := range 4 {
			ok(t, s.Create(t.Context(), bridge.Invite{Code: bridge.NewInviteCode(), Room: "r", Created: noon.Add(time.Duration(-i) * time.Hour), Active: true}))
		}
		found, all, err := s.List(t.Context(), "r", 1, 2)
		ok(t, err)
		if all != 5 || len(found) != 2 || found[0].Created != noon.Add(-2*time.Hour) || found[1].Created != noon.Add(-time.Hour) {
			t.Errorf("%d, %+v", all, found)
		}
		if found, all, err = s.List(t.Context(), "\x00", 0, 0); len(found) != 0 || all != 0 || err != nil {
			t.Errorf("%+v, %v", found, err)
		}
		ok(t, db.Rooms().Delete(t.Context(), "r"))
		_, err = s.Get(t.Context(), want.Code)
		fails(t, bridge.NotFound, err)
	})
}

func TestHistory(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s := db.History()
		first := fill(func(m *bridge.Said) { m.ID = bridge.NewMessageID() })
		ok(t, s.Append(t.Context(), "r", first, 3))
		ok(t, s.Append(t.Context(), "r", bridge.Said{ID: first.ID, Text: "again"}, 3))
		same(t, must(s.Last(t.Context(), "r", 5))(t), []bridge.Said{first})

		// All at the same time: the order is that in which they came.
		var want []bridge.Said
		for i := range 5 {
			m := bridge.Said{ID: bridge.NewMessageID(), Text: fmt.Sprint("nul \x00 and ", i), At: noon}
			want = append(want, m)
			ok(t, s.Append(t.Context(), "r", m, 3))
		}
		ok(t, s.Append(t.Context(), "other", first, 3))
		same(t, must(s.Last(t.Context(), "r", 50))(t), want[2:])
		same(t, must(s.Last(t.Context(), "r", 2))(t), want[3:])
		for _, none := range []bridge.RoomID{"absent", "\x00"} {
			if found := must(s.Last(t.Context(), none, 5))(t); len(found) != 0 {
				t.Errorf("%+v", found)
			}
			ok(t, s.Clear(t.Context(), none))
		}
		ok(t, s.Clear(t.Context(), "r"))
		ok(t, s.Append(t.Context(), "r", first, 0))
		if found := must(s.Last(t.Context(), "r", 5))(t); len(found) != 0 {
			t.Errorf("%+v", found)
		}
		same(t, must(s.Last(t.Context(), "other", 5))(t), []bridge.Said{first})

		fails(t, bridge.BadRequest, s.Append(t.Context(), "", first, 1))
		fails(t, bridge.BadRequest, s.Append(t.Context(), "\x00", first, 1))
		fails(t, bridge.BadRequest, s.Append(t.Context(), "r", bridge.Said{}, 1))
		long := bridge.Said{ID: bridge.NewMessageID(), Text: strings.Repeat("x", bridge.MaxText+1)}
		fails(t, bridge.BadRequest, s.Append(t.Context(), "r", long, 1))

		ok(t, db.Rooms().Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: "other"}}))
		ok(t, db.Rooms().Delete(t.Context(), "other"))
		if found := must(s.Last(t.Context(), "other", 5))(t); len(found) != 0 {
			t.Errorf("%+v", found)
		}
	})
}

func TestTickets(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := open(t, url)
		s := db.Tickets()
		later := time.Now().Add(time.Hour)
		ok(t, s.Put(t.Context(), "one", []byte("first"), later))
		ok(t, s.Put(t.Context(), "one", []byte("second"), later))
		ok(t, s.Put(t.Context(), "two", nil, later))
		ok(t, s.Put(t.Context(), "over", []byte("x"), time.Now().Add(-time.Microsecond)))
		for range 2 {
			if v, err := s.Get(t.Context(), "one"); string(v) != "second" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		}
		if v, err := s.Take(t.Context(), "one"); string(v) != "second" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		for _, gone := range []bridge.Secret{"one", "over", "unknown", ""} {
			_, err := s.Take(t.Context(), gone)
			fails(t, bridge.NotFound, err)
			_, err = s.Get(t.Context(), gone)
			fails(t, bridge.NotFound, err)
		}
		if v, err := s.Take(t.Context(), "two"); len(v) != 0 || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		fails(t, bridge.BadRequest, s.Put(t.Context(), "", nil, later))
		fails(t, bridge.BadRequest, s.Put(t.Context(), "big", make([]byte, 64<<10+1), later))

		// What has expired is gone with the next that is put.
		ok(t, s.Put(t.Context(), "three", nil, later))
		var n int
		ok(t, raw(t, url).QueryRowContext(t.Context(), `SELECT COUNT(*) FROM tickets`).Scan(&n))
		if n != 1 {
			t.Errorf("%d tickets are kept", n)
		}
	})
}

// Stored numbers have a meaning that later programs share.
func TestNumbersThatAreStored(t *testing.T) {
	same(t, []bridge.Role{bridge.NoRole, bridge.Listener, bridge.Speaker, bridge.Moderator}, []bridge.Role{0, 1, 2, 3})
	same(t, []bridge.Answer{bridge.Unanswered, bridge.Accepted, bridge.Tentative, bridge.Declined}, []bridge.Answer{0, 1, 2, 3})
	if id := bridge.AccountOf("oidc:login.example.org/ann").String(); id != "c6d88260-b32b-8abf-a7b8-948c72777917" {
		t.Errorf("the account of ann is %s", id)
	}
	if bridge.AccountOf("") != (bridge.AccountID{}) {
		t.Error("nobody has an account")
	}
}
