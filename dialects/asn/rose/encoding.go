package rose

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Encoding is how messages are written.
type Encoding uint8

// The encodings.
const (
	JSON Encoding = iota
	BER
)

// String returns the name of an encoding, for logs.
func (e Encoding) String() string {
	if e == BER {
		return "BER"
	}
	return "JSON"
}

// Detect tells the encoding of a message by its first octet, JSON's white space
// left out; false: it is of neither (reference 3.4).
func Detect(data []byte) (Encoding, bool) {
	data = bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(data) == 0:
		return JSON, false
	case data[0] == '{' || data[0] == '[':
		return JSON, true
	case data[0] >= 0xa1 && data[0] <= 0xa4:
		return BER, true
	}
	return JSON, false
}

// ErrUnread says that something is no message at all: not of the encoding, or
// without one of the four members.
var ErrUnread = errors.New("the text is no message")

// Decode reads a message. What is wrapped into an array is taken out (reference
// 3.2). The error is ErrUnread, or a *Mistyped; then what could be read of the
// message is returned with it, in any case its kind.
func (e Encoding) Decode(data []byte) (*Message, error) {
	m := new(Message)
	var err error
	if e == BER {
		p := packet(data)
		if p == nil {
			return nil, ErrUnread
		}
		err = readChoice(p, m)
	} else {
		text, ok := unwrap(data)
		if !ok {
			return nil, ErrUnread
		}
		err = readJSON(text, m)
	}
	n := 0
	for _, there := range []bool{m.Invoke != nil, m.Result != nil, m.Error != nil, m.Reject != nil} {
		if there {
			n++
		}
	}
	if n != 1 {
		return nil, ErrUnread
	}
	return m, err
}

// unwrap returns an object, or the first element of an array.
func unwrap(data []byte) (json.RawMessage, bool) {
	if !utf8.Valid(data) {
		return nil, false // it would break those it is passed on to
	}
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] == '[' {
		var all []json.RawMessage
		if json.Unmarshal(data, &all) != nil || len(all) == 0 {
			return nil, false
		}
		data = bytes.TrimSpace(all[0])
	} else if !json.Valid(data) {
		return nil, false
	}
	return data, len(data) > 0 && data[0] == '{'
}

// Encode writes a message.
func (e Encoding) Encode(m *Message) []byte {
	if e == BER {
		return writeChoice(m)
	}
	return e.Marshal(m)
}

// Marshal writes a value by itself, as it is the body of an HTTP answer.
func (e Encoding) Marshal(v Value) []byte {
	if e == BER {
		return writeBER(v).Bytes()
	}
	w := new(jsonWriter)
	w.object(v)
	return w.b
}

// Unmarshal reads a value by itself. The error is ErrUnread or a *Mistyped.
func (e Encoding) Unmarshal(data []byte, v Value) error {
	if e == BER {
		p := packet(data)
		if p == nil {
			return ErrUnread
		}
		return readBER(p, v)
	}
	text, ok := unwrap(data)
	if !ok {
		return ErrUnread
	}
	return readJSON(text, v)
}

// Enveloped reports whether a body is a whole message, and not a bare argument
// (reference 4.3).
func (e Encoding) Enveloped(data []byte) bool {
	if e == BER {
		return len(data) > 0 && data[0] >= 0xa1 && data[0] <= 0xa4
	}
	var heads struct{ Invoke, Result, Error, Reject json.RawMessage }
	text, ok := unwrap(data)
	if !ok || json.Unmarshal(text, &heads) != nil {
		return true // so that it is refused as a message
	}
	return heads.Invoke != nil || heads.Result != nil || heads.Error != nil || heads.Reject != nil
}

// packet parses what is one packet and not nested too deeply; nil: it is not.
func packet(data []byte) *ber.Packet {
	if n, ok := measure(data, maxDepth); !ok || n != len(data) {
		return nil
	}
	p, err := ber.DecodePacketErr(data)
	if err != nil {
		return nil
	}
	return p
}
