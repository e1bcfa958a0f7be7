package sdp

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"dragoman/bridge"
)

// Bounds of a description, before and after Lift.
const (
	MaxSize  = 256 << 10 // bytes of the text
	MaxLines = 8192
	MaxLine  = 16 << 10 // bytes of one line; sctp-init and H.264 parameter sets are the longest seen
	MaxMedia = 128      // m-lines
)

// attr is an a= line; flags have no value.
type attr struct{ key, value string }

func (a attr) String() string {
	if a.value == "" {
		return a.key
	}
	return a.key + ":" + a.value
}

// body is what a description has at session level and again in each section.
type body struct {
	conn  string   // c=
	bands []string // b=
	attrs []attr
}

// section is an m-line with what belongs to it.
type section struct {
	kind    string
	port    int
	proto   string
	formats []string
	body
}

// description is a parsed session description.
type description struct {
	origin, name string
	body
	media []*section
}

// parse reads a description. It takes any line end, blanks around lines, and
// lines in any order within their level. Lines without a use for WebRTC (i, u, e,
// p, r, z, k) are left out.
func parse(text string) (*description, error) {
	if len(text) > MaxSize {
		return nil, bridge.Errorf(bridge.BadRequest, "the session description is larger than %d KiB", MaxSize>>10)
	}
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) > MaxLines {
		return nil, bridge.Errorf(bridge.BadRequest, "the session description has more than %d lines", MaxLines)
	}
	d := &description{}
	for i, line := range lines {
		line = strings.Trim(line, " \t\ufeff")
		if line == "" {
			continue
		}
		if err := d.read(line, i+1); err != nil {
			return nil, err
		}
	}
	if d.origin == "" && len(d.media) == 0 {
		return nil, bridge.Errorf(bridge.BadRequest, "the session description is empty")
	}
	return d, nil
}

func (d *description) read(line string, n int) error {
	switch {
	case len(line) > MaxLine:
		return bridge.Errorf(bridge.BadRequest, "line %d of the session description is longer than %d KiB", n, MaxLine>>10)
	case len(line) < 2 || line[1] != '=' || !utf8.ValidString(line) || strings.ContainsFunc(line, control):
		return bridge.Errorf(bridge.BadRequest, "line %d of the session description cannot be read", n)
	}
	value := strings.TrimLeft(line[2:], " \t")
	at := &d.body
	if len(d.media) > 0 {
		at = &d.media[len(d.media)-1].body
	}
	switch line[0] {
	case 'v':
		if value != "0" {
			return bridge.Errorf(bridge.BadRequest, "the session description has an unknown version")
		}
	case 'o':
		d.origin = value
	case 's':
		d.name = value
	case 'c':
		at.conn = value
	case 'b':
		at.bands = append(at.bands, value)
	case 'a':
		key, value, _ := strings.Cut(value, ":")
		at.attrs = append(at.attrs, attr{strings.TrimSpace(key), strings.TrimSpace(value)})
	case 'm':
		return d.addMedia(value, n)
	}
	return nil
}

func (d *description) addMedia(value string, n int) error {
	f := strings.Fields(value)
	if len(d.media) == MaxMedia {
		return bridge.Errorf(bridge.BadRequest, "the session description has more than %d m-lines", MaxMedia)
	}
	if len(f) < 3 {
		return bridge.Errorf(bridge.BadRequest, "line %d of the session description is not a media line", n)
	}
	number, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return bridge.Errorf(bridge.BadRequest, "line %d of the session description has no port", n)
	}
	d.media = append(d.media, &section{kind: f[0], port: int(port), proto: f[2], formats: f[3:]})
	return nil
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// String writes the description in the order of RFC 8866, 5, with CRLF.
func (d *description) String() string {
	var b strings.Builder
	line := func(key byte, value string) {
		if value != "" {
			b.WriteByte(key)
			b.WriteByte('=')
			b.WriteString(value)
			b.WriteString("\r\n")
		}
	}
	rest := func(at body, time string) {
		line('c', at.conn)
		for _, v := range at.bands {
			line('b', v)
		}
		line('t', time)
		for _, a := range at.attrs {
			line('a', a.String())
		}
	}
	line('v', "0")
	line('o', d.origin)
	line('s', d.name)
	rest(d.body, "0 0")
	for _, m := range d.media {
		line('m', m.line())
		rest(m.body, "")
	}
	return b.String()
}

