package asn

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"unicode/utf8"

	"dragoman/dialects"
	"dragoman/dialects/asn/rose"
)

// raw serves one connection of plain TCP (reference 4.4).
func (d *server) raw(ctx context.Context, c net.Conn) {
	s := &speaker{d: d}
	dialects.ServeRaw(ctx, c, d.env, dialects.Options{Limits: limits()}, framer{}, s)
	s.linger(ctx)
}

// framer finds messages in a stream: JSON with a header of a J and decimal digits,
// BER by itself. What stands before one of them is skipped.
type framer struct{}

var _ dialects.Framer = framer{}

// How many digits a header has: seven are written, up to nine are read.
const (
	headDigits = 7
	maxDigits  = 9
)

var errLong = errors.New("the message is too long")

// Next implements dialects.Framer.
func (framer) Next(r *bufio.Reader, limit int64) (dialects.Frame, error) {
	for {
		head, err := r.Peek(1)
		if err != nil {
			return dialects.Frame{}, err
		}
		switch {
		case head[0] >= 0xa1 && head[0] <= 0xa4:
			data, err := readPacket(r, limit)
			return dialects.Frame{Binary: true, Data: data}, err
		case head[0] == 'J':
			if data, err := readText(r, limit); data != nil || err != nil {
				return dialects.Frame{Data: data}, err
			}
		default:
			if _, err := r.Discard(1); err != nil {
				return dialects.Frame{}, err
			}
		}
	}
}

// Pack implements dialects.Framer. The header counts bytes.
func (framer) Pack(f dialects.Frame) []byte {
	if f.Binary {
		return f.Data
	}
	return append(fmt.Appendf(nil, "J%0*d", headDigits, len(f.Data)), f.Data...)
}

// readPacket reads a packet of BER.
func readPacket(r *bufio.Reader, limit int64) ([]byte, error) {
	for n := 2; ; n++ {
		head, err := r.Peek(n)
		if err != nil {
			return nil, err
		}
		length, err := rose.Length(head)
		if err != nil {
			return nil, err
		}
		if int64(length) > limit {
			return nil, errLong
		}
		if length > 0 {
			data := make([]byte, length)
			_, err := io.ReadFull(r, data)
			return data, err
		}
	}
}

// readText reads JSON; nil: what stands there is no header, and was skipped. The
// header of one of the clients counts UTF-16 units instead of bytes, so it may be
// too small.
func readText(r *bufio.Reader, limit int64) ([]byte, error) {
	if _, err := r.Discard(1); err != nil {
		return nil, err
	}
	digits := []byte{}
	for len(digits) < maxDigits {
		b, err := r.Peek(1)
		if err != nil {
			return nil, err
		}
		if b[0] < '0' || b[0] > '9' {
			break
		}
		digits = append(digits, b[0])
		if _, err := r.Discard(1); err != nil {
			return nil, err
		}
	}
	length, err := strconv.ParseInt(string(digits), 10, 64)
	if len(digits) < headDigits || err != nil {
		return nil, nil //nolint:nilerr // bytes before a header
	}
	if length > limit {
		return nil, errLong
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	return complete(r, data, limit)
}

// complete reads on where JSON breaks off: then the header has counted UTF-16 units,
// of which there are as many as it says.
func complete(r *bufio.Reader, data []byte, limit int64) ([]byte, error) {
	units, most := len(data), min(limit, int64(3*len(data)))
	if json.Valid(data) || ascii(data) {
		return data, nil
	}
	for have, at := 0, 0; have < units && int64(len(data)) < most; {
		for !utf8.FullRune(data[at:]) {
			b, err := r.ReadByte()
			if err != nil {
				return nil, err
			}
			data = append(data, b)
		}
		c, n := utf8.DecodeRune(data[at:])
		at += n
		if have++; c > 0xffff {
			have++
		}
	}
	return data, nil
}

func ascii(data []byte) bool {
	return !bytes.ContainsFunc(data, func(r rune) bool { return r >= utf8.RuneSelf })
}
