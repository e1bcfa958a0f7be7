package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// form is how a client wrote its description, as far as the answer has to be
// written in the same way.
type form struct {
	bundle bool // it has a BUNDLE group
	media  []shape
	extra  []string // mids of m-lines that the client did not write
}

// shape is how a client wrote one m-line.
type shape struct {
	kind, proto string
	formats     []string
	mid         string // empty: none
	lifted      string // what the m-line is called after Lift
	sctpmap     bool   // a data channel as it was before RFC 8841
	foreign     bool   // nothing that can be answered
}

func formOf(d *description) form {
	f := form{bundle: d.bundle() != nil}
	for _, m := range d.media {
		_, port := m.get("sctp-port")
		f.media = append(f.media, shape{
			kind: m.kind, proto: m.proto, formats: slices.Clone(m.formats), mid: m.mid(),
			sctpmap: strings.HasSuffix(m.proto, "DTLS/SCTP") && !port && !slices.Contains(m.formats, "webrtc-datachannel"),
		})
	}
	return f
}

// Lower writes an answer of ours in the form of the client's offer: its
// protocols, its mids or none, data channels as it knows them, and no m-lines
// that it did not write. Texts that cannot be read are returned as they are. The
// result is never percent-escaped: clients that escape take both.
func (l Lifted) Lower(answer string) string {
	d, err := parse(answer)
	if err != nil {
		return answer
	}
	d.media = d.media[:min(len(d.media), len(l.form.media))] // what Lift added stands at the end
	names := map[string]string{}
	for i, m := range d.media {
		sh := l.form.media[i]
		sh.lower(m)
		names[sh.lifted] = sh.mid
	}
	d.attrs = slices.DeleteFunc(d.attrs, func(a attr) bool { return a.key == "group" && !l.form.bundle })
	for i, a := range d.attrs {
		if a.key == "group" {
			d.attrs[i].value = l.form.group(a.value, names)
		}
	}
	return d.String()
}

// group writes a group with the client's mids.
func (f form) group(value string, names map[string]string) string {
	var words []string
	for _, word := range strings.Fields(value) {
		if slices.Contains(f.extra, word) {
			continue
		}
		if mid := names[word]; mid != "" {
			word = mid
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// lower writes one m-line in the client's form.
func (sh shape) lower(m *section) {
	if sh.foreign {
		*m = section{kind: sh.kind, proto: sh.proto, formats: sh.formats, body: body{conn: anywhere}}
		if len(m.formats) == 0 {
			m.formats = []string{"0"}
		}
	}
	if sh.proto != "" {
		m.proto = sh.proto
	}
	if sh.sctpmap {
		port := strconv.Itoa(m.sctpPort())
		m.formats = []string{port}
		m.remove("sctp-port")
		m.set("sctpmap", port+" webrtc-datachannel 1024")
	}
	if sh.mid == "" {
		m.remove("mid")
	} else {
		m.set("mid", sh.mid)
	}
	if m.rtp() && !slices.ContainsFunc(m.attrs, isDirection) {
		m.add(string(Inactive), "") // Pion says nothing of an m-line without a common codec
	}
}
