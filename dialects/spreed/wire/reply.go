package wire

import "encoding/json"

// Envelope is what a server sends (3.2). All keys are omitted when empty.
type Envelope struct {
	Data any    `json:",omitempty"`
	From string `json:",omitempty"`
	To   string `json:",omitempty"`
	Iid  string `json:",omitempty"`
	A    string `json:",omitempty"` // attestation of From
}

// Encode writes a document as servers do: compact, with <, >, & and U+2028/9
// escaped, and a line end (2).
func Encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return append(data, '\n'), err
}

// APIVersion is the version of the protocol.
const APIVersion = 1.4

// Prio is the priority that every session has.
const Prio = 100

// Self tells a client who it is (5.1).
type Self struct {
	Type       string
	ID         string `json:"Id"`
	Sid        string
	Userid     string
	Suserid    string
	Token      string
	Version    string
	ApiVersion float64 //nolint:revive // the key is spelled so
	Turn       Turn
	Stun       []string
}

// Turn is always there, if only empty: the web client reads it unguarded.
type Turn struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	TTL      int      `json:"ttl"` // seconds; 0: for ever
	URLs     []string `json:"urls"`
}

// Welcome lets a client into a room (5.2).
type Welcome struct {
	Type  string
	Room  Room
	Users []User
}

// Users lists who is in the room (5.5).
type Users struct {
	Type  string
	Users []User
}

// User is a session in a list. Its Type is Online, or empty in replies to
// Sessions.
type User struct {
	Type   string
	ID     string          `json:"Id"`
	Userid string          `json:",omitempty"`
	Ua     string          `json:",omitempty"`
	Rev    uint64          `json:",omitempty"`
	Prio   int             `json:",omitempty"`
	Status json.RawMessage `json:",omitempty"`
}

// Online is the Type of a User who is in the room.
const Online = "Online"

// Joined tells that a session came into the room (5.6).
type Joined struct {
	Type   string
	ID     string          `json:"Id"`
	Userid string          `json:",omitempty"`
	Ua     string          `json:",omitempty"`
	Prio   int             `json:",omitempty"`
	Status json.RawMessage `json:",omitempty"`
}

// Left tells that a session left the room (5.6).
type Left struct {
	Type   string
	ID     string `json:"Id"`
	Status string // Soft or Hard
}

// The values of Left.Status.
const (
	Soft = "soft" // still connected
	Hard = "hard" // disconnected
)

// Status tells the status of a session anew (5.7).
type Status struct {
	Type   string
	ID     string `json:"Id"`
	Userid string `json:",omitempty"`
	Rev    uint64
	Prio   int
	Status json.RawMessage
}

// Sessions answers a SessionsQuery (5.10).
type Sessions struct {
	Type     string
	Sessions Lookup
	Users    []User
}

// Error refuses a request (5.15).
type Error struct {
	Type    string
	Code    string
	Message string
}

// Received is an envelope as a client reads it.
type Received struct {
	Data json.RawMessage
	From string
	To   string
	Iid  string
	A    string
}

// TypeOf returns the Type of a document, and "" for what has none.
func TypeOf(doc []byte) string {
	var head struct{ Type string }
	if json.Unmarshal(doc, &head) != nil {
		return ""
	}
	return head.Type
}
