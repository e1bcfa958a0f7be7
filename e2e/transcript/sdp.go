package transcript

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// section is one m-line with what stands below it.
type section struct {
	kind, port, proto string
	formats           []string
	lines             []string // without "\r\n"
}

// description is a session description (RFC 8866), as far as it matters here.
type description struct {
	session  []string
	sections []section
}

// parse splits a description into its sections. It judges nothing but the form.
func parse(text string) (description, error) {
	var d description
	if !strings.HasPrefix(text, "v=") {
		return d, errors.New("it does not begin with v=")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if media, ok := strings.CutPrefix(line, "m="); ok {
			f := strings.Fields(media)
			if len(f) < 3 {
				return d, fmt.Errorf("bad m-line %q", line)
			}
			d.sections = append(d.sections, section{kind: f[0], port: f[1], proto: f[2], formats: f[3:]})
			continue
		}
		if n := len(d.sections); n > 0 {
			d.sections[n-1].lines = append(d.sections[n-1].lines, line)
		} else {
			d.session = append(d.session, line)
		}
	}
	return d, nil
}

// attribute returns the values of an a= line, "" for a flag.
func attribute(lines []string, name string) (values []string) {
	for _, l := range lines {
		a, ok := strings.CutPrefix(l, "a=")
		if !ok {
			continue
		}
		if key, value, _ := strings.Cut(a, ":"); key == name {
			values = append(values, value)
		}
	}
	return values
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (s section) mid() string { return first(attribute(s.lines, "mid")) }

// direction returns sendrecv and so on, or rejected.
func (s section) direction() string {
	if s.port == "0" && attribute(s.lines, "bundle-only") == nil {
		return "rejected"
	}
	for _, d := range []string{"sendonly", "recvonly", "inactive"} {
		if attribute(s.lines, d) != nil {
			return d
		}
	}
	return "sendrecv"
}

// codecs returns the names of what is really encoded with, as negotiated, each
// once.
func (s section) codecs() (names []string) {
	for _, f := range s.formats {
		name, _ := s.codec(f)
		switch strings.ToLower(name) {
		case "", "rtx", "red", "ulpfec", "flexfec-03", "telephone-event", "cn":
			continue
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// codec returns name and full mapping of a payload type.
func (s section) codec(format string) (name, mapping string) {
	for _, m := range attribute(s.lines, "rtpmap") {
		if pt, enc, _ := strings.Cut(m, " "); pt == format {
			name, _, _ = strings.Cut(enc, "/")
			return name, enc
		}
	}
	return "", ""
}

// streams returns the MediaStream ids of the section (RFC 8830), each once.
func (s section) streams() (ids []string) {
	add := func(msid string) {
		id, _, _ := strings.Cut(strings.TrimSpace(msid), " ")
		if id != "" && id != "-" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, m := range attribute(s.lines, "msid") {
		add(m)
	}
	for _, m := range attribute(s.lines, "ssrc") {
		if _, msid, ok := strings.Cut(m, " msid:"); ok {
			add(msid)
		}
	}
	return ids
}

func (s section) bandwidth(kind string) (n int) {
	for _, l := range s.lines {
		if v, ok := strings.CutPrefix(l, "b="+kind+":"); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return n
}

// Meaning returns what a session description says, as the object that a $sdp
// pattern is compared with:
//
//	escaped      was it percent-escaped as JavaScript's escape does
//	type         "offer" if any a=setup is actpass, else "answer", or "" without a=setup
//	kinds        the m-lines in order: ["audio","video","application"]
//	audio, video, application
//	             direction of the first m-line of the kind, "rejected" for port 0, "none" without one
//	codecs       names in order of preference, without repair formats: ["opus","VP8"]
//	candidates   how many a=candidate lines
//	bandwidth    b=AS of the video, kbit/s, 0 without; tias: b=TIAS, bit/s
//	stream       the only MediaStream id, "" if there are none or several; streams: how many
//	mids, setup, proto, feedback (of the video), extensions (URIs), bundle, lite, simulcast, fingerprint, channels
func Meaning(text string) (map[string]any, error) {
	plain := Unescape(text)
	d, err := parse(plain)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(d.session)
	for _, s := range d.sections {
		all = append(all, s.lines...)
	}
	setup := attribute(all, "setup")
	m := map[string]any{
		"escaped": plain != text, "type": "", "setup": first(setup),
		"audio": "none", "video": "none", "application": "none",
		"candidates":  number(len(attribute(all, "candidate"))),
		"bundle":      slices.ContainsFunc(attribute(d.session, "group"), isBundle),
		"lite":        attribute(d.session, "ice-lite") != nil,
		"simulcast":   attribute(all, "simulcast") != nil,
		"fingerprint": attribute(all, "fingerprint") != nil,
		"bandwidth":   number(0), "tias": number(0), "proto": "", "channels": false,
	}
	switch {
	case slices.Contains(setup, "actpass"):
		m["type"] = "offer"
	case len(setup) > 0:
		m["type"] = "answer"
	}
	d.addSections(m)
	return m, nil
}

func (d description) addSections(m map[string]any) {
	var kinds, codecs, mids, streams, feedback, extensions []string
	for i, s := range d.sections {
		kinds, mids = append(kinds, s.kind), append(mids, s.mid())
		if i == 0 {
			m["proto"] = s.proto
		}
		if m[s.kind] == "none" {
			m[s.kind] = s.direction()
		}
		m["channels"] = m["channels"] == true || s.kind == "application" && s.port != "0"
		codecs = appendNew(codecs, s.codecs())
		streams = appendNew(streams, s.streams())
		for _, e := range attribute(s.lines, "extmap") {
			if _, uri, ok := strings.Cut(e, " "); ok {
				uri, _, _ = strings.Cut(uri, " ")
				extensions = appendNew(extensions, []string{uri})
			}
		}
		if s.kind == "video" {
			m["bandwidth"], m["tias"] = number(s.bandwidth("AS")), number(s.bandwidth("TIAS"))
			for _, f := range attribute(s.lines, "rtcp-fb") {
				_, what, _ := strings.Cut(f, " ")
				feedback = appendNew(feedback, []string{strings.TrimSpace(what)})
			}
		}
	}
	m["stream"] = ""
	if len(streams) == 1 {
		m["stream"] = streams[0]
	}
	m["streams"] = number(len(streams))
	m["kinds"], m["mids"], m["codecs"] = list(kinds), list(mids), list(codecs)
	m["feedback"], m["extensions"] = list(feedback), list(extensions)
}

func isBundle(group string) bool { return strings.HasPrefix(group, "BUNDLE") }

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

func appendNew(to, from []string) []string {
	for _, s := range from {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}

func list(texts []string) []any {
	l := make([]any, len(texts))
	for i, s := range texts {
		l[i] = s
	}
	return l
}

// Unescape undoes JavaScript's escape, in a text that begins with an escaped
// "v="; another text is returned as it is (ahoy.md 7.1).
func Unescape(text string) string {
	if len(text) < 4 || !strings.EqualFold(text[:4], "v%3D") {
		return text
	}
	var units []uint16
	for i := 0; i < len(text); i++ {
		n := 0
		switch {
		case text[i] != '%':
		case i+6 <= len(text) && text[i+1] == 'u':
			n = 4
		case i+3 <= len(text):
			n = 2
		}
		from := i + 1
		if n == 4 {
			from++
		}
		if v, err := strconv.ParseUint(text[from:from+n], 16, 16); n > 0 && err == nil {
			units = append(units, uint16(v))
			i = from + n - 1
			continue
		}
		units = append(units, uint16(text[i]))
	}
	return string(utf16.Decode(units))
}

// Escape does what JavaScript's escape does.
func Escape(text string) string {
	const kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@*_+-./"
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(text)) {
		switch {
		case u < 128 && strings.IndexByte(kept, byte(u)) >= 0:
			b.WriteByte(byte(u))
		case u < 256:
			fmt.Fprintf(&b, "%%%02X", u)
		default:
			fmt.Fprintf(&b, "%%u%04X", u)
		}
	}
	return b.String()
}
