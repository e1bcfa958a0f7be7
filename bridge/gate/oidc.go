package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"

	"dragoman/bridge"
)

// OIDCConfig says whose tokens are believed. Zero fields are defaults.
type OIDCConfig struct {
	Issuer    string   // URL; what it says of itself is found by discovery
	Name      string   // in the ids of users, so it never changes; default: the host of Issuer
	ClientIDs []string // the clients whose users come in: the audience of ID tokens. At least one
	Audience  []string // of access tokens, this server's own names at the issuer; none: those that the clients were given
	Required  []string // claims without which an ID token is of no use; nil: email, given_name, family_name

	// With a client of its own the server asks the issuer about each access token
	// (RFC 7662); without, access tokens have to be JWTs.
	IntrospectID     string
	IntrospectSecret bridge.Secret

	Skew      time.Duration     // how far the clocks may be apart; default 1 min
	Timeout   time.Duration     // of each question to the issuer; default 5 s
	Transport http.RoundTripper // asks the issuer; nil: http.DefaultTransport
	Log       *slog.Logger      // nil: none
}

// OIDC believes the tokens of one issuer. It implements bridge.Identity. The issuer
// is asked when it is needed first, so that it may be down before that; while it is
// down, it is asked again after a pause that grows.
type OIDC struct {
	cfg    OIDCConfig
	client *http.Client

	turn  chan struct{} // held by the one that asks for the discovery document
	mu    sync.Mutex
	found *discovered // nil: not yet
	pause time.Duration
	next  time.Time // when the issuer may be asked again
	last  error     // why it could not be asked

	answers answers
	asking  chan struct{} // so many questions at a time

	complaints rate.Sometimes
	stats      oidcCounts
}

var _ bridge.Identity = (*OIDC)(nil)

// discovered is what an issuer says of itself.
type discovered struct {
	keys       *keySet
	introspect string // URL; empty: none
	until      time.Time
}

// Pauses between questions for the discovery document, and how long one is good.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	goodFor    = time.Hour
)

// NewOIDC checks a configuration. Nobody is asked yet.
func NewOIDC(cfg OIDCConfig) (*OIDC, error) {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, bridge.Errorf(bridge.BadRequest, "issuer: it is not like https://login.example.org") // there may be a password in it
	}
	if len(cfg.ClientIDs) == 0 {
		return nil, bridge.Errorf(bridge.BadRequest, "client_ids: without one, nobody's tokens are for this server")
	}
	if (cfg.IntrospectID == "") != (cfg.IntrospectSecret == "") {
		return nil, bridge.Errorf(bridge.BadRequest, "introspection: needs both a client id and its secret")
	}
	for _, name := range cfg.Required {
		if !slices.Contains(Claims(), name) {
			return nil, bridge.Errorf(bridge.BadRequest, "required: nothing is known of a claim %q", name)
		}
	}
	cfg.Name = cmp.Or(cfg.Name, u.Hostname())
	cfg.Skew = cmp.Or(cfg.Skew, time.Minute)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	if cfg.Required == nil {
		cfg.Required = []string{"email", "given_name", "family_name"}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport
	}
	return &OIDC{
		cfg:    cfg,
		client: &http.Client{Timeout: cfg.Timeout, Transport: bounded{cfg.Transport}},
		turn:   make(chan struct{}, 1), asking: make(chan struct{}, questions),
		complaints: rate.Sometimes{Interval: complainEvery},
	}, nil
}

// Issuer implements bridge.Identity.
func (o *OIDC) Issuer() (name, url string) { return o.cfg.Name, o.cfg.Issuer }

// oidcCounts is what an OIDC counts.
type oidcCounts struct{ discoveries, keys, throttled, introspections, remembered, refused atomic.Uint64 }

// OIDCStats is what an OIDC has counted.
type OIDCStats struct {
	Discoveries    uint64 // questions for the discovery document
	KeyFetches     uint64 // questions for the key set
	Throttled      uint64 // tokens for whose key the issuer was not asked, because it just was
	Introspections uint64 // questions about an access token
	Remembered     uint64 // access tokens about which the issuer was asked a moment ago
	Refused        uint64 // tokens that did not hold
}

// Stats returns what was counted.
func (o *OIDC) Stats() OIDCStats {
	s := &o.stats
	return OIDCStats{
		s.discoveries.Load(), s.keys.Load(), s.throttled.Load(), s.introspections.Load(), s.remembered.Load(), s.refused.Load(),
	}
}

