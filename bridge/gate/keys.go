package gate

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

// keySet verifies signatures with the keys of an issuer. A token with an unknown
// key makes it ask for the keys again, as they are changed now and then; but tokens
// with invented keys do not make it ask all the time.
type keySet struct {
	url      string
	remote   *oidc.RemoteKeySet
	stats    *oidcCounts
	answered atomic.Bool // when the issuer was asked last
}

// How often the keys may be asked for: so many times at once, and then after each
// pause.
const (
	keyBurst = 5
	keyPause = 10 * time.Second
)

func newKeySet(url string, c *http.Client, s *oidcCounts) *keySet {
	sparing := *c
	sparing.Transport = &throttle{inner: c.Transport, limit: rate.NewLimiter(rate.Every(keyPause), keyBurst), stats: s}
	return &keySet{url: url, stats: s, remote: oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), &sparing), url)}
}

// throttle lets only so many requests through.
type throttle struct {
	inner http.RoundTripper
	limit *rate.Limiter
	stats *oidcCounts
}

var errThrottled = errors.New("the keys were asked for a moment ago")

// RoundTrip implements http.RoundTripper.
func (t *throttle) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.limit.Allow() {
		return nil, errThrottled
	}
	t.stats.keys.Add(1)
	return t.inner.RoundTrip(r)
}

// attempt is a key set for one token, and remembers why it could not tell.
type attempt struct {
	*keySet
	away error
}

// VerifySignature implements oidc.KeySet.
func (a *attempt) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.remote.VerifySignature(ctx, token)
	if errors.Is(err, errThrottled) {
		// The key set looks at what it has before it looks whether somebody asks. When
		// many come at once, the keys may have arrived between the two.
		payload, err = a.remote.VerifySignature(ctx, token)
	}
	switch {
	case err == nil:
	case errors.Is(err, errThrottled):
		a.stats.throttled.Add(1)
		// Asked a moment ago, the issuer knew no such key: then the token does not
		// hold. But if it did not answer, nobody knows.
		if !a.answered.Load() {
			a.away = err
		}
	case errors.Unwrap(err) != nil:
		// The key set wraps what kept it from asking; a signature that does not hold
		// it does not wrap.
		a.away = err
		a.answered.Store(false)
	default:
		a.answered.Store(true)
	}
	return payload, err
}

// maxAnswer is how much an issuer may answer, in bytes.
const maxAnswer = 1 << 20

// bounded cuts off answers that are too long.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}
