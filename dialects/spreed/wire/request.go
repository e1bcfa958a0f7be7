package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// The types of documents. Those of the second group only servers send, those of
// the third only travel on data channels (10).
const (
	TypeSelf           = "Self"
	TypeHello          = "Hello"
	TypeOffer          = "Offer"
	TypeCandidate      = "Candidate"
	TypeAnswer         = "Answer"
	TypeUsers          = "Users"
	TypeAuthentication = "Authentication"
	TypeBye            = "Bye"
	TypeStatus         = "Status"
	TypeChat           = "Chat"
	TypeConference     = "Conference"
	TypeAlive          = "Alive"
	TypeSessions       = "Sessions"
	TypeRoom           = "Room"
	TypeLeave          = "Leave"

	TypeWelcome = "Welcome"
	TypeJoined  = "Joined"
	TypeLeft    = "Left"
	TypeError   = "Error"

	TypeTalking      = "Talking"
	TypeScreenshare  = "Screenshare"
	TypePresentation = "Presentation"
	TypeYouTubeVideo = "YouTubeVideo"
)

// Request is what a client sends (3.1). The document sits under the key that
// Type names. Bodies of Self, Users and Leave mean nothing and may be any JSON.
type Request struct {
	Type           string
	Hello          *Hello          `json:",omitempty"`
	Offer          *Offer          `json:",omitempty"`
	Candidate      *Candidate      `json:",omitempty"`
	Answer         *Answer         `json:",omitempty"`
	Authentication *Authentication `json:",omitempty"`
	Bye            *Bye            `json:",omitempty"`
	Status         *StatusUpdate   `json:",omitempty"`
	Chat           *Chat           `json:",omitempty"`
	Conference     *Conference     `json:",omitempty"`
	Alive          *Alive          `json:",omitempty"`
	Sessions       *SessionsQuery  `json:",omitempty"`
	Room           *Room           `json:",omitempty"`
	Iid            string          `json:",omitempty"`
}

var errText = errors.New("the frame is not UTF-8")

// DecodeRequest reads what a client sent. Like the original server's decoder it
// matches keys in any case, ignores unknown ones, and takes nothing of a message
// in which any known field has another JSON type than it should (9).
func DecodeRequest(data []byte) (Request, error) {
	var r Request
	if !utf8.Valid(data) {
		return r, errText // it would break those it is passed on to
	}
	err := json.Unmarshal(data, &r)
	return r, err
}

// Hello asks to come into a room (5.2).
type Hello struct {
	Version     string `json:",omitempty"`
	Ua          string `json:",omitempty"`
	ID          string `json:"Id,omitempty"` // what old clients call Name
	Name        string
	Type        string
	Credentials *Credentials `json:",omitempty"`
}

// RoomName returns the name of the room that is asked for.
func (h Hello) RoomName() string {
	if h.Name == "" {
		return h.ID
	}
	return h.Name
}

// Credentials open a room.
type Credentials struct {
	PIN string
}

// Room is a room with its type, as Welcome, Room requests and their replies have
// it (5.4). Its Type is the type of the room, not of the document.
type Room struct {
	Type        string
	Name        string
	Credentials *Credentials
}

// Object is a JSON object that is passed on as it is. JSON null and absence are
// an empty Object.
type Object []byte

var errNoObject = errors.New("not a JSON object")

// UnmarshalJSON implements json.Unmarshaler.
func (o *Object) UnmarshalJSON(data []byte) error {
	switch {
	case bytes.Equal(data, []byte("null")):
		*o = nil
	case data[0] != '{':
		return errNoObject
	default:
		*o = bytes.Clone(data)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (o Object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// Offer carries a session description (5.11).
type Offer struct {
	To    string
	Type  string
	Offer Object
}

// Answer carries the answer to an Offer (5.11).
type Answer struct {
	To     string
	Type   string
	Answer Object
}

// Candidate carries an ICE candidate (5.11).
type Candidate struct {
	To        string
	Type      string
	Candidate json.RawMessage
}

// Bye ends a call (5.12). What it carries is always an object: the web client
// reads its Reason unguarded.
type Bye struct {
	To   string
	Type string
	Bye  Object
}

// Description is what Offer and Answer carry. Further keys are allowed.
type Description struct {
	Type       string          `json:"type"`
	SDP        string          `json:"sdp"`
	Conference string          `json:"_conference,omitempty"`
	Token      string          `json:"_token,omitempty"`
	ID         json.RawMessage `json:"_id,omitempty"` // number or string, echoed as it came; 0 is one
}

// ICE is what Candidate carries.
type ICE struct {
	Type          string          `json:"type"`
	SDPMLineIndex *int            `json:"sdpMLineIndex,omitempty"`
	SDPMid        string          `json:"sdpMid,omitempty"`
	Candidate     string          `json:"candidate"`
	Token         string          `json:"_token,omitempty"`
	ID            json.RawMessage `json:"_id,omitempty"`
}

// Reason is what Bye carries.
type Reason struct {
	Reason string `json:",omitempty"`
}

// Authentication binds a session to a user (5.9).
type Authentication struct {
	Type           string
	Authentication *Proof
}

// Proof is what Authentication carries.
type Proof struct {
	Userid string
	Nonce  string
}

// StatusUpdate replaces the status of a session (5.7). What it carries is any
// JSON.
type StatusUpdate struct {
	Type   string
	Status json.RawMessage
}

// Conference lists the members of a conference (5.14).
type Conference struct {
	ID         string `json:"Id"`
	Type       string
	Conference []string
}

// Alive is a sign of life with a time in milliseconds (5.8).
type Alive struct {
	Type  string
	Alive uint64
}

// UnmarshalJSON also takes the bare number of the published protocol.
func (a *Alive) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return json.Unmarshal(data, &a.Alive)
	}
	type plain Alive
	return json.Unmarshal(data, (*plain)(a))
}

// SessionsQuery asks for sessions by a token (5.10).
type SessionsQuery struct {
	Type     string
	Sessions *Lookup
}

// Lookup is the token of a SessionsQuery. Type is LookupSession or
// LookupContact.
type Lookup struct {
	Token string
	Type  string
}

// The types of a Lookup.
const (
	LookupSession = "session"
	LookupContact = "contact"
)
