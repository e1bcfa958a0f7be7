package forward

import "testing"

// TestDue: a layer is looked at again as long as it has something to ask for, and only then.
func TestDue(t *testing.T) {
	var due Due
	up := newSink()
	l := NewSource(up, &Clock{}).Add(Spec{RID: "a", Codec: VP8, Format: 4, Rate: 90000, SSRC: 0xcafe, Repair: true, Due: &due})
	in := func(seq uint16, payload []byte) {
		l.Push(rtp{seq: seq, payload: payload}.header(t), Arrival{At: int64(seq) * ms})
	}
	is := func(what string, want bool) {
		t.Helper()
		if got := due.Take(); got != want {
			t.Errorf("%s: due is %v", what, got)
		}
		if due.Take() {
			t.Errorf("%s: due twice", what)
		}
	}
	key := vp8Frame{begins: true, key: true, body: "x"}.payload()
	in(1, key)
	in(2, []byte{0, 1})
	is("all there", false)
	in(4, []byte{0, 1})
	is("a gap", true)
	l.Tick(10*ms, nil)
	is("asked for", true)
	in(3, []byte{0, 1})
	l.Tick(30*ms, nil)
	is("repaired", false)

	l.WantKey(1000 * ms)
	l.Tick(1010*ms, nil)
	due.Take()
	l.WantKey(1100 * ms) // it comes too early, and is kept
	is("a wish", true)
	l.Tick(1200*ms, nil)
	is("a wish that is kept", true)
	l.Push(rtp{seq: 5, ts: 9, payload: key}.header(t), Arrival{At: 1210 * ms})
	l.Tick(1220*ms, nil)
	is("a wish that was granted", false)
	if up.keys["a"] != 1 {
		t.Errorf("%d key frames were asked for, want 1", up.keys["a"])
	}
}
