package srtp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// Handshake is what a DTLS 1.2 handshake has agreed on, as far as SRTP keys are
// made of it.
type Handshake struct {
	ServerHello
	Client [32]byte // random
	Master []byte   // secret
}

// ServerHello is what is read of that message.
type ServerHello struct {
	Random  [32]byte
	Suite   uint16 // cipher suite
	Profile Profile
}

// Keys exports the keys that the client and the server of the handshake send
// with (RFC 5705, 4; RFC 5764, 4.2).
func (h Handshake) Keys() (client, server Keys, err error) {
	key, salt := h.Profile.keys()
	if key == 0 || len(h.Master) == 0 {
		return client, server, ErrProfile
	}
	seed := append([]byte(Exporter), h.Client[:]...)
	seed = append(seed, h.Random[:]...)
	return h.Profile.Split(expand(h.hash(), h.Master, seed, 2*(key+salt)))
}

// Exporter is the label of what Split takes (RFC 5764, 4.2).
const Exporter = "EXTRACTOR-dtls_srtp"

// Exported is how much Split takes, in bytes; 0: the profile is not implemented.
func (p Profile) Exported() int {
	key, salt := p.keys()
	return 2 * (key + salt)
}

// Split makes the keys that the client and the server of a handshake send with of
// what it has exported (RFC 5764, 4.2).
func (p Profile) Split(b []byte) (client, server Keys, err error) {
	key, salt := p.keys()
	if key == 0 || len(b) != p.Exported() {
		return client, server, ErrProfile
	}
	take := func(n int) (part []byte) {
		part, b = b[:n:n], b[n:]
		return part
	}
	client.Key, server.Key = take(key), take(key)
	client.Salt, server.Salt = take(salt), take(salt)
	return client, server, nil
}

// hash returns the one that the cipher suite's pseudorandom function is made of
// (RFC 5246, 5): SHA-256 but for those that name another one.
func (h Handshake) hash() func() hash.Hash {
	const ecdsaGCM256, rsaGCM256 = 0xc02c, 0xc030
	if h.Suite == ecdsaGCM256 || h.Suite == rsaGCM256 {
		return sha512.New384
	}
	return sha256.New
}

// expand is P_hash (RFC 5246, 5).
func expand(h func() hash.Hash, secret, seed []byte, n int) []byte {
	mac := hmac.New(h, secret)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}

// KeyLog reads a line of a key log, "CLIENT_RANDOM random secret" in hexadecimal,
// into the handshake. It reports false for what is none.
func (h *Handshake) KeyLog(line []byte) bool {
	f := bytes.Fields(line)
	if len(f) != 3 || string(f[0]) != "CLIENT_RANDOM" || len(f[1]) != hex.EncodedLen(len(h.Client)) {
		return false
	}
	const master = 48
	secret, err := hex.AppendDecode(nil, f[2])
	if err != nil || len(secret) != master {
		return false
	}
	if _, err := hex.Decode(h.Client[:], f[1]); err != nil {
		return false
	}
	h.Master = secret
	return true
}

// ReadServerHello finds a whole ServerHello with an SRTP profile in a datagram
// (RFC 6347, 4.1 and 4.2.2; RFC 5764, 4.1.1).
func ReadServerHello(b []byte) (h ServerHello, ok bool) {
	const header, handshake, kind = 13, 12, 22
	for len(b) >= header {
		n := int(binary.BigEndian.Uint16(b[11:]))
		if len(b) < header+n {
			return h, false
		}
		record := b[header : header+n]
		epoch := binary.BigEndian.Uint16(b[3:])
		if b[0] == kind && epoch == 0 && n >= handshake {
			if h, ok = readHello(record); ok {
				return h, true
			}
		}
		b = b[header+n:]
	}
	return h, false
}

// reader takes numbers from the beginning of bytes, as long as there are enough.
type reader struct {
	b  []byte
	ok bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) || !r.ok {
		r.ok = false
		return make([]byte, 4)[:min(n, 4)]
	}
	part := r.b[:n]
	r.b = r.b[n:]
	return part
}

func (r *reader) u8() int  { return int(r.take(1)[0]) }
func (r *reader) u16() int { return int(binary.BigEndian.Uint16(r.take(2))) }
func (r *reader) u24() int { return r.u8()<<16 | r.u16() }

// readHello reads a handshake message that is in one piece.
func readHello(b []byte) (h ServerHello, ok bool) {
	const serverHello, useSRTP = 2, 14
	r := reader{b: b, ok: true}
	kind, size := r.u8(), r.u24()
	_, offset, length := r.u16(), r.u24(), r.u24()
	if kind != serverHello || offset != 0 || length != size || len(r.b) < size {
		return h, false
	}
	r.b = r.b[:size]
	r.u16() // version
	copy(h.Random[:], r.take(len(h.Random)))
	r.take(r.u8()) // session
	h.Suite = uint16(r.u16())
	r.u8() // compression
	r = reader{b: r.take(r.u16()), ok: r.ok}
	for r.ok && len(r.b) > 0 {
		id, body := r.u16(), reader{b: r.take(r.u16()), ok: r.ok}
		if id != useSRTP {
			continue
		}
		if body.u16() == 2 {
			h.Profile = Profile(body.u16())
		}
		return h, r.ok && body.ok && h.Profile != 0
	}
	return h, false
}
