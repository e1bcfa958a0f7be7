package srtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

var profiles = []Profile{CM128, GCM128, GCM256}

func testKeys(p Profile) Keys {
	key, salt := p.keys()
	r := rand.NewChaCha8([32]byte{byte(p)})
	k := Keys{Key: make([]byte, key), Salt: make([]byte, salt)}
	r.Read(k.Key)
	r.Read(k.Salt)
	return k
}

func pair(t testing.TB, p Profile) (*Sender, *Receiver) {
	t.Helper()
	s, err := NewSender(p, testKeys(p))
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver(p, testKeys(p))
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// header is that of an RTP packet.
func header(ssrc uint32, seq uint16) []byte {
	h := make([]byte, 12, 2048)
	h[0], h[1] = 0x80, 96
	binary.BigEndian.PutUint16(h[2:], seq)
	binary.BigEndian.PutUint32(h[8:], ssrc)
	return h
}

func each(t *testing.T, f func(t *testing.T, s *Sender, r *Receiver)) {
	for _, p := range profiles {
		t.Run(fmt.Sprintf("%#04x", uint16(p)), func(t *testing.T) {
			s, r := pair(t, p)
			f(t, s, r)
		})
	}
}

func send(s *Sender, ssrc uint32, seq uint16, payload string) []byte {
	return s.Stream(ssrc).Seal(header(ssrc, seq), []byte(payload))
}

// Packets go round the sequence numbers several times, in an order of their own,
// some never arrive, and each is what it was.
func TestRollOver(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		rnd := rand.New(rand.NewPCG(1, 2))
		var late [][]byte
		for i := range 200_000 {
			seq := uint16(30_000 + i)
			if i%50 != 0 && i > 1000 && i < 199_000 && (seq > 100 && seq < 65_400) {
				continue // faster: only near the ends does it matter
			}
			sealed := send(s, 7, seq, fmt.Sprint(i))
			if rnd.IntN(4) == 0 {
				late = append(late, bytes.Clone(sealed))
				continue
			}
			got, err := r.Open(sealed)
			if err != nil || string(got[12:]) != fmt.Sprint(i) {
				t.Fatalf("%d: %q, %v", i, got, err)
			}
			if len(late) > 10 {
				for _, b := range late {
					if _, err := r.Open(b); err != nil && !errors.Is(err, ErrStale) {
						t.Fatalf("before %d: %v", i, err)
					}
				}
				late = late[:0]
			}
		}
		if high := r.last.high >> 16; high != 3 {
			t.Errorf("roll-over counter %d", high)
		}
	})
}

// A packet from before a roll-over that is repeated after it is the same packet.
func TestRepeatAcrossRollOver(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, _ *Receiver) {
		first := send(s, 7, 65_530, "x")
		for seq := uint16(65_531); seq != 50; seq++ {
			send(s, 7, seq, "y")
		}
		if again := send(s, 7, 65_530, "x"); !bytes.Equal(first, again) {
			t.Errorf("%x, then %x", first, again)
		}
		if s.Stream(7).high != 1<<16+49 {
			t.Errorf("highest is %#x", s.Stream(7).high)
		}
	})
}

// Behind a fence nothing is encrypted a second time.
func TestFence(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		s.Stream(7).Fence()
		for seq := range uint16(10) {
			send(s, 7, seq, "a")
		}
		s.Stream(7).Fence()
		for seq := range uint16(10) {
			if send(s, 7, seq, "b") != nil {
				t.Errorf("%d is encrypted again", seq)
			}
		}
		if _, err := r.Open(send(s, 7, 10, "c")); err != nil {
			t.Error(err)
		}
	})
}

func TestReplay(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		var all [][]byte
		for seq := range uint16(3 * Window) {
			all = append(all, bytes.Clone(send(s, 7, seq, "a")))
		}
		open := func(i int, want error) {
			t.Helper()
			if _, err := r.Open(bytes.Clone(all[i])); !errors.Is(err, want) {
				t.Errorf("%d: %v, not %v", i, err, want)
			}
		}
		open(0, nil)
		open(0, ErrReplayed)
		open(2, nil)
		open(1, nil)
		open(1, ErrReplayed)
		open(2, ErrReplayed)
		open(Window+1, nil) // 2 is the oldest that the window knows
		open(1, ErrStale)
		open(2, ErrReplayed)
		open(3, nil)
		open(3*Window-1, nil) // forgets everything
		open(Window+1, ErrStale)
		open(2*Window, nil)
		open(2*Window, ErrReplayed)
		open(2*Window-1, ErrStale)
	})
}

