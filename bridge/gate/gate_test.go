package gate_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"dragoman/bridge"
	"dragoman/bridge/gate"
)

func TestOpen(t *testing.T) {
	var g bridge.Gate = gate.Open{}
	grant, err := g.Admit(t.Context(), bridge.Credentials{User: "ann"})
	if err != nil || grant != (bridge.Grant{User: "open:ann", Name: "ann"}) {
		t.Errorf("granted %+v, %v", grant, err)
	}
	if grant, err = g.Admit(t.Context(), bridge.Credentials{Secret: "x"}); err != nil || grant != (bridge.Grant{}) {
		t.Errorf("granted %+v, %v", grant, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = g.Admit(ended, bridge.Credentials{}); bridge.CodeOf(err) != bridge.Unavailable {
		t.Errorf("%v", err)
	}
}

// TestNobody: no login is believed, which is nobody's failure.
func TestNobody(t *testing.T) {
	var g bridge.Gate = gate.Nobody{}
	grant, err := g.Admit(t.Context(), bridge.Credentials{User: "ann", Secret: "x"})
	if bridge.CodeOf(err) != bridge.Forbidden || grant != (bridge.Grant{}) {
		t.Errorf("granted %+v, %v", grant, err)
	}
	g.Failed(bridge.Credentials{})
}

// strict admits who knows the word, and counts who failed.
type strict struct{ failed *atomic.Int32 }

func (s strict) Admit(_ context.Context, c bridge.Credentials) (bridge.Grant, error) {
	switch c.Secret {
	case "word":
		return bridge.Grant{Name: c.User}, nil
	case "broken":
		return bridge.Grant{}, bridge.Errorf(bridge.Internal, "broken")
	}
	return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "no")
}

func (s strict) Failed(bridge.Credentials) { s.failed.Add(1) }

// knock is who knocks at a brake, where from and what comes of it.
type knock struct {
	t *testing.T
	b *gate.Brake
}

func (k knock) answers(want bridge.Code, from, room, secret string) {
	k.t.Helper()
	c := bridge.Credentials{Room: bridge.RoomID(room), Secret: bridge.Secret(secret)}
	if from != "" {
		c.Remote = netip.MustParseAddr(from)
	}
	if _, err := k.b.Admit(k.t.Context(), c); bridge.CodeOf(err) != want {
		k.t.Errorf("%s at %s: %v, want %v", from, room, err, want)
	}
}

func newKnock(t *testing.T, cfg gate.BrakeConfig) (k knock, failed *atomic.Int32) {
	failed = new(atomic.Int32)
	return knock{t, gate.NewBrake(strict{failed}, cfg)}, failed
}

func TestBrakeByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, failed := newKnock(t, gate.BrakeConfig{Failures: 3})
		for range 2 {
			k.answers(bridge.Unauthenticated, "192.0.2.1", "r", "guess")
		}
		time.Sleep(time.Minute) // synctest: the window has passed
		for range 2 {
			k.answers(bridge.Unauthenticated, "192.0.2.1", "r", "guess")
		}
		k.answers(0, "192.0.2.1", "r", "word")
		k.answers(bridge.Internal, "192.0.2.1", "r", "broken") // is no guess
		k.answers(bridge.Unauthenticated, "::ffff:192.0.2.1", "", "guess")
		k.answers(bridge.TooMany, "192.0.2.1", "r", "word")
		k.answers(0, "192.0.2.2", "r", "word")
		time.Sleep(5*time.Minute - time.Second) // synctest
		k.answers(bridge.TooMany, "192.0.2.1", "other", "word")
		time.Sleep(2 * time.Second) // synctest
		k.answers(0, "192.0.2.1", "r", "word")
		if failed.Load() != 5 {
			t.Errorf("the gate behind was told of %d failures", failed.Load())
		}
		if s := k.b.Stats(); s != (gate.BrakeStats{Known: 2, Failures: 5, Refused: 2}) {
			t.Errorf("%+v", s)
		}
	})
}

func TestBrakeTakesANetworkForOne(t *testing.T) {
	k, _ := newKnock(t, gate.BrakeConfig{Failures: 2})
	k.answers(bridge.Unauthenticated, "2001:db8::1", "", "guess")
	k.answers(bridge.Unauthenticated, "2001:db8::2", "", "guess")
	k.answers(bridge.TooMany, "2001:db8::3%eth0", "", "word")
	k.answers(0, "2001:db8:0:1::1", "", "word")
	k.answers(bridge.Unauthenticated, "", "", "guess")
	k.answers(bridge.Unauthenticated, "", "", "guess")
	k.answers(bridge.TooMany, "", "", "word")
}

