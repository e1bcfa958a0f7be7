package store_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/store"
)

// at runs f n times at the same time.
func at(n int, f func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// No change is lost, whoever makes it: two handles stand for two nodes.
func TestChangesTogether(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		nodes := []*store.DB{open(t, url), open(t, url)}
		m := meeting("m")
		ok(t, nodes[0].Meetings().Create(t.Context(), m))
		inv := bridge.Invite{Code: bridge.NewInviteCode(), Room: m.Room.Spec.ID}
		ok(t, nodes[0].Invites().Create(t.Context(), inv))
		ann := account(t, nodes[0], "ann")
		const each = 10
		at(8, func(i int) {
			db := nodes[i%2]
			for range each {
				if _, err := db.Meetings().Change(t.Context(), m.ID, func(m *bridge.Meeting) error {
					m.Sequence++
					m.Attendees = append(m.Attendees, bridge.Attendee{Contact: bridge.Contact{Mail: fmt.Sprint(m.Sequence)}})
					m.Room.Spec.Max++
					return nil
				}); err != nil {
					t.Error(err)
				}
				if _, err := db.Rooms().Change(t.Context(), m.Room.Spec.ID, func(r *bridge.StoredRoom) error { r.Spec.Max++; return nil }); err != nil {
					t.Error(err)
				}
				if _, err := db.Accounts().Change(t.Context(), ann, func(a *bridge.Account) error {
					n, _ := strconv.Atoi(a.Attrs["n"])
					a.Attrs = map[string]string{"n": strconv.Itoa(n + 1)}
					return nil
				}); err != nil {
					t.Error(err)
				}
				if _, err := db.Invites().Change(t.Context(), inv.Code, func(i *bridge.Invite) error {
					i.Updated = i.Updated.Add(time.Second)
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
		e := must(nodes[0].Meetings().Get(t.Context(), m.ID, ann))(t)
		if e.Sequence != 8*each || len(e.Attendees) != 2+8*each || e.Room.Spec.Max != 2*8*each {
			t.Errorf("%d, %d attendees, at most %d", e.Sequence, len(e.Attendees), e.Room.Spec.Max)
		}
		if a := must(nodes[1].Accounts().Get(t.Context(), ann))(t); a.Attrs["n"] != strconv.Itoa(8*each) {
			t.Errorf("%v", a.Attrs)
		}
		i := must(nodes[1].Invites().Get(t.Context(), inv.Code))(t)
		if got := i.Updated.Sub(i.Created); got != 8*each*time.Second {
			t.Errorf("%v", got)
		}
	})
}

// Of many who take a ticket one gets it; of many who log in for the first time,
// create the same room or keep the same message, all find one.
func TestOnlyOne(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		nodes := []*store.DB{open(t, url), open(t, url)}
		for round := range 5 {
			name := fmt.Sprint("round", round)
			ok(t, nodes[0].Tickets().Put(t.Context(), bridge.Secret(name), []byte(name), time.Now().Add(time.Hour)))
			said := bridge.Said{ID: bridge.NewMessageID(), Text: name}
			var taken, made atomic.Int32
			at(8, func(i int) {
				db := nodes[i%2]
				switch _, err := db.Tickets().Take(t.Context(), bridge.Secret(name)); bridge.CodeOf(err) {
				case 0:
					taken.Add(1)
				case bridge.NotFound:
				default:
					t.Error(err)
				}
				switch err := db.Rooms().Create(t.Context(), bridge.StoredRoom{Spec: bridge.Spec{ID: bridge.RoomID(name)}}); bridge.CodeOf(err) {
				case 0:
					made.Add(1)
				case bridge.Exists:
				default:
					t.Error(err)
				}
				if a, err := db.Accounts().LogIn(t.Context(), bridge.Account{User: bridge.UserID(name), Name: name}); err != nil || a.Name != name {
					t.Errorf("%+v, %v", a, err)
				}
				if err := db.History().Append(t.Context(), "r", said, 10); err != nil {
					t.Error(err)
				}
			})
			if taken.Load() != 1 || made.Load() != 1 {
				t.Errorf("%d took the ticket, %d made the room", taken.Load(), made.Load())
			}
			if all := must(nodes[1].History().Last(t.Context(), "r", 10))(t); len(all) != round+1 {
				t.Errorf("%d messages", len(all))
			}
		}
	})
}

// Two nodes that both believe to own a room lose no message.
func TestTwoOwnersAppend(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		nodes := []*store.DB{open(t, url), open(t, url)}
		at(6, func(i int) {
			for n := range 10 {
				said := bridge.Said{ID: bridge.NewMessageID(), Text: fmt.Sprint(i, n)}
				if err := nodes[i%2].History().Append(t.Context(), "r", said, bridge.MaxKeepChat); err != nil {
					t.Error(err)
				}
			}
		})
		if all := must(nodes[0].History().Last(t.Context(), "r", bridge.MaxKeepChat))(t); len(all) != 60 {
			t.Errorf("%d messages", len(all))
		}
	})
}

// Who deletes a meeting while another adds one to its room leaves no meeting
// without a room.
func TestDeleteAgainstCreate(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		nodes := []*store.DB{open(t, url), open(t, url)}
		for range 10 {
			first, second := meeting("first"), meeting("second")
			second.Room = first.Room
			ok(t, nodes[0].Meetings().Create(t.Context(), first))
			var created error
			at(2, func(i int) {
				if i == 0 {
					if err := nodes[0].Meetings().Delete(t.Context(), first.ID); err != nil {
						t.Error(err)
					}
					return
				}
				created = nodes[1].Meetings().Create(t.Context(), second)
			})
			_, err := nodes[0].Meetings().Get(t.Context(), second.ID, bridge.AccountID{})
			if code := bridge.CodeOf(created); code != 0 && code != bridge.NotFound || code != bridge.CodeOf(err) {
				t.Errorf("created: %v, found: %v", created, err)
			}
			_, err = nodes[0].Rooms().Get(t.Context(), first.Room.Spec.ID)
			if bridge.CodeOf(created) != bridge.CodeOf(err) {
				t.Errorf("created: %v, room: %v", created, err)
			}
		}
	})
}
