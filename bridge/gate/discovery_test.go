package gate_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/gate/oidctest"
)

// The issuer may be down when the server starts.
func TestDownAtFirst(t *testing.T) {
	inScene(t, func(s *scene) {
		good := s.login(oidctest.Mustang).ID
		if err := s.i.Stop(); err != nil {
			s.Fatal(err)
		}
		for range 10 * 60 { // ten minutes
			g, err := s.id(good)
			s.is("down", g, err, bridge.Unavailable, "cannot be asked")
			time.Sleep(time.Second) // synctest
		}
		// After 0, 1, 3, 7, 15, 31 and 63 s, and then every minute.
		if n := s.o.Stats().Discoveries; n != 15 {
			s.Errorf("asked %d times", n)
		}
		if n := strings.Count(s.log.String(), "cannot be discovered"); n != 15 {
			s.Errorf("the log is told %d times", n)
		}
		if err := s.i.Resume(); err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Minute) // synctest
		g, err := s.id(good)
		s.is("up", g, err, 0, "")
	})
}

// When it goes down later, the keys that are known stay good, and nobody waits.
func TestDownLater(t *testing.T) {
	for what, down := range map[string]func(*scene) error{
		"down":    func(s *scene) error { return s.i.Stop() },
		"hanging": func(s *scene) error { s.i.Instead(oidctest.Discovery, hang); return nil },
	} {
		inScene(t, func(s *scene) {
			good := s.login(oidctest.Mustang).ID
			g, err := s.id(good)
			s.is("at first", g, err, 0, "")
			if err := down(s); err != nil {
				s.Fatal(err)
			}
			var waited time.Duration
			for range 100 {
				time.Sleep(time.Minute) // synctest
				start := time.Now()
				g, err := s.id(good)
				s.is(what, g, err, 0, "")
				waited = max(waited, time.Since(start))
			}
			if n := s.o.Stats(); n.Discoveries < 10 || n.KeyFetches != 1 || waited > 5*time.Second {
				s.Errorf("counted %+v, waited %v", n, waited)
			}
			s.i.Instead(oidctest.Discovery, nil)
			if err := s.i.Resume(); err != nil {
				s.Fatal(err)
			}
			if err := s.i.Rotate("ES256"); err != nil {
				s.Fatal(err)
			}
			g, err = s.id(s.login(oidctest.Mustang).ID)
			s.is("up again", g, err, 0, "")
		})
	}
}

// Who comes while somebody asks again does not wait.
func TestOneAsksAgain(t *testing.T) {
	inScene(t, func(s *scene) {
		good := bridge.Secret(s.login(oidctest.Mustang).ID)
		if _, err := s.id(string(good)); err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Hour + time.Second) // synctest
		s.i.Instead(oidctest.Discovery, hang)
		var asks sync.WaitGroup
		asks.Go(func() {
			g, err := s.o.ByIDToken(s.Context(), good)
			s.is("who asks", g, err, 0, "")
		})
		synctest.Wait()
		s.within(0, func() {
			g, err := s.id(string(good))
			s.is("who comes then", g, err, 0, "")
		})
		asks.Wait()
		if n := s.o.Stats().Discoveries; n != 2 {
			s.Errorf("asked %d times", n)
		}
	})
}

// What the issuer says of itself is good for an hour; keys are kept if they have
// not moved.
func TestDiscoveryAgain(t *testing.T) {
	inScene(t, func(s *scene) {
		good := s.login(oidctest.Mustang).ID
		asked := func(discoveries, keys uint64) {
			s.Helper()
			g, err := s.id(good)
			s.is("a good one", g, err, 0, "")
			if n := s.o.Stats(); n.Discoveries != discoveries || n.KeyFetches != keys {
				s.Errorf("counted %+v", n)
			}
		}
		asked(1, 1)
		time.Sleep(time.Hour - time.Second) // synctest
		asked(1, 1)
		time.Sleep(2 * time.Second) // synctest
		asked(2, 1)
		// The keys move.
		s.i.Instead(oidctest.Discovery, says(http.StatusOK, `{"issuer":"`+s.i.URL()+`","jwks_uri":"`+s.i.URL()+`/elsewhere"}`))
		s.i.Instead("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
			moved := r.Clone(r.Context())
			moved.URL.Path = oidctest.Keys
			s.i.ServeHTTP(w, moved)
		})
		time.Sleep(time.Hour) // synctest
		asked(3, 2)
		if s.i.Asked("/elsewhere") != 1 {
			s.Error("nobody asks elsewhere")
		}
	})
}

