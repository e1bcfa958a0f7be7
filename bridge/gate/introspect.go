package gate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"dragoman/bridge"
)

// Bounds of questions about access tokens.
const (
	questions   = 16               // at a time; others wait
	rememberYes = 30 * time.Second // so long a token that was taken back may still be good
	rememberNo  = 5 * time.Second
	maxAnswers  = 10_000 // that are remembered
)

// answers remembers what an issuer has said about access tokens, for a short time.
type answers struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]answer
}

// answer is what was said of one.
type answer struct {
	grant bridge.Grant
	err   error
	until time.Time
}

func (a *answers) get(token [sha256.Size]byte, now time.Time) (answer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.of[token]
	return one, ok && now.Before(one.until)
}

// put remembers an answer. When there is no place, the old ones go, or else all: an
// issuer that is asked again is better than memory without bounds.
func (a *answers) put(token [sha256.Size]byte, one answer, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil || len(a.of) >= maxAnswers {
		kept := make(map[[sha256.Size]byte]answer)
		for k, v := range a.of {
			if now.Before(v.until) {
				kept[k] = v
			}
		}
		if len(kept) >= maxAnswers {
			clear(kept)
		}
		a.of = kept
	}
	a.of[token] = one
}

// introspect asks the issuer about an access token. One that is a JWT has to be
// signed by the issuer before that, so that forged ones cost it nothing.
func (o *OIDC) introspect(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	if token == "" || len(token) > maxToken {
		return bridge.Grant{}, o.refuse(errors.New("it is too short or too long"))
	}
	hash := sha256.Sum256([]byte(token))
	if a, ok := o.answers.get(hash, time.Now()); ok {
		o.stats.remembered.Add(1)
		return a.grant, a.err
	}
	if _, is := kindOf(token); is {
		c, err := o.verify(ctx, token)
		if err != nil {
			return bridge.Grant{}, err
		}
		if c.isID() {
			return bridge.Grant{}, o.refuse(errors.New("it is an ID token"))
		}
	}
	g, err := o.ask(ctx, token)
	now := time.Now()
	switch bridge.CodeOf(err) {
	case 0:
		until := now.Add(rememberYes)
		if !g.Expires.IsZero() && g.Expires.Before(until) {
			until = g.Expires
		}
		o.answers.put(hash, answer{grant: g, until: until}, now)
	case bridge.Unauthenticated:
		o.answers.put(hash, answer{err: err, until: now.Add(rememberNo)}, now)
	}
	return g, err
}

// ask asks (RFC 7662).
func (o *OIDC) ask(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	d, err := o.provider(ctx)
	if err != nil {
		return bridge.Grant{}, err
	}
	select {
	case o.asking <- struct{}{}:
		defer func() { <-o.asking }()
	case <-ctx.Done():
		return bridge.Grant{}, unavailable(ctx.Err())
	}
	o.stats.introspections.Add(1)
	c, active, err := o.question(ctx, d.introspect, token)
	switch {
	case err != nil:
		return bridge.Grant{}, o.away(ctx, err)
	case !active:
		return bridge.Grant{}, o.refuse(errors.New("the issuer says that it is not active"))
	case c.Issuer != "" && c.Issuer != o.cfg.Issuer:
		return bridge.Grant{}, o.refuse(fmt.Errorf("it is of %q", c.Issuer))
	case c.Expires > 0 && time.Now().After(c.expires.Add(o.cfg.Skew)):
		return bridge.Grant{}, o.refuse(errors.New("it has expired"))
	case len(c.Audience) == 0 && c.Client == "" && c.Party == "":
		// The issuer names nobody: that it answered us is all there is.
		user, err := o.user(c.Subject)
		if err != nil {
			return bridge.Grant{}, err
		}
		return c.grant(user), nil
	}
	return o.bearer(c)
}

func (o *OIDC) question(ctx context.Context, endpoint string, token bridge.Secret) (c *claims, active bool, err error) {
	form := url.Values{"token": {string(token)}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, false, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.SetBasicAuth(url.QueryEscape(o.cfg.IntrospectID), url.QueryEscape(string(o.cfg.IntrospectSecret)))
	resp, err := o.client.Do(r)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, false, fmt.Errorf("introspection: the issuer answers %s", resp.Status)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, false, err
	}
	var state struct {
		Active bool `json:"active"`
	}
	c = &claims{}
	if err := errors.Join(json.Unmarshal(data, &state), json.Unmarshal(data, c)); err != nil {
		return nil, false, fmt.Errorf("introspection: %w", err)
	}
	if c.Expires > 0 {
		c.expires = time.Unix(int64(c.Expires), 0)
	}
	return c, state.Active, nil
}
