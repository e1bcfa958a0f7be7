package spreed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// tokens makes what clients keep and show again. All of it can be read back on
// any node without a table, and nobody else can make it.
type tokens struct {
	resume, contact, notes cipher.AEAD
	attest                 []byte
}

func newTokens(ids dialects.IDs) tokens {
	return tokens{
		resume: sealer(ids.Key("spreed-token")), contact: sealer(ids.Key("spreed-contact")),
		notes: sealer(ids.Key("spreed-notes")), attest: ids.Key("spreed-attestation"),
	}
}

func sealer(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) //nolint:forbidigo // impossible: Key returns 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) //nolint:forbidigo // impossible: AES has blocks of 16 bytes
	}
	return aead
}

func seal(a cipher.AEAD, plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(a.Seal(nil, nil, plain, nil))
}

func open(a cipher.AEAD, token string) (plain []byte, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, false
	}
	plain, err = a.Open(nil, nil, sealed, nil)
	return plain, err == nil
}

// A claim is what a resume token says: who the client is (reference 4.1).
type claim struct {
	id   bridge.ParticipantID
	user string
}

// A resume token holds the time it was made, the id, and the user.
const claimHead = 8 + 16

func (t tokens) sealClaim(c claim, now time.Time) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	plain = append(plain, c.id.Bytes()...)
	return seal(t.resume, append(plain, c.user...))
}

func (t tokens) openClaim(token string, now time.Time) (c claim, ok bool) {
	plain, ok := open(t.resume, token)
	if !ok || len(plain) < claimHead || stale(plain, now, resumeLife) {
		return c, false
	}
	c.id, ok = bridge.ParticipantIDFrom(plain[8:claimHead])
	c.user = string(plain[claimHead:])
	return c, ok
}

// stale reports whether a time at the beginning of data is too long ago.
func stale(data []byte, now time.Time, life time.Duration) bool {
	made := time.Unix(int64(binary.BigEndian.Uint64(data)), 0)
	return now.Sub(made) > life
}

// attestSize is time, kind, id, and half a MAC.
const attestSize = 8 + 1 + 16 + 16

// attestation proves to others that a session exists (reference 4).
func (t tokens) attestation(a address, now time.Time) string {
	data := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	kind := byte(0)
	if a.virtual {
		kind = 1
	}
	data = append(append(data, kind), a.id.Bytes()...)
	return base64.RawURLEncoding.EncodeToString(append(data, t.attested(data)...))
}

func (t tokens) openAttestation(token string, now time.Time) (a address, ok bool) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(data) != attestSize {
		return a, false
	}
	said, mac := data[:attestSize-16], data[attestSize-16:]
	if !hmac.Equal(mac, t.attested(said)) || stale(said, now, attestLife) {
		return a, false
	}
	a.virtual = said[8] == 1
	a.id, ok = bridge.ParticipantIDFrom(said[9:])
	return a, ok
}

func (t tokens) attested(data []byte) []byte {
	h := hmac.New(sha256.New, t.attest)
	h.Write(data)
	return h.Sum(nil)[:16]
}

// A pair is what a contact token says: who asked whom (reference 5.13).
type pair struct{ Asker, Asked string }

func (t tokens) sealPair(p pair) string {
	plain, err := json.Marshal(p)
	if err != nil {
		return "" // two texts always encode
	}
	return seal(t.contact, plain)
}

func (t tokens) openPair(token string) (p pair, ok bool) {
	plain, ok := open(t.contact, token)
	return p, ok && json.Unmarshal(plain, &p) == nil && p.Asker != "" && p.Asked != ""
}

// other returns the one of the pair that a user is not.
func (p pair) other(user string) (string, bool) {
	switch user {
	case p.Asker:
		return p.Asked, true
	case p.Asked:
		return p.Asker, true
	}
	return "", false
}

// A nonce lets a session become a user's, once (reference 5.9).
type nonce struct {
	value, user string
	made        time.Time
}

func newNonce(user string, now time.Time) nonce {
	return nonce{value: rand.Text(), user: user, made: now}
}

// opens reports whether what a client shows is this nonce, and for this user.
func (n nonce) opens(value, user string, now time.Time) bool {
	same := subtle.ConstantTimeCompare([]byte(n.value), []byte(value)) == 1
	return n.value != "" && same && n.user == user && now.Sub(n.made) <= nonceLife
}

// combo makes the useridcombo of a user and its secret (reference 1.2).
func combo(secret, user string, expires time.Time) (useridcombo, mac string) {
	useridcombo = strconv.FormatInt(expires.Unix(), 10) + ":" + user
	return useridcombo, comboMAC(secret, useridcombo)
}

func comboMAC(secret, useridcombo string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(useridcombo))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// openCombo returns the user of a useridcombo that the secret vouches for.
func openCombo(secret, useridcombo, mac string, now time.Time) (user string, ok bool) {
	if secret == "" || !hmac.Equal([]byte(mac), []byte(comboMAC(secret, useridcombo))) {
		return "", false
	}
	until, user, found := strings.Cut(useridcombo, ":")
	expires, err := strconv.ParseInt(until, 10, 64)
	return user, found && err == nil && user != "" && now.Unix() <= expires
}
