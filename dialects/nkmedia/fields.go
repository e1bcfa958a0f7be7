package nkmedia

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// fieldKind is what a field may be (reference 3.6).
type fieldKind uint8

const (
	isText   fieldKind = iota
	isNumber           // from min on
	isFlag
	isWord   // one of words
	isObject // with the fields of sub; without any: whatever is in it
	isAny
)

// field is one field of a command.
type field struct {
	name  string
	also  string // another name that clients have for it
	kind  fieldKind
	must  bool
	min   int64
	max   int64 // 0: none. Of texts: the longest, in bytes; 0: maxText
	words []string
	sub   []field
}

// maxText is how long a text may be that has no bound of its own, in bytes: a frame
// is no longer.
const maxText = 1 << 20

// values are the fields that a command was given, of the types string, int64,
// bool, values, and json.RawMessage for what may be anything.
type values map[string]any

func (v values) text(name string) string { s, _ := v[name].(string); return s }
func (v values) number(name string) int  { n, _ := v[name].(int64); return int(n) }
func (v values) flag(name string) bool   { b, _ := v[name].(bool); return b }
func (v values) in(name string) values   { o, _ := v[name].(values); return o }
func (v values) has(name string) bool    { _, ok := v[name]; return ok }
func (v values) raw(name string) json.RawMessage {
	r, _ := v[name].(json.RawMessage)
	return r
}

// reader reads the fields of a command. What is of the wrong type goes before what
// is missing.
type reader struct {
	wrong, missing *fault
	room           bool // a field was given by its name of other versions: room_… instead of conf_…
}

// parse reads the data of a command. rooms says that the client calls conferences
// rooms, and is told so of fields that are missing.
func parse(data json.RawMessage, table []field, rooms bool) (v values, room bool, err error) {
	p := reader{room: rooms}
	switch {
	case len(data) == 0 || string(compact(data)) == "[]":
		data = json.RawMessage("{}")
	case data[0] != '{':
		return nil, rooms, refuse(syntaxError, "data")
	}
	v = p.object(data, table, "")
	if p.wrong != nil {
		return nil, p.room, p.wrong
	}
	if p.missing != nil {
		return nil, p.room, p.missing
	}
	return v, p.room, nil
}

func compact(data json.RawMessage) []byte {
	if len(data) > 16 {
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return nil
	}
	return b.Bytes()
}

// object reads an object; prefix is the name that it has in texts, with a dot.
func (p *reader) object(data json.RawMessage, table []field, prefix string) values {
	var all map[string]json.RawMessage
	if json.Unmarshal(data, &all) != nil {
		return nil // it was valid JSON, and an object
	}
	v := values{}
	for _, f := range table {
		name, raw := p.look(all, f)
		if raw == nil || string(raw) == "null" {
			if f.must && p.missing == nil {
				p.missing = refuse(missingField, prefix+name)
			}
			continue
		}
		x, ok := p.value(raw, f, prefix+name+".")
		if !ok && p.wrong == nil {
			p.wrong = refuse(syntaxError, prefix+name)
		}
		v[f.name] = x
	}
	return v
}

// look finds a field by one of its names.
func (p *reader) look(all map[string]json.RawMessage, f field) (name string, raw json.RawMessage) {
	if raw, ok := all[f.name]; ok {
		return f.name, raw
	}
	if other := strings.Replace(f.name, "conf_", "room_", 1); other != f.name || f.name == "create_conf" {
		if f.name == "create_conf" {
			other = "create_room"
		}
		if raw, ok := all[other]; ok {
			p.room = true
			return other, raw
		}
		if p.room {
			return other, nil
		}
	}
	if f.also != "" && all[f.also] != nil {
		return f.also, all[f.also]
	}
	return f.name, nil
}

func (p *reader) value(raw json.RawMessage, f field, prefix string) (any, bool) {
	switch f.kind {
	case isText, isWord:
		s, ok := asText(raw)
		most := f.max
		if most == 0 {
			most = maxText
		}
		return s, ok && int64(len(s)) <= most && (f.kind == isText || slices.Contains(f.words, s))
	case isNumber:
		n, ok := asNumber(raw)
		return n, ok && n >= f.min && (f.max == 0 || n <= f.max)
	case isFlag:
		return asFlag(raw)
	case isObject:
		if raw[0] != '{' {
			return nil, false
		}
		if f.sub != nil {
			return p.object(raw, f.sub, prefix), true
		}
	}
	return raw, true
}

// asText takes a text, an integer, or a truth value as the word for it.
func asText(raw json.RawMessage) (s string, ok bool) {
	switch {
	case raw[0] == '"':
		return s, json.Unmarshal(raw, &s) == nil
	case string(raw) == "true" || string(raw) == "false":
		return string(raw), true
	}
	_, err := strconv.ParseInt(string(raw), 10, 64)
	return string(raw), err == nil
}

// asNumber takes an integer, or one in decimal digits.
func asNumber(raw json.RawMessage) (int64, bool) {
	s := string(raw)
	if raw[0] == '"' && json.Unmarshal(raw, &s) != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= math.MinInt32 && n <= math.MaxInt32
}

// asFlag takes a truth value, the word for one, 0 and 1.
func asFlag(raw json.RawMessage) (on, ok bool) {
	s := string(raw)
	if raw[0] == '"' {
		if json.Unmarshal(raw, &s) != nil {
			return false, false
		}
		s = strings.ToLower(s)
		if s != "true" && s != "false" {
			return false, false
		}
	}
	switch s {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}
