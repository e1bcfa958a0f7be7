package srtp

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// roomy copies a packet to the beginning of a buffer.
func roomy(b []byte) []byte { return append(make([]byte, 0, 2048), b...) }

// RFC 3711, B.3.
func TestKeyDerivation(t *testing.T) {
	k := Keys{
		Key:  unhex(t, "E1F97A0D3E018BE0D64FA32C06DE4139"),
		Salt: unhex(t, "0EC675AD498AFEEBB6960B3AABE6"),
	}
	for _, x := range []struct {
		label byte
		want  string
	}{
		{labelKey, "C61E7A93744F39EE10734AFE3FF7A087"},
		{labelSalt, "30CBBC08863D8C85D49DB34A9AE1"},
		{labelAuth, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
	} {
		want := unhex(t, x.want)
		got, err := k.derive(x.label, len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("label %d: %x, %v", x.label, got, err)
		}
	}
}

// RFC 3711, B.2: a payload of zeros turns into the key stream.
func TestCounterMode(t *testing.T) {
	s, err := sessionOf(CM128, unhex(t, "2B7E151628AED2A6ABF7158809CF4F3C"), unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"), make([]byte, macSize))
	if err != nil {
		t.Fatal(err)
	}
	want := unhex(t, `E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0`)
	c := newCoder(s)
	got := make([]byte, len(want))
	c.crypt(got, got, 0, 0)
	if !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
	// The end of the same example: blocks 0xfeff to 0xff01.
	long := make([]byte, 16*0xff02)
	c.crypt(long, long, 0, 0)
	end := unhex(t, "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44")
	if got := long[16*0xfeff:]; !bytes.Equal(got, end) {
		t.Errorf("%x", got)
	}
}

// RFC 7714, 16 and 17.
var gcmVectors = []struct {
	name      string
	profile   Profile
	key       string
	rtp, rtcp string
}{
	{
		"128", GCM128, "000102030405060708090a0b0c0d0e0f",
		`8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf
		 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
		`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded
		 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`,
	},
	{
		"256", GCM256, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		`8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799
		 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
		`81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047
		 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4`,
	},
}

const (
	plainRTP  = `8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573`
	plainRTCP = `81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef`
	marsSSRC  = 0x4d617273
	index     = 0x5d4
)

func TestGCMVectors(t *testing.T) {
	for _, v := range gcmVectors {
		t.Run(v.name, func(t *testing.T) {
			s, err := sessionOf(v.profile, unhex(t, v.key), unhex(t, "517569642070726f2071756f"), nil)
			if err != nil {
				t.Fatal(err)
			}
			c := newCoder(s)
			plain, sealed := unhex(t, plainRTP), unhex(t, v.rtp)
			if got := c.sealRTP(roomy(plain[:12]), plain[12:], 0x5501a0b2, 0xf17b); !bytes.Equal(got, sealed) {
				t.Errorf("RTP sealed: %x", got)
			}
			if got, err := c.openRTP(roomy(sealed), 12, 0x5501a0b2, 0xf17b); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("RTP opened: %x, %v", got, err)
			}
			plain, sealed = unhex(t, plainRTCP), unhex(t, v.rtcp)
			if got := c.sealRTCP(roomy(plain), marsSSRC, index); !bytes.Equal(got, sealed) {
				t.Errorf("RTCP sealed: %x", got)
			}
			if n, ok := c.rtcpIndex(sealed); n != index || !ok {
				t.Errorf("RTCP index %#x, %v", n, ok)
			}
			if got, err := c.openRTCP(roomy(sealed), marsSSRC, index); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("RTCP opened: %x, %v", got, err)
			}
		})
	}
}

func TestKeysAreChecked(t *testing.T) {
	for _, x := range []struct {
		p         Profile
		key, salt int
	}{{GCM128, 16, 14}, {GCM256, 16, 12}, {CM128, 16, 12}, {2, 16, 14}, {0, 0, 0}} {
		k := Keys{Key: make([]byte, x.key), Salt: make([]byte, x.salt)}
		if _, err := NewSender(x.p, k); err == nil {
			t.Errorf("sender takes %+v", x)
		}
		if _, err := NewReceiver(x.p, k); err == nil {
			t.Errorf("receiver takes %+v", x)
		}
	}
}