// Discovery documents that are of no use.
func TestBadDiscovery(t *testing.T) {
	const issuer = `"issuer":"https://login.example.org"`
	for what, c := range map[string]struct {
		h   http.HandlerFunc
		why string
	}{
		"an error":         {says(http.StatusNotFound, strings.Repeat("x", 9999)), "404"},
		"a page":           {says(http.StatusOK, "<html>"+strings.Repeat("x", 9999)), "failed to decode"},
		"a long answer":    {says(http.StatusOK, `{`+strings.Repeat(" ", 2<<20)+issuer+`,"jwks_uri":"https://login.example.org/keys"}`), "too large"},
		"another issuer":   {says(http.StatusOK, `{"issuer":"https://login.example.com"}`), "login.example.com"},
		"no keys":          {says(http.StatusOK, `{`+issuer+`}`), "jwks_uri"},
		"no introspection": {says(http.StatusOK, `{`+issuer+`,"jwks_uri":"https://login.example.org/keys"}`), "introspection_endpoint"},
		"a wrong type":     {says(http.StatusOK, `{`+issuer+`,"introspection_endpoint":5}`), "introspection_endpoint"},
		"no answer":        {hang, "deadline exceeded"},
	} {
		inScene(t, func(s *scene) {
			good := s.login(oidctest.Mustang).ID
			s.i.Instead(oidctest.Discovery, c.h)
			s.within(5*time.Second, func() {
				g, err := s.id(good)
				s.is(what, g, err, bridge.Unavailable, c.why)
			})
			s.i.Instead(oidctest.Discovery, nil)
			g, err := s.id(good)
			s.is(what+", a moment ago", g, err, bridge.Unavailable, c.why)
			time.Sleep(time.Second) // synctest
			g, err = s.id(good)
			s.is("no more", g, err, 0, "")
		}, asking)
	}
}

// Many who come at once are served by one question.
func TestManyAskOnce(t *testing.T) {
	inScene(t, func(s *scene) {
		good := bridge.Secret(s.login(oidctest.Mustang).ID)
		release := make(chan struct{})
		s.i.Instead(oidctest.Discovery, func(w http.ResponseWriter, r *http.Request) {
			<-release
			s.i.Instead(oidctest.Discovery, nil)
			s.i.ServeHTTP(w, r)
		})
		ctx := s.short(time.Second)
		var all sync.WaitGroup
		var left atomic.Int32
		for n := range 100 {
			synctest.Wait() // the first one asks
			all.Go(func() {
				if n%10 == 5 {
					g, err := s.o.ByIDToken(ctx, good)
					s.is("one without patience", g, err, bridge.Unavailable, "")
					left.Add(1)
					return
				}
				g, err := s.o.ByIDToken(s.Context(), good)
				s.is("one of many", g, err, 0, "")
			})
		}
		synctest.Wait()
		time.Sleep(2 * time.Second) // synctest
		if left.Load() != 10 {
			s.Errorf("%d have left", left.Load())
		}
		close(release)
		all.Wait()
		if n := s.o.Stats(); n.Discoveries != 1 || n.KeyFetches > 5 || n.Throttled+n.Refused > 0 {
			s.Errorf("counted %+v", n)
		}
	})
}

// The answer is everybody's, even if the one who has asked leaves.
func TestWhoAsksLeaves(t *testing.T) {
	inScene(t, func(s *scene) {
		good := bridge.Secret(s.login(oidctest.Mustang).ID)
		answer := make(chan struct{})
		s.i.Instead(oidctest.Discovery, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-answer:
				s.i.Instead(oidctest.Discovery, nil)
				s.i.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
		ctx := s.short(time.Second)
		var all sync.WaitGroup
		all.Go(func() {
			// The answer may be there or not: the client is gone.
			_, _ = s.o.ByIDToken(ctx, good)
		})
		synctest.Wait()
		all.Go(func() {
			g, err := s.o.ByIDToken(s.Context(), good)
			s.is("who waits", g, err, 0, "")
		})
		time.Sleep(2 * time.Second) // synctest
		close(answer)
		all.Wait()
		if n := s.o.Stats().Discoveries; n != 1 {
			s.Errorf("asked %d times", n)
		}
	})
}

// All of it over a network, with many clients and an issuer that restarts.
func TestOIDCOverNetwork(t *testing.T) {
	i, err := oidctest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	cfg := config(i.URL())
	asking(&cfg)
	cfg.Transport = &http.Transport{}
	o, err := gate.NewOIDC(cfg)
	if err != nil {
		t.Fatal(err)
	}
	round := func() error {
		got, err := i.Client(oidctest.Frontend).Code(t.Context(), "ann", "ann's word")
		if err != nil {
			return err
		}
		_, err1 := o.ByIDToken(t.Context(), bridge.Secret(got.ID))
		_, err2 := o.ByAccessToken(t.Context(), bridge.Secret(got.Access))
		_, err3 := o.ByAccessToken(t.Context(), bridge.Secret(got.Access))
		return errors.Join(err1, err2, err3)
	}
	many := func() {
		t.Helper()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := round(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	many()
	if n := o.Stats(); n.Discoveries != 1 || n.KeyFetches > 5 || n.Introspections != 20 || n.Remembered != 20 || n.Refused != 0 {
		t.Errorf("counted %+v", n)
	}
	if err := i.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ByAccessToken(t.Context(), "opaque"); bridge.CodeOf(err) != bridge.Unavailable {
		t.Errorf("%v", err)
	}
	if err := i.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := i.Rotate("ES256"); err != nil {
		t.Fatal(err)
	}
	many()
}
