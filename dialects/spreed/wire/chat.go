package wire

// Chat is a chat message or the state of one (5.13). To is empty for the room.
type Chat struct {
	To   string
	Type string
	Chat *Message
}

// Message is what Chat carries. A server strips what is not listed here.
type Message struct {
	Message string
	Time    string
	NoEcho  bool   `json:",omitempty"`
	Mid     string `json:",omitempty"` // wants to be told how the message fares
	Status  *ChatStatus
}

// ChatStatus is the state of a message, or something to look at beside it.
type ChatStatus struct {
	Typing         string          `json:",omitempty"` // TypingStart or TypingStop
	State          string          `json:",omitempty"` // StateSent or StateDelivered
	Mid            string          `json:",omitempty"` // the message whose State it is
	SeenMids       []string        `json:",omitempty"`
	FileInfo       *FileInfo       `json:",omitempty"`
	Geolocation    *Geolocation    `json:",omitempty"`
	ContactRequest *ContactRequest `json:",omitempty"`
	AutoCall       *AutoCall       `json:",omitempty"`
}

// The values of ChatStatus.Typing and ChatStatus.State.
const (
	TypingStart    = "start"
	TypingStop     = "stop"
	StateSent      = "sent"
	StateDelivered = "delivered"
)

// FileInfo offers a file by token (11.2).
type FileInfo struct {
	ID     string `json:"id"`
	Chunks uint64 `json:"chunks"`
	Name   string `json:"name"`
	Size   uint64 `json:"size"`
	Type   string `json:"type"`
}

// Geolocation is a place; degrees and metres.
type Geolocation struct {
	Accuracy         *float64 `json:"accuracy,omitempty"`
	Latitude         *float64 `json:"latitude,omitempty"`
	Longitude        *float64 `json:"longitude,omitempty"`
	Altitude         *float64 `json:"altitude,omitempty"`
	AltitudeAccuracy *float64 `json:"altitudeAccuracy,omitempty"`
}

// ContactRequest asks somebody to be a contact, or answers.
type ContactRequest struct {
	ID      string `json:"Id"`
	Success bool
	Userid  string `json:",omitempty"`
	Token   string `json:",omitempty"`
}

// AutoCall asks to be called back; servers pass it through.
type AutoCall struct {
	ID   string `json:"Id"`
	Type string
}
