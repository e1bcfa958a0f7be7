package port

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// newBatch makes a batch that nobody else uses.
func newBatch(t testing.TB) (*Batch, *fake, *Port) {
	t.Helper()
	p, f := newPort(t, nil)
	_ = f.close()
	p.wg.Wait()
	return &p.loops[0].batch, f, p
}

func add(b *Batch, n int, fill byte, to *Target, f *Flow) {
	room := b.Reserve(n + 20)
	b.Add(append(room, bytes.Repeat([]byte{fill}, n)...), to, f)
}

// Packets to one target leave in their order, and those of the same size
// together with one shorter one.
func TestMessages(t *testing.T) {
	for _, gso := range []bool{true, false} {
		b, f, _ := newBatch(t)
		f.gso = gso
		x, y := NewTarget(at(1)), NewTarget(at(2))
		for i, n := range []int{1000, 1000, 900, 900, 1001, 1001, 1001, 50} {
			add(b, n, byte(i), x, nil)
			add(b, n, byte(i), y, nil)
		}
		b.Flush()
		b.Flush()
		var sizes string
		for i, d := range f.took() {
			if want := byte(i % 8); d.b[0] != want || d.at != at(uint16(1+i/8)) {
				t.Errorf("packet %d is %d to %v", i, d.b[0], d.at)
			}
			sizes += fmt.Sprint(d.of)
		}
		want := "3331444433314444"
		if !gso {
			want = "1111111111111111"
		}
		if sizes != want || f.calls != 1 {
			t.Errorf("messages of %s, not %s; %d calls", sizes, want, f.calls)
		}
	}
}

func TestLongMessages(t *testing.T) {
	b, f, _ := newBatch(t)
	small, big := NewTarget(at(1)), NewTarget(at(2))
	for range 150 {
		add(b, 100, 1, small, nil)
		add(b, 1400, 1, big, nil)
	}
	b.Flush()
	most, bytes := map[uint16]int{}, 0
	for _, d := range f.took() {
		most[d.at.Port()] = max(most[d.at.Port()], d.of)
		bytes = max(bytes, d.of*len(d.b))
	}
	if most[1] != segmentsMost || bytes > messageMost || most[2] != messageMost/1400 {
		t.Error(most, bytes)
	}
}

// What goes in comes out, whatever is wrong with the socket in between.
func TestBatchKeepsPackets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	b, f, p := newBatch(t)
	f.deny = func(n int, _ []byte) error {
		if n > 1 && r.IntN(3) == 0 {
			return errSplit
		}
		return nil
	}
	var targets []*Target
	want := map[uint16][][]byte{}
	for i := range uint16(40) {
		targets = append(targets, NewTarget(at(i)))
	}
	for i := range 20_000 {
		to := targets[r.IntN(len(targets))]
		packet := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 1+r.IntN(3)*200)
		want[to.to.Port()] = append(want[to.to.Port()], packet)
		b.Add(append(b.Reserve(len(packet)+20), packet...), to, nil)
		if r.IntN(300) == 0 {
			b.Flush()
		}
	}
	b.Flush()
	for _, d := range f.took() {
		of := d.at.Port()
		if len(want[of]) == 0 || !bytes.Equal(want[of][0], d.b) {
			t.Fatal("another packet than was put in")
		}
		want[of] = want[of][1:]
	}
	for of, rest := range want {
		if len(rest) > 0 {
			t.Errorf("%d packets to %d got lost", len(rest), of)
		}
	}
	if p.Stats().Splits == 0 {
		t.Error("nothing was split")
	}
}

// A full socket drops pictures, and tells whose, and sends sound.
func TestFull(t *testing.T) {
	b, f, p := newBatch(t)
	f.deny = func(_ int, piece []byte) error {
		if piece[0] >= 3 {
			return errFull
		}
		return nil
	}
	to, flows := NewTarget(at(1)), [6]Flow{}
	for i := range flows {
		add(b, 1000-i, byte(i), to, &flows[i])
		add(b, 100-i, byte(i), NewTarget(at(2)), nil)
	}
	b.Flush()
	sound := 0
	for _, d := range f.took() {
		if d.at == at(2) {
			sound++
		}
	}
	for i := range flows {
		ts, dropped := flows[i].Dropped()
		if dropped && ts != uint32(i)*0x01010101 {
			t.Errorf("timestamp %#x", ts)
		}
		if _, again := flows[i].Dropped(); again {
			t.Error("dropped twice")
		}
		if dropped != (i >= 4) { // 3 is in a message with 2
			t.Errorf("%d was dropped: %v", i, dropped)
		}
	}
	if sound != len(flows) || p.Stats().Full == 0 {
		t.Errorf("%d packets of sound, %+v", sound, p.Stats())
	}
	f.deny = func(int, []byte) error { return errors.New("no route") }
	add(b, 1000, 1, to, &flows[0])
	b.Flush()
	if _, dropped := flows[0].Dropped(); dropped || p.Stats().Failed != 1 {
		t.Errorf("%+v", p.Stats())
	}
	if err := p.Send(make([]byte, 1000), to); err == nil || p.Stats().Failed != 2 {
		t.Error("Send hides an error")
	}
}

// A batch that is full is sent, and one packet that is too long for any is not
// lost.
func TestBatchOverflows(t *testing.T) {
	b, f, _ := newBatch(t)
	to := NewTarget(at(1))
	for range batchPackets + 1 {
		add(b, 10, 1, to, nil)
	}
	if n := len(f.took()); n != batchPackets {
		t.Errorf("%d were sent", n)
	}
	room := b.Reserve(roomBytes + 1)
	b.Add(append(room, make([]byte, roomBytes+1)...), to, nil)
	b.Add(nil, to, nil)
	b.Flush()
	if n := len(f.took()); n != 2 {
		t.Errorf("%d were sent", n)
	}
	const size = 60_000
	before := 0
	for i := 0; before == 0; i++ { // it never holds more than it has room for
		add(b, size, byte(i), to, nil)
		sent := f.took()
		for i, d := range sent {
			if len(d.b) != size || d.b[0] != byte(i) || d.b[size-1] != byte(i) {
				t.Fatalf("packet %d is of %d: %d bytes", i, d.b[0], len(d.b))
			}
		}
		before = len(sent)
	}
	if want := roomBytes / size; before != want {
		t.Errorf("%d packets were sent of room for %d", before, want)
	}
}
