package ahoy

import (
	"strings"

	"dragoman/bridge"
	"dragoman/dialects/ahoy/percent"
)

// plainSDP returns the description that a client sent, plain or escaped as
// JavaScript's escape does (7.1).
func plainSDP(s string) bridge.SDP {
	const escaped = "v%3D"
	if len(s) >= len(escaped) && strings.EqualFold(s[:len(escaped)], escaped) {
		s = percent.Unescape(s)
	}
	return bridge.SDP(s)
}

// kinds is what a description is about, or what is asked for.
type kinds struct{ audio, video bool }

func (k kinds) none() bool { return !k.audio && !k.video }

func (k kinds) and(o kinds) kinds { return kinds{k.audio && o.audio, k.video && o.video} }

// names returns the kinds as bridge.Peer.Receive names them.
func (k kinds) names() (all []string) {
	if k.audio {
		all = append(all, "audio")
	}
	if k.video {
		all = append(all, "video")
	}
	return all
}

// sends returns what the maker of a description is going to send: per m-line,
// port 0, inactive and recvonly mean that it sends nothing there (7.6).
func sends(s bridge.SDP) (k kinds) {
	session, on := true, true // of the whole session; of the m-line
	media := false            // the session's own lines are over
	var kind *bool            // that the m-line is of; nil: of none, or rejected
	done := func() {
		if kind != nil && on {
			*kind = true
		}
	}
	for line := range strings.Lines(string(s)) {
		line = strings.TrimRight(line, "\r\n")
		if m, ok := strings.CutPrefix(line, "m="); ok {
			done()
			kind, on, media = k.of(m), session, true
			if f := strings.Fields(m); len(f) < 2 || f[1] == "0" {
				kind = nil
			}
			continue
		}
		sending, known := directions[line]
		switch {
		case !known:
		case media:
			on = sending
		default:
			session = sending
		}
	}
	done()
	return k
}

// directions says which a= lines mean that their maker sends.
var directions = map[string]bool{"a=sendrecv": true, "a=sendonly": true, "a=recvonly": false, "a=inactive": false}

// of returns the field for the kind that an m-line begins with; nil: of no kind.
func (k *kinds) of(line string) *bool {
	switch {
	case strings.HasPrefix(line, "audio "):
		return &k.audio
	case strings.HasPrefix(line, "video "):
		return &k.video
	}
	return nil
}
