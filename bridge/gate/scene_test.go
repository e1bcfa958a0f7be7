package gate_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/gate/oidctest"
)

// scene is an issuer and who believes it, in a bubble of time.
type scene struct {
	*testing.T
	i       *oidctest.Issuer
	o       *gate.OIDC
	log     bytes.Buffer
	secrets []string // what must not be in the log, nor in an error
	errs    []string
}

// config is the usual one: two clients, and no client of our own.
func config(issuer string) gate.OIDCConfig {
	return gate.OIDCConfig{Issuer: issuer, Name: "test", ClientIDs: []string{oidctest.Mustang, oidctest.Frontend}}
}

// asking makes a configuration one with a client of our own.
func asking(c *gate.OIDCConfig) {
	c.IntrospectID, c.IntrospectSecret = oidctest.Server, oidctest.ServerSecret
}

// inScene plays a test. Tokens are good for a day, so that time may pass.
func inScene(t *testing.T, test func(s *scene), changes ...func(*gate.OIDCConfig)) {
	synctest.Test(t, func(t *testing.T) {
		i, err := oidctest.New("https://login.example.org", "ES256")
		if err != nil {
			t.Fatal(err)
		}
		i.Set(oidctest.Settings{IDTokens: 24 * time.Hour, AccessTokens: 24 * time.Hour})
		s := &scene{T: t, i: i, secrets: []string{oidctest.ServerSecret}}
		cfg := config(i.URL())
		cfg.Transport, cfg.Log = i, slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, change := range changes {
			change(&cfg)
		}
		if s.o, err = gate.NewOIDC(cfg); err != nil {
			t.Fatal(err)
		}
		test(s)
		s.nothingLeaks()
	})
}

func (s *scene) nothingLeaks() {
	s.Helper()
	for _, secret := range s.secrets {
		for part := range strings.SplitSeq(secret, ".") {
			if len(part) < 8 {
				continue
			}
			if strings.Contains(s.log.String(), part) {
				s.Errorf("%q is in the log", part)
			}
			for _, text := range s.errs {
				if strings.Contains(text, part) {
					s.Errorf("%q is in an error", part)
				}
			}
		}
	}
	for line := range strings.Lines(s.log.String()) {
		if len(line) > 1500 {
			s.Errorf("a line of the log is %d bytes long", len(line))
		}
	}
	for _, text := range s.errs {
		if len(text) > 1000 {
			s.Errorf("an error is %d bytes long", len(text))
		}
	}
}

// login gets tokens of a user.
func (s *scene) login(client string) oidctest.Tokens {
	s.Helper()
	got, err := s.i.Client(client).Password(s.Context(), "ann", "ann's word")
	if err != nil {
		s.Fatal(err)
	}
	return got
}

func (s *scene) note(token string, g bridge.Grant, err error) (bridge.Grant, error) {
	synctest.Wait() // a question that is answered is over
	s.secrets = append(s.secrets, token)
	if err != nil {
		s.errs = append(s.errs, err.Error())
	}
	return g, err
}

func (s *scene) id(token string) (bridge.Grant, error) {
	g, err := s.o.ByIDToken(s.Context(), bridge.Secret(token))
	return s.note(token, g, err)
}

func (s *scene) access(token string) (bridge.Grant, error) {
	g, err := s.o.ByAccessToken(s.Context(), bridge.Secret(token))
	return s.note(token, g, err)
}

// resign changes the head and the claims of a token. What is nil goes.
func (s *scene) resign(jwt string, head, claims map[string]any) string {
	s.Helper()
	again, err := s.i.Resign(jwt, func(h, c map[string]any) {
		for into, from := range map[*map[string]any]map[string]any{&h: head, &c: claims} {
			for k, v := range from {
				if (*into)[k] = v; v == nil {
					delete(*into, k)
				}
			}
		}
	})
	if err != nil {
		s.Fatal(err)
	}
	return again
}

// is checks an outcome; why is a part of the error for the log.
func (s *scene) is(what string, g bridge.Grant, err error, want bridge.Code, why string) {
	s.Helper()
	switch {
	case bridge.CodeOf(err) != want:
		s.Errorf("%s: %v, want %v", what, err, want)
	case err != nil && !strings.Contains(err.Error(), why):
		s.Errorf("%s: %v, which does not say %q", what, err, why)
	case err == nil && g.User != "oidc:test/6f1c-ann":
		s.Errorf("%s: it is %q", what, g.User)
	}
}

// hang answers never.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// says answers a text.
func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write([]byte(text))
	}
}

// within runs f and fails if it takes longer.
func (s *scene) within(limit time.Duration, f func()) {
	s.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		s.Errorf("it took %v, not %v at most", took, limit)
	}
}

// short is a client without patience.
func (s *scene) short(patience time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	return ctx
}
