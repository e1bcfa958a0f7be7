package rose

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// jsonWriter writes JSON (reference 3.1). The order of members is that of the
// module, "_type" first.
type jsonWriter struct {
	b     []byte
	first bool // nothing is in the object or array yet
}

func (w *jsonWriter) reads() bool    { return false }
func (w *jsonWriter) has(field) bool { return false }

// comma writes what stands between members or items.
func (w *jsonWriter) comma() {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
}

// member writes the name of a field; an item of an array has none.
func (w *jsonWriter) member(f field) {
	w.comma()
	if f.name != "" {
		w.b = appendText(w.b, f.name)
		w.b = append(w.b, ':')
	}
}

func (w *jsonWriter) object(v Value) {
	w.b = append(w.b, `{"_type":`...)
	w.b = appendText(w.b, v.typeName())
	w.first = false
	v.walk(w)
	w.b = append(w.b, '}')
	w.first = false
}

func (w *jsonWriter) text(f field, v *string) {
	w.member(f)
	w.b = appendText(w.b, *v)
}

func (w *jsonWriter) octets(f field, v *[]byte) {
	w.member(f)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, *v)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) truth(f field, v *bool) {
	w.member(f)
	w.b = strconv.AppendBool(w.b, *v)
}

func (w *jsonWriter) number(f field, v *int64) {
	w.member(f)
	w.b = strconv.AppendInt(w.b, *v, 10)
}

func (w *jsonWriter) enumerated(f field, v *int64, _ func() bool) { w.number(f, v) }

const timeFormat = "2006-01-02T15:04:05.000Z"

func (w *jsonWriter) moment(f field, v *time.Time) {
	w.member(f)
	w.b = append(w.b, '"')
	w.b = v.UTC().AppendFormat(w.b, timeFormat)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) null(f field, _ *struct{}) {
	w.member(f)
	w.b = append(w.b, "null"...)
}

func (w *jsonWriter) any(f field, v *Any) {
	w.member(f)
	if v.Value != nil {
		w.object(v.Value)
		return
	}
	w.b = append(w.b, v.text...)
}

func (w *jsonWriter) sequence(f field, v Value) {
	w.member(f)
	w.object(v)
}

func (w *jsonWriter) choice(f field, v Value) { w.sequence(f, v) }

func (w *jsonWriter) list(f field, l items) {
	w.member(f)
	w.b = append(w.b, '[')
	w.first = true
	for i := range l.n {
		l.at(itemWriter{w}, i)
	}
	w.b = append(w.b, ']')
	w.first = false
}

// itemWriter writes the items of an array: they have no names.
type itemWriter struct{ *jsonWriter }

func (w itemWriter) text(_ field, v *string)      { w.jsonWriter.text(field{}, v) }
func (w itemWriter) number(_ field, v *int64)     { w.jsonWriter.number(field{}, v) }
func (w itemWriter) sequence(_ field, v Value)    { w.jsonWriter.sequence(field{}, v) }
func (w itemWriter) octets(_ field, v *[]byte)    { w.jsonWriter.octets(field{}, v) }
func (w itemWriter) truth(_ field, v *bool)       { w.jsonWriter.truth(field{}, v) }
func (w itemWriter) moment(_ field, v *time.Time) { w.jsonWriter.moment(field{}, v) }
func (w itemWriter) choice(_ field, v Value)      { w.jsonWriter.sequence(field{}, v) }
func (w itemWriter) list(_ field, l items)        { w.jsonWriter.list(field{}, l) }
func (w itemWriter) any(_ field, v *Any)          { w.jsonWriter.any(field{}, v) }
func (w itemWriter) null(_ field, v *struct{})    { w.jsonWriter.null(field{}, v) }
func (w itemWriter) enumerated(_ field, v *int64, _ func() bool) {
	w.jsonWriter.number(field{}, v)
}

