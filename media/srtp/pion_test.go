package srtp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pion/rtp"
	pion "github.com/pion/srtp/v3"
)

// Pion is the oracle: what it encrypts we decrypt, and what we encrypt is the
// same to the last bit.

func oracle(t testing.TB, p Profile) *pion.Context {
	t.Helper()
	k := testKeys(p)
	c, err := pion.CreateContext(k.Key, k.Salt, pion.ProtectionProfile(p), pion.SRTPReplayProtection(Window), pion.SRTCPReplayProtection(rtcpWindow))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func FuzzAgainstPion(f *testing.F) {
	f.Add(uint8(0), uint16(1), uint32(7), []byte{0x80, 0x60}, []byte("payload"))
	f.Add(uint8(1), uint16(65_535), uint32(7), []byte{0x90, 0xe0, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0}, []byte{})
	f.Add(uint8(2), uint16(3), uint32(0), []byte{0xb1, 0x60, 1, 2, 3, 4}, bytes.Repeat([]byte{1}, 1300))
	f.Fuzz(func(t *testing.T, which uint8, seq uint16, ssrc uint32, head, payload []byte) {
		p := profiles[int(which)%len(profiles)]
		s, r := pair(t, p)
		packet := &rtp.Packet{}
		packet.Version, packet.SequenceNumber, packet.SSRC = 2, seq&0x7fff, ssrc
		if len(head) > 1 {
			packet.Marker, packet.PayloadType = head[1]&0x80 != 0, head[1]&0x7f
			for range head[0] & 3 {
				packet.CSRC = append(packet.CSRC, 5)
			}
			if x := head[2:]; head[0]&0x10 != 0 && len(x) > 0 && len(x) < 16 {
				if err := packet.SetExtension(1, x); err != nil {
					t.Fatal(err)
				}
			}
		}
		packet.Payload = payload[:min(len(payload), 1400)]
		theirs := oracle(t, p)
		for range 3 {
			plain, err := packet.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			want, err := theirs.EncryptRTP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := headerSize(plain)
			got := s.Stream(ssrc).Seal(roomy(plain[:n]), plain[n:])
			if !bytes.Equal(got, want) {
				t.Fatalf("sealed %x, not %x", got, want)
			}
			if opened, err := r.Open(roomy(want)); err != nil || !bytes.Equal(opened, plain) {
				t.Fatalf("opened %x, not %x: %v", opened, plain, err)
			}
			packet.SequenceNumber += 0x7000
		}
	})
}

func FuzzRTCPAgainstPion(f *testing.F) {
	f.Add(uint8(0), report(9))
	f.Add(uint8(1), report(9)[:8])
	f.Add(uint8(2), append(report(9), report(10)...))
	f.Fuzz(func(t *testing.T, which uint8, plain []byte) {
		if len(plain) < rtcpHeader || len(plain) > 1400 || plain[0]>>6 != 2 {
			return
		}
		p := profiles[int(which)%len(profiles)]
		s, r := pair(t, p)
		ours := oracle(t, p)
		theirs := oracle(t, p)
		for range 3 {
			got, err := s.SealRTCP(roomy(plain))
			if err != nil {
				t.Fatal(err)
			}
			if opened, err := ours.DecryptRTCP(nil, got, nil); err != nil || !bytes.Equal(opened, plain) {
				t.Fatalf("Pion opened %x, not %x: %v", opened, plain, err)
			}
			sealed, err := theirs.EncryptRTCP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			if opened, err := r.OpenRTCP(roomy(sealed)); err != nil || !bytes.Equal(opened, plain) {
				t.Fatalf("opened %x, not %x: %v", opened, plain, err)
			}
		}
	})
}

// Whatever comes, nothing is opened that was not sealed, and both say the same.
func FuzzOpen(f *testing.F) {
	f.Add(uint8(0), []byte{0x80, 0x60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7})
	f.Add(uint8(1), bytes.Repeat([]byte{0x9f}, 200))
	f.Add(uint8(2), report(9))
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		p := profiles[int(which)%len(profiles)]
		_, r := pair(t, p)
		if out, err := r.Open(roomy(b)); err == nil {
			t.Errorf("opened %x", out)
		}
		if out, err := r.OpenRTCP(roomy(b)); err == nil {
			t.Errorf("opened %x", out)
		}
	})
}

// The same stream of packets, mixed up, is taken and refused alike.
func TestOrderAgainstPion(t *testing.T) {
	for _, p := range profiles {
		s, r := pair(t, p)
		theirs := oracle(t, p)
		next := uint32(12_345)
		for i := range 300_000 {
			next = next*1664525 + 1013904223
			at := 20_000 + i/2 - int(next>>16)%1500
			if i%97 != 0 && at&0xffff > 2000 && at&0xffff < 64_000 {
				continue
			}
			stream := s.Stream(7)
			stream.begun, stream.high = true, uint64(max(at, 0))
			b := header(7, uint16(at))
			binary.BigEndian.PutUint32(b[4:], uint32(at))
			sealed := stream.Seal(b, []byte("p"))
			_, err := r.Open(roomy(sealed))
			_, other := theirs.DecryptRTP(nil, sealed, nil)
			if (err == nil) != (other == nil) {
				t.Fatalf("%d: we say %v, Pion says %v", at, err, other)
			}
		}
	}
}
