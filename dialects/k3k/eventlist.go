package k3k

import (
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
)

// listEvents handles GET events (reference 4.4).
func (d *server) listEvents(r *request) (reply, error) {
	q, err := query(r)
	if err != nil {
		return reply{}, err
	}
	page, err := d.env.Store.Meetings().List(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	all := []eventDoc{}
	for _, e := range page.Entries {
		doc, err := d.eventDoc(r, e, q.Attendees)
		if err != nil {
			return reply{}, err
		}
		all = append(all, doc)
	}
	a := reply{body: all}
	if page.Next != "" {
		a.header = http.Header{"Link": {link(r, "after", page.Next, "after")}}
	}
	return a, nil
}

// query reads what events are asked for.
func query(r *request) (q bridge.Query, err error) {
	get := r.URL.Query().Get
	q = bridge.Query{Viewer: r.me.ID, After: get("after")}
	if r.me.MailVerified {
		q.Mail = r.me.Mail
	}
	if q.Attendees, err = number(r, "invitees_max", 0, 0, 1<<20); err != nil {
		return q, err
	}
	if q.Limit, err = number(r, "per_page", 30, 1, 100); err != nil {
		return q, err
	}
	for key, to := range map[string]*time.Time{"time_min": &q.From, "time_max": &q.To} {
		if text := get(key); text != "" {
			if *to, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return q, &invalidField{key, "invalid_value", "that is no time"}
			}
		}
	}
	for key, set := range map[string]func(bool){
		"favorites":        func(on bool) { q.Favorites = on },
		"adhoc":            func(on bool) { q.Adhoc = &on },
		"time_independent": func(on bool) { q.Timeless = &on },
	} {
		if text := get(key); text != "" {
			on, err := strconv.ParseBool(text)
			if err != nil {
				return q, &invalidField{key, "invalid_value", "that is neither true nor false"}
			}
			set(on)
		}
	}
	for name := range strings.SplitSeq(get("invite_status"), ",") {
		if name == "" {
			continue
		}
		answer, ok := answerOf(name)
		if !ok {
			return q, &invalidField{"invite_status", "invalid_value", "there is no such status"}
		}
		q.Answers = append(q.Answers, answer)
	}
	return q, nil
}

func answerOf(name string) (bridge.Answer, bool) {
	for a, n := range statuses {
		if n == name {
			return a, true
		}
	}
	return 0, false
}

func (d *server) favor(r *request) (reply, error)    { return d.mark(r, true) }
func (d *server) disfavor(r *request) (reply, error) { return d.mark(r, false) }

func (d *server) mark(r *request, on bool) (reply, error) {
	e, err := d.entry(r, false)
	if err != nil {
		return reply{}, err
	}
	changed, err := d.env.Store.Meetings().Favor(r.ctx(), r.me.ID, e.ID, on)
	if err == nil && changed && on {
		return reply{status: http.StatusCreated}, nil
	}
	return empty(), err
}

func (d *server) listInvitees(r *request) (reply, error) {
	e, err := d.entry(r, false)
	if err != nil {
		return reply{}, err
	}
	all, err := d.invitees(r.ctx(), e.Attendees)
	return reply{body: all}, err
}

// invite handles POST events/{id}/invites: by account, or by an address.
func (d *server) invite(r *request) (reply, error) {
	q, err := body[struct {
		Invitee *bridge.AccountID `json:"invitee"`
		Mail    *string           `json:"email"`
	}](r)
	if err == nil {
		err = required((q.Invitee == nil) != (q.Mail == nil))
	}
	if err != nil {
		return reply{}, err
	}
	e, err := d.entry(r, true)
	if err != nil {
		return reply{}, err
	}
	var who bridge.Attendee
	if q.Invitee != nil {
		if _, err := d.env.Store.Accounts().Get(r.ctx(), *q.Invitee); err != nil {
			return reply{}, err
		}
		who.Account = *q.Invitee
	} else if who, err = d.byMail(r, *q.Mail); err != nil {
		return reply{}, err
	}
	added := false
	_, err = d.env.Store.Meetings().Change(r.ctx(), e.ID, func(m *bridge.Meeting) error {
		added = who.Account != m.Creator && !slices.ContainsFunc(m.Attendees, func(a bridge.Attendee) bool {
			return a.Account == who.Account && strings.EqualFold(a.Mail, who.Mail)
		})
		if added {
			m.Attendees = append(slices.Clone(m.Attendees), who)
		}
		return nil
	})
	if err == nil && added {
		return reply{status: http.StatusCreated}, nil
	}
	return empty(), err
}

// byMail returns who has an address, or somebody who is known by it only.
func (d *server) byMail(r *request, address string) (who bridge.Attendee, err error) {
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
		return who, &invalidField{"email", "invalid_email", "that is no address"}
	}
	a, err := d.env.Store.Accounts().ByMail(r.ctx(), address)
	switch bridge.CodeOf(err) {
	case 0:
		who.Account = a.ID
	case bridge.NotFound:
		who.Mail, err = address, nil
	}
	return who, err
}

func (d *server) uninvite(r *request) (reply, error) {
	e, err := d.entry(r, true)
	if err != nil {
		return reply{}, err
	}
	var id bridge.AccountID
	if id.UnmarshalText([]byte(r.PathValue("user"))) != nil || id.IsZero() {
		return reply{}, bridge.Errorf(bridge.NotFound, "there is no such user")
	}
	_, err = d.env.Store.Meetings().Change(r.ctx(), e.ID, func(m *bridge.Meeting) error {
		n := len(m.Attendees)
		m.Attendees = slices.DeleteFunc(slices.Clone(m.Attendees), func(a bridge.Attendee) bool { return a.Account == id })
		if len(m.Attendees) == n {
			return bridge.Errorf(bridge.NotFound, "that user is not invited")
		}
		return nil
	})
	return empty(), err
}

func (d *server) acceptEvent(r *request) (reply, error)  { return d.answer(r, bridge.Accepted) }
func (d *server) declineEvent(r *request) (reply, error) { return d.answer(r, bridge.Declined) }

// answer notes what somebody says to an invitation. One who was invited by an
// address is known by account from then on.
func (d *server) answer(r *request, answer bridge.Answer) (reply, error) {
	e, err := d.entry(r, false)
	if err != nil {
		return reply{}, err
	}
	_, err = d.env.Store.Meetings().Change(r.ctx(), e.ID, func(m *bridge.Meeting) error {
		m.Attendees = slices.Clone(m.Attendees)
		for i, a := range m.Attendees {
			byMail := a.Account.IsZero() && r.me.MailVerified && strings.EqualFold(a.Mail, r.me.Mail)
			if a.Account == r.me.ID || byMail {
				m.Attendees[i].Account, m.Attendees[i].Contact, m.Attendees[i].Answer = r.me.ID, bridge.Contact{}, answer
				return nil
			}
		}
		return bridge.Errorf(bridge.NotFound, "you are not invited")
	})
	return empty(), err
}
