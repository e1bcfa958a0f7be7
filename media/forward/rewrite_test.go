package forward

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRewriteGolden plays the scripts in testdata/rewrite. A line that begins with
// a word is a step:
//
//	in LAYER seq N ts N [marker] [key|more|plain] [pid N] [narrow N] [tl0 N] [idx N] [padding N] [body TEXT]
//	want LAYER     send that layer from its next key frame
//	gate open|closed
//	leave          the source is taken away
//	source         another client's source takes over; its layers have new names
//	nack N…        the subscriber asks for packets, by the numbers that are printed
//	blank          time for a placeholder
//	wait MS
//
// A line with ">" is what must have been written since.
func TestRewriteGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/rewrite/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(script))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(script) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// stage is what a script plays on.
type stage struct {
	t      *testing.T
	up     *sink
	track  *Track
	source *Source
	layers map[string]*Layer
	down   *Down
	out    record
	now    int64
	first  bool
	seq    uint16
	ts     uint32
}

func play(t *testing.T, script string) string {
	s := &stage{t: t, up: newSink(), track: NewTrack(), layers: map[string]*Layer{}, now: 1000 * ms}
	s.source = NewSource(s.up, &Clock{})
	s.track.Feed(s.source, s.now)
	s.down = NewDown(DownConfig{SSRC: 0xf00d, Rate: 90000, Writer: &s.out, Blank: Black(16, 16)})
	f := s.down.formats
	f[4] = 100
	s.down.SetFormats(f)
	s.down.SetLive(true)
	s.down.Aim("a", false)
	s.track.Add(s.down, s.now)
	var b strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, ">") {
			continue
		}
		fmt.Fprintln(&b, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.step(strings.Fields(line))
		for _, p := range s.out.packets {
			if !s.first {
				s.first = true
				s.seq, s.ts = binary.BigEndian.Uint16(p[2:]), binary.BigEndian.Uint32(p[4:])
			}
			fmt.Fprintln(&b, ">", show(t, p, s.seq, s.ts))
		}
		s.out.packets = nil
	}
	return b.String()
}

func (s *stage) step(f []string) {
	switch f[0] {
	case "in":
		s.in(f[1], f[2:])
	case "want":
		s.down.Aim(f[1], false)
		s.track.Update(s.now)
	case "gate":
		s.track.Gate(f[1] == "open", s.now)
	case "leave":
		s.track.Starve(s.source, s.now)
	case "source":
		s.source = NewSource(s.up, &Clock{})
		s.track.Feed(s.source, s.now)
	case "nack":
		var seqs []uint16
		for _, n := range f[1:] {
			seqs = append(seqs, uint16(number(s.t, n))+s.seq)
		}
		s.down.Repeat(seqs, s.now, nil)
	case "blank":
		s.down.Blank(s.now, 4)
	case "wait":
		s.now += int64(number(s.t, f[1])) * ms
	default:
		s.t.Fatalf("what is %q?", f[0])
	}
}

func number(t *testing.T, text string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(text, err)
	}
	return n
}

func (s *stage) in(name string, f []string) {
	l := s.layers[name]
	if l == nil {
		l = video(s.source, name)
		s.layers[name] = l
	}
	var p rtp
	v := vp8Frame{begins: true}
	empty := false
	for i := 0; i < len(f); i++ {
		next := func() int { i++; return number(s.t, f[i]) }
		switch f[i] {
		case "seq":
			p.seq = uint16(next())
		case "ts":
			p.ts = uint32(next())
		case "marker":
			p.marker = true
		case "key":
			v.key = true
		case "more":
			v.begins = false
		case "plain":
			v.plain = true
		case "pid":
			v.pid = uint16(next())
		case "narrow":
			v.narrow, v.pid = true, uint16(next())
		case "tl0":
			v.tl0 = uint8(next())
		case "idx":
			v.idx = uint8(next())
		case "padding":
			p.padding, empty = byte(next()), true
		case "body":
			i++
			v.body = f[i]
		}
	}
	if !empty {
		p.payload = v.payload()
	}
	l.Push(p.header(s.t), Arrival{At: s.now})
}

func TestRewrittenPacketsDifferOnlyWhereTheyMust(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	l := video(src, "")
	var out record
	subscribed(track, &out, 0)
	in := rtp{seq: 9, ts: 1234, marker: true, payload: vp8Frame{begins: true, key: true, pid: 5, body: "payload"}.payload()}
	h := in.header(t)
	l.Push(h, Arrival{At: 1})
	if len(out.packets) != 1 {
		t.Fatalf("%d packets", len(out.packets))
	}
	var got Header
	if err := got.Parse(out.packets[0]); err != nil {
		t.Fatal(err)
	}
	if got.SSRC != 0xf00d || got.PT != 100 || !got.Marker || !bytes.Equal(got.Payload, in.payload) {
		t.Errorf("%+v", got)
	}
	if x := got.Extension(2); len(x) != 3 {
		t.Errorf("abs-send-time %x", x)
	}
}

// A subscription is fed from thousands of packets over all wraps of numbers; the
// receiver's view never has a gap or a step back.
func TestNumbersGoRound(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	layers := []*Layer{video(src, "a"), video(src, "b")}
	var out record
	d := subscribed(track, &out, 0)
	var seq [2]uint16
	var pid [2]uint16
	seq[0], seq[1], pid[1] = 65000, 30000, 32000
	now := int64(0)
	for i := range 140_000 {
		now += 10 * ms
		if i%1000 == 0 {
			d.Aim([]string{"a", "b"}[i/1000%2], false)
			track.Update(now)
		}
		for j, l := range layers {
			p := rtp{seq: seq[j], ts: uint32(i) * 900, marker: true, payload: vp8Frame{
				begins: true, key: i%100 == 0, pid: pid[j], tl0: uint8(i), idx: uint8(i), body: "x",
			}.payload()}
			seq[j]++
			pid[j]++
			l.Push(p.header(t), Arrival{At: now})
		}
	}
	var last Header
	var lastD descriptor
	for i, b := range out.packets {
		var h Header
		if err := h.Parse(b); err != nil {
			t.Fatal(err)
		}
		d := describe(h.Payload)
		if i > 0 {
			if h.Seq != last.Seq+1 || int32(h.TS-last.TS) <= 0 || h.TS-last.TS > 9000 ||
				d.pid != (lastD.pid+1)&0x7fff || d.tl0 != lastD.tl0+1 || d.key != (lastD.key+1)&0x1f {
				t.Fatalf("packet %d: %+v %+v after %+v %+v", i, h, d, last, lastD)
			}
		}
		last, lastD = h, d
	}
	if len(out.packets) < 130_000 {
		t.Errorf("only %d packets", len(out.packets))
	}
}
