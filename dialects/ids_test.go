package dialects_test

import (
	"bytes"
	"testing"

	"dragoman/dialects"
)

func TestIDs(t *testing.T) {
	ids := dialects.NewIDs([]byte("0123456789abcdef"))
	id := [16]byte{1, 2, 3, 15: 16}
	sealed := ids.Seal(id, "ahoy", "room")
	if got, ok := ids.Open(sealed[:], "ahoy", "room"); !ok || got != id {
		t.Errorf("opened %x, %v", got, ok)
	}
	if again := ids.Seal(id, "ahoy", "room"); again != sealed {
		t.Error("sealed twice it differs: other nodes would show another id")
	}
	for name, scope := range map[string][]string{
		"another room": {"ahoy", "room2"}, "another use": {"ahoy-screen", "room"}, "none": nil, "more": {"ahoy", "room", ""},
		"split elsewhere": {"ahoyr", "oom"}, "swapped": {"room", "ahoy"},
	} {
		if _, ok := ids.Open(sealed[:], scope...); ok {
			t.Errorf("%s opens it", name)
		}
	}
	for i := range sealed {
		forged := sealed
		forged[i] ^= 1
		if _, ok := ids.Open(forged[:], "ahoy", "room"); ok {
			t.Errorf("with byte %d changed it opens", i)
		}
	}
	for _, n := range []int{0, 16, 31} {
		if _, ok := ids.Open(sealed[:n], "ahoy", "room"); ok {
			t.Errorf("%d bytes of it open", n)
		}
	}
	if _, ok := ids.Open(append(sealed[:], 0), "ahoy", "room"); ok {
		t.Error("with a byte more it opens")
	}
	if _, ok := dialects.NewIDs([]byte("another key, too")).Open(sealed[:], "ahoy", "room"); ok {
		t.Error("another key opens it")
	}
	if bytes.Equal(ids.Key("a"), ids.Key("b")) || !bytes.Equal(ids.Key("a"), ids.Key("a")) || len(ids.Key("a")) != 32 {
		t.Error("derived keys are not 32 bytes of their own")
	}
	key := []byte("0123456789abcdef")
	own := dialects.NewIDs(key)
	key[0] = 'x'
	if own.Seal(id) != ids.Seal(id) {
		t.Error("the key can be changed from outside")
	}
}

func FuzzOpen(f *testing.F) {
	ids := dialects.NewIDs([]byte("0123456789abcdef"))
	sealed := ids.Seal([16]byte{7}, "x")
	f.Add(sealed[:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, ok := ids.Open(b, "x")
		if again := ids.Seal(id, "x"); ok && !bytes.Equal(again[:], b) {
			t.Errorf("%x opens as %x, which is sealed as %x", b, id, again)
		}
	})
}
