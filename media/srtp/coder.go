package srtp

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the profile says so
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// coder encrypts and decrypts with session keys. It has room for all that an
// interface could make escape, so that nothing is allocated per packet, and is
// used by one goroutine at a time.
type coder struct {
	session
	nonce [12]byte
	extra [12]byte // what is authenticated of an RTCP packet; the roll-over counter
	cm    *counter // AES-CM only
}

// counter is what AES-CM and HMAC-SHA1 need.
type counter struct {
	mac    hash.Hash
	iv     [aes.BlockSize]byte
	stream [8 * aes.BlockSize]byte
	tag    [sha1.Size]byte
}

func newCoder(s session) coder {
	c := coder{session: s}
	if s.aead == nil {
		c.cm = &counter{mac: hmac.New(sha1.New, s.auth)}
	}
	return c
}

// number makes the nonce of a packet (RFC 7714, 8.1 and 9.1): both kinds of
// indices have at most 48 bits.
func (c *coder) number(ssrc uint32, index uint64) {
	n := &c.nonce
	copy(n[:], c.salt[:])
	binary.BigEndian.PutUint32(n[2:], binary.BigEndian.Uint32(n[2:])^ssrc)
	binary.BigEndian.PutUint16(n[6:], binary.BigEndian.Uint16(n[6:])^uint16(index>>32))
	binary.BigEndian.PutUint32(n[8:], binary.BigEndian.Uint32(n[8:])^uint32(index))
}

// crypt applies the key stream of AES-CM (RFC 3711, 4.1.1). dst and src are the
// same, or do not overlap.
func (c *coder) crypt(dst, src []byte, ssrc uint32, index uint64) {
	m := c.cm
	m.iv = c.salt
	binary.BigEndian.PutUint32(m.iv[4:], binary.BigEndian.Uint32(m.iv[4:])^ssrc)
	binary.BigEndian.PutUint16(m.iv[8:], binary.BigEndian.Uint16(m.iv[8:])^uint16(index>>32))
	binary.BigEndian.PutUint32(m.iv[10:], binary.BigEndian.Uint32(m.iv[10:])^uint32(index))
	for block := uint16(0); len(src) > 0; {
		n := min(len(src), len(m.stream))
		for at := 0; at < n; at += aes.BlockSize {
			binary.BigEndian.PutUint16(m.iv[14:], block)
			c.block.Encrypt(m.stream[at:at+aes.BlockSize], m.iv[:])
			block++
		}
		subtle.XORBytes(dst[:n], src[:n], m.stream[:n])
		dst, src = dst[n:], src[n:]
	}
}

// sum authenticates b and four bytes more (RFC 3711, 4.2).
func (c *coder) sum(b []byte, more uint32) []byte {
	binary.BigEndian.PutUint32(c.extra[:], more)
	m := c.cm
	m.mac.Reset()
	m.mac.Write(b)
	m.mac.Write(c.extra[:4])
	return m.mac.Sum(m.tag[:0])[:cmTag]
}

// sealRTP appends the encrypted payload and the tag to the header in b, which has
// room for them. payload is where it goes, or does not overlap that.
func (c *coder) sealRTP(b, payload []byte, ssrc uint32, index uint64) []byte {
	n := len(b)
	if c.aead != nil {
		c.number(ssrc, index)
		return b[:n+len(c.aead.Seal(b[n:n], c.nonce[:], payload, b))]
	}
	b = b[:n+len(payload)]
	c.crypt(b[n:], payload, ssrc, index)
	return append(b, c.sum(b, uint32(index>>16))...)
}

// openRTP decrypts in place and returns the packet without its tag. The length
// of b has been checked.
func (c *coder) openRTP(b []byte, header int, ssrc uint32, index uint64) ([]byte, error) {
	if c.aead != nil {
		c.number(ssrc, index)
		out, err := c.aead.Open(b[header:header], c.nonce[:], b[header:], b[:header])
		if err != nil {
			return nil, ErrForged
		}
		return b[:header+len(out)], nil
	}
	b, tag := b[:len(b)-cmTag], b[len(b)-cmTag:]
	if subtle.ConstantTimeCompare(tag, c.sum(b, uint32(index>>16))) != 1 {
		return nil, ErrForged
	}
	c.crypt(b[header:], b[header:], ssrc, index)
	return b, nil
}

const (
	rtcpHeader = 8       // bytes that are not encrypted
	encrypted  = 1 << 31 // flag beside the index
)

// sealRTCP encrypts a packet in place and appends tag and index (RFC 3711, 3.4;
// RFC 7714, 9.2).
func (c *coder) sealRTCP(b []byte, ssrc, index uint32) []byte {
	if c.aead != nil {
		c.number(ssrc, uint64(index))
		copy(c.extra[:], b[:rtcpHeader])
		binary.BigEndian.PutUint32(c.extra[rtcpHeader:], index|encrypted)
		b = append(b, make([]byte, gcmTag)...)
		c.aead.Seal(b[rtcpHeader:rtcpHeader], c.nonce[:], b[rtcpHeader:len(b)-gcmTag], c.extra[:])
		return binary.BigEndian.AppendUint32(b, index|encrypted)
	}
	c.crypt(b[rtcpHeader:], b[rtcpHeader:], ssrc, uint64(index))
	tag := c.sum(b, index|encrypted)
	return append(binary.BigEndian.AppendUint32(b, index|encrypted), tag...)
}

// rtcpIndex returns the index of an encrypted packet.
func (c *coder) rtcpIndex(b []byte) (index uint32, ok bool) {
	end, least := len(b), rtcpHeader+gcmTag+indexSize
	if c.aead == nil {
		end, least = end-cmTag, rtcpHeader+cmTag+indexSize
	}
	if len(b) < least {
		return 0, false
	}
	word := binary.BigEndian.Uint32(b[end-indexSize:])
	return word &^ encrypted, word&encrypted != 0
}

// openRTCP decrypts in place. The length of b has been checked.
func (c *coder) openRTCP(b []byte, ssrc, index uint32) ([]byte, error) {
	if c.aead != nil {
		c.number(ssrc, uint64(index))
		copy(c.extra[:], b[:rtcpHeader])
		binary.BigEndian.PutUint32(c.extra[rtcpHeader:], index|encrypted)
		b = b[:len(b)-indexSize]
		out, err := c.aead.Open(b[rtcpHeader:rtcpHeader], c.nonce[:], b[rtcpHeader:], c.extra[:])
		if err != nil {
			return nil, ErrForged
		}
		return b[:rtcpHeader+len(out)], nil
	}
	b, tag := b[:len(b)-cmTag], b[len(b)-cmTag:]
	b = b[:len(b)-indexSize]
	if subtle.ConstantTimeCompare(tag, c.sum(b, index|encrypted)) != 1 {
		return nil, ErrForged
	}
	c.crypt(b[rtcpHeader:], b[rtcpHeader:], ssrc, uint64(index))
	return b, nil
}
