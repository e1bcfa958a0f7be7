package asn

import (
	"slices"
	"strings"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// section is one m-line of a description with the lines below it.
type section struct {
	kind, mid string
	rejected  bool
	direction string
	lines     []string
}

// sends reports whether the maker of the description sends on it.
func (s section) sends() bool {
	return !s.rejected && (s.direction == "sendrecv" || s.direction == "sendonly")
}

// gets reports whether the maker of the description receives on it.
func (s section) gets() bool {
	return !s.rejected && (s.direction == "sendrecv" || s.direction == "recvonly")
}

// sections splits a description (RFC 8866). The lines of the session are left out.
func sections(sdp bridge.SDP) (all []section) {
	direction := "sendrecv"
	for line := range strings.Lines(string(sdp)) {
		line = strings.TrimRight(line, "\r\n")
		if m, ok := strings.CutPrefix(line, "m="); ok {
			f := strings.Fields(m)
			if len(f) < 2 {
				f = []string{"", "0"}
			}
			all = append(all, section{kind: f[0], rejected: f[1] == "0", direction: direction})
			continue
		}
		a, isAttribute := strings.CutPrefix(line, "a=")
		if len(all) == 0 {
			if isAttribute && isDirection(a) {
				direction = a
			}
			continue
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
		if mid, ok := strings.CutPrefix(a, "mid:"); ok && isAttribute {
			last.mid = mid
		} else if isAttribute && isDirection(a) {
			last.direction = a
		}
	}
	return all
}

func isDirection(a string) bool {
	return a == "sendrecv" || a == "sendonly" || a == "recvonly" || a == "inactive"
}

// simulcast returns the rids that a section sends, lowest layer first: clients name
// the best one first.
func (s section) simulcast() (layers []bridge.Layer) {
	if !slices.ContainsFunc(s.lines, func(l string) bool { return strings.HasPrefix(l, "a=simulcast:") }) {
		return nil
	}
	for _, l := range s.lines {
		if rid, ok := strings.CutPrefix(l, "a=rid:"); ok && len(layers) < bridge.MaxLayers {
			if name, direction, _ := strings.Cut(rid, " "); strings.HasPrefix(direction, "send") {
				layers = append(layers, bridge.Layer{RID: name})
			}
		}
	}
	slices.Reverse(layers)
	return layers
}

// carried says which sections of a client's offer carry which media: as it says
// itself, or else by the rule of reference 11.2. Sections that carry nothing, or
// something of another kind, are left out.
func carried(all []section, said []rose.MediaSection) map[string]rose.ConferenceMediaType {
	out := map[string]rose.ConferenceMediaType{}
	if said != nil {
		for _, m := range said {
			i := slices.IndexFunc(all, func(s section) bool { return s.mid == m.SDPMid })
			if i >= 0 && all[i].sends() && fits(all[i].kind, m.MediaType) {
				out[m.SDPMid] = m.MediaType
			}
		}
		return out
	}
	next := map[string][]rose.ConferenceMediaType{"audio": {rose.MediaAudio}, "video": {rose.MediaVideo, rose.MediaScreen}}
	for _, s := range all {
		if rest := next[s.kind]; len(rest) > 0 {
			next[s.kind] = rest[1:]
			if s.sends() {
				out[s.mid] = rest[0]
			}
		}
	}
	return out
}

// fits reports whether a media can be on an m-line of a kind: a screen has a
// picture, and perhaps sound.
func fits(kind string, m rose.ConferenceMediaType) bool {
	switch m {
	case rose.MediaAudio:
		return kind == "audio"
	case rose.MediaVideo:
		return kind == "video"
	case rose.MediaScreen:
		return kind == "audio" || kind == "video"
	}
	return false
}

// mediaStream names the MediaStream of a source towards the engine, so that new
// m-lines of an offer can be told apart. Clients do not see it.
func mediaStream(who bridge.ParticipantID, src bridge.Source) string {
	if src == bridge.Screen {
		return who.String() + screenSuffix
	}
	return who.String()
}

const screenSuffix = "-screen"

// streamOf returns the MediaStream that a section of an offer announces.
func (s section) streamOf() string {
	for _, l := range s.lines {
		if msid, ok := strings.CutPrefix(l, "a=msid:"); ok {
			id, _, _ := strings.Cut(msid, " ")
			return id
		}
	}
	return ""
}

// dress makes an offer what clients expect (reference 11.2): media that are not
// wanted are inactive, and tracks are named after party and media. media says what
// is on which mid.
func dress(sdp bridge.SDP, party string, media map[string]rose.ConferenceMediaType, active func(rose.ConferenceMediaType) bool) bridge.SDP {
	parts := strings.Split(string(sdp), "\r\nm=")
	for i, part := range parts[1:] {
		s := sections(bridge.SDP("m=" + part))[0]
		m, known := media[s.mid]
		if !known {
			continue
		}
		parts[i+1] = dressSection(part, party, m, active(m))
	}
	return bridge.SDP(strings.Join(parts, "\r\nm="))
}

func dressSection(part, party string, m rose.ConferenceMediaType, active bool) string {
	lines := strings.Split(part, "\r\n")
	named := party + " " + party + "-" + string(rune('0'+m))
	out := lines[:0]
	for _, l := range lines {
		a := strings.TrimPrefix(l, "a=")
		switch {
		case isDirection(a) && !active:
			l = "a=inactive"
		case strings.HasPrefix(a, "msid:"):
			if !active {
				continue
			}
			l = "a=msid:" + named
		case strings.HasPrefix(a, "ssrc:") && strings.Contains(a, " msid:"):
			if !active {
				continue
			}
			ssrc, _, _ := strings.Cut(a, " ")
			l = "a=" + ssrc + " msid:" + named
		}
		out = append(out, l)
	}
	return strings.Join(out, "\r\n")
}
