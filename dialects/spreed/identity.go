package spreed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"dragoman/bridge"
	"dragoman/dialects"
)

// virtual begins the ids of participants of other dialects. Every other id sorts
// below it, so that clients always call them (reference 14.1).
const virtual = "~"

// forms turns participant ids into what clients see, and back.
type forms struct{ ids dialects.IDs }

// session returns the Id of a Spreed session.
func (f forms) session(id bridge.ParticipantID) string {
	sealed := f.ids.Seal(id.Array(), Name)
	return base64.RawURLEncoding.EncodeToString(sealed[:])
}

// of returns the Id under which clients see a participant.
func (f forms) of(p bridge.Participant) string {
	if p.Dialect == Name {
		return f.session(p.ID)
	}
	sealed := f.ids.Seal(p.ID.Array(), "spreed-virtual")
	return virtual + base64.RawURLEncoding.EncodeToString(sealed[:])
}

// An address is whom a client means by an Id.
type address struct {
	id      bridge.ParticipantID
	virtual bool
}

// parse returns whom an Id means, and false for an Id that is none of ours.
func (f forms) parse(id string) (a address, ok bool) {
	scope := Name
	if rest, is := strings.CutPrefix(id, virtual); is {
		id, scope, a.virtual = rest, "spreed-virtual", true
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return a, false
	}
	raw, ok := f.ids.Open(sealed, scope)
	if !ok {
		return a, false
	}
	a.id, ok = bridge.ParticipantIDFrom(raw[:])
	return a, ok && !a.id.IsZero()
}

// secret returns the Sid that proves the ownership of an Id.
func (f forms) secret(id bridge.ParticipantID) string {
	return f.mac("spreed-sid", id.Bytes())[:32]
}

// picture returns the name of a session's picture, and pictured whose it is.
func (f forms) picture(id bridge.ParticipantID) string {
	sealed := f.ids.Seal(id.Array(), "spreed-picture")
	return base64.RawURLEncoding.EncodeToString(sealed[:])
}

func (f forms) pictured(name string) (id bridge.ParticipantID, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(name)
	if err != nil {
		return id, false
	}
	raw, ok := f.ids.Open(sealed, "spreed-picture")
	if !ok {
		return id, false
	}
	return bridge.ParticipantIDFrom(raw[:])
}

// user returns the Suserid that vouches for a Userid.
func (f forms) user(id string) string {
	if id == "" {
		return ""
	}
	h := hmac.New(sha256.New, f.ids.Key("spreed-suserid"))
	h.Write([]byte(id))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// seatOf returns the nth of the seats at which the sessions of a user are found.
func (f forms) seatOf(user string, n int) bridge.ParticipantID {
	h := hmac.New(sha256.New, f.ids.Key("spreed-user-seat"))
	h.Write([]byte{byte(n)})
	h.Write([]byte(user))
	id, _ := bridge.ParticipantIDFrom(h.Sum(nil)[:16]) // 16 bytes always make one
	return id
}

func (f forms) mac(use string, data []byte) string {
	h := hmac.New(sha256.New, f.ids.Key(use))
	h.Write(data)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
