package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// static are the payload types that need no a=rtpmap (RFC 3551, 6), with what
// the line would say. Pion knows only three of them without it.
var static = map[string]map[uint8]string{
	"audio": {
		0: "PCMU/8000", 3: "GSM/8000", 4: "G723/8000", 5: "DVI4/8000", 6: "DVI4/16000", 7: "LPC/8000",
		8: "PCMA/8000", 9: "G722/8000", 10: "L16/44100/2", 11: "L16/44100", 12: "QCELP/8000", 13: "CN/8000",
		14: "MPA/90000", 15: "G728/8000", 16: "DVI4/11025", 17: "DVI4/22050", 18: "G729/8000",
	},
	"video": {
		25: "CelB/90000", 26: "JPEG/90000", 28: "nv/90000", 31: "H261/90000", 32: "MPV/90000", 33: "MP2T/90000",
		34: "H263/90000",
	},
}

// nothing is what the payload types of a rejected m-line may be.
var nothing = []string{"0"}

// codecs leaves in an m-line the payload types that are described, and of their
// attributes those whose payload type is left. Clients that edit their own
// description leave numbers without a meaning behind (spreed.md 12.1), which
// Pion refuses.
func (l *lifting) codecs(s *section) {
	if !s.rtp() || s.rejected() && slices.Equal(s.formats, nothing) {
		return
	}
	left, known := rtpmaps(s)
	for changed := true; changed; {
		changed = false
		for pt, base := range repairs(s, left) {
			if _, ok := left[base]; !ok || base == pt {
				delete(left, pt)
				changed = true
			}
		}
	}
	formats := []string{}
	for _, f := range s.formats {
		pt, _, ok := payload(f)
		if _, described := left[pt]; !ok || !described {
			l.drop(s, "payload type "+f)
			continue
		}
		if f = strconv.Itoa(int(pt)); !slices.Contains(formats, f) {
			formats = append(formats, f)
		}
	}
	s.attrs = slices.DeleteFunc(s.attrs, func(a attr) bool { return stray(a, left) })
	for _, f := range formats {
		if pt, _, _ := payload(f); !known[pt] {
			s.add("rtpmap", f+" "+left[pt])
		}
	}
	if len(formats) == 0 {
		formats, s.port = slices.Clone(nothing), 0
		s.remove("bundle-only")
	}
	s.formats = formats
}

// rtpmaps returns what each payload type of the m-line is, and which of them
// have an a=rtpmap of their own. Unreadable and repeated lines are taken out,
// good ones are written in one way.
func rtpmaps(s *section) (what map[uint8]string, known map[uint8]bool) {
	what, known = map[uint8]string{}, map[uint8]bool{}
	listed := map[uint8]bool{}
	for _, f := range s.formats {
		if pt, _, ok := payload(f); ok {
			listed[pt] = true
			if text, ok := static[s.kind][pt]; ok {
				what[pt] = text
			}
		}
	}
	s.attrs = slices.DeleteFunc(s.attrs, func(a attr) bool {
		if a.key != "rtpmap" {
			return false
		}
		pt, text, ok := payload(a.value)
		if !ok || !listed[pt] || known[pt] || !mapping(text) {
			return true
		}
		what[pt], known[pt] = text, true
		return false
	})
	for i, a := range s.attrs {
		if a.key == "rtpmap" {
			pt, text, _ := payload(a.value)
			s.attrs[i].value = strconv.Itoa(int(pt)) + " " + text
		}
	}
	return what, known
}

// mapping reports whether text is "name/rate" or "name/rate/channels".
func mapping(text string) bool {
	f := strings.Split(text, "/")
	if len(f) < 2 || len(f) > 3 || f[0] == "" || strings.ContainsAny(text, " \t") {
		return false
	}
	for _, number := range f[1:] {
		if n, err := strconv.ParseUint(number, 10, 32); err != nil || n == 0 {
			return false
		}
	}
	return true
}

// repairs returns which payload types of left repair which others (RFC 4588). A
// retransmission type that does not say what it repairs, repairs itself.
func repairs(s *section, left map[uint8]string) map[uint8]uint8 {
	all := map[uint8]uint8{}
	for pt, text := range left {
		if name, _, _ := strings.Cut(text, "/"); strings.EqualFold(name, "rtx") {
			all[pt] = pt
		}
	}
	seen := map[uint8]bool{}
	for _, v := range s.all("fmtp") {
		pt, params, ok := payload(v)
		if _, there := left[pt]; !ok || !there || seen[pt] {
			continue
		}
		if base, ok := apt(params); ok {
			all[pt], seen[pt] = base, true
		}
	}
	return all
}

// apt returns the associated payload type of format parameters.
func apt(params string) (uint8, bool) {
	for p := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(key, "apt") {
			pt, _, ok := payload(value)
			if !ok {
				return 255, true // points nowhere
			}
			return pt, true
		}
	}
	return 0, false
}

// stray reports whether a line describes a payload type that is not left.
func stray(a attr, left map[uint8]string) bool {
	switch a.key {
	case "rtcp-fb":
		if strings.HasPrefix(a.value, "* ") {
			return false
		}
		fallthrough
	case "fmtp", "rtpmap":
		pt, rest, ok := payload(a.value)
		_, there := left[pt]
		return !ok || !there || rest == ""
	}
	return false
}
