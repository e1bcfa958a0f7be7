package k3k_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"dragoman/bridge"
)

// memory is a store that forgets with the test. It is as much of bridge.Store as
// the dialect uses, without its bounds.
type memory struct {
	mu      sync.Mutex
	users   map[bridge.AccountID]bridge.Account
	events  []bridge.Meeting
	favored map[string]bool
	stored  []bridge.StoredRoom
	codes   []bridge.Invite
	secrets map[bridge.Secret]kept
	broken  error // what tickets answer, if not nil
}

type kept struct {
	value   []byte
	expires time.Time
}

func newMemory() *memory {
	return &memory{
		users: map[bridge.AccountID]bridge.Account{}, favored: map[string]bool{}, secrets: map[bridge.Secret]kept{},
	}
}

func gone() error { return bridge.Errorf(bridge.NotFound, "there is no such thing") }

func (m *memory) Accounts() bridge.Accounts   { return accounts{m} }
func (m *memory) Meetings() bridge.Meetings   { return meetings{m} }
func (m *memory) Rooms() bridge.Rooms         { return rooms{m} }
func (m *memory) Invites() bridge.Invites     { return invites{m} }
func (m *memory) History() bridge.History     { return nil }
func (m *memory) Tickets() bridge.Tickets     { return tickets{m} }
func (m *memory) Ready(context.Context) error { return nil }

func (m *memory) with(f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f()
}

type accounts struct{ *memory }

func (m accounts) LogIn(_ context.Context, a bridge.Account) (bridge.Account, error) {
	return a, m.with(func() error {
		if old, ok := m.users[a.ID]; ok {
			old.Profile, old.Until = a.Profile, a.Until
			a = old
		}
		m.users[a.ID] = a
		return nil
	})
}

func (m accounts) Get(_ context.Context, id bridge.AccountID) (a bridge.Account, err error) {
	err = m.with(func() error {
		var ok bool
		if a, ok = m.users[id]; !ok {
			return gone()
		}
		return nil
	})
	return a, err
}

