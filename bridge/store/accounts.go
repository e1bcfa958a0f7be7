package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"dragoman/bridge"
)

// accounts implements bridge.Accounts.
type accounts struct{ *DB }

// profile is bridge.Profile as it is stored. The two have the same fields: a new
// one there is a new one here, with a name that stays.
type profile struct {
	Mail         string   `json:"mail,omitempty"`
	MailVerified bool     `json:"mail_verified,omitempty"`
	First        string   `json:"first,omitempty"`
	Last         string   `json:"last,omitempty"`
	Nickname     string   `json:"nickname,omitempty"`
	Phone        string   `json:"phone,omitempty"`
	Tenant       string   `json:"tenant,omitempty"`
	Tariff       string   `json:"tariff,omitempty"`
	Groups       []string `json:"groups,omitempty"`
}

const accountColumns = `id, subject, name, profile, attrs, expires, created`

func scanAccount(r row) (a bridge.Account, err error) {
	var p profile
	err = r.Scan(ident{&a.ID}, &a.User, &a.Name, document{&p}, document{&a.Attrs}, moment{&a.Until}, moment{&a.Created})
	a.Profile = bridge.Profile(p)
	return a, err
}

// accountRow is what of an account can change, as it is stored.
func accountRow(a bridge.Account) (args []any, err error) {
	if err := plain(a.Name, a.Mail); err != nil {
		return nil, err
	}
	if err := small(a.Attrs); err != nil {
		return nil, err
	}
	p, err := encode(profile(a.Profile))
	if err != nil {
		return nil, err
	}
	attrs, err := encode(a.Attrs)
	search := strings.ToLower(strings.Join([]string{a.Name, a.First, a.Last, a.Mail}, "\n"))
	return []any{a.Name, mailKey(a.Mail), search, p, attrs, micro(a.Until)}, err
}

// LogIn implements bridge.Accounts.
func (s accounts) LogIn(ctx context.Context, a bridge.Account) (bridge.Account, error) {
	if a.User == "" || plain(string(a.User)) != nil {
		return a, bridge.Errorf(bridge.BadRequest, "an account is somebody's")
	}
	a.ID = bridge.AccountOf(a.User)
	if a.Created.IsZero() {
		a.Created = time.Now()
	}
	args, err := accountRow(a)
	if err != nil {
		return a, s.failure("account", err)
	}
	args = append(args, text(a.ID), string(a.User), micro(a.Created))
	err = s.writing(ctx, "account", func(ctx context.Context, tx *sql.Tx) error {
		n, err := touched(ctx, tx, `INSERT INTO accounts (name, mail, search, profile, attrs, expires, id, subject, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`, args...)
		if err != nil {
			return err
		}
		a, err = changeAccount(ctx, tx, s.forUpdate, a.ID, func(there *bridge.Account) error {
			if n == 0 {
				there.Profile, there.Until = a.Profile, a.Until
			}
			return nil
		})
		return err
	})
	return a, err
}

// Get implements bridge.Accounts.
func (s accounts) Get(ctx context.Context, id bridge.AccountID) (a bridge.Account, err error) {
	err = s.reading(ctx, "account", func(ctx context.Context, tx *sql.Tx) (err error) {
		a, err = scanAccount(tx.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE id = $1`, text(id)))
		return err
	})
	return a, err
}

// ByMail implements bridge.Accounts.
func (s accounts) ByMail(ctx context.Context, mail string) (a bridge.Account, err error) {
	key := mailKey(mail)
	if key == "" || plain(key) != nil {
		return a, bridge.Errorf(bridge.NotFound, "there is no such account")
	}
	err = s.reading(ctx, "account", func(ctx context.Context, tx *sql.Tx) (err error) {
		a, err = scanAccount(tx.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts
			WHERE mail = $1 ORDER BY created, id LIMIT 1`, key))
		return err
	})
	return a, err
}

// Change implements bridge.Accounts.
func (s accounts) Change(ctx context.Context, id bridge.AccountID, change func(*bridge.Account) error) (a bridge.Account, err error) {
	err = s.writing(ctx, "account", func(ctx context.Context, tx *sql.Tx) (err error) {
		a, err = changeAccount(ctx, tx, s.forUpdate, id, change)
		return err
	})
	return a, err
}

func changeAccount(ctx context.Context, tx *sql.Tx, forUpdate string, id bridge.AccountID, change func(*bridge.Account) error) (bridge.Account, error) {
	a, err := scanAccount(tx.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE id = $1`+forUpdate, text(id)))
	if err != nil {
		return a, err
	}
	was := a
	if err := change(&a); err != nil {
		return was, changed{err}
	}
	a.ID, a.User, a.Created = was.ID, was.User, was.Created
	args, err := accountRow(a)
	if err != nil {
		return was, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE accounts SET name = $1, mail = $2, search = $3, profile = $4, attrs = $5, expires = $6
		WHERE id = $7`, append(args, text(id))...)
	return a, err
}

// Find implements bridge.Accounts.
func (s accounts) Find(ctx context.Context, part string, limit int) (found []bridge.Account, err error) {
	part = strings.ToLower(strings.TrimSpace(part))
	if err := plain(part); err != nil {
		return nil, err
	}
	like := `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(part) + `%`
	err = s.reading(ctx, "account", func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = collect(ctx, tx, scanAccount, `SELECT `+accountColumns+` FROM accounts
			WHERE search LIKE $1 ESCAPE '\' ORDER BY search, id LIMIT $2`, like, most(limit, maxPage, maxPage))
		return err
	})
	return found, err
}
