package forward

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	pion "github.com/pion/rtp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	const start = "80e0 1234 00112233 deadbeef"
	tests := []struct {
		name, packet string
		payload      string
		padding      uint8
		extensions   map[uint8]string
		bad          bool
	}{
		{name: "plain", packet: start + "010203", payload: "010203"},
		{name: "empty", packet: start},
		{name: "CSRCs", packet: "82e0 1234 00112233 deadbeef 11111111 22222222 01", payload: "01"},
		{name: "padding", packet: "a0e0 1234 00112233 deadbeef 0102 000003", payload: "0102", padding: 3},
		{name: "only padding", packet: "a0e0 1234 00112233 deadbeef 000003", padding: 3},
		{
			name: "extensions", packet: "90e0 1234 00112233 deadbeef bede0002 10aa 00 22010203 00 01", payload: "01",
			extensions: map[uint8]string{1: "aa", 2: "010203", 3: ""},
		},
		{
			name: "two-byte extensions", packet: "90e0 1234 00112233 deadbeef 10000002 01 00 14 02 0102 0000 01", payload: "01",
			extensions: map[uint8]string{1: "", 20: "0102", 2: ""},
		},
		{
			name: "extension that stops", packet: "90e0 1234 00112233 deadbeef bede0001 f0aa10bb 01", payload: "01",
			extensions: map[uint8]string{15: "", 1: ""},
		},
		{name: "unknown profile", packet: "90e0 1234 00112233 deadbeef abcd0001 10aa10bb 01", payload: "01", extensions: map[uint8]string{1: ""}},
		{name: "short", packet: "80e0 1234 00112233 deadbe", bad: true},
		{name: "version", packet: "40e0 1234 00112233 deadbeef 01", bad: true},
		{name: "short CSRCs", packet: "82e0 1234 00112233 deadbeef 11111111", bad: true},
		{name: "short extension head", packet: "90e0 1234 00112233 deadbeef be", bad: true},
		{name: "short extensions", packet: "90e0 1234 00112233 deadbeef bede0002 10aa0000", bad: true},
		{name: "more padding than payload", packet: "a0e0 1234 00112233 deadbeef 0104", bad: true},
		{name: "no padding", packet: "a0e0 1234 00112233 deadbeef 0100", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Header
			err := h.Parse(unhex(t, tt.packet))
			if (err != nil) != tt.bad {
				t.Fatal(err)
			}
			if tt.bad {
				return
			}
			if !h.Marker || h.PT != 0x60 || h.Seq != 0x1234 || h.TS != 0x112233 || h.SSRC != 0xdeadbeef || h.Padding != tt.padding {
				t.Errorf("%+v", h)
			}
			if got := hex.EncodeToString(h.Payload); got != tt.payload {
				t.Errorf("payload %s", got)
			}
			for id, want := range tt.extensions {
				if got := hex.EncodeToString(h.Extension(id)); got != want {
					t.Errorf("extension %d is %q, want %q", id, got, want)
				}
			}
		})
	}
}

// FuzzParse compares with Pion: what that takes we take, and see alike.
func FuzzParse(f *testing.F) {
	f.Add(unhex(f, "90e01234 00112233 deadbeef bede0002 10aa0022010203 00 01"))
	f.Add(unhex(f, "90e01234 00112233 deadbeef 10000002 0100 1402 0102 0000 01"))
	f.Add(unhex(f, "a2e01234 00112233 deadbeef 11111111 22222222 000003"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Header
		ours := h.Parse(bytes.Clone(b))
		for id := range 256 {
			h.Extension(uint8(id))
		}
		var p pion.Packet
		if p.Unmarshal(b) != nil || ours != nil || p.Version != 2 || p.Padding && p.Header.PaddingSize == 0 {
			return
		}
		if !bytes.Equal(h.Payload, p.Payload) || h.Seq != p.SequenceNumber || h.TS != p.Timestamp || h.SSRC != p.SSRC ||
			h.PT != p.PayloadType || h.Marker != p.Marker {
			t.Errorf("%x: %+v, want %+v", b, h, p)
		}
	})
}

func TestPacketOnTheWire(t *testing.T) {
	p := Packet{
		Marker: true, PT: 96, Seq: 0x1234, TS: 0x00112233, SSRC: 0xdeadbeef,
		Level: 0x85, HasLevel: true, Time: 0x010203, Number: 0xabcd, Head: []byte{1}, Body: []byte{2, 3},
	}
	tests := []struct {
		name string
		ids  Extensions
		pad  uint8
		want string
	}{
		{"no extensions", Extensions{}, 0, "80e0 1234 00112233 deadbeef 010203"},
		{"a level", Extensions{Level: 3}, 0, "90e0 1234 00112233 deadbeef bede0001 30850000 010203"},
		{"both", Extensions{Level: 3, Time: 4}, 0, "90e0 1234 00112233 deadbeef bede0002 3085 42010203 0000 010203"},
		{"a number", Extensions{Number: 5}, 0, "90e0 1234 00112233 deadbeef bede0001 51abcd00 010203"},
		{"all", Extensions{Level: 3, Time: 4, Number: 5}, 0, "90e0 1234 00112233 deadbeef bede0003 3085 42010203 51abcd 000000 010203"},
		{"padding", Extensions{}, 4, "a0e0 1234 00112233 deadbeef 010203 00000004"},
	}
	for _, tt := range tests {
		p.Padding = tt.pad
		if got := p.AppendTo(nil, tt.ids); !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%s: %x", tt.name, got)
		}
	}
}

func TestUnwrapRTX(t *testing.T) {
	h := Header{PT: 97, Seq: 5, SSRC: 2, Payload: []byte{0x12, 0x34, 9}}
	if !h.UnwrapRTX(96, 1) || h.Seq != 0x1234 || h.PT != 96 || h.SSRC != 1 || len(h.Payload) != 1 {
		t.Errorf("%+v", h)
	}
	if (&Header{Payload: []byte{1}}).UnwrapRTX(96, 1) {
		t.Error("a probe is not a packet")
	}
}

func TestSendTime(t *testing.T) {
	tests := map[int64]uint32{0: 0, 1e9: 1 << 18, 5e8: 1 << 17, 64e9: 0, 65e9 + 25e7: 1<<18 | 1<<16}
	for now, want := range tests {
		if got := SendTime(now); got != want {
			t.Errorf("%d ns: %x, want %x", now, got, want)
		}
	}
}
