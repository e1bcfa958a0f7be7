package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// maxExtra is how many further streams of a plan B description get m-lines of
// their own.
const maxExtra = 8

// source is one SSRC of an m-line.
type source struct {
	ssrc  string
	track string   // its msid, or label in the oldest texts; empty where only a cname is told
	with  []string // SSRCs of its retransmissions and its error correction
}

// tracks leaves one track in each m-line. In plan B an m-line has all tracks of
// its kind, told apart by the msid of their SSRCs: the first stays, the others
// get m-lines at the end, which the answer does not show. Simulcast by SSRC
// groups, which never had a standard, loses all but its first stream.
func (l *lifting) tracks(s *section) {
	if !s.rtp() {
		return
	}
	sources := sourcesOf(s)
	if len(sources) < 2 || slices.ContainsFunc(s.attrs, func(a attr) bool { return a.key == "rid" }) {
		keep(s, sources)
		l.simulcast(s)
		return
	}
	first := sources[0]
	taken := map[string]bool{first.track: true}
	for _, src := range sources[1:] {
		if taken[src.track] || src.track == "" {
			l.drop(s, "ssrc "+src.ssrc)
			continue
		}
		taken[src.track] = true
		extra := l.extra(s)
		if extra == nil {
			l.drop(s, "track "+src.track)
			continue
		}
		extra.attrs = append(extra.attrs, slices.DeleteFunc(slices.Clone(s.attrs), func(a attr) bool { return !src.has(a) })...)
		l.media = append(l.media, extra)
	}
	keep(s, []source{first})
}

// simulcast makes sure that a simulcast m-line has an msid of two parts: Pion
// finds no layers without.
func (l *lifting) simulcast(s *section) {
	if _, ok := s.get("rid"); !ok {
		return
	}
	msid, _ := s.get("msid")
	switch f := strings.Fields(msid); len(f) {
	case 0:
		s.set("msid", "- "+s.mid())
	case 1:
		s.set("msid", f[0]+" "+s.mid())
	default:
		s.set("msid", f[0]+" "+f[1])
	}
}

// extra makes an m-line for a further track of s, nil when there are enough or
// nothing is sent.
func (l *lifting) extra(s *section) *section {
	if l.offer != nil || len(l.media) == MaxMedia || len(l.form.extra) == maxExtra || s.rejected() || !s.direction(body{}).Sends() {
		return nil
	}
	mid := ""
	for n := 1; mid == "" || slices.ContainsFunc(l.media, func(m *section) bool { return m.mid() == mid }); n++ {
		mid = s.mid() + "-" + strconv.Itoa(n)
	}
	m := &section{kind: s.kind, port: s.port, proto: s.proto, formats: s.formats, body: body{conn: s.conn}}
	m.add("mid", mid)
	m.add(string(SendOnly), "")
	for _, a := range s.attrs {
		switch a.key {
		case "rtpmap", "fmtp", "rtcp-fb", "extmap", "rtcp-mux", "rtcp-rsize", "setup", "fingerprint", "ice-ufrag", "ice-pwd":
			m.attrs = append(m.attrs, a)
		}
	}
	l.form.extra = append(l.form.extra, mid)
	for i, a := range l.attrs {
		if f := strings.Fields(a.value); a.key == "group" && slices.Contains(f, s.mid()) {
			l.attrs[i].value += " " + mid
		}
	}
	return m
}

// sourcesOf returns the SSRCs of an m-line that carry a track, in the order in
// which they are described.
func sourcesOf(s *section) []source {
	repair, other := groupsOf(s)
	var all []source
	at := map[string]int{}
	for _, v := range s.all("ssrc") {
		id, what, _ := strings.Cut(v, " ")
		if _, ok := ssrc(v); !ok || repair[id] != "" || other[id] {
			continue
		}
		if _, ok := at[id]; !ok {
			at[id] = len(all)
			all = append(all, source{ssrc: id})
		}
		src := &all[at[id]]
		key, track, _ := strings.Cut(strings.TrimSpace(what), ":")
		if key == "msid" || key == "label" && src.track == "" {
			src.track = track
		}
	}
	for id, base := range repair {
		if i, ok := at[base]; ok {
			all[i].with = append(all[i].with, id)
		}
	}
	return all
}

// groupsOf returns what each repairing SSRC of an m-line repairs, and which SSRCs
// are further streams of a simulcast group (RFC 5576, 4.2).
func groupsOf(s *section) (repair map[string]string, other map[string]bool) {
	repair, other = map[string]string{}, map[string]bool{}
	for _, v := range s.all("ssrc-group") {
		f := strings.Fields(v)
		switch {
		case len(f) == 3 && (f[0] == "FID" || f[0] == "FEC-FR"):
			repair[f[2]] = f[1]
		case len(f) > 2:
			for _, id := range f[2:] {
				other[id] = true
			}
		}
	}
	return repair, other
}

// has reports whether a line belongs to the source.
func (src source) has(a attr) bool {
	f := strings.Fields(a.value)
	switch {
	case len(f) == 0:
		return false
	case a.key == "ssrc":
		return f[0] == src.ssrc || slices.Contains(src.with, f[0])
	case a.key == "ssrc-group":
		return len(f) == 3 && f[1] == src.ssrc && slices.Contains(src.with, f[2])
	}
	return false
}

// keep leaves in the m-line the SSRC lines of the sources.
func keep(s *section, sources []source) {
	s.attrs = slices.DeleteFunc(s.attrs, func(a attr) bool {
		return strings.HasPrefix(a.key, "ssrc") && !slices.ContainsFunc(sources, func(src source) bool { return src.has(a) })
	})
}
