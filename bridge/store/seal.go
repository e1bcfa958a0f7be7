package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"dragoman/bridge"
)

// MinKey is the length of the shortest key, in bytes.
const MinKey = 16

// sealer encrypts what must not be read in a copy of the database: AES-256-GCM with
// a random nonce. What is sealed for one place does not open in another.
type sealer struct {
	aead cipher.AEAD
	mac  []byte // key of the hashes
}

func newSealer(key bridge.Secret) (sealer, error) {
	if len(key) < MinKey {
		return sealer{}, bridge.Errorf(bridge.BadRequest, "store: the key has fewer than %d bytes", MinKey)
	}
	derive := func(use string) ([]byte, error) {
		return hkdf.Key(sha256.New, []byte(key), nil, "dragoman store "+use, 32)
	}
	enc, err := derive("seal")
	if err != nil {
		return sealer{}, err
	}
	mac, err := derive("hash")
	if err != nil {
		return sealer{}, err
	}
	block, err := aes.NewCipher(enc)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead, mac}, err
}

// form says how something was sealed, for the day when there is a second way.
const form = "1."

// close seals a value for a place.
func (s sealer) close(place string, value []byte) string {
	return form + base64.RawStdEncoding.EncodeToString(s.aead.Seal(nil, nil, value, []byte(place)))
}

var errSeal = errors.New("what is sealed does not open: it was changed, or sealed with another key")

// open returns what was sealed for a place.
func (s sealer) open(place, sealed string) ([]byte, error) {
	text, ok := strings.CutPrefix(sealed, form)
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || !ok {
		return nil, errSeal
	}
	value, err := s.aead.Open(nil, nil, raw, []byte(place))
	if err != nil {
		return nil, errSeal
	}
	return value, nil
}

// hash is how a secret is found that is not stored itself.
func (s sealer) hash(secret bridge.Secret) string {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(secret))
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// proof is sealed when a database is new; who can open it has the right key.
const proof = "this key fits"

// belongs checks that the key is the one with which the database was begun.
func (s sealer) belongs(ctx context.Context, h *sql.DB) error {
	_, err := h.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('key', $1) ON CONFLICT (name) DO NOTHING`,
		s.close("meta key", []byte(proof)))
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	var sealed string
	if err := h.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'key'`).Scan(&sealed); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if got, err := s.open("meta key", sealed); err != nil || string(got) != proof {
		return errors.New("the key is not the one that this database was begun with")
	}
	return nil
}
