package forward

import "encoding/binary"

// Black makes a VP8 key frame (RFC 6386) of a black picture. Width and height
// are in pixels, up to 16383.
//
// The frame is written so that an encoder needs next to no tables. A boolean
// decoder reads nothing but zeros from a stream of zeros, whatever the
// probabilities are (7.3). So the first partition is zeros but for the quantizer
// in its head: no probability changes, no segments, no filter, and every macroblock
// predicted in sixteen 4×4 blocks by their DC, luma and chroma (the first branch of
// each tree in 11.2). Such a block takes the mean of what is above and left of
// it, which outside of the picture is 127 and 129 (12.3). The blocks at the upper
// and left edge get one coefficient that makes them as dark as can be, and all the
// others inherit that; chroma stays at its neutral start.
func Black(width, height int) []byte {
	columns, rows := (width+15)/16, (height+15)/16
	head := boolEncoder{}
	head.init()
	// 9.2 to 9.6: color space, clamping, segmentation, filter type, level (6),
	// sharpness (3), filter deltas, partitions (2): all zero. Then the quantizer index.
	for range 16 {
		head.bit(half, false)
	}
	for range 7 {
		head.bit(half, true)
	}
	first := head.flush()
	// What follows is zeros: some 300 bits of flags, and less than 5 bits for a
	// macroblock.
	first = append(first, make([]byte, 64+columns*rows)...)

	out := make([]byte, 10, 10+len(first)+columns*rows*8)
	const shown = 1 << 4
	tag := uint32(len(first))<<5 | shown
	out[0], out[1], out[2] = byte(tag), byte(tag>>8), byte(tag>>16)
	out[3], out[4], out[5] = 0x9d, 0x01, 0x2a
	binary.LittleEndian.PutUint16(out[6:], uint16(width))
	binary.LittleEndian.PutUint16(out[8:], uint16(height))
	return append(append(out, first...), darkEdges(columns, rows)...)
}

// Default probabilities (RFC 6386, 13.5) of what a block of luma without Y2
// begins with, by how many of its neighbours above and left have coefficients: is
// there one, is it not zero, not one, above four, and below eleven; then the
// choice between five to six and seven to ten.
var (
	lumaDC     = [3][6]byte{{202, 24, 213, 235, 220, 160}, {126, 38, 182, 232, 228, 174}, {61, 46, 138, 219, 240, 170}}
	lumaAfter  = byte(39)  // is there more, after a large one
	chromaNone = byte(253) // is there a coefficient in chroma, beside blocks without
	extraBits  = [2]byte{165, 145}
)

const half = 128

// darkEdges writes the partition with the coefficients (RFC 6386, 13).
func darkEdges(columns, rows int) []byte {
	var e boolEncoder
	e.init()
	edge := func(x, y int) bool { return x == 0 || y == 0 }
	// context counts the neighbours with coefficients: inside of the picture, at its
	// edge.
	context := func(x, y int) (n int) {
		if y > 0 && edge(x, y-1) {
			n++
		}
		if x > 0 && edge(x-1, y) {
			n++
		}
		return n
	}
	const across = 4 // blocks of luma in a macroblock
	for row := range rows {
		for column := range columns {
			for i := range across * across {
				x, y := column*across+i%across, row*across+i/across
				e.block(lumaDC[context(x, y)], edge(x, y))
			}
			for range 8 {
				e.bit(chromaNone, false)
			}
		}
	}
	return e.flush()
}

// block writes a block that has no coefficient, or a DC of -7 and nothing else.
func (e *boolEncoder) block(p [6]byte, dark bool) {
	e.bit(p[0], dark)
	if !dark {
		return
	}
	e.bit(p[1], true)
	e.bit(p[2], true)
	e.bit(p[3], true)
	e.bit(p[4], false)
	e.bit(p[5], true)
	for _, extra := range extraBits {
		e.bit(extra, false) // seven and no more
	}
	e.bit(half, true) // negative
	e.bit(lumaAfter, false)
}

// boolEncoder is the boolean entropy encoder of RFC 6386, 7.
type boolEncoder struct {
	out    []byte
	bottom uint64 // of the interval; what is above bit 32 is a carry
	span   uint32 // of the interval, 128 to 255
	free   int    // bits until a byte is complete
}

func (e *boolEncoder) init() { e.span, e.free = 255, 24 }

// bit writes a bool whose probability of being false is p in 256.
func (e *boolEncoder) bit(p byte, v bool) {
	split := 1 + (e.span-1)*uint32(p)>>8
	if v {
		e.bottom += uint64(split)
		e.span -= split
	} else {
		e.span = split
	}
	for e.span < 128 {
		e.span <<= 1
		e.shift()
	}
}

func (e *boolEncoder) shift() {
	e.bottom <<= 1
	if e.free--; e.free > 0 {
		return
	}
	e.emit()
	e.free = 8
}

// emit moves the highest complete byte out, with its carry.
func (e *boolEncoder) emit() {
	if e.bottom>>32 != 0 {
		for i := len(e.out) - 1; i >= 0; i-- {
			if e.out[i]++; e.out[i] != 0 {
				break
			}
		}
	}
	e.out = append(e.out, byte(e.bottom>>24))
	e.bottom &= 1<<24 - 1
}

// flush returns all that was written.
func (e *boolEncoder) flush() []byte {
	for range 32 {
		e.shift()
	}
	return e.out
}
