package k3k

import (
	"context"
	"strings"
	"unicode/utf8"

	"dragoman/bridge"
)

// Attributes of accounts.
const (
	attrTitle      = "k3k/title"
	attrLanguage   = "k3k/language"
	attrDashboard  = "k3k/dashboard_theme"
	attrConference = "k3k/conference_theme"
	attrClient     = "k3k/client" // mustang, or nothing
	mustang        = "mustang"
	usualTheme     = "system"
)

// publicProfile is what others may know of a user (reference 4.3).
type publicProfile struct {
	ID          bridge.AccountID `json:"id"`
	Mail        string           `json:"email"`
	Title       string           `json:"title"`
	First       string           `json:"firstname"`
	Last        string           `json:"lastname"`
	DisplayName string           `json:"display_name"`
	AvatarURL   string           `json:"avatar_url"`
}

// ownProfile is what one knows of oneself.
type ownProfile struct {
	publicProfile
	Dashboard  string `json:"dashboard_theme"`
	Conference string `json:"conference_theme"`
	Language   string `json:"language"`
}

// noMail is the domain of those without an address: one of the clients does not
// come in without something that looks like one (reference 2).
const noMail = "@users.invalid"

func (d *server) public(a bridge.Account) publicProfile {
	p := publicProfile{
		ID: a.ID, Mail: a.Mail, Title: a.Attrs[attrTitle], First: a.First, Last: a.Last,
		DisplayName: a.Name, AvatarURL: d.avatar(a.Mail),
	}
	if p.Mail == "" {
		p.Mail = a.ID.String() + noMail
	}
	return p
}

func (d *server) own(a bridge.Account) ownProfile {
	p := ownProfile{d.public(a), usualTheme, usualTheme, a.Attrs[attrLanguage]}
	if theme := a.Attrs[attrDashboard]; theme != "" {
		p.Dashboard = theme
	}
	if theme := a.Attrs[attrConference]; theme != "" {
		p.Conference = theme
	}
	return p
}

// profileOf returns the profile of an account. Of one that is gone there is only
// the id; zero is the operator.
func (d *server) profileOf(ctx context.Context, id bridge.AccountID) (publicProfile, error) {
	a, err := d.env.Store.Accounts().Get(ctx, id)
	if bridge.CodeOf(err) == bridge.NotFound {
		a, err = bridge.Account{ID: id}, nil
	}
	return d.public(a), err
}

func (d *server) me(r *request) (reply, error) { return reply{body: d.own(r.me)}, nil }

// changeMe handles PATCH users/me.
func (d *server) changeMe(r *request) (reply, error) {
	q, err := body[struct {
		Title       *string `json:"title"`
		DisplayName *string `json:"display_name"`
		Language    *string `json:"language"`
		Dashboard   *string `json:"dashboard_theme"`
		Conference  *string `json:"conference_theme"`
	}](r)
	if err != nil {
		return reply{}, err
	}
	some := false
	for _, f := range []struct {
		name string
		v    *string
		most int
	}{
		{"title", q.Title, longestTitle},
		{"display_name", q.DisplayName, longestTitle},
		{"language", q.Language, 35},
		{"dashboard_theme", q.Dashboard, 128},
		{"conference_theme", q.Conference, 128},
	} {
		some = some || f.v != nil
		if err := length(f.name, f.v, f.most); err != nil {
			return reply{}, err
		}
	}
	if !some {
		return empty(), nil
	}
	a, err := d.env.Store.Accounts().Change(r.ctx(), r.me.ID, func(a *bridge.Account) error {
		if q.DisplayName != nil {
			a.Name = *q.DisplayName
		}
		attrs := map[string]string{}
		for k, v := range a.Attrs {
			attrs[k] = v
		}
		for k, v := range map[string]*string{
			attrTitle: q.Title, attrLanguage: q.Language, attrDashboard: q.Dashboard, attrConference: q.Conference,
		} {
			if v != nil {
				attrs[k] = *v
			}
		}
		a.Attrs = attrs
		return nil
	})
	return reply{body: d.own(a)}, err
}

// longestTitle is how long titles and names may be, in characters.
const longestTitle = 255

// length checks the length of a field; nil: it is not given.
func length(field string, v *string, most int) error {
	if v == nil || utf8.RuneCountInString(*v) <= most {
		return nil
	}
	return &invalidField{field, "invalid_length", "the text is too long"}
}

func (d *server) user(r *request) (reply, error) {
	var id bridge.AccountID
	if id.UnmarshalText([]byte(r.PathValue("user"))) != nil {
		return reply{}, bridge.Errorf(bridge.NotFound, "there is no such user")
	}
	a, err := d.env.Store.Accounts().Get(r.ctx(), id)
	return reply{body: d.public(a)}, err
}

// shortestQuery is how much of a name has to be given.
const shortestQuery = 3

// foundUsers is how many are found at most.
const foundUsers = 5

// kindProfile is the profile of somebody who is found, or invited.
type kindProfile struct {
	publicProfile
	Kind string `json:"kind"`
}

func (d *server) findUsers(r *request) (reply, error) {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if utf8.RuneCountInString(text) < shortestQuery {
		return reply{}, &restError{400, "query_too_short", "at least three characters are needed"}
	}
	accounts, err := d.env.Store.Accounts().Find(r.ctx(), text, foundUsers)
	if err != nil {
		return reply{}, err
	}
	all := []kindProfile{}
	for _, a := range accounts {
		all = append(all, kindProfile{d.public(a), "registered"})
	}
	return reply{body: all}, nil
}

func (d *server) myTariff(*request) (reply, error) {
	return reply{body: d.tariff(bridge.Info{Max: d.cfg.Room.MaxMember})}, nil
}