func TestForged(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		good := bytes.Clone(send(s, 7, 1, "payload"))
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				if _, err := r.Open(bad); err == nil {
					t.Fatalf("byte %d, bit %d: nobody noticed", i, bit)
				}
			}
		}
		for n := range good {
			if _, err := r.Open(bytes.Clone(good[:n])); err == nil {
				t.Fatalf("%d bytes: nobody noticed", n)
			}
		}
		if len(r.streams) != 0 {
			t.Error("forged packets leave something behind")
		}
		if got, err := r.Open(bytes.Clone(good)); err != nil || string(got[12:]) != "payload" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// There are no more streams than a bound, and those that are there go on.
func TestManyStreams(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		for ssrc := range uint32(MaxStreams) {
			if _, err := r.Open(send(s, ssrc, 1, "a")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Open(send(s, MaxStreams, 1, "a")); !errors.Is(err, ErrTooMany) {
			t.Error(err)
		}
		if _, err := r.Open(send(s, 0, 2, "a")); err != nil {
			t.Error(err)
		}
	})
}

func report(ssrc uint32) []byte {
	b := make([]byte, 28, 128)
	b[0], b[1], b[3] = 0x80, 200, 6
	binary.BigEndian.PutUint32(b[4:], ssrc)
	copy(b[8:], "sender's information")
	return b
}

func TestRTCP(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		var all [][]byte
		for range 2 * rtcpWindow {
			b, err := s.SealRTCP(report(9))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
		open := func(i int, want error) {
			t.Helper()
			got, err := r.OpenRTCP(bytes.Clone(all[i]))
			if !errors.Is(err, want) || err == nil && !bytes.Equal(got, report(9)) {
				t.Errorf("%d: %q, %v; not %v", i, got, err, want)
			}
		}
		open(1, nil)
		open(1, ErrReplayed)
		open(0, nil)
		open(0, ErrReplayed)
		open(rtcpWindow, nil)
		open(0, ErrStale)
		open(1, ErrReplayed)
		open(2, nil)
		open(2*rtcpWindow-1, nil)
		open(rtcpWindow, ErrReplayed)
		good := all[5+rtcpWindow]
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1
			if _, err := r.OpenRTCP(bad); err == nil {
				t.Fatalf("byte %d: nobody noticed", i)
			}
			if _, err := r.OpenRTCP(bytes.Clone(good[:i])); err == nil {
				t.Fatalf("%d bytes: nobody noticed", i)
			}
		}
		open(5+rtcpWindow, nil)
		if len(r.controls) != 1 {
			t.Error("forged packets leave something behind")
		}
		s.rtcp.index = encrypted - 1
		if _, err := s.SealRTCP(report(9)); !errors.Is(err, ErrSpent) {
			t.Error(err)
		}
		if _, err := s.SealRTCP([]byte("short")); !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
	})
}

// Nothing is allocated per packet, and the payload is read where it lies.
func TestAllocations(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		stream, payload := s.Stream(7), make([]byte, 1100)
		buf, seq := header(7, 0), uint16(0)
		next := func() []byte {
			seq++
			binary.BigEndian.PutUint16(buf[2:], seq)
			return stream.Seal(buf, payload)
		}
		if _, err := r.Open(next()); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := r.Open(next()); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, p := range profiles {
		b.Run(fmt.Sprintf("%#04x", uint16(p)), func(b *testing.B) {
			s, _ := pair(b, p)
			stream, payload, buf := s.Stream(7), make([]byte, 1100), header(7, 0)
			b.ReportAllocs()
			for i := range b.N {
				binary.BigEndian.PutUint16(buf[2:], uint16(i))
				stream.Seal(buf, payload)
			}
		})
	}
}

// A relay has more streams than a client, and forgets those that are over.
func TestStreamsAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *Sender, r *Receiver) {
		r.Allow(1)
		first := send(s, 1, 1, "a")
		again := bytes.Clone(first)
		if _, err := r.Open(first); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Open(send(s, 2, 1, "b")); !errors.Is(err, ErrTooMany) {
			t.Error("a stream too many:", err)
		}
		if _, err := r.Open(again); !errors.Is(err, ErrReplayed) {
			t.Error("a packet came twice:", err)
		}
		r.Forget(1)
		s.Retire(1)
		if _, err := r.Open(send(s, 2, 2, "b")); err != nil {
			t.Error("another stream:", err)
		}
	})
}
