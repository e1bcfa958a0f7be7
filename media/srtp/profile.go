package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// Profile is a protection profile by its number in DTLS (RFC 5764, 4.1.2).
type Profile uint16

// The profiles that are implemented.
const (
	CM128  Profile = 0x0001 // SRTP_AES128_CM_HMAC_SHA1_80
	GCM128 Profile = 0x0007 // SRTP_AEAD_AES_128_GCM
	GCM256 Profile = 0x0008 // SRTP_AEAD_AES_256_GCM
)

const (
	gcmTag  = 16 // bytes
	cmTag   = 10
	macSize = 20 // of a key of HMAC-SHA1
	// MaxOverhead is the most that a packet grows by, in bytes: the tag, and the
	// index of RTCP.
	MaxOverhead = gcmTag + indexSize
	indexSize   = 4
)

// ErrProfile is said of profiles that are not implemented, and of keys that do
// not fit.
var ErrProfile = errors.New("unknown SRTP profile or bad key")

// keys returns the length of a master key and a master salt, in bytes.
func (p Profile) keys() (key, salt int) {
	switch p {
	case CM128:
		return 16, 14
	case GCM128:
		return 16, 12
	case GCM256:
		return 32, 12
	}
	return 0, 0
}

// Known reports whether the profile is implemented.
func (p Profile) Known() bool {
	key, _ := p.keys()
	return key > 0
}

func (p Profile) gcm() bool { return p != CM128 }

// Overhead is by how much an RTP packet grows, in bytes.
func (p Profile) Overhead() int {
	if p.gcm() {
		return gcmTag
	}
	return cmTag
}

// Keys are a master key and its salt, of one direction. They are secret.
type Keys struct{ Key, Salt []byte }

// String keeps keys out of logs.
func (Keys) String() string { return "redacted" }

// GoString keeps keys out of logs.
func (Keys) GoString() string { return "redacted" }

// Labels of the key derivation (RFC 3711, 4.3.2). Those of RTCP follow in the
// same order.
const (
	labelKey  = 0
	labelAuth = 1
	labelSalt = 2
	forRTCP   = 3
)

// derive makes a session key (RFC 3711, 4.3.3; RFC 7714, 11).
func (k Keys) derive(label byte, n int) ([]byte, error) {
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		return nil, ErrProfile
	}
	const labelAt = 7
	iv := make([]byte, aes.BlockSize)
	copy(iv, k.Salt)
	iv[labelAt] ^= label
	out := make([]byte, n)
	cipher.NewCTR(block, iv).XORKeyStream(out, out)
	return out, nil
}

// session is the session keys for RTP or RTCP of one direction.
type session struct {
	aead  cipher.AEAD // nil: AES-CM
	salt  [aes.BlockSize]byte
	block cipher.Block // of AES-CM
	auth  []byte       // of AES-CM
}

// newSession derives session keys. base is 0 or forRTCP.
func newSession(p Profile, k Keys, base byte) (s session, err error) {
	keyLen, saltLen := p.keys()
	if keyLen == 0 || len(k.Key) != keyLen || len(k.Salt) != saltLen {
		return s, fmt.Errorf("profile %#04x: %w", uint16(p), ErrProfile)
	}
	key, err := k.derive(base+labelKey, keyLen)
	if err != nil {
		return s, err
	}
	salt, err := k.derive(base+labelSalt, saltLen)
	if err != nil {
		return s, err
	}
	auth, err := k.derive(base+labelAuth, macSize)
	if err != nil {
		return s, err
	}
	return sessionOf(p, key, salt, auth)
}

// sessionOf takes session keys.
func sessionOf(p Profile, key, salt, auth []byte) (s session, err error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return s, ErrProfile
	}
	copy(s.salt[:], salt)
	if !p.gcm() {
		s.block, s.auth = block, auth
		return s, nil
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		return s, ErrProfile
	}
	return s, nil
}
