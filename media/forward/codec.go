package forward

import "encoding/binary"

// Codec is how a payload is looked at.
type Codec uint8

// The codecs. Sound is any audio codec: its payload is never looked at.
const (
	Sound Codec = iota
	VP8
	VP9
	H264
	AV1
)

// picture is what a payload says of the picture it belongs to.
type picture struct {
	begins        bool   // first packet of a key frame
	width, height uint16 // of a key frame; 0: not known
	vp8           descriptor
}

// look reads what forwarding has to know of a payload.
func (c Codec) look(b []byte) (p picture) {
	switch c {
	case Sound:
		p.begins = true
	case VP8:
		p.vp8 = describe(b)
		if p.vp8.begins && len(b) >= int(p.vp8.size)+10 {
			// RFC 6386, 9.1: a clear lowest bit is a key frame; size after the start code.
			if b = b[p.vp8.size:]; b[0]&1 == 0 && b[3] == 0x9d && b[4] == 0x01 && b[5] == 0x2a {
				p.begins = true
				p.width = binary.LittleEndian.Uint16(b[6:]) & 0x3fff
				p.height = binary.LittleEndian.Uint16(b[8:]) & 0x3fff
			}
		}
	case VP9:
		p.begins = beginsVP9(b)
	case H264:
		p.begins = beginsH264(b)
	case AV1:
		// AV1 RTP specification 4.4: N is set on the first packet of a coded video
		// sequence, which begins with a key frame.
		p.begins = len(b) > 1 && b[0]&0x08 != 0
	}
	return p
}

// beginsVP9 reads a payload descriptor (RFC 9628, 4.2): the beginning of a frame
// that is not predicted from others, in the lowest spatial layer.
func beginsVP9(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	const pictureID, predicted, layers, begin = 0x80, 0x40, 0x20, 0x08
	if b[0]&predicted != 0 || b[0]&begin == 0 {
		return false
	}
	at := 1
	if b[0]&pictureID != 0 {
		at += 1 + int(b[1]>>7)
	}
	if b[0]&layers == 0 {
		return true
	}
	return at < len(b) && b[at]>>1&0x07 == 0
}

// beginsH264 finds a sequence parameter set or an IDR slice at the beginning of
// a payload (RFC 6184, 5.2 to 5.8).
func beginsH264(b []byte) bool {
	const idr, sps, stapA, fuA = 5, 7, 24, 28
	if len(b) < 2 {
		return false
	}
	switch b[0] & 0x1f {
	case sps, idr:
		return true
	case fuA:
		inner, start := b[1]&0x1f, b[1]&0x80 != 0
		return start && (inner == idr || inner == sps)
	case stapA:
		for b = b[1:]; len(b) > 2; {
			n := int(binary.BigEndian.Uint16(b))
			if inner := b[2] & 0x1f; inner == sps || inner == idr {
				return true
			}
			if len(b) < 2+n {
				return false
			}
			b = b[2+n:]
		}
	}
	return false
}

// descriptor is a VP8 payload descriptor (RFC 7741, 4.2).
type descriptor struct {
	size         uint8 // bytes; 0: not a VP8 payload
	begins       bool  // first packet of a frame
	pid          uint16
	tl0, key     uint8
	pidAt, tl0At uint8 // where they are; 0: not there
	keyAt        uint8
	wide         bool // pid has 15 bits in the packet, not 7
}

func describe(b []byte) (d descriptor) {
	const extended, start, partition = 0x80, 0x10, 0x07
	if len(b) == 0 {
		return d
	}
	d.begins = b[0]&start != 0 && b[0]&partition == 0
	at := 1
	if b[0]&extended != 0 {
		const hasPID, hasTL0, hasTID, hasKey = 0x80, 0x40, 0x20, 0x10
		if len(b) < 2 {
			return descriptor{}
		}
		flags := b[1]
		at = 2
		if flags&hasPID != 0 && at < len(b) {
			d.pidAt = uint8(at)
			d.pid = uint16(b[at] & 0x7f)
			if d.wide = b[at]&0x80 != 0; d.wide {
				if at++; at < len(b) {
					d.pid = d.pid<<8 | uint16(b[at])
				}
			}
			at++
		}
		if flags&hasTL0 != 0 && at < len(b) {
			d.tl0At, d.tl0 = uint8(at), b[at]
			at++
		}
		if flags&(hasTID|hasKey) != 0 && at < len(b) {
			if flags&hasKey != 0 {
				d.keyAt, d.key = uint8(at), b[at]&0x1f
			}
			at++
		}
	}
	if at >= len(b) {
		return descriptor{}
	}
	d.size = uint8(at)
	return d
}

// maxDescriptor is the size of the longest descriptor, in bytes.
const maxDescriptor = 6

// shift is how far numbers of a payload descriptor are moved.
type shift struct {
	pid      uint16
	tl0, key uint8
}

// widen gives a picture id of 7 bits the upper ones that it must have, being
// close to the one before it.
func (d *descriptor) widen(before uint16) {
	const half = 64
	step := (d.pid - before) & 0x7f
	if step >= half {
		step -= 2 * half
	}
	d.pid = (before + step) & 0x7fff
}

// rewrite copies the descriptor of a payload to dst with its numbers moved.
// Picture ids have 15 bits then: those of 7 bits would go round elsewhere.
func (d *descriptor) rewrite(dst, payload []byte, s shift) []byte {
	dst = append(dst[:0], payload[:d.size]...)
	if d.tl0At != 0 {
		dst[d.tl0At] = d.tl0 + s.tl0
	}
	if d.keyAt != 0 {
		dst[d.keyAt] = dst[d.keyAt]&^0x1f | (d.key+s.key)&0x1f
	}
	if d.pidAt == 0 {
		return dst
	}
	if !d.wide {
		dst = append(dst, 0)
		copy(dst[d.pidAt+1:], dst[d.pidAt:])
	}
	pid := d.pid + s.pid
	dst[d.pidAt], dst[d.pidAt+1] = 0x80|byte(pid>>8), byte(pid)
	return dst
}

// narrow reports whether there is a picture id of 7 bits.
func (d *descriptor) narrow() bool { return d.pidAt != 0 && !d.wide }
