package media

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/pion/rtp"

	"dragoman/bridge"
)

// hop is an inlet and an outlet of the same publication.
type hop struct {
	in  *InletStream
	out *Outlet
	at  rtp.Header
	buf []byte
}

func newHop(tb testing.TB, in *Inlet, track bridge.Track, codec string, payload []byte) *hop {
	tb.Helper()
	s, err := in.Take(track, "", codec)
	if err != nil {
		tb.Fatal(err)
	}
	h := &hop{in: s, buf: append(make([]byte, 12), payload...)}
	h.buf[0] = 0x80
	h.out, err = in.e.NewOutlet(OutletConfig{
		Publication: in.of.pub.id, Track: track,
		Write: func(p *rtp.Header, _ []byte, _ uint8, _ bool) error { h.at = *p; return nil },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// push hands in the next packet.
func (h *hop) push(tb testing.TB, step uint32) {
	binary.BigEndian.PutUint16(h.buf[2:], binary.BigEndian.Uint16(h.buf[2:])+1)
	binary.BigEndian.PutUint32(h.buf[4:], binary.BigEndian.Uint32(h.buf[4:])+step)
	if err := h.in.Write(h.buf, 30, true); err != nil {
		tb.Fatal(err)
	}
}

func newHops(tb testing.TB) (sound, picture *hop) {
	tb.Helper()
	cfg := Default()
	cfg.UDP, cfg.TCP, cfg.Engine = "127.0.0.1:0", "", "portable"
	e, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Close() })
	in, err := e.NewInlet(bridge.NewPublicationID(), func(string) {})
	if err != nil {
		tb.Fatal(err)
	}
	in.Offer(RelayOffer{Open: [2]bool{true, true}})
	body := make([]byte, 1100) // of a key frame, with a picture id
	copy(body, []byte{0x90, 0x80, 0x81, 0x01, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01})
	sound, picture = newHop(tb, in, bridge.Audio, "opus", make([]byte, 80)), newHop(tb, in, bridge.Video, "VP8", body)
	sound.push(tb, 960)
	picture.push(tb, 3000)
	return sound, picture
}

// What sender reports say of an inlet's streams belongs together behind it.
func TestInletReports(t *testing.T) {
	sound, picture := newHops(t)
	const ntp = 5000 << 32
	after := func(h *hop, rate float64) float64 {
		h.in.Report(ntp, binary.BigEndian.Uint32(h.buf[4:])+uint32(rate)) // a second after its packet
		ts, _, _, ok := h.out.down.Report(h.in.in.e.now())
		if !ok || h.at.Timestamp == 0 {
			t.Fatal("nothing was sent")
		}
		return float64(int32(ts-h.at.Timestamp))/rate - 1 // seconds since the report
	}
	if a, v := after(sound, 48000), after(picture, 90000); math.Abs(a-v) > 0.02 {
		t.Errorf("sound is %.3f s, and the picture %.3f s after the report", a, v)
	}
}

func TestHopAllocates(t *testing.T) {
	sound, picture := newHops(t)
	for range 2000 { // until the ring has all its room
		sound.push(t, 960)
		picture.push(t, 3000)
	}
	for what, h := range map[string]*hop{"sound": sound, "a picture": picture} {
		before := h.out.Stats().Packets
		if n := testing.AllocsPerRun(500, func() { h.push(t, 960) }); n > 0 {
			t.Errorf("%v allocations per packet of %s", n, what)
		}
		if h.out.Stats().Packets < before+500 {
			t.Errorf("%s: %+v", what, h.out.Stats())
		}
	}
}

// BenchmarkHop is a packet's way into the engine by an inlet, and out again by an outlet.
func BenchmarkHop(b *testing.B) {
	for i, what := range []string{"sound", "picture"} {
		b.Run(what, func(b *testing.B) {
			sound, picture := newHops(b)
			h := []*hop{sound, picture}[i]
			b.SetBytes(int64(len(h.buf)))
			b.ReportAllocs()
			for b.Loop() {
				h.push(b, 960)
			}
		})
	}
}
