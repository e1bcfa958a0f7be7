package port

import (
	"bytes"
	"encoding/binary"
)

// kind is what a packet is, by its first bytes (RFC 7983, 7).
type kind uint8

const (
	other   kind = iota // nothing that we know
	request             // STUN binding request
	stun                // any other STUN
	dtls
	media // RTP and RTCP
)

const (
	stunHeader = 20
	cookie     = 0x2112a442
)

func kindOf(b []byte) kind {
	switch {
	case len(b) == 0:
		return other
	case b[0] < 4:
		if len(b) < stunHeader || binary.BigEndian.Uint32(b[4:]) != cookie {
			return other
		}
		if b[0] == 0 && b[1] == 1 {
			return request
		}
		return stun
	case b[0] >= 20 && b[0] < 64:
		return dtls
	case b[0] >= 128 && b[0] < 192:
		return media
	}
	return other
}

// IsRTCP reports whether a packet is RTCP and not RTP (RFC 5761, 4).
func IsRTCP(b []byte) bool { return len(b) > 1 && b[1] >= 192 && b[1] < 224 }

// ufragOf returns whom a STUN request is for: what is before the colon in the
// USERNAME (RFC 8445, 7.2.2), nil if there is none.
func ufragOf(b []byte) []byte {
	const username, header = 0x0006, 4
	end := stunHeader + int(binary.BigEndian.Uint16(b[2:]))
	if end > len(b) {
		return nil
	}
	for b = b[stunHeader:end]; len(b) >= header; {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[header:]
		if n > len(b) {
			return nil
		}
		if kind == username {
			ufrag, _, ok := bytes.Cut(b[:n], []byte(":"))
			if !ok {
				return nil
			}
			return ufrag
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil
}

// proves reports whether a packet of ours is the answer to a request that was
// authenticated.
func proves(b []byte) bool { return kindOf(b) == stun && b[0] == 1 && b[1] == 1 }
