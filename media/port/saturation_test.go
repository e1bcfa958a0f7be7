package port

import (
	"encoding/binary"
	"testing"

	"dragoman/media/forward"
)

// sent writes what a subscription gets into a batch, as package media does, but not
// encrypted.
type sent struct {
	out  *Batch
	to   *Target
	flow Flow
}

// Write implements forward.Writer.
func (w *sent) Write(p *forward.Packet) error {
	if ts, ok := w.flow.Dropped(); ok && ts == p.TS {
		return forward.ErrCongested
	}
	w.out.Add(p.AppendTo(w.out.Reserve(forward.HeaderSize+p.Size()), forward.Extensions{}), w.to, &w.flow)
	return nil
}

// nobody has nothing to be asked.
type nobody struct{}

// RequestKey implements forward.Upstream.
func (nobody) RequestKey(*forward.Layer) {}

// Began implements forward.Upstream.
func (nobody) Began(*forward.Source, *forward.Layer) {}

// room is a call: one who speaks and is seen, and those who hear and see.
type room struct {
	layers [2]*forward.Layer // sound, picture
	downs  [2][]*forward.Down
	seq    [2]uint16
	burst  forward.Burst
}

func newRoom(n int, out *Batch) *room {
	r := &room{}
	for i, spec := range []forward.Spec{
		{Codec: forward.Sound, Rate: 48000, SSRC: 1},
		{Codec: forward.VP8, Rate: 90000, SSRC: 2},
	} {
		source, track := forward.NewSource(nobody{}, &forward.Clock{}), forward.NewTrack()
		r.layers[i] = source.Add(spec)
		track.Feed(source, 1)
		for k := range n {
			d := forward.NewDown(forward.DownConfig{
				SSRC: uint32(i + 1), Rate: spec.Rate, Sound: i == 0, Writer: &sent{out: out, to: NewTarget(at(uint16(k + 1)))},
			})
			d.SetFormats(forward.Formats{})
			d.SetLive(true)
			track.Add(d, 1)
			r.downs[i] = append(r.downs[i], d)
		}
	}
	return r
}

// push forwards a packet, number part of what there is at a time.
func (r *room) push(i int, time, part int, last bool, payload []byte) {
	r.seq[i]++
	binary.BigEndian.PutUint16(payload[len(payload)-4:], uint16(time))
	payload[len(payload)-1] = byte(part)
	r.layers[i].Push(&forward.Header{Marker: last, Seq: r.seq[i], TS: uint32(time+1) * 3000, Payload: payload},
		forward.Arrival{At: int64(time+1) * 33e6, Burst: &r.burst})
}

// heard checks what somebody got: all of the sound, and of each picture the beginning.
// It returns how many pictures are whole.
func heard(t *testing.T, got [][]byte, times, parts int) (whole int) {
	t.Helper()
	sound, frame, part := 0, -1, 0
	for _, b := range got {
		time, n := int(binary.BigEndian.Uint16(b[len(b)-4:])), int(b[len(b)-1])
		switch {
		case binary.BigEndian.Uint32(b[8:]) == 1:
			if time != sound {
				t.Errorf("sound %d after %d", time, sound-1)
			}
			sound = time + 1
			continue
		case time != frame:
			frame, part = time, 0
		}
		if n != part {
			t.Errorf("part %d of picture %d where %d is next", n, time, part)
		}
		if part = n + 1; part == parts {
			whole++
		}
	}
	if sound != times {
		t.Errorf("%d of %d packets of sound", sound, times)
	}
	return whole
}

const (
	members, times, parts = 150, 100, 8 // more than one batch holds of half a picture
	partSize              = 1100
	fits                  = members * parts * (partSize + 12) * 6 / 10 / 2 // of each half of a picture
)

// saturate plays a call for which there is room for six tenths of the pictures. It returns
// what everybody got.
func saturate(r *room, b *Batch, f *fake) (got [members][][]byte) {
	space := 0
	f.deny = func(n int, b []byte) error {
		if space -= n * len(b); space < 0 && len(b) >= patientBelow {
			return errFull
		}
		return nil
	}
	key := make([]byte, partSize)
	copy(key, []byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01})
	for n := range times {
		for part := range parts {
			if part%(parts/2) == 0 {
				r.burst.Forward(nil)
				b.Flush()
				space = fits
			}
			payload := make([]byte, partSize)
			if part == 0 {
				payload = key
			}
			r.push(1, n, part, part == parts-1, payload)
			if part == 1 {
				r.push(0, n, 0, true, make([]byte, 80))
			}
		}
	}
	r.burst.Forward(nil)
	b.Flush()
	for _, d := range f.took() {
		k := d.at.Port() - 1
		got[k] = append(got[k], d.b)
	}
	return got
}

// Where there is not room for all, pictures lose their end, or are not there at all, and
// nobody's sound loses anything. Nobody is always the one who gets nothing, and what
// became of the rest is counted.
func TestSaturation(t *testing.T) {
	for _, gso := range []bool{true, false} {
		b, f, p := newBatch(t)
		f.gso = gso
		r := newRoom(members, b)
		least, most, pieces := times, 0, 0
		for _, got := range saturate(r, b, f) {
			whole := heard(t, got, times, parts)
			least, most = min(least, whole), max(most, whole)
			pieces += len(got) - times
		}
		if least < times/6 || most > 5*times/6 {
			t.Errorf("from %d to %d of %d pictures are whole", least, most, times)
		}
		var cut, congested uint64
		for k := range members {
			s, a := r.downs[1][k].Stats(), r.downs[0][k].Stats()
			congested, cut = congested+s.Congested, cut+s.Cut
			if a.Packets != times || a.Congested+a.Cut+a.Failed > 0 {
				t.Errorf("sound: %+v", a)
			}
		}
		full := p.Stats().Full
		if all := uint64(members * times * parts); uint64(pieces)+full+congested+cut != all || full == 0 || congested == 0 || cut == 0 {
			t.Errorf("%d packets sent, %d found no room, %d and %d were cut; %d came in", pieces, full, congested, cut, all)
		}
		t.Logf("GSO %v: %d to %d of %d pictures whole; %d packets found no room, %d were cut", gso, least, most, times, full, congested+cut)
	}
}
