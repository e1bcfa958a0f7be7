package forward

import (
	"fmt"
	"strings"
	"testing"
)

// order is a Writer that notes who is sent what.
type order struct {
	to   string
	list *[]string
}

// Write implements Writer.
func (o order) Write(p *Packet) error {
	*o.list = append(*o.list, fmt.Sprintf("%s%d", o.to, p.TS/3000))
	return nil
}

// bursts is layers with two subscriptions, x and y, to each of them, that have had packet 0.
type bursts struct {
	t      *testing.T
	layers []*Layer
	burst  Burst
	sent   []string
}

func newBursts(t *testing.T, layers int) *bursts {
	t.Helper()
	b := &bursts{t: t}
	for i := range layers {
		track, src := NewTrack(), NewSource(newSink(), &Clock{})
		track.Feed(src, 1)
		b.layers = append(b.layers, video(src, ""))
		b.layers[i].SSRC = uint32(i)
		for _, to := range []string{"x", "y"} {
			d := subscribed(track, order{to, &b.sent}, 1)
			d.lastTS = 0 // which the first packet gets
		}
		b.push(i, 0, nil)
	}
	b.sent = nil
	return b
}

// push takes packet n of a layer.
func (b *bursts) push(layer, n int, burst *Burst) {
	b.layers[layer].Push(&Header{
		Marker: true, PT: 96, Seq: uint16(n), TS: uint32(n) * 3000, Payload: vp8Frame{begins: true, key: n == 0}.payload(),
	}, Arrival{At: ms, Burst: burst})
}

// expect checks what was sent since it was called last.
func (b *bursts) expect(want string) {
	b.t.Helper()
	if got := strings.Join(b.sent, " "); got != want {
		b.t.Errorf("sent %q, not %q", got, want)
	}
	b.sent = nil
}

// What one read brings is sent subscription by subscription, when all of it is there.
func TestBurst(t *testing.T) {
	b := newBursts(t, 2)
	if !b.burst.Empty() {
		t.Error("there is something at first")
	}
	for n := range 3 {
		b.push(0, n+1, &b.burst)
		b.push(1, n+1, &b.burst)
	}
	b.expect("")
	if b.burst.Empty() {
		t.Error("nothing waits")
	}
	b.burst.Forward(nil)
	b.expect("x1 x2 x3 y1 y2 y3 x1 x2 x3 y1 y2 y3")
	if !b.burst.Empty() {
		t.Error("something waits")
	}
	b.burst.Forward(nil)
	b.expect("")
	b.push(0, 4, &b.burst)
	b.burst.Forward(nil)
	b.expect("x4 y4")
}

// Nothing overtakes what waits, and only the next packet may wait with it.
func TestBurstKeepsOrder(t *testing.T) {
	b := newBursts(t, 1)
	for _, n := range []int{1, 2, 4} {
		b.push(0, n, &b.burst)
	}
	b.expect("x1 x2 y1 y2")
	b.push(0, 3, &b.burst) // late
	b.expect("x4 y4 x3 y3")
	b.push(0, 5, &b.burst)
	b.push(0, 5, &b.burst) // came twice
	b.expect("x5 y5")
	b.push(0, 6, &b.burst)
	b.push(0, 7, nil) // over another path
	b.expect("x6 y6 x7 y7")
	b.burst.Forward(nil)
	b.expect("")
	b.push(0, 8, &b.burst)
	b.burst.Drop()
	b.push(0, 9, &b.burst)
	b.burst.Forward(nil)
	b.expect("x9 y9")
}

// It does not wait without end, and not for more layers than there is place for.
func TestBurstIsBounded(t *testing.T) {
	b := newBursts(t, burstLayers+1)
	for n := range runMost {
		b.push(0, n+1, &b.burst)
	}
	b.expect("")
	b.push(0, runMost+1, &b.burst)
	if len(b.sent) != 2*runMost {
		t.Errorf("%d are sent", len(b.sent))
	}
	b.burst.Drop()
	b.sent = nil
	for i := range b.layers {
		if i > 0 {
			b.push(i, 1, &b.burst)
		}
	}
	b.push(0, runMost+2, &b.burst)
	b.expect(fmt.Sprintf("x%d y%[1]d", runMost+2))
}

// Sound does not wait for pictures.
func TestBurstOfSound(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 1)
	l := src.Add(Spec{Codec: Sound, Format: 4, Rate: 48000, SSRC: 1})
	var out record
	d := NewDown(DownConfig{SSRC: 1, Rate: 48000, Sound: true, Writer: &out})
	f := d.formats
	f[4] = 100
	d.SetFormats(f)
	d.SetLive(true)
	track.Add(d, 1)
	var burst Burst
	l.Push(rtp{seq: 1, payload: []byte{1}}.header(t), Arrival{At: ms, Burst: &burst})
	if len(out.packets) != 1 || !burst.Empty() {
		t.Errorf("%d are sent", len(out.packets))
	}
}

// Who begins while packets wait gets each of them once, however slowly it begins.
func TestBeginningWithinBurst(t *testing.T) {
	for _, n := range []int{3, paceMost - 2, paceMost, paceMost + 2} {
		track, l := longStart(n)
		var burst Burst
		hold := func(i int) {
			l.Push(&Header{
				Marker: true, PT: 96, Seq: uint16(i), TS: uint32(i) * 3000, Payload: vp8Frame{begins: true}.payload(),
			}, Arrival{At: int64(i + 1), Burst: &burst})
		}
		for i := range 4 {
			hold(n + i)
		}
		r := &sent{}
		d := subscribed(track, r, 200)
		hold(n + 4)
		burst.Forward(nil)
		d.Tick(201)
		follows(t, r, n+5)
	}
}
