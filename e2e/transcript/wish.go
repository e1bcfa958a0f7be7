package transcript

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Wish is what a script asks for where it sends {"$sdp":{…}}: a description of
// one who has no media, good enough for a server to read, or from a Stage one
// of a real peer.
//
// An answer answers the offer that was remembered as Of, or else the last one
// that the connection has heard; each of its m-lines has the counterpart of the
// offered direction, unless Audio, Video or Application say otherwise. An offer
// has the m-lines that are given; Application "yes" offers data channels.
type Wish struct {
	Type                      string // "offer" or "answer"
	Of                        string
	Audio, Video, Application string // sendrecv, sendonly, recvonly, inactive, rejected; application: yes, rejected
	Stream                    string // MediaStream id; default "stream"
	Escaped                   bool   // as JavaScript's escape does
	Candidates                bool   // with one host candidate
	Name                      string // names the peer, where one connection has several
}

// directions maps each direction to what answers it.
var directions = map[string]string{
	"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive", "rejected": "rejected",
}

func wishOf(arg any) (w Wish, err error) {
	b, err := encode(arg)
	if err != nil {
		return w, err
	}
	if err := strict(b, &w); err != nil {
		return w, fmt.Errorf("$sdp: %w", err)
	}
	if w.Type != "offer" && w.Type != "answer" {
		return w, errors.New(`$sdp: type is "offer" or "answer"`)
	}
	for _, d := range []string{w.Audio, w.Video} {
		if _, ok := directions[d]; d != "" && !ok {
			return w, fmt.Errorf("$sdp: no such direction: %q", d)
		}
	}
	if !slices.Contains([]string{"", "yes", "rejected"}, w.Application) {
		return w, errors.New(`$sdp: application is "yes" or "rejected"`)
	}
	return w, nil
}

// wished returns what the wish says about a kind of m-line.
func (w Wish) wished(kind string) string {
	switch kind {
	case "audio":
		return w.Audio
	case "video":
		return w.Video
	case "application":
		return w.Application
	}
	return "rejected"
}

// Transport lines of one who is not there. The fingerprint is of no certificate.
const (
	nobody = "a=ice-ufrag:nobody\r\na=ice-pwd:nobodynobodynobodynobody\r\n" +
		"a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n"
	nowhere = "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
)

// Answer makes an answer to an offer of somebody who is not there.
func (w Wish) Answer(offer string) (string, error) {
	d, err := parse(Unescape(offer))
	if err != nil {
		return "", fmt.Errorf("answer to what is not an offer: %w", err)
	}
	var body strings.Builder
	var bundle []string
	for _, s := range d.sections {
		direction := w.wished(s.kind)
		if direction == "" {
			direction = directions[s.direction()]
		}
		if direction != "rejected" && s.mid() != "" {
			bundle = append(bundle, s.mid())
		}
		w.writeSection(&body, s, direction, "active")
	}
	return w.finish(bundle, body.String()), nil
}

// Offer makes an offer of somebody who is not there.
func (w Wish) Offer() string {
	var body strings.Builder
	var bundle []string
	for _, s := range []section{
		{kind: "audio", port: "9", proto: "UDP/TLS/RTP/SAVPF", formats: []string{"111"}, lines: []string{"a=rtpmap:111 opus/48000/2"}},
		{kind: "video", port: "9", proto: "UDP/TLS/RTP/SAVPF", formats: []string{"96"}, lines: []string{"a=rtpmap:96 VP8/90000"}},
		{kind: "application", port: "9", proto: "UDP/DTLS/SCTP", formats: []string{"webrtc-datachannel"}, lines: []string{"a=sctp-port:5000"}},
	} {
		direction := w.wished(s.kind)
		if direction == "" {
			continue
		}
		mid := fmt.Sprint(len(bundle))
		bundle = append(bundle, mid)
		s.lines = append(s.lines, "a=mid:"+mid)
		w.writeSection(&body, s, direction, "actpass")
	}
	return w.finish(bundle, body.String())
}

func (w Wish) finish(bundle []string, body string) string {
	text := "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	if len(bundle) > 0 {
		text += "a=group:BUNDLE " + strings.Join(bundle, " ") + "\r\n"
	}
	text += body
	if w.Escaped {
		return Escape(text)
	}
	return text
}

// writeSection writes the counterpart of a section, with the first codec that
// there is.
func (w Wish) writeSection(b *strings.Builder, s section, direction, setup string) {
	port := "9"
	if direction == "rejected" {
		port = "0"
	}
	format := s.preferred()
	fmt.Fprintf(b, "m=%s %s %s %s\r\nc=IN IP4 0.0.0.0\r\n", s.kind, port, s.proto, format)
	if mid := s.mid(); mid != "" {
		fmt.Fprintf(b, "a=mid:%s\r\n", mid)
	}
	if direction == "rejected" {
		return
	}
	b.WriteString(nobody)
	fmt.Fprintf(b, "a=setup:%s\r\n", setup)
	if w.Candidates {
		b.WriteString(nowhere)
	}
	if s.kind == "application" {
		for _, name := range []string{"sctp-port", "sctpmap"} {
			if v := first(attribute(s.lines, name)); v != "" {
				fmt.Fprintf(b, "a=%s:%s\r\n", name, v)
			}
		}
		return
	}
	fmt.Fprintf(b, "a=rtcp-mux\r\na=%s\r\n", direction)
	if _, mapping := s.codec(format); mapping != "" {
		fmt.Fprintf(b, "a=rtpmap:%s %s\r\n", format, mapping)
	}
	if strings.HasPrefix(direction, "send") {
		stream := w.Stream
		if stream == "" {
			stream = "stream"
		}
		fmt.Fprintf(b, "a=msid:%s %s\r\na=ssrc:%d cname:nobody\r\n", stream, s.kind, 1000+len(s.kind))
	}
}

// preferred is Opus or VP8 where it is offered, or else what comes first.
func (s section) preferred() string {
	for _, f := range s.formats {
		if name, _ := s.codec(f); name == "opus" || name == "VP8" {
			return f
		}
	}
	return first(s.formats)
}
