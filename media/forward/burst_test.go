package forward

import (
	"bytes"
	"slices"
	"testing"
)

// bursts is layers with two subscriptions to each of them, that have had packet 0.
type bursts struct {
	t      *testing.T
	layers []*Layer
	burst  Burst
	sent   []delivery
}

// delivery is a packet that was sent to a subscription.
type delivery struct {
	layer, to int
	n         uint32
}

// subscriber is a Writer that notes who is sent what.
type subscriber struct {
	b         *bursts
	layer, to int
}

// Write implements Writer.
func (s subscriber) Write(p *Packet) error {
	s.b.sent = append(s.b.sent, delivery{s.layer, s.to, p.TS / 3000})
	return nil
}

func newBursts(t *testing.T, layers int) *bursts {
	t.Helper()
	b := &bursts{t: t}
	for i := range layers {
		track, src := NewTrack(), NewSource(newSink(), &Clock{})
		track.Feed(src, 1)
		b.layers = append(b.layers, video(src, ""))
		for to := range 2 {
			subscribed(track, subscriber{b, i, to}, 1).lastTS = 0 // which the first packet gets
		}
		b.push(i, 0, nil)
	}
	b.sent = nil
	return b
}

// push takes packet n of a layer.
func (b *bursts) push(layer, n int, burst *Burst) {
	push(b.layers[layer], n, Arrival{At: ms, Burst: burst})
}

// expect checks what both subscriptions of a layer were sent since this was called last, in
// how many turns of all subscriptions; 0: in any number.
func (b *bursts) expect(layer, turns int, want ...uint32) {
	b.t.Helper()
	var got [2][]uint32
	var rest []delivery
	n := 0
	for i, d := range b.sent {
		if i == 0 || d.layer != b.sent[i-1].layer || d.to != b.sent[i-1].to {
			n++
		}
		if d.layer == layer {
			got[d.to] = append(got[d.to], d.n)
		} else {
			rest = append(rest, d)
		}
	}
	if !slices.Equal(got[0], want) || !slices.Equal(got[1], want) || turns != 0 && n != turns {
		b.t.Errorf("sent %v in %d turns, not %v in %d", got, n, want, turns)
	}
	b.sent = rest
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
	b.expect(0, 0)
	b.expect(1, 0)
	if b.burst.Empty() {
		t.Error("nothing waits")
	}
	b.burst.Forward(nil)
	b.expect(0, 4, 1, 2, 3)
	b.expect(1, 2, 1, 2, 3)
	if !b.burst.Empty() {
		t.Error("something waits")
	}
	b.burst.Forward(nil)
	b.expect(0, 0)
	b.push(0, 4, &b.burst)
	b.burst.Forward(nil)
	b.expect(0, 2, 4)
}

// Nothing overtakes what waits, and only the next packet may wait with it.
func TestBurstKeepsOrder(t *testing.T) {
	b := newBursts(t, 1)
	for _, n := range []int{1, 2, 4} {
		b.push(0, n, &b.burst)
	}
	b.expect(0, 2, 1, 2)
	b.push(0, 3, &b.burst) // late
	b.expect(0, 0, 4, 3)
	b.push(0, 5, &b.burst)
	b.push(0, 5, &b.burst) // came twice
	b.expect(0, 2, 5)
	b.push(0, 6, &b.burst)
	b.push(0, 7, nil) // over another path
	b.expect(0, 0, 6, 7)
	b.burst.Forward(nil)
	b.expect(0, 0)
	b.push(0, 8, &b.burst)
	b.burst.Drop()
	b.push(0, 9, &b.burst)
	b.burst.Forward(nil)
	b.expect(0, 2, 9)
}

// It does not wait without end, and not for more layers than there is place for.
func TestBurstIsBounded(t *testing.T) {
	b := newBursts(t, burstLayers+1)
	for n := range runMost {
		b.push(0, n+1, &b.burst)
	}
	b.expect(0, 0)
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
	b.expect(0, 2, runMost+2)
	if len(b.sent) > 0 {
		t.Errorf("%v did not wait", b.sent)
	}
}

// What comes while the gate is closed is not shown when it has been opened, and nothing that
// waited is while it is closed.
func TestBurstBehindGate(t *testing.T) {
	b := newBursts(t, 1)
	track := b.layers[0].source.track.Load()
	b.push(0, 1, &b.burst)
	track.Gate(false, 2)
	b.burst.Forward(nil)
	b.expect(0, 0)
	l := b.layers[0]
	l.Push(&Header{Marker: true, PT: 96, Seq: 2, TS: 6000, Payload: vp8Frame{begins: true, key: true}.payload()}, Arrival{At: ms, Burst: &b.burst})
	track.Gate(true, 3)
	b.burst.Forward(nil)
	b.expect(0, 0)
}

// Each packet of a burst has its own time, and if it is repeated, the same again: it is
// encrypted with the same number.
func TestBurstKeepsTimes(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 1)
	l := video(src, "")
	var out record
	d := subscribed(track, &out, 1)
	var burst Burst
	for n := range 4 {
		push(l, n, Arrival{At: int64(n) * ms, Burst: &burst})
	}
	burst.Forward(nil)
	sent := out.packets
	out.packets = nil
	for _, b := range sent {
		var h Header
		if err := h.Parse(b); err != nil {
			t.Fatal(err)
		}
		d.Repeat([]uint16{h.Seq}, 100*ms, nil)
	}
	d.Tick(101 * ms)
	if len(sent) != 4 || !slices.EqualFunc(sent, out.packets, bytes.Equal) {
		t.Errorf("sent\n%x, and again\n%x", sent, out.packets)
	}
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
		hold := func(i int) { push(l, i, Arrival{At: int64(i + 1), Burst: &burst}) }
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
