package gate_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate/oidctest"
)

// A new key is asked for once, and the old ones stay good.
func TestKeyRotation(t *testing.T) {
	inScene(t, func(s *scene) {
		old := s.login(oidctest.Mustang).ID
		for range 10 {
			g, err := s.id(old)
			s.is("the first key's", g, err, 0, "")
		}
		if n := s.i.Asked(oidctest.Keys); n != 1 {
			s.Errorf("asked for keys %d times", n)
		}
		if err := s.i.Rotate("RS256"); err != nil {
			s.Fatal(err)
		}
		for range 10 {
			g, err := s.id(s.login(oidctest.Mustang).ID)
			s.is("the second key's", g, err, 0, "")
			g, err = s.id(old)
			s.is("the first key's", g, err, 0, "")
		}
		if n := s.i.Asked(oidctest.Keys); n != 2 {
			s.Errorf("asked for keys %d times", n)
		}
		if err := s.i.Rotate("ES256"); err != nil {
			s.Fatal(err)
		}
		s.i.Forget()
		g, err := s.id(s.login(oidctest.Mustang).ID)
		s.is("the third key's", g, err, 0, "")
		g, err = s.id(old)
		s.is("the first key's, which is no more", g, err, bridge.Unauthenticated, "failed to verify")
		if n := s.o.Stats(); n.KeyFetches != uint64(s.i.Asked(oidctest.Keys)) || n.Throttled != 0 || n.Discoveries != 1 {
			s.Errorf("counted %+v", n)
		}
	})
}

// Tokens with invented keys do not make the server ask all the time.
func TestInventedKeys(t *testing.T) {
	inScene(t, func(s *scene) {
		good := s.login(oidctest.Mustang).ID
		invented := func(n int) {
			for i := range n {
				g, err := s.id(s.resign(good, map[string]any{"kid": fmt.Sprint("invented", i)}, nil))
				s.is("an invented key's", g, err, bridge.Unauthenticated, "the token does not hold")
			}
		}
		invented(100)
		if n := s.o.Stats(); n.KeyFetches != 5 || n.Throttled != 95 || s.i.Asked(oidctest.Keys) != 5 {
			s.Errorf("counted %+v", n)
		}
		g, err := s.id(good)
		s.is("a good one", g, err, 0, "")
		if err := s.i.Rotate("ES256"); err != nil {
			s.Fatal(err)
		}
		next := s.login(oidctest.Mustang).ID
		g, err = s.id(next)
		s.is("a new key's, too early", g, err, bridge.Unauthenticated, "")
		time.Sleep(10 * time.Second) // synctest
		g, err = s.id(next)
		s.is("a new key's", g, err, 0, "")
		invented(10)
		if n := s.o.Stats(); n.KeyFetches != 6 {
			s.Errorf("counted %+v", n)
		}
	})
}

// While the key set cannot be had, nobody is told that a token does not hold.
func TestKeysAway(t *testing.T) {
	for what, h := range map[string]http.HandlerFunc{
		"an error":      says(http.StatusBadGateway, strings.Repeat("x", 9999)),
		"a page":        says(http.StatusOK, "<html>"+strings.Repeat("x", 9999)),
		"no answer":     hang,
		"a long answer": says(http.StatusOK, `{"keys":[]`+strings.Repeat(" ", 2<<20)+`}`),
	} {
		inScene(t, func(s *scene) {
			good := s.login(oidctest.Mustang).ID
			s.i.Instead(oidctest.Keys, h)
			for range 8 {
				s.within(5*time.Second, func() {
					g, err := s.id(good)
					s.is(what, g, err, bridge.Unavailable, "cannot be asked")
				})
			}
			if n := s.o.Stats(); n.KeyFetches == 0 || n.Refused != 0 {
				s.Errorf("counted %+v", n)
			}
			if n := strings.Count(s.log.String(), "does not answer as it should"); n != 1 {
				s.Errorf("the log is told %d times:\n%s", n, s.log.String())
			}
			s.i.Instead(oidctest.Keys, nil)
			time.Sleep(10 * time.Second) // synctest
			g, err := s.id(good)
			s.is(what+" no more", g, err, 0, "")
			s.i.Instead(oidctest.Keys, h)
			g, err = s.id(good)
			s.is(what+" again", g, err, 0, "") // the key is known
			invented := s.resign(good, map[string]any{"kid": "invented"}, nil)
			s.i.Instead(oidctest.Keys, nil)
			time.Sleep(time.Minute) // synctest
			g, err = s.id(invented)
			s.is("an invented key's", g, err, bridge.Unauthenticated, "failed to verify")
			s.i.Instead(oidctest.Keys, h)
			for range 8 {
				g, err = s.id(invented)
				s.is("an unknown key's", g, err, bridge.Unavailable, "cannot be asked")
			}
		})
	}
}

// A client that leaves is no fault of the issuer's.
func TestClientLeaves(t *testing.T) {
	inScene(t, func(s *scene) {
		good := s.login(oidctest.Mustang).ID
		if _, err := s.access(s.login(oidctest.Mustang).Access); err != nil {
			s.Fatal(err)
		}
		if err := s.i.Rotate("ES256"); err != nil {
			s.Fatal(err)
		}
		s.i.Forget()
		s.i.Instead(oidctest.Keys, hang)
		ctx := s.short(time.Second)
		s.within(time.Second, func() {
			g, err := s.o.ByIDToken(ctx, bridge.Secret(s.resign(good, nil, nil)))
			s.is("one who leaves", g, err, bridge.Unavailable, "context deadline exceeded")
		})
		if s.log.Len() > 0 {
			s.Errorf("the log says: %s", s.log.String())
		}
		synctest.Wait()
		time.Sleep(time.Minute) // synctest: the question ends, too
	})
}
