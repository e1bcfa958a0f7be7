package k3k

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"dragoman/bridge"
)

// Namespaces (reference 7 to 11).
const (
	nsControl    = "control"
	nsMedia      = "media"
	nsChat       = "chat"
	nsModeration = "moderation"
	nsEcho       = "echo"
	nsTimer      = "timer"
	nsPolls      = "polls"
)

// errUnread says that a payload cannot be read: it names no action that there is,
// or misses a field, or has one of another type (reference 6).
var errUnread = errors.New("the payload cannot be read")

// frame is the envelope of what clients send (reference 6).
type frame struct {
	namespace string
	payload   json.RawMessage
}

// decode reads an envelope.
func decode(data []byte) (frame, error) {
	if !utf8.Valid(data) {
		return frame{}, errors.New("the frame is not UTF-8") // it would break those it is passed on to
	}
	var e struct {
		Namespace *string         `json:"namespace"`
		Payload   json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return frame{}, fmt.Errorf("envelope: %w", err)
	}
	if e.Namespace == nil || len(e.Payload) == 0 {
		return frame{}, errors.New("the envelope has no namespace or no payload")
	}
	return frame{*e.Namespace, e.Payload}, nil
}

// actionOf returns what a payload wants; empty: it says nothing that there is.
func actionOf(payload json.RawMessage) string {
	var a struct {
		Action string `json:"action"`
	}
	if json.Unmarshal(payload, &a) != nil {
		return ""
	}
	return a.Action
}

// A command is the fields of a payload. complete tells whether all that must be
// there is.
type command interface{ complete() bool }

// read decodes the fields of a payload.
func read[T command](payload json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return v, fmt.Errorf("%w: %w", errUnread, err)
	}
	if !v.complete() {
		return v, fmt.Errorf("%w: a field is missing", errUnread)
	}
	return v, nil
}

// encode writes JSON without escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// payloadOf makes the payload of a message from its fields, a struct or nil.
func payloadOf(message string, fields any) (json.RawMessage, error) {
	head := []byte(`{"message":"` + message + `"`)
	if fields == nil {
		return append(head, '}'), nil
	}
	b, err := encode(fields)
	if err != nil {
		return nil, err
	}
	if len(b) > 2 { // not {}
		head = append(head, ',')
	}
	return append(head, b[1:]...), nil
}

// envelope is that of what we send.
type envelope struct {
	Namespace string          `json:"namespace"`
	Timestamp stamp           `json:"timestamp"`
	Payload   json.RawMessage `json:"payload"`
}

// stamp is a time on the wire (reference 3): more exact than the second, because
// one of the clients knows chat messages by it.
type stamp time.Time

const stampFormat = "2006-01-02T15:04:05.000000Z"

// MarshalText implements encoding.TextMarshaler.
func (s stamp) MarshalText() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, stampFormat), nil
}

// UnmarshalText takes any time of RFC 3339.
func (s *stamp) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339Nano, string(text))
	*s = stamp(t)
	return err
}

// when returns a stamp for a time, nil for none.
func when(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

// A sort is the type of a media session: "video" is the camera with its
// microphone, "screen" the screen with its sound (reference 8).
type sort string

// The sorts.
const (
	camera sort = "video"
	screen sort = "screen"
)

// UnmarshalText takes the two sorts.
func (s *sort) UnmarshalText(text []byte) error {
	switch *s = sort(text); *s {
	case camera, screen:
		return nil
	}
	return errors.New("there is no such media session")
}

// source is what a media session of a sort shows.
func (s sort) source() bridge.Source {
	if s == screen {
		return bridge.Screen
	}
	return bridge.Camera
}

// sortOf is the sort of a publication.
func sortOf(s bridge.Source) sort {
	if s == bridge.Screen {
		return screen
	}
	return camera
}

// sorts are all of them, in the order in which they are announced.
func sorts() [2]sort { return [...]sort{camera, screen} }