// provider returns what the issuer says of itself, and asks it if need be.
func (o *OIDC) provider(ctx context.Context) (*discovered, error) {
	old, ok, err := o.known()
	if ok {
		return old, err
	}
	select {
	case o.turn <- struct{}{}:
	default:
		if old != nil {
			return old, nil // somebody else asks, and what it said last will do
		}
		select {
		case o.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
	}
	defer func() { <-o.turn }()
	if d, ok, err := o.known(); ok {
		return d, err // somebody else has asked meanwhile
	}
	// Others wait for the answer, too: it does not end with this client's patience.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.cfg.Timeout)
	defer cancel()
	d, err := o.discover(asking)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.pause = min(max(firstPause, 2*o.pause), lastPause)
		o.next, o.last = time.Now().Add(o.pause), unavailable(err)
		o.cfg.Log.Warn("the identity provider cannot be discovered", "issuer", o.cfg.Issuer, "err", clip(err), "again", o.pause)
		if o.found == nil {
			return nil, o.last
		}
		return o.found, nil // what it said last is better than nothing
	}
	o.pause, o.next, o.last, o.found = 0, time.Time{}, nil, d
	return d, nil
}

// Reach asks the issuer what it says of itself, if that is not known: a check
// before the first client comes.
func (o *OIDC) Reach(ctx context.Context) error {
	_, err := o.provider(ctx)
	return err
}

// known returns what is known without asking, and whether that will do.
func (o *OIDC) known() (d *discovered, ok bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	pausing := now.Before(o.next)
	switch {
	case o.found != nil:
		return o.found, pausing || now.Before(o.found.until), nil
	case pausing:
		return nil, true, o.last
	}
	return nil, false, nil
}

// discover asks the issuer (OpenID Connect Discovery 1.0).
func (o *OIDC) discover(ctx context.Context) (*discovered, error) {
	o.stats.discoveries.Add(1)
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, o.client), o.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		Keys       string `json:"jwks_uri"`
		Introspect string `json:"introspection_endpoint"`
	}
	if err := p.Claims(&more); err != nil {
		return nil, err
	}
	if more.Keys == "" {
		return nil, errors.New("there is no jwks_uri")
	}
	if o.cfg.IntrospectID != "" && more.Introspect == "" {
		return nil, errors.New("there is no introspection_endpoint")
	}
	d := &discovered{introspect: more.Introspect, until: time.Now().Add(goodFor)}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.found != nil && o.found.keys.url == more.Keys {
		d.keys = o.found.keys // with the keys that it has
	} else {
		d.keys = newKeySet(more.Keys, o.client, &o.stats)
	}
	return d, nil
}

// unavailable is the error while the issuer cannot be asked.
func unavailable(err error) error {
	return &bridge.Error{Code: bridge.Unavailable, Msg: "the identity provider cannot be asked: try again later", Err: clip(err)}
}

// complainEvery is how often the log is told of what clients only hear is
// unavailable.
const complainEvery = time.Minute

// away is unavailable, for the log, too, unless it is the client that left.
func (o *OIDC) away(client context.Context, err error) error {
	if client.Err() == nil {
		o.complaints.Do(func() {
			o.cfg.Log.Warn("the identity provider does not answer as it should", "issuer", o.cfg.Issuer, "err", clip(err))
		})
	}
	return unavailable(err)
}

// maxCause is how much of an error the log gets, in bytes.
const maxCause = 500

// clip cuts off what the issuer or a client has made too long: some errors have the
// whole of an answer, or of a header, in them.
func clip(err error) error {
	if text := err.Error(); len(text) > maxCause {
		return errors.New(strings.ToValidUTF8(text[:maxCause], "") + " …")
	}
	return err
}

// algorithms are those whose keys are public ones, so that nobody can sign with
// what everybody may read (RFC 8725 3.1).
func algorithms() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
	}
}

