package k3k

import (
	"slices"
	"strings"

	"dragoman/bridge"
)

// kinds says which of the two tracks there are, or are asked for.
type kinds struct{ audio, video bool }

func (k kinds) none() bool { return !k.audio && !k.video }

// covers reports whether all of o are there.
func (k kinds) covers(o kinds) bool { return (k.audio || !o.audio) && (k.video || !o.video) }

// kindsOf returns what a publication has.
func kindsOf(p bridge.Publication) kinds {
	return kinds{p.Audio != bridge.Absent, p.Video != bridge.Absent}
}

// section is one m-line of a description with the lines below it.
type section struct {
	kind     string
	rejected bool
	lines    []string
}

// sections splits a description (RFC 8866). The lines of the session are those of
// the first one, which has no kind.
func sections(s bridge.SDP) []section {
	all := []section{{}}
	for line := range strings.Lines(string(s)) {
		line = strings.TrimRight(line, "\r\n")
		if m, ok := strings.CutPrefix(line, "m="); ok {
			f := strings.Fields(m)
			if len(f) < 2 {
				f = []string{"", "0"}
			}
			all = append(all, section{kind: f[0], rejected: f[1] == "0"})
			continue
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
	}
	return all
}

// received returns what the maker of an answer is going to receive. What somebody
// publishes is known from that, not from its first packets: others subscribe
// before those are there (reference 12.2).
func received(answer bridge.SDP) (k kinds) {
	for _, s := range sections(answer)[1:] {
		gets := !s.rejected && !slices.Contains(s.lines, "a=inactive") && !slices.Contains(s.lines, "a=sendonly")
		k.audio = k.audio || gets && s.kind == "audio"
		k.video = k.video || gets && s.kind == "video"
	}
	return k
}

// simulcast returns the rids that an offer sends, lowest layer first: clients name
// the best one first (reference 12.2).
func simulcast(offer bridge.SDP) (layers []bridge.Layer) {
	for _, s := range sections(offer)[1:] {
		if s.kind != "video" || !slices.ContainsFunc(s.lines, func(l string) bool { return strings.HasPrefix(l, "a=simulcast:") }) {
			continue
		}
		for _, l := range s.lines {
			if rid, ok := strings.CutPrefix(l, "a=rid:"); ok {
				if name, direction, _ := strings.Cut(rid, " "); strings.HasPrefix(direction, "send") {
					layers = append(layers, bridge.Layer{RID: name})
				}
			}
		}
		break
	}
	slices.Reverse(layers)
	return layers
}

// fingerprint returns by what the maker of a description is known: another one is
// another connection (RFC 8842).
func fingerprint(s bridge.SDP) string {
	for _, section := range sections(s) {
		for _, l := range section.lines {
			if f, ok := strings.CutPrefix(l, "a=fingerprint:"); ok {
				return strings.ToLower(f)
			}
		}
	}
	return ""
}

// layer returns the wish for a substream: 2 is the best, 0 the lowest (reference
// 12.4). Streams of other dialects may have fewer layers, or other names for them.
func layer(p bridge.Publication, substream int) bridge.LayerWish {
	n := len(p.Layers)
	if n == 0 || substream >= bestSubstream {
		return bridge.LayerWish{}
	}
	return bridge.LayerWish{RID: p.Layers[substream*(n-1)/bestSubstream].RID}
}

// bestSubstream is the number of the best layer.
const bestSubstream = 2

// firstMid returns the name of the first m-line that has one (RFC 9143); empty: none has.
func firstMid(d bridge.SDP) string {
	for _, s := range sections(d)[1:] {
		for _, line := range s.lines {
			if mid, ok := strings.CutPrefix(line, "a=mid:"); ok {
				return mid
			}
		}
	}
	return ""
}
