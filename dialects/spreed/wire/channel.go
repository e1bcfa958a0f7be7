package wire

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// Channel is the label of the data channel on every peer connection (10).
const Channel = "default"

// ChannelDocument is a document of the data channel of a call. It is not wrapped
// and not enveloped; further keys are allowed.
type ChannelDocument struct {
	Type         string
	To           string       `json:",omitempty"`
	Talking      bool         `json:",omitempty"`
	Chat         *Message     `json:",omitempty"`
	Screenshare  *Screenshare `json:",omitempty"`
	Presentation Object       `json:",omitempty"`
	YouTubeVideo Object       `json:",omitempty"`
}

// Screenshare carries the token by which a screen is got (11.1).
type Screenshare struct {
	ID string `json:"id"`
}

// Talking tells that somebody talks or stops to.
type Talking struct {
	Type    string
	Talking bool
}

var errIgnored = errors.New("a frame to be ignored")

// DecodeChannel reads a text frame of the data channel of a call.
func DecodeChannel(data []byte) (ChannelDocument, error) {
	var d ChannelDocument
	switch {
	case len(data) > 0 && data[0] == 0x02:
		return d, errIgnored
	case !utf8.Valid(data):
		return d, errText
	}
	err := json.Unmarshal(data, &d)
	return d, err
}

// Control is a text frame of the data channel of a token connection (11).
type Control struct {
	Mode  string `json:"m"`
	Index uint64 `json:"i,omitempty"`
}

// The modes of a Control.
const (
	ModeBye     = "bye" // it is over
	ModeRequest = "r"   // asks for a chunk of a file
)

// DecodeControl reads a text frame of the data channel of a token connection.
func DecodeControl(data []byte) (Control, error) {
	var c Control
	err := json.Unmarshal(data, &c)
	return c, err
}