func (s *section) line() string {
	return strings.Join(append([]string{s.kind, strconv.Itoa(s.port), s.proto}, s.formats...), " ")
}

// get returns the first value of an attribute.
func (b *body) get(key string) (string, bool) {
	i := slices.IndexFunc(b.attrs, func(a attr) bool { return a.key == key })
	if i < 0 {
		return "", false
	}
	return b.attrs[i].value, true
}

// all returns every value of an attribute.
func (b *body) all(key string) []string {
	var all []string
	for _, a := range b.attrs {
		if a.key == key {
			all = append(all, a.value)
		}
	}
	return all
}

// set leaves one attribute of that name, where the first one stood or at the end.
func (b *body) set(key, value string) {
	i := slices.IndexFunc(b.attrs, func(a attr) bool { return a.key == key })
	if i < 0 {
		b.add(key, value)
		return
	}
	b.attrs[i].value = value
	b.attrs = append(b.attrs[:i+1], slices.DeleteFunc(b.attrs[i+1:], func(a attr) bool { return a.key == key })...)
}

func (b *body) add(key, value string) { b.attrs = append(b.attrs, attr{key, value}) }

func (b *body) remove(keys ...string) {
	b.attrs = slices.DeleteFunc(b.attrs, func(a attr) bool { return slices.Contains(keys, a.key) })
}

// turn gives the m-line one direction.
func (s *section) turn(d Direction) {
	i := slices.IndexFunc(s.attrs, isDirection)
	if i < 0 {
		s.add(string(d), "")
		return
	}
	s.attrs[i] = attr{key: string(d)}
	s.attrs = append(s.attrs[:i+1], slices.DeleteFunc(s.attrs[i+1:], isDirection)...)
}

func (s *section) mid() string {
	mid, _ := s.get("mid")
	return mid
}

// unwrap takes off what a transport put around a description: JavaScript's
// escape (ahoy.md 7.1), and line ends that arrived as backslash sequences.
func unwrap(raw string) string {
	raw = strings.TrimLeft(raw, " \t\r\n\ufeff")
	if len(raw) >= 4 && strings.EqualFold(raw[:4], "v%3d") {
		raw = unescape(raw)
	}
	if !strings.ContainsAny(raw, "\r\n") && strings.Contains(raw, `\n`) {
		raw = strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(raw)
	}
	return raw
}

// unescape decodes as JavaScript's function of that name does: %XX is the code
// point XX, %uXXXX a UTF-16 unit, everything else is itself, above all the plus
// sign, which is frequent in ICE passwords.
func unescape(s string) string {
	units := make([]uint16, 0, len(s))
	for len(s) > 0 {
		if u, n := unit(s); n > 0 {
			units, s = append(units, u), s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		units, s = utf16.AppendRune(units, r), s[n:]
	}
	return string(utf16.Decode(units))
}

// unit reads an escape sequence; n is 0 where there is none.
func unit(s string) (u uint16, n int) {
	digits, n := "", 0
	switch {
	case len(s) >= 6 && s[0] == '%' && s[1] == 'u':
		digits, n = s[2:6], 6
	case len(s) >= 3 && s[0] == '%':
		digits, n = s[1:3], 3
	default:
		return 0, 0
	}
	v, err := strconv.ParseUint(digits, 16, 16)
	if err != nil {
		return 0, 0
	}
	return uint16(v), n
}

// Plain reports whether text has no percent sign, so that clients which unescape
// what they receive (ahoy.md 7.1) read it as it is. What the engine writes is
// plain as long as the stream ids it is given are.
func Plain(text string) bool { return !strings.Contains(text, "%") }
