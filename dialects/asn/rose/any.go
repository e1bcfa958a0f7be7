package rose

import (
	"encoding/json"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Any is what an operation carries: an argument, a result, an error. To be written
// it has a Value; what was read is told by Into.
type Any struct {
	Value  Value
	text   json.RawMessage
	packet *ber.Packet
}

// Present reports whether there is anything.
func (a Any) Present() bool { return a.Value != nil || a.text != nil || a.packet != nil }

// Into reads what came in. Nothing at all is read like a value without fields, as
// far as none is mandatory (reference 2.5). The error is a *Mistyped.
func (a Any) Into(v Value) error {
	if a.packet != nil {
		return readBER(a.packet, v)
	}
	text := a.text
	if text == nil {
		text = json.RawMessage("{}")
	}
	return readJSON(text, v)
}

// Mistyped says which member of a message is missing, or is of another type.
type Mistyped struct {
	Member string // with the members around it: "attendees.contact.u8sDisplayName"
}

// Error implements error.
func (m *Mistyped) Error() string {
	if m.Member == "" {
		return "the message is no SEQUENCE"
	}
	return m.Member + " is missing or of the wrong type"
}

func within(outer, name string) string {
	if outer == "" {
		return name
	}
	return outer + "." + name
}
