package dialects

import (
	"crypto/hmac"
	"crypto/sha256"
)

// IDs turns ids into forms that can be read back without a table, and that
// nobody else can make: 16 bytes of id and 16 bytes of HMAC-SHA256 over what the
// id is valid for. All nodes of a cluster have the same key.
type IDs struct{ key []byte }

// NewIDs makes IDs with a key of at least 16 bytes.
func NewIDs(key []byte) IDs { return IDs{key: append([]byte(nil), key...)} }

// Seal returns 32 bytes for an id. The scope says where the form is valid: a
// dialect, a room, a use.
func (d IDs) Seal(id [16]byte, scope ...string) (sealed [32]byte) {
	copy(sealed[:], id[:])
	copy(sealed[16:], d.mac(id, scope))
	return sealed
}

// Open returns the id of a sealed form, and false for a form that was not sealed
// with this key and scope.
func (d IDs) Open(sealed []byte, scope ...string) (id [16]byte, ok bool) {
	if len(sealed) != 32 {
		return id, false
	}
	copy(id[:], sealed)
	if !hmac.Equal(sealed[16:], d.mac(id, scope)) {
		return [16]byte{}, false
	}
	return id, true
}

// Key derives a key for another use (tokens, signatures) from the same secret.
func (d IDs) Key(use string) []byte {
	h := hmac.New(sha256.New, d.key)
	h.Write([]byte("key\x00" + use))
	return h.Sum(nil)
}

func (d IDs) mac(id [16]byte, scope []string) []byte {
	h := hmac.New(sha256.New, d.key)
	for _, s := range scope {
		// The length keeps ("ab", "c") apart from ("a", "bc").
		h.Write([]byte{byte(len(s) >> 8), byte(len(s))})
		h.Write([]byte(s))
	}
	h.Write(id[:])
	return h.Sum(nil)[:16]
}