// verify returns the claims of a JWT that the issuer has signed for now, whoever
// it is meant for.
func (o *OIDC) verify(client context.Context, token bridge.Secret) (*claims, error) {
	if len(token) > maxToken {
		return nil, o.refuse(errors.New("it is too long"))
	}
	kind, is := kindOf(token)
	switch {
	case !is:
		return nil, o.refuse(errors.New("it is not a JWT"))
	case strings.HasSuffix(kind, "+jwt") && kind != accessKind:
		return nil, o.refuse(fmt.Errorf("it is of type %q", kind)) // a logout token, say (RFC 8725 3.11)
	}
	d, err := o.provider(client)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(client, o.cfg.Timeout)
	defer cancel()
	keys := &attempt{keySet: d.keys}
	v := oidc.NewVerifier(o.cfg.Issuer, keys, &oidc.Config{
		SkipClientIDCheck: true, SupportedSigningAlgs: algorithms(),
		Now: func() time.Time { return time.Now().Add(-o.cfg.Skew) },
	})
	t, err := v.Verify(ctx, string(token))
	switch {
	case keys.away != nil:
		return nil, o.away(client, keys.away)
	case err != nil:
		return nil, o.refuse(err)
	}
	c := &claims{kind: kind, expires: t.Expiry}
	if err := t.Claims(c); err != nil {
		return nil, &bridge.Error{Code: bridge.BadRequest, Msg: "the claims of the token are not of the right types", Err: clip(err)}
	}
	if c.Issued > 0 && time.Unix(int64(c.Issued), 0).After(time.Now().Add(o.cfg.Skew)) {
		return nil, o.refuse(errors.New("it was issued in the future"))
	}
	return c, nil
}

// refuse is the error for a token that does not hold. Its cause is for the log: it
// names claims, not the token.
func (o *OIDC) refuse(err error) error {
	o.stats.refused.Add(1)
	msg := "the token does not hold"
	if _, expired := errors.AsType[*oidc.TokenExpiredError](err); expired {
		msg = "the token has expired"
	}
	return &bridge.Error{Code: bridge.Unauthenticated, Msg: msg, Err: clip(err)}
}

// user is the id of a user of this issuer.
func (o *OIDC) user(subject string) (bridge.UserID, error) {
	if subject == "" || len(subject) > maxSubject || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", o.refuse(errors.New("it has no proper subject"))
	}
	return bridge.UserID("oidc:" + o.cfg.Name + "/" + subject), nil
}

// ByIDToken implements bridge.Identity (OpenID Connect Core 1.0, 3.1.3.7).
func (o *OIDC) ByIDToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	c, err := o.verify(ctx, token)
	if err != nil {
		return bridge.Grant{}, err
	}
	ours := func(id string) bool { return slices.Contains(o.cfg.ClientIDs, id) }
	switch {
	case !slices.ContainsFunc(c.Audience, ours):
		return bridge.Grant{}, o.refuse(fmt.Errorf("it is for %q", c.Audience))
	case c.Party != "" && !ours(c.Party):
		return bridge.Grant{}, o.refuse(fmt.Errorf("it was given to %q", c.Party))
	case c.isAccess():
		return bridge.Grant{}, o.refuse(errors.New("it is an access token"))
	}
	user, err := o.user(c.Subject)
	if err != nil {
		return bridge.Grant{}, err
	}
	if c.Issued == 0 {
		return bridge.Grant{}, bridge.Errorf(bridge.BadRequest, "the token has no iat")
	}
	for _, name := range o.cfg.Required {
		if !c.has(name) {
			return bridge.Grant{}, bridge.Errorf(bridge.BadRequest, "the token has no %s", name)
		}
	}
	return c.grant(user), nil
}

// ByAccessToken implements bridge.Identity.
func (o *OIDC) ByAccessToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	if o.cfg.IntrospectID != "" {
		return o.introspect(ctx, token)
	}
	c, err := o.verify(ctx, token)
	if err != nil {
		return bridge.Grant{}, err
	}
	return o.bearer(c)
}

// bearer judges the claims of an access token.
func (o *OIDC) bearer(c *claims) (bridge.Grant, error) {
	wanted, to := o.cfg.Audience, c.Audience
	if len(wanted) == 0 {
		// Many issuers name the client that was given the token instead of an audience.
		wanted, to = o.cfg.ClientIDs, append(slices.Clone(c.Audience), c.Party, c.Client)
	}
	switch {
	case !slices.ContainsFunc(to, func(a string) bool { return slices.Contains(wanted, a) }):
		return bridge.Grant{}, o.refuse(fmt.Errorf("it is for %q", to))
	case c.isID():
		return bridge.Grant{}, o.refuse(errors.New("it is an ID token"))
	}
	user, err := o.user(c.Subject)
	if err != nil {
		return bridge.Grant{}, err
	}
	return c.grant(user), nil
}
