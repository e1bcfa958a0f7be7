package nkmedia

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// object is a JSON object that we make.
type object = map[string]any

// The sorts of frame (reference 3).
type frameKind uint8

const (
	isRequest frameKind = iota
	isResponse
	isAck
)

// errFrame says that a frame fits nothing: the connection is closed (reference
// 3.4).
var errFrame = errors.New("the frame is no request, no response and no ack")

// frame is what a client sends.
type frame struct {
	kind                 frameKind
	class, subclass, cmd string
	data                 json.RawMessage // nil: there is none
	tid                  json.RawMessage // a number or a text, as it came
}

// decode reads a frame. Keys are compared exactly, and further ones passed over.
func decode(data []byte) (f frame, err error) {
	if !utf8.Valid(data) {
		return f, errFrame // it would break those it is passed on to
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(data, &all) != nil || all == nil {
		return f, errFrame
	}
	f.data, f.tid = all["data"], all["tid"]
	request := all["class"] != nil && all["cmd"] != nil && isTID(f.tid)
	switch {
	case request:
		f.subclass = core
		err = errors.Join(text(all["class"], &f.class), text(all["cmd"], &f.cmd))
		if sub := all["subclass"]; sub != nil && string(sub) != "null" {
			err = errors.Join(err, text(sub, &f.subclass))
		}
	case all["result"] != nil && isTID(f.tid):
		f.kind = isResponse
	case isTID(all["ack"]):
		f.kind, f.tid = isAck, all["ack"]
	default:
		err = errFrame
	}
	return f, err
}

func text(raw json.RawMessage, into *string) error {
	if json.Unmarshal(raw, into) != nil || string(raw) == "null" {
		return errFrame
	}
	return nil
}

// isTID reports whether a value can be the id of a request.
func isTID(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '"' || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// number returns which of our requests a frame answers, 0 for none.
func (f frame) number() int {
	n, err := strconv.Atoi(string(f.tid))
	if err != nil {
		return 0
	}
	return n
}

// What we send. Members of data are left out by those who make it.
type (
	response struct {
		Result string          `json:"result"`
		Data   any             `json:"data,omitempty"`
		TID    json.RawMessage `json:"tid"`
	}
	ack struct {
		ACK json.RawMessage `json:"ack"`
	}
	demand struct {
		Class string `json:"class"`
		Cmd   string `json:"cmd"`
		Data  any    `json:"data,omitempty"`
		TID   int    `json:"tid"`
	}
	// delivery is the data of an event (reference 5.4).
	delivery struct {
		Class    string          `json:"class"`
		Subclass string          `json:"subclass,omitempty"`
		Type     string          `json:"type,omitempty"`
		Obj      string          `json:"obj_id,omitempty"`
		Body     json.RawMessage `json:"body,omitempty"`
	}
)

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

// description is an offer or an answer (reference 8.1).
type description struct {
	SDP     string `json:"sdp"`
	Type    string `json:"sdp_type"`
	Trickle bool   `json:"trickle_ice"`
	Backend string `json:"backend,omitempty"`
}
