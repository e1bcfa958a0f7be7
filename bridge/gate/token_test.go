package gate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
)

// The answers that are remembered are bounded: the old ones go first, or else all.
func TestAnswersAreBounded(t *testing.T) {
	var a answers
	now := time.Now()
	key := func(n int) (k [sha256.Size]byte) {
		binary.BigEndian.PutUint64(k[:], uint64(n))
		return k
	}
	for n := range maxAnswers {
		until := now.Add(time.Minute)
		if n >= maxAnswers/2 {
			until = now.Add(time.Second)
		}
		a.put(key(n), answer{until: until}, now)
	}
	later := now.Add(2 * time.Second)
	a.put(key(maxAnswers), answer{until: later.Add(time.Minute)}, later)
	if len(a.of) != maxAnswers/2+1 {
		t.Errorf("%d answers are left", len(a.of))
	}
	if _, ok := a.get(key(1), later); !ok {
		t.Error("one that is good is forgotten")
	}
	if _, ok := a.get(key(maxAnswers-1), later); ok {
		t.Error("an old one is remembered")
	}
	for n := range maxAnswers {
		a.put(key(maxAnswers+n), answer{until: later.Add(time.Minute)}, later)
		if len(a.of) > maxAnswers {
			t.Fatalf("there are %d", len(a.of))
		}
	}
	if _, ok := a.get(key(2*maxAnswers-1), later); !ok {
		t.Error("the newest is forgotten")
	}
	if _, ok := a.get(key(2*maxAnswers-1), later.Add(time.Minute)); ok {
		t.Error("an old one is remembered")
	}
}

func TestHas(t *testing.T) {
	if (&claims{}).has("shoe_size") {
		t.Error("it has a claim that nothing is known of")
	}
}

// FuzzKindOf: what looks like a JWT has three parts, of which the first says how it
// is signed; and nothing that is claimed breaks the claims' decoder.
func FuzzKindOf(f *testing.F) {
	for _, head := range []string{
		`{"alg":"RS256","typ":"JWT"}`, `{"alg":"ES256","typ":"application/AT+JWT","kid":"x"}`, `{"alg":"none"}`,
		`{"typ":"JWT"}`, `{"alg":5}`, `{"alg":"x","typ":[]}`, `[]`, `null`, `{`, ``,
	} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(head)) + ".e30.x")
		f.Add(base64.URLEncoding.EncodeToString([]byte(head)) + ".e30.x")
	}
	f.Add("e30.e30.x.x.x")
	f.Add("..")
	f.Add(`{"protected":"e30"}`)
	f.Fuzz(func(t *testing.T, token string) {
		kind, is := kindOf(bridge.Secret(token))
		parts := strings.Split(token, ".")
		var head map[string]any
		raw, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err == nil {
			err = json.Unmarshal(raw, &head)
		}
		switch {
		case !is && kind != "":
			// A head without an algorithm has a type all the same.
			if err != nil {
				t.Errorf("%q is %q: %v", token, kind, err)
			}
		case is && (len(parts) != 3 || err != nil || len(head) == 0):
			t.Errorf("%q is a JWT", token)
		}
		if kind != strings.ToLower(kind) {
			t.Errorf("%q is of type %q", token, kind)
		}
		var c claims
		if json.Unmarshal(raw, &c) == nil {
			g := c.grant("user")
			if len(g.Name) > bridge.MaxName || g.Profile == nil {
				t.Errorf("granted %+v", g)
			}
		}
	})
}
