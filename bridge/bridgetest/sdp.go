package bridgetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dragoman/bridge"
)

// candidate is the only way to a fake peer: the port for tests that discard
// (RFC 863).
const candidate = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"

// table is the m-lines of a peer and who uses them.
type table struct {
	lines  []line
	claims []claim
	mark   string // bridge.PeerOptions.Mark
	mids   int
	said   int // how many descriptions
}

// line is one m-line.
type line struct {
	kind, mid   string
	codec       string // "111 opus/48000/2"
	sends, gets bool   // whether the other side allows us to; for offers of ours always
	rejected    bool
}

// claim says that a publication is received, or sent, on a line.
type claim struct {
	pub  bridge.PublicationID
	recv bool
	kind string // empty: whatever mid is
	mid  string // empty: not arranged yet
}

func (t *table) claim(pub bridge.PublicationID, recv bool, kind, mid string) {
	t.claims = append(t.claims, claim{pub, recv, kind, mid})
}

func (t *table) drop(pub bridge.PublicationID) {
	t.claims = slices.DeleteFunc(t.claims, func(c claim) bool { return c.pub == pub })
}

// carried returns what is received, or sent, in the order of the claims.
func (t *table) carried(recv bool) (pubs []bridge.PublicationID) {
	for _, c := range t.claims {
		if c.recv == recv && !slices.Contains(pubs, c.pub) {
			pubs = append(pubs, c.pub)
		}
	}
	return pubs
}

// on returns what is received, or sent, on a line.
func (t *table) on(mid string, recv bool) (bridge.PublicationID, bool) {
	for _, c := range t.claims {
		if c.mid == mid && c.recv == recv {
			return c.pub, true
		}
	}
	return bridge.PublicationID{}, false
}

// arrange gives every claim a line for an offer, a new one where none is free.
func (t *table) arrange() {
	for i := range t.claims {
		c := &t.claims[i]
		if c.mid != "" {
			continue
		}
		for _, l := range t.lines {
			if _, taken := t.on(l.mid, c.recv); !taken && l.kind == c.kind && !l.rejected {
				c.mid = l.mid
				break
			}
		}
		if c.mid == "" {
			c.mid = t.add(c.kind)
		}
	}
}

func (t *table) add(kind string) (mid string) {
	next := func() string { return t.mark + strconv.Itoa(t.mids) }
	for mid = next(); t.has(mid); mid = next() {
		t.mids++
	}
	t.mids++
	codec := map[string]string{"audio": "111 opus/48000/2", "video": "96 VP8/90000"}[kind]
	t.lines = append(t.lines, line{kind: kind, mid: mid, codec: codec, sends: true, gets: true})
	return mid
}

func (t *table) has(mid string) bool {
	return slices.ContainsFunc(t.lines, func(l line) bool { return l.mid == mid })
}

// channels adds the m-line of data channels to an offer.
func (t *table) channels(offer bool) {
	if offer && !slices.ContainsFunc(t.lines, func(l line) bool { return l.kind == "application" }) {
		t.add("application")
	}
}

// fit takes the lines of an offer, and gives the claims that have none the first
// that suits.
func (t *table) fit(offered []line) {
	t.lines = offered
	for _, l := range offered {
		for _, recv := range []bool{true, false} {
			if _, taken := t.on(l.mid, recv); taken || recv && !l.gets || !recv && !l.sends {
				continue
			}
			for i := range t.claims {
				if c := &t.claims[i]; c.mid == "" && c.recv == recv && c.kind == l.kind {
					c.mid = l.mid
					break
				}
			}
		}
	}
}

// describe writes a description (RFC 8866, RFC 9429).
func (t *table) describe(id bridge.PeerID, setup string, candidates bool, stream func(bridge.PublicationID) string) bridge.SDP {
	t.said++
	raw := id.Array()
	origin := uint64(raw[0])<<24 | uint64(raw[1])<<16 | uint64(raw[2])<<8 | uint64(raw[3])
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	var mids []string
	for _, l := range t.lines {
		if !l.rejected {
			mids = append(mids, l.mid)
		}
	}
	say("v=0")
	say("o=- %d %d IN IP4 127.0.0.1", origin, t.said)
	say("s=-")
	say("t=0 0")
	say("a=group:BUNDLE %s", strings.Join(mids, " "))
	say("a=msid-semantic: WMS *")
	for i, l := range t.lines {
		t.section(say, l, stream)
		say("a=mid:%s", l.mid)
		say("a=ice-ufrag:%08x", origin)
		say("a=ice-pwd:%x", raw)
		say("a=fingerprint:sha-256 %s", fingerprint(raw))
		say("a=setup:%s", setup)
		if candidates && i == 0 {
			say("a=%s", candidate)
			say("a=end-of-candidates")
		}
	}
	return bridge.SDP(b.String())
}

