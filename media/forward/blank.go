package forward

import "time"

// blanker shows a still picture while there is none to forward.
type blanker struct {
	frame []byte // VP8 key frame; nil: not wanted
	at    int64  // when it was last shown
}

// blankGap is the time between two still pictures.
const blankGap = int64(time.Second)

// blankHead is a payload descriptor (RFC 7741, 4.2) of a whole frame with a picture
// id of 15 bits and a TL0PICIDX, temporal layer and key index, as real encoders
// that are forwarded to browsers have them.
func blankHead(head *[maxDescriptor]byte, s shift) []byte {
	head[0] = 0x80 | 0x10               // extended; begins a partition
	head[1] = 0x80 | 0x40 | 0x20 | 0x10 // all four are there
	head[2], head[3] = 0x80|byte(s.pid>>8), byte(s.pid)
	head[4] = s.tl0
	head[5] = 0x20 | s.key&0x1f // Y: depends on the base layer only
	return head[:]
}

// Blank shows the still picture if nothing else is shown and it is time to. vp8
// is the number of the format it is in.
func (d *Down) Blank(now int64, vp8 int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &d.blank
	if b.frame == nil || !d.live || d.current != nil || d.formats[vp8] == NoFormat {
		return
	}
	if b.at != 0 && now-b.at < blankGap {
		return
	}
	b.at = now
	if d.begun {
		d.lastTS += max(ticks(now-d.lastAt, d.rate), 1)
	}
	d.lastOut++
	d.last = shift{pid: d.last.pid + 1, tl0: d.last.tl0 + 1, key: d.last.key + 1}
	d.lastAt, d.begun = now, true
	d.out = Packet{
		Marker: true, PT: d.formats[vp8], Seq: uint16(d.lastOut), TS: d.lastTS, SSRC: d.ssrc,
		Time: SendTime(now), At: now, Head: blankHead(&d.head, d.last), Body: b.frame,
	}
	d.counts.Blanks++
	d.write(true)
}
