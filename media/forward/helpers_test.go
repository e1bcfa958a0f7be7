package forward

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// sink is an Upstream that counts.
type sink struct {
	keys  map[string]int
	began []string
}

func newSink() *sink { return &sink{keys: map[string]int{}} }

func (s *sink) RequestKey(l *Layer)       { s.keys[l.RID]++ }
func (s *sink) Began(_ *Source, l *Layer) { s.began = append(s.began, l.RID) }

// record is a Writer that keeps packets as they go on the wire.
type record struct {
	packets [][]byte
	err     func(*Packet) error
}

func (r *record) Write(p *Packet) error {
	if r.err != nil {
		if err := r.err(p); err != nil {
			return err
		}
	}
	r.packets = append(r.packets, p.AppendTo(nil, Extensions{Level: 1, Time: 2}))
	return nil
}

// rtp makes a packet as it comes in.
type rtp struct {
	seq     uint16
	ts      uint32
	marker  bool
	padding byte
	payload []byte
}

func (p rtp) header(t testing.TB) *Header {
	t.Helper()
	b := []byte{0x80, 96}
	if p.marker {
		b[1] |= 0x80
	}
	if p.padding > 0 {
		b[0] |= paddingFlag
	}
	b = binary.BigEndian.AppendUint16(b, p.seq)
	b = binary.BigEndian.AppendUint32(b, p.ts)
	b = binary.BigEndian.AppendUint32(b, 0xcafe)
	b = append(b, p.payload...)
	if p.padding > 0 {
		b = append(b, make([]byte, p.padding)...)
		b[len(b)-1] = p.padding
	}
	var h Header
	if err := h.Parse(b); err != nil {
		t.Fatal(err)
	}
	return &h
}

// vp8 makes a payload with all numbers in its descriptor, or with none.
type vp8Frame struct {
	begins, key bool
	pid         uint16
	narrow      bool // picture ids of 7 bits
	plain       bool // no numbers
	tl0, idx    uint8
	body        string
}

func (v vp8Frame) payload() []byte {
	first := byte(0)
	if v.begins {
		first |= 0x10
	}
	var b []byte
	switch {
	case v.plain:
		b = []byte{first}
	case v.narrow:
		b = []byte{first | 0x80, 0xf0, byte(v.pid) & 0x7f, v.tl0, v.idx & 0x1f}
	default:
		b = []byte{first | 0x80, 0xf0, 0x80 | byte(v.pid>>8), byte(v.pid), v.tl0, v.idx & 0x1f}
	}
	frame := []byte{0x11, 0, 0}
	if v.key {
		frame = []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}
	}
	if !v.begins {
		frame = nil
	}
	return append(append(b, frame...), v.body...)
}

const ms = int64(time.Millisecond)

// video makes a layer of VP8.
func video(s *Source, rid string) *Layer {
	return s.Add(Spec{RID: rid, Codec: VP8, Format: 4, Rate: 90000, SSRC: 0xcafe, Repair: true})
}

// subscribed makes a Down that is live.
func subscribed(t *Track, w Writer, now int64) *Down {
	d := NewDown(DownConfig{SSRC: 0xf00d, Rate: 90000, Writer: w})
	f := d.formats
	f[4] = 100
	d.SetFormats(f)
	d.SetLive(true)
	t.Add(d, now)
	return d
}

// show prints a packet that was written.
func show(t testing.TB, b []byte, seq uint16, ts uint32) string {
	t.Helper()
	var h Header
	if err := h.Parse(b); err != nil {
		t.Fatal(err)
	}
	s := fmt.Sprintf("seq %d ts %d", h.Seq-seq, h.TS-ts)
	if h.Marker {
		s += " marker"
	}
	if h.Padding > 0 {
		s += fmt.Sprintf(" padding %d", h.Padding)
	}
	d := describe(h.Payload)
	if d.pidAt > 0 {
		s += fmt.Sprintf(" pid %d", d.pid)
	}
	if d.tl0At > 0 {
		s += fmt.Sprintf(" tl0 %d", d.tl0)
	}
	if d.keyAt > 0 {
		s += fmt.Sprintf(" idx %d", d.key)
	}
	if p := VP8.look(h.Payload); p.begins {
		s += " key"
	}
	if d.size > 0 {
		body := h.Payload[d.size:]
		switch {
		case bytes.Equal(body, Black(16, 16)):
			return s + " black"
		case strings.HasSuffix(s, "key"):
			body = body[10:]
		case d.begins:
			body = body[3:]
		}
		s += " " + string(body)
	}
	return s
}
