package nkmedia

import (
	"slices"
	"strings"

	"dragoman/bridge"
)

// kinds says which of the two tracks something is about.
type kinds struct{ audio, video bool }

func (k kinds) none() bool { return !k.audio && !k.video }

func (k kinds) and(o kinds) kinds { return kinds{k.audio && o.audio, k.video && o.video} }

// kindsOf returns what a publication has.
func kindsOf(p bridge.Publication) kinds {
	return kinds{p.Audio != bridge.Absent, p.Video != bridge.Absent}
}

// received returns what the maker of an answer is going to receive. What somebody
// publishes is known from that, not from its first packets: it is told before those
// are there (reference 10.3).
func received(answer bridge.SDP) (k kinds) {
	kind, on := "", false
	done := func() {
		k.audio = k.audio || on && kind == "audio"
		k.video = k.video || on && kind == "video"
	}
	for line := range strings.Lines(string(answer)) {
		line = strings.TrimRight(line, "\r\n")
		if m, ok := strings.CutPrefix(line, "m="); ok {
			done()
			f := strings.Fields(m)
			kind, on = "", len(f) > 1 && f[1] != "0"
			if len(f) > 0 {
				kind = f[0]
			}
			continue
		}
		if slices.Contains([]string{"a=inactive", "a=sendonly"}, line) {
			on = false
		}
	}
	done()
	return k
}

// hasCandidates reports whether a description has candidates.
func hasCandidates(sdp string) bool { return strings.Contains(sdp, "a=candidate:") }