// A room that many addresses guess at is braked for those who have failed, not for
// those who know.
func TestBrakeByRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := newKnock(t, gate.BrakeConfig{Failures: 3, RoomFailures: 20})
		from := func(i int) string { return fmt.Sprintf("198.51.100.%d", i) }
		for i := range 20 {
			k.answers(bridge.Unauthenticated, from(i), "r", "guess")
		}
		for i := range 20 {
			k.answers(bridge.TooMany, from(i), "r", "word")
			k.answers(0, from(i), "other", "word")
		}
		k.answers(0, "192.0.2.1", "r", "word")
		k.answers(bridge.Unauthenticated, "192.0.2.1", "r", "guess")
		k.answers(bridge.TooMany, "192.0.2.1", "r", "guess")
		time.Sleep(6 * time.Minute) // synctest
		k.answers(0, from(1), "r", "word")
	})
}

func TestBrakeForgetsTheOldest(t *testing.T) {
	k, _ := newKnock(t, gate.BrakeConfig{Failures: 1, Size: 3})
	for i := range 5 {
		k.answers(bridge.Unauthenticated, fmt.Sprintf("192.0.2.%d", i), "", "guess")
	}
	for i := range 5 {
		want := bridge.Code(0)
		if i > 1 {
			want = bridge.TooMany
		}
		k.answers(want, fmt.Sprintf("192.0.2.%d", i), "", "word")
	}
	if s := k.b.Stats(); s.Known != 3 || s.Forgotten != 2 {
		t.Errorf("%+v", s)
	}
}

func TestBrakeIsForMany(t *testing.T) {
	k, _ := newKnock(t, gate.BrakeConfig{Size: 10})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 200 {
				c := bridge.Credentials{Remote: netip.AddrFrom4([4]byte{10, byte(i), 0, byte(j)}), Room: "r"}
				_, _ = k.b.Admit(t.Context(), c)
			}
		})
	}
	all.Wait()
	if s := k.b.Stats(); s.Known > 10 || s.Failures != 800 {
		t.Errorf("%+v", s)
	}
}

func TestCheck(t *testing.T) {
	weak, err := bcrypt.GenerateFromPassword([]byte("word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	hashed := gate.Hash("word")
	// From the reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, r := range []struct {
		stored, given bridge.Secret
		want          bool
	}{
		{"word", "word", true},
		{"word", "Word", false},
		{"word", "", false},
		{"", "", true},
		{"$1$x", "$1$x", true},
		{hashed, "word", true},
		{hashed, "Word", false},
		{hashed, hashed, false},
		{bridge.Secret(weak), "word", true},
		{bridge.Secret(weak), "Word", false},
		{bridge.Secret(weak), bridge.Secret(weak), false},
		{reference, "password", true},
		{reference, "Password", false},
		{"$2a$10$short", "$2a$10$short", false},
		{"$argon2id$", "$argon2id$", false},
	} {
		if have := gate.Check(r.stored, r.given); have != r.want {
			t.Errorf("%q against %q: %v", string(r.given), string(r.stored), have)
		}
	}
	if again := gate.Hash("word"); string(again) == string(hashed) || !strings.HasPrefix(string(again), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashed as %q", string(again))
	}
}

func TestValid(t *testing.T) {
	const tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	strong := "$2a$31$" + strings.Repeat("a", 53)
	for stored, want := range map[string]bool{
		"":                                      true,
		"plain":                                 true,
		"$1$other":                              true,
		"$argon2id$v=19$m=65536,t=2,p=1" + tail: true,
		"$argon2id$v=16$m=65536,t=2,p=1" + tail: false,
		"$argon2id$v=19$m=9999999,t=2,p=1" + tail:    false,
		"$argon2id$v=19$m=65536,t=99,p=1" + tail:     false,
		"$argon2id$v=19$m=65536,t=2,p=0" + tail:      false,
		"$argon2id$v=19$m=65536,t=2" + tail:          false,
		"$argon2id$v=19$m=65536,t=2,p=1$x$x":         false,
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ": false,
		"$argon2id$v=19$m=65536,t=2,p=1$$":           false,
		"$argon2id$v=19$m=65536,t=2,p=1,x=1" + tail:  false,
		"$argon2id$":                        false,
		"$2a$10$":                           false,
		strong:                              false,
		"$2y$10$" + strings.Repeat("a", 53): true,
	} {
		err := gate.Valid(bridge.Secret(stored))
		if (err == nil) != want || err != nil && (bridge.CodeOf(err) != bridge.BadRequest || strings.Contains(err.Error(), stored)) {
			t.Errorf("%s: %v", stored, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5Q", "x")
	f.Add("$2a$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x")
	f.Fuzz(func(t *testing.T, stored, given string) {
		if err := gate.Valid(bridge.Secret(stored)); err != nil && gate.Check(bridge.Secret(stored), bridge.Secret(given)) {
			t.Errorf("%q opens to %q", stored, given)
		}
	})
}
