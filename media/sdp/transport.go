package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dragoman/bridge"
)

// bundle puts everything that can be reached into one group. An m-line outside
// of it has a transport of its own, which an engine that bundles cannot serve: it
// is closed, rather than left to fail and take the call with it.
func (l *lifting) bundle() error {
	group := l.description.bundle()
	live := []string{}
	for _, m := range l.media {
		if !m.rejected() {
			live = append(live, m.mid())
		}
	}
	group = slices.DeleteFunc(slices.Clone(group), func(mid string) bool { return !slices.Contains(live, mid) })
	if len(group) == 0 {
		group = live[:min(1, len(live))]
	}
	seen := map[string]bool{}
	group = slices.DeleteFunc(slices.Clone(group), func(mid string) bool {
		defer func() { seen[mid] = true }()
		return seen[mid]
	})
	for _, m := range l.media {
		if slices.Contains(group, m.mid()) {
			continue
		}
		if !m.rejected() {
			l.drop(m, "the transport")
		}
		m.port = 0
		m.remove("bundle-only")
		if m.rtp() {
			m.turn(Inactive)
		}
	}
	l.remove("group")
	if len(group) > 0 {
		l.attrs = slices.Insert(l.attrs, 0, attr{"group", "BUNDLE " + strings.Join(group, " ")})
	}
	l.disguise()
	return nil
}

// disguise gives rejected m-lines the codecs of a live one of their kind. They
// mean nothing there, but Pion takes the payload types of a kind from the first
// m-line it sees.
func (l *lifting) disguise() {
	for _, m := range l.media {
		live := slices.IndexFunc(l.media, func(o *section) bool { return o.kind == m.kind && !o.rejected() })
		if !m.rtp() || !m.rejected() || live < 0 {
			continue
		}
		m.formats = l.media[live].formats
		m.remove("rtpmap", "fmtp", "rtcp-fb")
		for _, a := range l.media[live].attrs {
			switch a.key {
			case "rtpmap", "fmtp", "rtcp-fb":
				m.attrs = append(m.attrs, a)
			}
		}
	}
}

// candidates leaves out what Pion could not use: broken lines, the component of
// RTCP, which is multiplexed, and TCP from before RFC 6544.
func (l *lifting) candidates(s *section) {
	s.attrs = slices.DeleteFunc(s.attrs, func(a attr) bool { return a.key == "candidate" && !usable(a.value) })
}

// usable reports whether a candidate is one that can be tried.
func usable(text string) bool {
	f := strings.Fields(text)
	if len(f) < 8 || len(f[0]) > 32 || f[1] != "1" || f[6] != "typ" {
		return false
	}
	_, err := strconv.ParseUint(f[3], 10, 32)
	_, err2 := strconv.ParseUint(f[5], 10, 16)
	address, _, _ := strings.Cut(f[4], "%")
	_, err3 := netip.ParseAddr(address)
	if err != nil || err2 != nil || err3 != nil && !strings.HasSuffix(address, ".local") {
		return false
	}
	known := slices.Contains([]string{"host", "srflx", "prflx", "relay"}, f[7])
	tcp := strings.EqualFold(f[2], "tcp") && slices.Contains(f[8:], "tcptype")
	return known && (tcp || strings.EqualFold(f[2], "udp"))
}

// Candidate reads a candidate as clients trickle it: with or without "a=" and
// "candidate:", with line ends. ok is false when it cannot be used; an empty
// text is the end of candidates and is ok.
func Candidate(text string) (candidate string, ok bool) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "a=")
	text = strings.TrimPrefix(text, "candidate:")
	if text == "" || text == "end-of-candidates" {
		return "", true
	}
	if len(text) > MaxLine || strings.ContainsFunc(text, control) || !usable(text) {
		return "", false
	}
	return "candidate:" + text, true
}

// transport makes sure that the first bundled m-line has the ICE credentials,
// the candidates and the fingerprint, the strongest first.
func (l *lifting) transport() error {
	for _, m := range l.media {
		fingerprints(m)
	}
	group := l.description.bundle()
	if len(group) == 0 {
		return nil // everything is rejected
	}
	bundled := []*section{}
	for _, mid := range group {
		i := slices.IndexFunc(l.media, func(m *section) bool { return m.mid() == mid })
		bundled = append(bundled, l.media[i])
	}
	head := bundled[0]
	for _, keys := range [][]string{{"ice-ufrag", "ice-pwd"}, {"fingerprint"}, {"candidate"}} {
		lend(head, bundled, keys)
	}
	ufrag, _ := head.get("ice-ufrag")
	pwd, _ := head.get("ice-pwd")
	if ufrag == "" || pwd == "" {
		return bridge.Errorf(bridge.BadRequest, "the session description has no ICE credentials")
	}
	if _, ok := head.get("fingerprint"); !ok {
		return bridge.Errorf(bridge.BadRequest, "the session description has no DTLS fingerprint")
	}
	return nil
}

// lend gives head the attributes of the first other m-line on the same
// transport that has them.
func lend(head *section, bundled []*section, keys []string) {
	if _, ok := head.get(keys[0]); ok {
		return
	}
	ours, _ := head.get("ice-ufrag")
	for _, m := range bundled[1:] {
		theirs, _ := m.get("ice-ufrag")
		if _, ok := m.get(keys[0]); !ok || ours != "" && theirs != "" && ours != theirs {
			continue
		}
		for _, key := range keys {
			for _, v := range m.all(key) {
				head.add(key, v)
			}
		}
		return
	}
}

// strength orders the hash functions of fingerprints (RFC 8122, 5).
var strength = []string{"sha-512", "sha-384", "sha-256", "sha-224", "sha-1"}

// fingerprints leaves the readable ones, the strongest first: Pion takes the
// first it finds.
func fingerprints(s *section) {
	var all []string
	for _, v := range s.all("fingerprint") {
		f := strings.Fields(v)
		if len(f) == 2 && slices.Contains(strength, strings.ToLower(f[0])) {
			all = append(all, strings.ToLower(f[0])+" "+f[1])
		}
	}
	slices.SortStableFunc(all, func(a, b string) int {
		a, _, _ = strings.Cut(a, " ")
		b, _, _ = strings.Cut(b, " ")
		return slices.Index(strength, a) - slices.Index(strength, b)
	})
	at := slices.IndexFunc(s.attrs, func(a attr) bool { return a.key == "fingerprint" })
	s.remove("fingerprint")
	for i, v := range all {
		s.attrs = slices.Insert(s.attrs, at+i, attr{"fingerprint", v})
	}
}

// Credentials returns what a description of ours asks with (RFC 8839, 5.4): all its
// lines share a transport, so that the first ones are those of all.
func Credentials(text string) (ufrag, pwd string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok && ufrag == "" {
			ufrag = v
		}
		if v, ok := strings.CutPrefix(line, "a=ice-pwd:"); ok && pwd == "" {
			pwd = v
		}
	}
	return ufrag, pwd
}
