package gate

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"dragoman/bridge"
)

// Anyone believes every token: for development, where only this machine can
// connect. The user is named after the token's claims if it is a JWT, whoever
// signed it, and otherwise after its text. What clients need of a profile is made
// up where the token leaves it out. It implements bridge.Identity.
type Anyone struct{}

var _ bridge.Identity = Anyone{}

// Issuer implements bridge.Identity.
func (Anyone) Issuer() (name, url string) { return "development", "" }

// ByIDToken implements bridge.Identity. An empty token is Unauthenticated.
func (Anyone) ByIDToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	if err := ctx.Err(); err != nil {
		return bridge.Grant{}, unavailable(err)
	}
	text := strings.TrimSpace(string(token))
	if text == "" || len(text) > maxToken {
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "the token is empty, or too long")
	}
	c := unverified(text)
	if c == nil {
		c = &claims{Subject: text}
	}
	name := short(cmp.Or(c.Nickname, c.Name, strings.TrimSpace(c.Given+" "+c.Family), c.Username, c.Mail, c.Subject))
	first, last, _ := strings.Cut(name, " ")
	c.Nickname = name
	c.Given, c.Family = cmp.Or(c.Given, first), cmp.Or(c.Family, last, "Developer")
	c.Mail = cmp.Or(c.Mail, address(c.Subject))
	return c.grant(bridge.UserID("open:" + brief(c.Subject))), nil
}

// ByAccessToken implements bridge.Identity.
func (a Anyone) ByAccessToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	return a.ByIDToken(ctx, token)
}

// unverified reads the claims of a JWT; nil: it is none, or says nobody's name.
func unverified(token string) *claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var c claims
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return nil
	}
	if c.Subject = cmp.Or(c.Subject, c.Username, c.Mail, c.Name); c.Subject == "" {
		return nil
	}
	return &c
}

// brief keeps ids short enough to be read: what is longer ends in a hash.
func brief(s string) string {
	s = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s), "")
	if len(s) <= 100 {
		return s
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	return strings.ToValidUTF8(s[:80], "") + fmt.Sprintf("-%016x", h.Sum64())
}

// address makes up a mail address that clients take for one.
func address(subject string) string {
	local := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '.'
	}, strings.ToLower(brief(subject)))
	if local = strings.Trim(local, "."); len(local) > 60 {
		local = local[:60]
	}
	return cmp.Or(local, "somebody") + "@development.example"
}
