package livekit

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
)

// TestReach: a real server takes its key, and no other; what is no LiveKit server is told
// apart, and so is a clock that is wrong.
func TestReach(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	good := DefaultSettings()
	good.Name, good.URL, good.Key, good.Secret = "main", server.URL(), livekittest.Key, bridge.Secret(server.Secret())
	strange := httptest.NewServer(http.NotFoundHandler())
	defer strange.Close()
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		w.Write([]byte(`{"code":"unauthenticated","msg":"invalid token"}`))
	}))
	defer late.Close()
	for name, c := range map[string]struct {
		change func(*Settings)
		code   bridge.Code
		skewed bool
	}{
		"the server":           {func(*Settings) {}, 0, false},
		"at its API":           {func(s *Settings) { s.URL, s.APIURL = "ws://127.0.0.1:1", httpURL(s.URL) }, 0, false},
		"an unknown key":       {func(s *Settings) { s.Key = "another" }, bridge.Unauthenticated, false},
		"another secret":       {func(s *Settings) { s.Secret = "a secret of another server, as long" }, bridge.Unauthenticated, false},
		"nobody":               {func(s *Settings) { s.URL = "ws://127.0.0.1:1" }, bridge.Unavailable, false},
		"another program":      {func(s *Settings) { s.URL = strange.URL }, bridge.Unavailable, false},
		"a clock that is late": {func(s *Settings) { s.URL = late.URL }, bridge.Unauthenticated, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			c.change(&s)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got, err := Reach(ctx, s)
			if bridge.CodeOf(err) != c.code {
				t.Errorf("%v, want %v", err, c.code)
			}
			if far := got.Skew.Abs() > time.Minute; far != c.skewed {
				t.Errorf("clock: %v", got.Skew)
			}
			if err != nil && (strings.Contains(err.Error(), string(s.Secret)) || strings.Contains(err.Error(), "eyJ")) {
				t.Errorf("a secret is told: %v", err)
			}
			t.Log(got, err)
		})
	}
}
