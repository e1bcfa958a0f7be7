package bridge

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// uuid is 16 bytes that print as a UUID (RFC 9562). The id types embed it, so
// that they share its methods and cannot be mixed up.
type uuid [16]byte

// String returns the 36-character form, in lower case.
func (u uuid) String() string {
	var b [36]byte
	at := 0
	for i, n := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			b[at] = '-'
			at++
		}
		from := [...]int{0, 4, 6, 8, 10}[i]
		hex.Encode(b[at:], u[from:from+n])
		at += 2 * n
	}
	return string(b[:])
}

// IsZero reports whether the id was never set.
func (u uuid) IsZero() bool { return u == uuid{} }

// Bytes returns a copy of the 16 bytes.
func (u uuid) Bytes() []byte { return u[:] }

// Array returns the 16 bytes.
func (u uuid) Array() [16]byte { return u }

// MarshalText implements encoding.TextMarshaler.
func (u uuid) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes the 36-character
// form only, in either case.
func (u *uuid) UnmarshalText(text []byte) error {
	s := string(text)
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return Errorf(BadRequest, "not an id")
	}
	raw, err := hex.DecodeString(s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if err != nil {
		return Errorf(BadRequest, "not an id")
	}
	copy(u[:], raw)
	return nil
}

// MarshalBinary implements encoding.BinaryMarshaler: the 16 bytes.
func (u uuid) MarshalBinary() ([]byte, error) { return u[:], nil }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (u *uuid) UnmarshalBinary(b []byte) error {
	if len(b) != len(u) {
		return Errorf(BadRequest, "not an id")
	}
	copy(u[:], b)
	return nil
}

func newUUID() (u uuid) {
	rand.Read(u[:])         // never fails since Go 1.24
	u[6] = u[6]&0x0f | 0x40 // version 4
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
	return u
}

// ParticipantID names one seat in one room, for as long as the seat is kept.
type ParticipantID struct{ uuid }

// PublicationID names one stream of one participant. Its maker is the client's
// own node.
type PublicationID struct{ uuid }

// PeerID names one PeerConnection of one session.
type PeerID struct{ uuid }

// MessageID names one chat message.
type MessageID struct{ uuid }

// NewParticipantID returns a random id.
func NewParticipantID() ParticipantID { return ParticipantID{newUUID()} }

// NewPublicationID returns a random id.
func NewPublicationID() PublicationID { return PublicationID{newUUID()} }

// NewPeerID returns a random id.
func NewPeerID() PeerID { return PeerID{newUUID()} }

// NewMessageID returns a random id.
func NewMessageID() MessageID { return MessageID{newUUID()} }

// ParticipantIDFrom makes an id of 16 bytes that came over some wire.
func ParticipantIDFrom(b []byte) (id ParticipantID, ok bool) {
	return id, copy(id.uuid[:], b) == len(b) && len(b) == len(id.uuid)
}

// PublicationIDFrom makes an id of 16 bytes that came over some wire.
func PublicationIDFrom(b []byte) (id PublicationID, ok bool) {
	return id, copy(id.uuid[:], b) == len(b) && len(b) == len(id.uuid)
}

// RoomID is what people call a room. Only Normalize makes one from a client's
// text.
type RoomID string

// MaxRoomID is the length of the longest room id, in bytes.
const MaxRoomID = 128

// Normalize turns what a client calls a room into its id: blanks at both ends
// go, case stays. Control characters, text that is not UTF-8, nothing at all and
// more than MaxRoomID bytes are BadRequest.
func Normalize(name string) (RoomID, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", Errorf(BadRequest, "the room has no name")
	case len(name) > MaxRoomID:
		return "", Errorf(BadRequest, "the room name is longer than %d bytes", MaxRoomID)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", Errorf(BadRequest, "the room name has characters that cannot be shown")
	}
	return RoomID(name), nil
}

// UserID is the same person over many joins, prefixed by who vouches for it
// ("oidc:…", "spreed:…"). Empty for a guest.
type UserID string

// NodeID names a node of the cluster.
type NodeID string

// Secret is a password, a PIN or its hash. It does not print, encode or log.
type Secret string

// String hides the secret.
func (Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encoders. An empty one stays empty.
func (s Secret) MarshalText() ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	return []byte(redacted), nil
}

// ResumeToken lets a client that lost its connection take its seat again. Who
// holds it is that client, so it is guarded like a password.
type ResumeToken string

// String hides the token.
func (ResumeToken) String() string { return redacted }

// GoString hides the token from %#v.
func (ResumeToken) GoString() string { return redacted }

// LogValue hides the token from slog.
func (ResumeToken) LogValue() slog.Value { return slog.StringValue(redacted) }

const redacted = "redacted"

func newResumeToken() ResumeToken { return ResumeToken(rand.Text() + rand.Text()) }
