package forward

import (
	"encoding/binary"
	"errors"
	"slices"
)

// ErrMalformed is what Parse says of what is not an RTP packet.
var ErrMalformed = errors.New("malformed RTP packet")

const (
	headerSize   = 12
	oneByte      = 0xbede // profile of extensions with headers of one byte (RFC 8285, 4.2)
	twoByte      = 0x1000 // of two bytes (4.3); the low four bits are free
	stopID       = 15
	paddingFlag  = 0x20
	extendedFlag = 0x10
)

// Header is what is read of an incoming packet. Payload and extensions point
// into the packet.
type Header struct {
	Marker  bool
	PT      uint8
	Seq     uint16
	TS      uint32
	SSRC    uint32
	Payload []byte // without padding
	Padding uint8  // bytes of padding

	extensions []byte
	twoByte    bool
}

// Parse reads an RTP packet (RFC 3550, 5.1). It keeps b.
func (h *Header) Parse(b []byte) error {
	if len(b) < headerSize || b[0]>>6 != 2 {
		return ErrMalformed
	}
	h.Marker, h.PT = b[1]&0x80 != 0, b[1]&0x7f
	h.Seq = binary.BigEndian.Uint16(b[2:])
	h.TS = binary.BigEndian.Uint32(b[4:])
	h.SSRC = binary.BigEndian.Uint32(b[8:])
	h.extensions, h.Padding = nil, 0
	at := headerSize + 4*int(b[0]&0x0f)
	if b[0]&extendedFlag != 0 {
		if len(b) < at+4 {
			return ErrMalformed
		}
		profile := binary.BigEndian.Uint16(b[at:])
		end := at + 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
		if len(b) < end {
			return ErrMalformed
		}
		if h.twoByte = profile&0xfff0 == twoByte; h.twoByte || profile == oneByte {
			h.extensions = b[at+4 : end]
		}
		at = end
	}
	if len(b) < at {
		return ErrMalformed
	}
	if b[0]&paddingFlag != 0 {
		h.Padding = b[len(b)-1]
		if h.Padding == 0 || len(b)-int(h.Padding) < at {
			return ErrMalformed
		}
	}
	h.Payload = b[at : len(b)-int(h.Padding)]
	return nil
}

// Extension returns the header extension with an id (RFC 8285), nil if the
// packet has none.
func (h *Header) Extension(id uint8) []byte {
	b := h.extensions
	for len(b) > 0 {
		var got, n int
		switch {
		case b[0] == 0: // padding
			b = b[1:]
			continue
		case h.twoByte:
			if len(b) < 2 {
				return nil
			}
			got, n = int(b[0]), int(b[1])
			b = b[2:]
		default:
			got, n = int(b[0]>>4), int(b[0]&0x0f)+1
			if got == stopID {
				return nil
			}
			b = b[1:]
		}
		if n > len(b) {
			return nil
		}
		if got == int(id) {
			return b[:n]
		}
		b = b[n:]
	}
	return nil
}

// UnwrapRTX turns a retransmission (RFC 4588, 4) into the packet that it
// repeats. It reports false for one without a payload: a probe for bandwidth.
func (h *Header) UnwrapRTX(pt uint8, ssrc uint32) bool {
	if len(h.Payload) < 2 {
		return false
	}
	h.Seq = binary.BigEndian.Uint16(h.Payload)
	h.Payload = h.Payload[2:]
	h.PT, h.SSRC = pt, ssrc
	return true
}

// Packet is a packet to be written. Its payload is Head and then Body.
type Packet struct {
	Marker   bool
	PT       uint8
	Seq      uint16
	TS       uint32
	SSRC     uint32
	Time     uint32 // when it is sent: seconds modulo 64, 18 bits behind the point
	Level    uint8  // of audio, as in RFC 6464
	HasLevel bool
	Padding  uint8
	At       int64  // when it came in; of what is sent beside that: now
	Number   uint16 // transport-wide sequence number: the Writer's own
	Head     []byte // rewritten beginning of the payload
	Body     []byte // shared with other subscriptions
	Out      any    // Arrival.Out, or what Burst.Forward got; nil: it is sent at once
}

// A Writer encrypts packets and sends them to one subscription. Write may not
// keep or change anything it is given, but for Packet.Number; it is called by one
// goroutine at a time, and does not wait for the network.
type Writer interface {
	// Write sends a packet. ErrCongested: there is no room for it now.
	Write(p *Packet) error
}

// ErrCongested is what a Writer says when it had to drop a packet.
var ErrCongested = errors.New("no room to send")

// Extensions are the ids of header extensions on one m-line; 0: not negotiated.
type Extensions struct {
	Level uint8 // urn:ietf:params:rtp-hdrext:ssrc-audio-level (RFC 6464)
	Time  uint8 // abs-send-time
	// Number is of transport-wide sequence numbers
	// (draft-holmer-rmcat-transport-wide-cc-extensions-01). Each packet has another one,
	// so none is repeated as it was.
	Number uint8
}

// AppendTo appends the packet as it goes on the wire, before encryption.
func (p *Packet) AppendTo(b []byte, ids Extensions) []byte {
	return p.AppendPayload(p.AppendHeader(b, ids))
}

// AppendHeader appends the header with its extensions, which is not encrypted.
func (p *Packet) AppendHeader(b []byte, ids Extensions) []byte {
	first, second := byte(0x80), p.PT
	level, sent := p.HasLevel && ids.Level != 0, ids.Time != 0
	extended := level || sent || ids.Number != 0
	if extended {
		first |= extendedFlag
	}
	if p.Padding > 0 {
		first |= paddingFlag
	}
	if p.Marker {
		second |= 0x80
	}
	b = append(b, first, second)
	b = binary.BigEndian.AppendUint16(b, p.Seq)
	b = binary.BigEndian.AppendUint32(b, p.TS)
	b = binary.BigEndian.AppendUint32(b, p.SSRC)
	if extended {
		b = binary.BigEndian.AppendUint16(b, oneByte)
		b = append(b, 0, 0)
		at := len(b)
		if level {
			b = append(b, ids.Level<<4, p.Level)
		}
		if sent {
			b = append(b, ids.Time<<4|2, byte(p.Time>>16), byte(p.Time>>8), byte(p.Time))
		}
		if ids.Number != 0 {
			b = append(b, ids.Number<<4|1, byte(p.Number>>8), byte(p.Number))
		}
		for (len(b)-at)%4 != 0 {
			b = append(b, 0)
		}
		b[at-1] = byte((len(b) - at) / 4)
	}
	return b
}

// HeaderSize is the length of the longest header, in bytes.
const HeaderSize = headerSize + 4 + 12

// Size is the length of the payload with padding, in bytes.
func (p *Packet) Size() int { return len(p.Head) + len(p.Body) + int(p.Padding) }

// AppendPayload appends what is encrypted.
func (p *Packet) AppendPayload(b []byte) []byte {
	b = append(append(b, p.Head...), p.Body...)
	if p.Padding > 0 {
		n := len(b)
		b = slices.Grow(b, int(p.Padding))[:n+int(p.Padding)]
		clear(b[n:])
		b[len(b)-1] = p.Padding
	}
	return b
}

// SendTime is a time as abs-send-time has it.
func SendTime(now int64) uint32 {
	const second = 1e9
	whole, rest := uint64(now)/second, uint64(now)%second
	return uint32(whole&0x3f)<<18 | uint32(rest<<18/second)
}