func (m accounts) find(match func(bridge.Account) bool) (all []bridge.Account) {
	_ = m.with(func() error {
		for _, a := range m.users {
			if match(a) {
				all = append(all, a)
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b bridge.Account) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (m accounts) ByMail(_ context.Context, mail string) (bridge.Account, error) {
	all := m.find(func(a bridge.Account) bool { return strings.EqualFold(a.Mail, mail) })
	if len(all) == 0 {
		return bridge.Account{}, gone()
	}
	return all[0], nil
}

func (m accounts) Change(_ context.Context, id bridge.AccountID, change func(*bridge.Account) error) (a bridge.Account, err error) {
	err = m.with(func() error {
		a = m.users[id]
		err := change(&a)
		m.users[id] = a
		return err
	})
	return a, err
}

func (m accounts) Find(_ context.Context, text string, limit int) ([]bridge.Account, error) {
	all := m.find(func(a bridge.Account) bool {
		return strings.Contains(strings.ToLower(a.Name+" "+a.Mail), strings.ToLower(text))
	})
	return all[:min(limit, len(all))], nil
}

type meetings struct{ *memory }

func (m meetings) Create(_ context.Context, e bridge.Meeting) error {
	return m.with(func() error {
		m.events = append(m.events, e)
		m.stored = append(m.stored, e.Room)
		return nil
	})
}

func (m *memory) entry(e bridge.Meeting, viewer bridge.AccountID) bridge.Entry {
	for _, r := range m.stored {
		if r.Spec.ID == e.Room.Spec.ID {
			e.Room = r
		}
	}
	x := bridge.Entry{Meeting: e, Favorite: m.favored[viewer.String()+e.ID.String()]}
	x.Invited = len(e.Attendees)
	if x.Involved = e.Creator == viewer; x.Involved {
		x.Answer = bridge.Accepted
	}
	for _, a := range e.Attendees {
		if a.Account == viewer && !viewer.IsZero() {
			x.Involved, x.Answer = true, a.Answer
		}
	}
	return x
}

func (m meetings) find(viewer bridge.AccountID, match func(bridge.Meeting) bool) (x bridge.Entry, err error) {
	err = m.with(func() error {
		for _, e := range m.events {
			if match(e) {
				x = m.entry(e, viewer)
				return nil
			}
		}
		return gone()
	})
	return x, err
}

func (m meetings) Get(_ context.Context, id bridge.MeetingID, viewer bridge.AccountID) (bridge.Entry, error) {
	return m.find(viewer, func(e bridge.Meeting) bool { return e.ID == id })
}

func (m meetings) OfRoom(_ context.Context, room bridge.RoomID, viewer bridge.AccountID) (bridge.Entry, error) {
	return m.find(viewer, func(e bridge.Meeting) bool { return e.Room.Spec.ID == room })
}

func (m meetings) Exceptions(context.Context, bridge.MeetingID) ([]bridge.Meeting, error) {
	return nil, nil
}

func (m meetings) List(_ context.Context, q bridge.Query) (p bridge.Page, err error) {
	err = m.with(func() error {
		for _, e := range m.events {
			x := m.entry(e, q.Viewer)
			mail := slices.ContainsFunc(e.Attendees, func(a bridge.Attendee) bool { return q.Mail != "" && a.Mail == q.Mail })
			switch {
			case !x.Involved && !mail,
				q.Favorites && !x.Favorite,
				q.Adhoc != nil && *q.Adhoc != x.Adhoc,
				q.Timeless != nil && *q.Timeless != x.Timeless,
				!q.From.IsZero() && !x.Ends.At.After(q.From),
				!q.To.IsZero() && (x.Timeless || !x.Starts.At.Before(q.To)),
				len(q.Answers) > 0 && !slices.Contains(q.Answers, x.Answer),
				q.After != "" && x.ID.String() <= q.After:
				continue
			}
			p.Entries = append(p.Entries, x)
		}
		slices.SortFunc(p.Entries, func(a, b bridge.Entry) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
		if len(p.Entries) > q.Limit {
			p.Entries = p.Entries[:q.Limit]
			p.Next = p.Entries[q.Limit-1].ID.String()
		}
		return nil
	})
	return p, err
}

func (m meetings) Change(_ context.Context, id bridge.MeetingID, change func(*bridge.Meeting) error) (e bridge.Meeting, err error) {
	err = m.with(func() error {
		for i := range m.events {
			if m.events[i].ID != id {
				continue
			}
			e = m.entry(m.events[i], bridge.AccountID{}).Meeting
			if err := change(&e); err != nil {
				return err
			}
			m.events[i] = e
			for j := range m.stored {
				if m.stored[j].Spec.ID == e.Room.Spec.ID {
					m.stored[j] = e.Room
				}
			}
			return nil
		}
		return gone()
	})
	return e, err
}

func (m meetings) Delete(_ context.Context, id bridge.MeetingID) error {
	return m.with(func() error {
		for i, e := range m.events {
			if e.ID == id {
				m.events = slices.Delete(m.events, i, i+1)
				m.stored = slices.DeleteFunc(m.stored, func(r bridge.StoredRoom) bool { return r.Spec.ID == e.Room.Spec.ID })
				return nil
			}
		}
		return gone()
	})
}

func (m meetings) Favor(_ context.Context, who bridge.AccountID, id bridge.MeetingID, on bool) (changed bool, err error) {
	return changed, m.with(func() error {
		k := who.String() + id.String()
		changed = m.favored[k] != on
		m.favored[k] = on
		return nil
	})
}

type rooms struct{ *memory }

func (m rooms) Create(_ context.Context, r bridge.StoredRoom) error {
	return m.with(func() error {
		m.stored = append(m.stored, r)
		return nil
	})
}

func (m rooms) Get(_ context.Context, id bridge.RoomID) (r bridge.StoredRoom, err error) {
	err = m.with(func() error {
		i := slices.IndexFunc(m.stored, func(r bridge.StoredRoom) bool { return r.Spec.ID == id })
		if i < 0 {
			return gone()
		}
		r = m.stored[i]
		return nil
	})
	return r, err
}

func (m rooms) List(_ context.Context, creator bridge.AccountID, offset, limit int) (all []bridge.StoredRoom, n int, err error) {
	err = m.with(func() error {
		for _, r := range m.stored {
			if r.Creator == creator {
				all = append(all, r)
			}
		}
		n = len(all)
		all = all[min(offset, n):min(offset+limit, n)]
		return nil
	})
	return all, n, err
}

func (m rooms) Change(_ context.Context, id bridge.RoomID, change func(*bridge.StoredRoom) error) (r bridge.StoredRoom, err error) {
	err = m.with(func() error {
		for i := range m.stored {
			if m.stored[i].Spec.ID == id {
				err := change(&m.stored[i])
				r = m.stored[i]
				return err
			}
		}
		return gone()
	})
	return r, err
}

func (m rooms) Delete(_ context.Context, id bridge.RoomID) error {
	return m.with(func() error {
		m.stored = slices.DeleteFunc(m.stored, func(r bridge.StoredRoom) bool { return r.Spec.ID == id })
		m.events = slices.DeleteFunc(m.events, func(e bridge.Meeting) bool { return e.Room.Spec.ID == id })
		return nil
	})
}

type invites struct{ *memory }

func (m invites) Create(_ context.Context, i bridge.Invite) error {
	return m.with(func() error {
		m.codes = append(m.codes, i)
		return nil
	})
}

func (m invites) Get(ctx context.Context, code bridge.InviteCode) (bridge.Invite, error) {
	return m.Change(ctx, code, func(*bridge.Invite) error { return nil })
}

func (m invites) List(_ context.Context, room bridge.RoomID, offset, limit int) (all []bridge.Invite, n int, err error) {
	err = m.with(func() error {
		for _, i := range m.codes {
			if i.Room == room {
				all = append(all, i)
			}
		}
		n = len(all)
		all = all[min(offset, n):min(offset+limit, n)]
		return nil
	})
	return all, n, err
}

func (m invites) Change(_ context.Context, code bridge.InviteCode, change func(*bridge.Invite) error) (i bridge.Invite, err error) {
	err = m.with(func() error {
		for at := range m.codes {
			if m.codes[at].Code == code {
				err := change(&m.codes[at])
				i = m.codes[at]
				return err
			}
		}
		return gone()
	})
	return i, err
}

type tickets struct{ *memory }

func (m tickets) Put(_ context.Context, t bridge.Secret, value []byte, expires time.Time) error {
	return m.with(func() error {
		m.secrets[t] = kept{slices.Clone(value), expires}
		return m.broken
	})
}

func (m tickets) get(t bridge.Secret, take bool) (value []byte, err error) {
	err = m.with(func() error {
		if m.broken != nil {
			return m.broken
		}
		k, ok := m.secrets[t]
		if !ok || !time.Now().Before(k.expires) {
			return gone()
		}
		if take {
			delete(m.secrets, t)
		}
		value = k.value
		return nil
	})
	return value, err
}

func (m tickets) Get(_ context.Context, t bridge.Secret) ([]byte, error)  { return m.get(t, false) }
func (m tickets) Take(_ context.Context, t bridge.Secret) ([]byte, error) { return m.get(t, true) }
