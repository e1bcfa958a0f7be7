package media

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// What goes on the wire differs from what Pion thinks that it has said: Pion's
// transceivers know neither what is claimed, nor how to limit bitrates, nor
// addresses with mapped ports. Its own local description stays as it made it; the
// text is edited.

// wireLine is how an m-line is described.
type wireLine struct {
	mid        string
	recv, send bool
	ssrc       uint32   // of what is sent
	repair     uint32   // of its retransmissions; 0: there are none
	rids       []string // layers that an offer asks for, lowest first
}

// simulcastRIDs are the layers that our offers ask for, lowest first: clients
// that split their picture in n layers halve it from each to the one before it
// (W3C WebRTC, 5.2, scaleResolutionDownBy).
var simulcastRIDs = []string{"q", "h", "f"}

// wire edits a description of Pion's.
func (p *peer) wire(text string, lines []wireLine) (string, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return "", fmt.Errorf("read own description: %w", err)
	}
	next := 0
	for i, m := range d.MediaDescriptions {
		for j := range m.Attributes {
			if a := &m.Attributes[j]; a.Key == "setup" && a.Value == "passive" && p.active {
				a.Value = "active"
			}
		}
		if m.MediaName.Media != "audio" && m.MediaName.Media != "video" {
			p.candidatesOf(m)
			continue
		}
		if next == len(lines) {
			return "", fmt.Errorf("own description has an m-line %d that nobody knows", i)
		}
		lines[next].edit(m)
		p.candidatesOf(m)
		next++
	}
	out, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("write own description: %w", err)
	}
	return string(out), nil
}

// candidatesOf leaves of an m-line's candidates those that clients are told.
func (p *peer) candidatesOf(m *sdp.MediaDescription) {
	var all []sdp.Attribute
	seen := map[string]bool{}
	for _, a := range m.Attributes {
		if a.Key != "candidate" {
			all = append(all, a)
			continue
		}
		if p.cfg.Trickle {
			continue
		}
		for _, c := range advertised(a.Value, p.e.advertise) {
			if !seen[c] {
				seen[c] = true
				all = append(all, sdp.Attribute{Key: "candidate", Value: c})
			}
		}
	}
	m.Attributes = slices.DeleteFunc(all, func(a sdp.Attribute) bool { return p.cfg.Trickle && a.Key == "end-of-candidates" })
}

// edit makes an m-line say what is meant.
func (l wireLine) edit(m *sdp.MediaDescription) {
	sort(m)
	repeatSound(m)
	own, repair, numbers := strconv.FormatUint(uint64(l.ssrc), 10), strconv.FormatUint(uint64(l.repair), 10), l.numbers(m)
	m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
		switch a.Key {
		case "sendrecv", "sendonly", "recvonly", "inactive", "mid":
			return true
		case "ssrc-group":
			return !l.send || l.repair == 0 || a.Value != "FID "+own+" "+repair
		case "msid":
			return !l.send
		case "ssrc":
			ssrc, _, _ := strings.Cut(a.Value, " ")
			return !l.send || ssrc != own && ssrc != repair
		case "rtcp-fb", "extmap":
			return !l.recv && !numbers && (strings.HasSuffix(a.Value, " transport-cc") || strings.HasSuffix(a.Value, " "+uriTransport))
		}
		return false
	})
	m.Attributes = append(m.Attributes,
		sdp.Attribute{Key: "mid", Value: l.mid}, sdp.Attribute{Key: direction(l.recv, l.send)})
	if len(l.rids) == 0 {
		return
	}
	for _, rid := range l.rids {
		m.Attributes = append(m.Attributes, sdp.Attribute{Key: "rid", Value: rid + " recv"})
	}
	m.Attributes = append(m.Attributes, sdp.Attribute{Key: "simulcast", Value: "recv " + strings.Join(l.rids, ";")})
}

// repeatSound asks for sound to be repeated. Browsers never offer that; Chromium repeats
// what it sends, and asks for what it gets, if the other side's description says so,
// whether that is an offer or an answer. Others make nothing of it.
func repeatSound(m *sdp.MediaDescription) {
	for _, a := range m.Attributes {
		pt, codec, _ := strings.Cut(a.Value, " ")
		ask := sdp.Attribute{Key: "rtcp-fb", Value: pt + " nack"}
		if a.Key == "rtpmap" && strings.HasPrefix(strings.ToLower(codec), "opus/") && !slices.Contains(m.Attributes, ask) {
			m.Attributes = append(m.Attributes, ask)
			return
		}
	}
}

// numbers reports whether we may number the packets of a line for the whole transport:
// of pictures only, and of those that are repeated in a stream of their own.
func (l wireLine) numbers(m *sdp.MediaDescription) bool {
	return m.MediaName.Media == "video" && l.repair != 0
}

func direction(recv, send bool) string {
	switch {
	case recv && send:
		return "sendrecv"
	case recv:
		return "recvonly"
	case send:
		return "sendonly"
	}
	return "inactive"
}

// sort puts the codecs that we like best first: who receives an answer sends the
// first one.
func sort(m *sdp.MediaDescription) {
	order := map[string]int{} // by payload type
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		pt, codec, _ := strings.Cut(a.Value, " ")
		name, _, _ := strings.Cut(codec, "/")
		i := slices.IndexFunc(formats[:], func(f format) bool { return strings.EqualFold(f.name, name) })
		if i < 0 {
			i = len(formats)
		}
		order[pt] = i
	}
	slices.SortStableFunc(m.MediaName.Formats, func(a, b string) int { return order[a] - order[b] })
}
