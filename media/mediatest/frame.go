package mediatest

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// A Frame is what a synthetic video frame says of itself. On the wire it is a
// VP8 frame header (RFC 6386, 9.1), so that a forwarder finds key frames and
// sizes in it, then the fields below, filler, and a checksum over all.
type Frame struct {
	Key           bool
	Width, Height int    // of key frames
	Source        uint32 // which camera
	Layer         uint8  // which simulcast layer of it, lowest first
	Number        uint32 // counts the frames of a layer
	Sent          time.Time
}

const (
	frameHeader = 10
	frameFields = 8 + 4 + 4 + 1
	// MinFrame is the size of the smallest frame, in bytes.
	MinFrame = frameHeader + frameFields + crc32.Size
)

var errFrame = errors.New("not a synthetic frame, or a damaged one")

// Append appends the frame to b, filled up to size bytes.
func (f Frame) Append(b []byte, size int) []byte {
	at := len(b)
	b = append(b, make([]byte, max(size, MinFrame))...)
	out := b[at:]
	out[0] = 0x11 // shown; the lowest bit is for frames that build on others
	if f.Key {
		out[0] = 0x10
		copy(out[3:], []byte{0x9d, 0x01, 0x2a})
		binary.LittleEndian.PutUint16(out[6:], uint16(f.Width))
		binary.LittleEndian.PutUint16(out[8:], uint16(f.Height))
	}
	p := out[frameHeader:]
	binary.BigEndian.PutUint64(p, uint64(f.Sent.UnixNano()))
	binary.BigEndian.PutUint32(p[8:], f.Source)
	binary.BigEndian.PutUint32(p[12:], f.Number)
	p[16] = f.Layer
	for i := frameHeader + frameFields; i < len(out)-crc32.Size; i++ {
		out[i] = byte(uint32(i) * (f.Number | 1))
	}
	end := len(out) - crc32.Size
	binary.BigEndian.PutUint32(out[end:], crc32.ChecksumIEEE(out[:end]))
	return b
}

// ParseFrame reads a frame and checks it.
func ParseFrame(b []byte) (Frame, error) {
	if len(b) < MinFrame {
		return Frame{}, errFrame
	}
	end := len(b) - crc32.Size
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return Frame{}, errFrame
	}
	f := Frame{Key: b[0]&1 == 0}
	if f.Key {
		f.Width = int(binary.LittleEndian.Uint16(b[6:]) & 0x3fff)
		f.Height = int(binary.LittleEndian.Uint16(b[8:]) & 0x3fff)
	}
	p := b[frameHeader:]
	f.Sent = time.Unix(0, int64(binary.BigEndian.Uint64(p)))
	f.Source = binary.BigEndian.Uint32(p[8:])
	f.Number = binary.BigEndian.Uint32(p[12:])
	f.Layer = p[16]
	return f, nil
}