// section writes what is special about one m-line.
func (t *table) section(say func(string, ...any), l line, stream func(bridge.PublicationID) string) {
	port := 9
	if l.rejected {
		port = 0
	}
	if l.kind == "application" {
		say("m=application %d UDP/DTLS/SCTP webrtc-datachannel", port)
		say("c=IN IP4 0.0.0.0")
		say("a=sctp-port:5000")
		return
	}
	pt, name, _ := strings.Cut(l.codec, " ")
	say("m=%s %d UDP/TLS/RTP/SAVPF %s", l.kind, port, pt)
	say("c=IN IP4 0.0.0.0")
	say("a=rtcp-mux")
	if name != "" {
		say("a=rtpmap:%s %s", pt, name)
	}
	_, recv := t.on(l.mid, true)
	pub, send := t.on(l.mid, false)
	recv, send = recv && l.gets, send && l.sends
	say("a=%s", map[[2]bool]string{
		{true, true}: "sendrecv", {true, false}: "recvonly", {false, true}: "sendonly", {false, false}: "inactive",
	}[[2]bool{recv, send}])
	if send {
		ssrc := uint32(pub.Array()[0])<<8 | uint32(l.kind[0])
		say("a=msid:%s %s-%s", stream(pub), pub, l.kind)
		say("a=ssrc:%d cname:%s", ssrc, stream(pub))
		say("a=ssrc:%d msid:%s %s-%s", ssrc, stream(pub), pub, l.kind)
	}
}

func fingerprint(raw [16]byte) string {
	parts := make([]string, 32)
	for i := range parts {
		parts[i] = fmt.Sprintf("%02X", raw[i%16])
	}
	return strings.Join(parts, ":")
}

// parse reads the m-lines of a client's description.
func parse(sdp bridge.SDP) (lines []line, err error) {
	codecs := map[string]string{}
	direction := "sendrecv"
	first := true
	for text := range strings.Lines(string(sdp)) {
		text = strings.TrimRight(text, "\r\n")
		if first && text != "v=0" {
			return nil, bridge.Errorf(bridge.BadRequest, "a description begins with v=0, not with %q", text)
		}
		first = false
		key, value, _ := strings.Cut(text, "=")
		name, arg, _ := strings.Cut(value, ":")
		switch {
		case key == "m":
			l, err := parseMedia(value, len(lines))
			if err != nil {
				return nil, err
			}
			l.allow(direction)
			lines = append(lines, l)
		case key != "a":
		case slices.Contains([]string{"sendrecv", "sendonly", "recvonly", "inactive"}, name):
			if len(lines) > 0 {
				lines[len(lines)-1].allow(name)
			} else {
				direction = name
			}
		case name == "mid" && len(lines) > 0:
			lines[len(lines)-1].mid = arg
		case name == "rtpmap" && len(lines) > 0:
			pt, codec, _ := strings.Cut(arg, " ")
			codecs[strconv.Itoa(len(lines)-1)+"/"+pt] = codec
		}
	}
	if len(lines) == 0 {
		return nil, bridge.Errorf(bridge.BadRequest, "the description has no m-line")
	}
	for i := range lines {
		lines[i].choose(func(pt string) string { return codecs[strconv.Itoa(i)+"/"+pt] })
	}
	return lines, nil
}

func parseMedia(value string, index int) (line, error) {
	f := strings.Fields(value)
	if len(f) < 4 || !slices.Contains([]string{"audio", "video", "application"}, f[0]) {
		return line{}, bridge.Errorf(bridge.BadRequest, "that is no m-line: %q", value)
	}
	// Without a mid (old clients) the line is known by its place.
	return line{kind: f[0], mid: strconv.Itoa(index), codec: strings.Join(f[3:], " "), rejected: f[1] == "0"}, nil
}

// allow notes what the direction of the client lets us do.
func (l *line) allow(direction string) {
	l.gets = direction == "sendrecv" || direction == "sendonly"
	l.sends = direction == "sendrecv" || direction == "recvonly"
}

// choose takes the codec of ours that the client offers, or else its first.
func (l *line) choose(name func(pt string) string) {
	if l.kind == "application" {
		return
	}
	pts := strings.Fields(l.codec)
	best := pts[0]
	for _, pt := range pts {
		if n := strings.ToLower(name(pt)); strings.HasPrefix(n, "opus/") || strings.HasPrefix(n, "vp8/") {
			best = pt
			break
		}
	}
	l.codec = strings.TrimSpace(best + " " + name(best))
}