// appendText appends a text with the escapes that JSON demands, and no others.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s { // what is not UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// readJSON reads an object into a value.
func readJSON(text json.RawMessage, v Value) error {
	r := &jsonReader{bad: new(string)}
	r.object(text, v)
	if *r.bad == "" {
		return nil
	}
	if *r.bad == "." {
		return &Mistyped{}
	}
	return &Mistyped{Member: *r.bad}
}

// jsonReader reads the members of one object. It goes on after an error, so that
// what can be read of an envelope is.
type jsonReader struct {
	members map[string]json.RawMessage
	path    string
	bad     *string // the first member that is wrong, "." for the object itself; shared
	item    json.RawMessage
	isItem  bool // reads an item of an array, whatever its name
}

func (r *jsonReader) reads() bool { return true }

// get returns a member; nil: it is not there, or null.
func (r *jsonReader) get(f field) json.RawMessage {
	text := r.item
	if !r.isItem {
		text = r.members[f.name]
	}
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	return text
}

func (r *jsonReader) has(f field) bool { return r.get(f) != nil }

func (r *jsonReader) fail(f field) {
	if *r.bad == "" {
		*r.bad = within(r.path, f.name)
	}
}

// fill reads a member that must be there.
func (r *jsonReader) fill(f field, into any) {
	if text := r.get(f); text == nil || json.Unmarshal(text, into) != nil {
		r.fail(f)
	}
}

func (r *jsonReader) object(text json.RawMessage, v Value) {
	inner := &jsonReader{path: r.path, bad: r.bad}
	if json.Unmarshal(text, &inner.members) != nil || inner.members == nil {
		if *r.bad == "" {
			*r.bad = within(r.path, "")
			if r.path == "" {
				*r.bad = "."
			}
		}
		return
	}
	v.walk(inner)
}

func (r *jsonReader) text(f field, v *string) { r.fill(f, v) }
func (r *jsonReader) truth(f field, v *bool)  { r.fill(f, v) }

func (r *jsonReader) octets(f field, v *[]byte) {
	var text string
	r.fill(f, &text)
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		r.fail(f)
	}
	*v = data
}

// maxNumber is the largest number that every client can read and write.
const maxNumber = 1 << 53

func (r *jsonReader) number(f field, v *int64) {
	var n json.Number
	text := r.get(f)
	if text == nil || text[0] == '"' || json.Unmarshal(text, &n) != nil {
		r.fail(f)
		return
	}
	if i, err := n.Int64(); err == nil {
		*v = i
		return
	}
	x, err := n.Float64()
	if err != nil || x != float64(int64(x)) || x > maxNumber || x < -maxNumber {
		r.fail(f)
		return
	}
	*v = int64(x)
}

func (r *jsonReader) enumerated(f field, v *int64, _ func() bool) { r.number(f, v) }

func (r *jsonReader) moment(f field, v *time.Time) {
	text := r.get(f)
	var days float64
	var s string
	switch {
	case text == nil:
		r.fail(f)
	case json.Unmarshal(text, &days) == nil:
		at, ok := fromDays(days)
		if *v = at; !ok {
			r.fail(f)
		}
	case json.Unmarshal(text, &s) == nil:
		at, err := parseTime(s)
		if *v = at; err != nil {
			r.fail(f)
		}
	default:
		r.fail(f)
	}
}

func (r *jsonReader) null(field, *struct{}) {}

func (r *jsonReader) any(f field, v *Any) {
	if v.text = r.get(f); v.text == nil {
		r.fail(f)
	}
}

func (r *jsonReader) sequence(f field, v Value) {
	text := r.get(f)
	if text == nil || text[0] != '{' {
		r.fail(f)
		return
	}
	(&jsonReader{path: within(r.path, f.name), bad: r.bad}).object(text, v)
}

func (r *jsonReader) choice(f field, v Value) { r.sequence(f, v) }

func (r *jsonReader) list(f field, l items) {
	text := r.get(f)
	var all []json.RawMessage
	if text == nil || json.Unmarshal(text, &all) != nil || all == nil {
		r.fail(f)
		return
	}
	for _, item := range all {
		l.grow(&jsonReader{path: r.path, bad: r.bad, item: item, isItem: true})
	}
}
