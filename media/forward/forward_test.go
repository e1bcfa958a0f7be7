package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestForwardingDoesNotAllocate(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l, other := video(src, "a"), video(src, "b")
	for range 20 {
		subscribed(track, discard{}, 0)
	}
	now, seq := int64(0), uint16(0)
	h := rtp{payload: vp8Frame{begins: true, key: true, body: strings.Repeat("x", 1000)}.payload()}.header(t)
	push := func(key bool) {
		now += ms
		seq++
		h.Seq, h.TS = seq, uint32(seq)*90
		h.Payload[6] = 0x11
		if key {
			h.Payload[6] = 0x10
		}
		l.Push(h, Arrival{At: now})
		other.Push(h, Arrival{At: now})
	}
	for i := range 2 * ringVideo {
		push(i%100 == 0)
	}
	if n := testing.AllocsPerRun(1000, func() { push(false) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

// discard is a Writer that writes nowhere.
type discard struct{}

func (discard) Write(*Packet) error { return nil }

func TestKeyFrameRequestsAreMerged(t *testing.T) {
	up := newSink()
	track, src := NewTrack(), NewSource(up, &Clock{})
	track.Feed(src, 0)
	l := video(src, "a")
	now := 1000 * ms
	l.Push(rtp{seq: 1, payload: vp8Frame{begins: true, body: "x"}.payload()}.header(t), Arrival{At: now})
	var downs []*Down
	for range 50 {
		downs = append(downs, subscribed(track, discard{}, now))
	}
	for ; now < 2100*ms; now += 20 * ms {
		for _, d := range downs {
			d.WantKey(now)
		}
		l.Tick(now, nil)
	}
	if n := up.keys["a"]; n != 3 {
		t.Errorf("%d key frame requests in 1.1 s, want 3", n)
	}
	// An answered wish is not asked again.
	l.Push(rtp{seq: 2, ts: 9, payload: vp8Frame{begins: true, key: true, body: "x"}.payload()}.header(t), Arrival{At: now})
	for ; now < 5000*ms; now += 20 * ms {
		l.Tick(now, nil)
	}
	if n := up.keys["a"]; n != 3 {
		t.Errorf("%d key frame requests after the answer", n)
	}
}

func TestMissingPacketsAreAskedFor(t *testing.T) {
	src := NewSource(newSink(), &Clock{})
	l := video(src, "a")
	in := func(seq uint16, now int64) {
		l.Push(rtp{seq: seq, payload: []byte{0, 1}}.header(t), Arrival{At: now})
	}
	now := 1000 * ms
	in(65534, now)
	in(3, now) // 65535, 0, 1 and 2 are missing
	if got := l.Tick(now+ms, nil); len(got) != 0 {
		t.Errorf("asked for %v at once, though they may only be late", got)
	}
	if got := l.Tick(now+6*ms, nil); !slices.Equal(got, []uint16{65535, 0, 1, 2}) {
		t.Errorf("asked for %v", got)
	}
	in(0, now+8*ms)
	if got := l.Tick(now+20*ms, nil); len(got) != 0 {
		t.Errorf("asked again for %v at once", got)
	}
	if got := l.Tick(now+60*ms, nil); !slices.Equal(got, []uint16{65535, 1, 2}) {
		t.Errorf("asked again for %v", got)
	}
	asked := 0
	for at := now + 80*ms; at < now+10_000*ms; at += 20 * ms {
		asked += len(l.Tick(at, nil))
	}
	if want := 3 * (maxTries - 2); asked != want {
		t.Errorf("asked %d times more, want %d", asked, want)
	}
	s := l.Stats()
	if s.Lost != 3 || s.Repaired != 1 || s.Nacked != uint64(4+3+asked) {
		t.Errorf("%+v", s)
	}
	if !l.wanted.Load() {
		t.Error("what is lost for good needs a key frame")
	}
}

func TestManyMissingPacketsNeedAKeyFrame(t *testing.T) {
	up := newSink()
	l := video(NewSource(up, &Clock{}), "a")
	l.Push(rtp{seq: 1, payload: []byte{0, 1}}.header(t), Arrival{At: ms})
	l.Push(rtp{seq: 1000, payload: []byte{0, 1}}.header(t), Arrival{At: 2 * ms})
	if got := l.Tick(1000*ms, nil); len(got) != 0 || up.keys["a"] != 1 {
		t.Errorf("asked for %d packets and %d key frames", len(got), up.keys["a"])
	}
}

// A sender that begins anew with the same SSRC is followed after a while.
func TestSenderBeginsAnew(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := video(src, "")
	var out record
	subscribed(track, &out, 0)
	now := int64(0)
	in := func(seq uint16, key bool) {
		now += 33 * ms
		l.Push(rtp{seq: seq, ts: uint32(seq) * 3000, marker: true, payload: vp8Frame{begins: true, key: key, body: "x"}.payload()}.header(t), Arrival{At: now})
	}
	for seq := range uint16(20) {
		in(40000+seq, seq == 0)
	}
	for seq := range uint16(60) {
		in(10000+seq, seq == 40)
	}
	if len(out.packets) != 20+20 {
		t.Errorf("%d packets", len(out.packets))
	}
	for i, b := range out.packets {
		if first := binary.BigEndian.Uint16(out.packets[0][2:]); binary.BigEndian.Uint16(b[2:]) != first+uint16(i) {
			t.Fatalf("packet %d has a gap before it", i)
		}
	}
}

func TestLateJoinerBeginsInTheCache(t *testing.T) {
	up := newSink()
	track, src := NewTrack(), NewSource(up, &Clock{})
	track.Feed(src, 0)
	l := video(src, "")
	now := int64(0)
	in := func(seq uint16, key bool) {
		now += 33 * ms
		l.Push(rtp{seq: seq, ts: uint32(seq) * 3000, marker: true, payload: vp8Frame{begins: true, key: key, pid: seq, body: "x"}.payload()}.header(t), Arrival{At: now})
	}
	for seq := range uint16(40) {
		in(seq, seq == 10)
	}
	var out record
	subscribed(track, &out, now)
	if len(out.packets) != 30 {
		t.Fatalf("%d packets from the cache", len(out.packets))
	}
	in(40, false)
	if len(out.packets) != 31 || up.keys[""] != 0 {
		t.Errorf("%d packets, %d key frames asked for", len(out.packets), up.keys[""])
	}
	// A key frame that is long ago is not begun with.
	for seq := range uint16(80) {
		in(41+seq, false)
	}
	var late record
	subscribed(track, &late, now)
	if len(late.packets) != 0 || up.keys[""] != 1 {
		t.Errorf("%d packets, %d key frames asked for", len(late.packets), up.keys[""])
	}
}

// A writer without room loses video to the end of the frame, and sound only
// packet by packet.
func TestCongestion(t *testing.T) {
	for _, sound := range []bool{false, true} {
		t.Run(fmt.Sprintf("sound %v", sound), func(t *testing.T) {
			track, src := NewTrack(), NewSource(newSink(), &Clock{})
			track.Feed(src, 0)
			spec := Spec{Codec: VP8, Format: 4, Rate: 90000}
			if sound {
				spec.Codec = Sound
			}
			l := src.Add(spec)
			full := false
			tried := 0
			out := record{err: func(*Packet) error {
				tried++
				if full {
					return ErrCongested
				}
				return nil
			}}
			d := NewDown(DownConfig{Rate: 90000, Sound: sound, Writer: &out})
			f := d.formats
			f[4] = 100
			d.SetFormats(f)
			d.SetLive(true)
			track.Add(d, 0)
			in := func(seq uint16, ts uint32, key bool) {
				l.Push(rtp{seq: seq, ts: ts, payload: vp8Frame{begins: key, key: key, body: "x"}.payload()}.header(t), Arrival{At: int64(seq) * ms})
			}
			in(1, 0, true)
			full = true
			in(2, 0, false)
			full = false
			in(3, 0, false) // of the same frame
			in(4, 3000, false)
			var seqs []uint16
			for _, b := range out.packets {
				seqs = append(seqs, binary.BigEndian.Uint16(b[2:])-binary.BigEndian.Uint16(out.packets[0][2:]))
			}
			want, cut := []uint16{0, 3}, uint64(1)
			if sound {
				want, cut = []uint16{0, 2, 3}, 0
			}
			if s := d.Stats(); !slices.Equal(seqs, want) || s.Congested != 1 || s.Cut != cut {
				t.Errorf("packets %v, %+v", seqs, s)
			}
			// What was dropped can still be repaired.
			out.packets = nil
			first := uint16(d.lastOut) - 3
			if n := d.Repeat([]uint16{first + 1, first + 2}, 0, nil); n != 2 {
				t.Errorf("%d of 2 packets repeated", n)
			}
		})
	}
}

func TestRepairsAreBounded(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := video(src, "")
	var out record
	d := subscribed(track, &out, 0)
	for seq := range uint16(100) {
		l.Push(rtp{seq: seq, payload: vp8Frame{begins: true, key: seq == 0, body: "x"}.payload()}.header(t), Arrival{At: int64(seq) * ms})
	}
	last := uint16(d.lastOut)
	n := 0
	for range 100 {
		var seqs []uint16
		for i := range uint16(100) {
			seqs = append(seqs, last-i)
		}
		n += d.Repeat(seqs, 0, nil)
	}
	if n > maxCredit {
		t.Errorf("%d packets for one who asks for everything again and again", n)
	}
}

// Who asks for the same packet on and on gets it ever more seldom.
func TestRepeatsGetSeldom(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := video(src, "")
	var out record
	d := subscribed(track, &out, 0)
	for seq := range uint16(10) {
		l.Push(rtp{seq: seq, payload: vp8Frame{begins: true, key: seq == 0, body: "x"}.payload()}.header(t), Arrival{At: int64(seq) * ms})
	}
	var times []int64
	for now := int64(0); now < 20_000; now += 5 {
		if d.Repeat([]uint16{uint16(d.lastOut) - 3}, now*ms, nil) == 1 {
			times = append(times, now)
		}
	}
	if want := []int64{0, 20, 60, 140, 300, 620, 1260, 2540, 5100}; !slices.Equal(times, want) {
		t.Errorf("repeated at %v, not %v", times, want)
	}
}

func TestFailedWrites(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := video(src, "")
	d := subscribed(track, &record{err: func(*Packet) error { return errors.New("gone") }}, 0)
	l.Push(rtp{payload: vp8Frame{begins: true, key: true, body: "x"}.payload()}.header(t), Arrival{At: ms})
	if s := d.Stats(); s.Failed != 1 || s.Packets != 0 {
		t.Errorf("%+v", s)
	}
}

func TestFormatsDecideWhatIsForwarded(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := src.Add(Spec{Codec: H264, Format: 5, Rate: 90000})
	var out record
	d := subscribed(track, &out, 0)
	in := func(seq uint16) { l.Push(rtp{seq: seq, payload: []byte{0x65, 1}}.header(t), Arrival{At: ms}) }
	in(1)
	if !d.Mismatch() || len(out.packets) != 0 {
		t.Errorf("mismatch %v, %d packets", d.Mismatch(), len(out.packets))
	}
	f := d.formats
	f[5] = 102
	d.SetFormats(f)
	track.Update(2 * ms)
	in(2)
	if d.Mismatch() || len(out.packets) != 2 { // from the cache, and the new one
		t.Errorf("mismatch %v, %d packets", d.Mismatch(), len(out.packets))
	}
	if !slices.Equal(track.Formats(), []int{5}) || !d.Takes([]int{1, 5}) || d.Takes([]int{1}) {
		t.Errorf("formats %v", track.Formats())
	}
}

// Sound and picture of one client keep their distance in sender reports, though
// packets come with changing delays.
func TestReportsKeepLipsSynchronous(t *testing.T) {
	clock := &Clock{}
	var downs [2]*Down
	var layers [2]*Layer
	rates := [2]int{48000, 90000}
	for i, codec := range []Codec{Sound, VP8} {
		track, src := NewTrack(), NewSource(newSink(), clock)
		track.Feed(src, 0)
		layers[i] = src.Add(Spec{Codec: codec, Format: 4, Rate: rates[i]})
		downs[i] = NewDown(DownConfig{Rate: rates[i], Sound: codec == Sound, Writer: discard{}})
		f := downs[i].formats
		f[4] = 100
		downs[i].SetFormats(f)
		downs[i].SetLive(true)
		track.Add(downs[i], 0)
	}
	// The client's clock is years away from ours, and its timestamps start anywhere.
	const theirs = int64(1e18)
	stamp := func(i int, at int64) uint32 { return uint32(1e9) + ticks(at, int64(rates[i])) }
	for n := range int64(100) {
		at := n * 20 * ms
		delay := 30*ms + n%7*5*ms
		for i, l := range layers {
			l.Push(rtp{seq: uint16(n), ts: stamp(i, at), payload: vp8Frame{begins: true, key: true, body: "x"}.payload()}.header(t), Arrival{At: at + delay})
			if n%10 == int64(i) {
				sent := theirs + at
				ntp := uint64(sent/1e9)<<32 | uint64(sent%1e9)<<32/1e9
				l.SenderReport(ntp, stamp(i, at), at+delay)
			}
		}
	}
	now := int64(2500) * ms
	var moment [2]time.Duration
	for i, d := range downs {
		ts, packets, _, ok := d.Report(now)
		if !ok || packets != 100 {
			t.Fatalf("report %v of %d packets", ok, packets)
		}
		// back to the client's time line
		in := ts - d.now.ts - uint32(1e9)
		moment[i] = time.Duration(int64(in) * 1e9 / int64(rates[i]))
	}
	if off := moment[0] - moment[1]; off.Abs() > time.Millisecond {
		t.Errorf("sound is %s off the picture", off)
	}
	if d := moment[0] - time.Duration(now-30*ms); d.Abs() > 5*time.Millisecond {
		t.Errorf("reports are %s off", d)
	}
}

func TestReceptionReport(t *testing.T) {
	l := NewSource(newSink(), &Clock{}).Add(Spec{Codec: Sound, Rate: 48000, SSRC: 7})
	if _, ok := l.Report(0); ok {
		t.Error("a report of nothing")
	}
	for _, seq := range []uint16{65533, 65534, 1, 2} { // 65535 and 0 are lost
		l.Push(rtp{seq: seq, ts: uint32(seq) * 960, payload: []byte{1}}.header(t), Arrival{At: int64(seq) * 20 * ms})
	}
	l.SenderReport(0x1111_2222_3333_4444, 0, 10_000*ms)
	r, ok := l.Report(10_500 * ms)
	if !ok || r.SSRC != 7 || r.Lost != 2 || r.Fraction != 2*256/6 || uint16(r.Highest) != 2 ||
		r.LastReport != 0x22223333 || r.Delay != 1<<15 {
		t.Errorf("%v %+v", ok, r)
	}
	if _, ok := l.Report(11_000 * ms); ok {
		t.Error("a second report, though nothing has come")
	}
}

func TestBitrateIsMeasured(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := video(src, "")
	payload := make([]byte, 1000)
	for i := range int64(300) {
		l.Push(rtp{seq: uint16(i), payload: payload}.header(t), Arrival{At: i * 10 * ms})
		if i%20 == 0 {
			track.Tick(i * 10 * ms)
		}
	}
	if rate := l.Bitrate(); rate < 780_000 || rate > 820_000 {
		t.Errorf("%d bit/s, want 800 000", rate)
	}
}

// Simulcast layers are put in order by their sizes, however they are called.
func TestLayersAreOrderedBySize(t *testing.T) {
	src := NewSource(newSink(), &Clock{})
	for i, rid := range []string{"f", "q", "h"} {
		w := []uint16{1280, 320, 640}[i]
		l := video(src, rid)
		payload := vp8Frame{begins: true, key: true, body: "x"}.payload()
		binary.LittleEndian.PutUint16(payload[12:], w)
		l.Push(rtp{payload: payload}.header(t), Arrival{At: ms})
	}
	var rids []string
	for _, l := range src.Layers() {
		rids = append(rids, l.RID)
	}
	if !slices.Equal(rids, []string{"q", "h", "f"}) {
		t.Error(rids)
	}
}
