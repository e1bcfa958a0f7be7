package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// Direction is who sends on an m-line, as the description's author sees it
// (RFC 8866, 6.7).
type Direction string

// The directions.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Sends reports whether the author of the description may send.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the author of the description is ready to receive.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// Codec is one payload type of an m-line.
type Codec struct {
	Type     uint8  // the payload type
	Name     string // as written: "opus", "VP8"
	Rate     int    // Hz
	Channels int    // 1 where not told
	Params   string // of a=fmtp
	Feedback []string
}

// RID is a simulcast stream (RFC 8851, RFC 8853).
type RID struct {
	ID      string
	Send    bool // the author sends it
	Initial bool // it is not announced as paused
}

// Media is one m-line by meaning.
type Media struct {
	Kind       string // "audio", "video", "application" or what else was written
	MID        string // may be empty in old texts
	Proto      string
	Port       int
	Rejected   bool // port 0 without a=bundle-only: there is nothing here
	Direction  Direction
	Codecs     []Codec
	RIDs       []RID    // in the order of a=simulcast where there is one
	Streams    []string // MediaStream ids (RFC 8830), of a=msid or of old ssrc lines; without "-"
	SSRCs      []uint32 // as they appear
	Candidates []string // "candidate:…"
	Setup      string   // actpass, active, passive, holdconn or empty
	Ufrag      string
	Bitrate    int               // bit/s by b=TIAS or b=AS; 0: not told
	Extensions map[string]uint16 // header extension ids by URI (RFC 8285)
	SCTPPort   int               // of a data channel section
}

// Codec returns the codec of that name, in any case.
func (m Media) Codec(name string) (Codec, bool) {
	for _, c := range m.Codecs {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Codec{}, false
}

// Summary is a description by meaning.
type Summary struct {
	Bundle []string // the mids of the first BUNDLE group
	Lite   bool     // ICE-lite
	Media  []Media
}

// Type returns "answer" when an m-line has chosen its DTLS role, and "offer"
// otherwise.
func (s Summary) Type() string {
	for _, m := range s.Media {
		if m.Setup == "active" || m.Setup == "passive" {
			return "answer"
		}
	}
	return "offer"
}

// ByMID returns the m-line with that mid.
func (s Summary) ByMID(mid string) (Media, bool) {
	i := slices.IndexFunc(s.Media, func(m Media) bool { return m.MID == mid })
	if i < 0 {
		return Media{}, false
	}
	return s.Media[i], true
}

// Of returns the m-lines of a kind that are not rejected, in their order.
func (s Summary) Of(kind string) []Media {
	var all []Media
	for _, m := range s.Media {
		if m.Kind == kind && !m.Rejected {
			all = append(all, m)
		}
	}
	return all
}

// Describe reads a description by meaning: old or new, ours or a client's. It is
// bridge.BadRequest when the text is none.
func Describe(text string) (Summary, error) {
	d, err := parse(unwrap(text))
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Bundle: d.bundle()}
	_, s.Lite = d.get("ice-lite")
	for _, m := range d.media {
		s.Media = append(s.Media, m.describe(d))
	}
	return s, nil
}

// bundle returns the mids of the first BUNDLE group.
func (d *description) bundle() []string {
	for _, g := range d.all("group") {
		if f := strings.Fields(g); len(f) > 0 && f[0] == "BUNDLE" {
			return f[1:]
		}
	}
	return nil
}

func (s *section) rejected() bool {
	_, only := s.get("bundle-only")
	return s.port == 0 && !only
}

// direction returns the section's direction, else that of the session, else
// sendrecv.
func (s *section) direction(session body) Direction {
	for _, at := range []body{s.body, session} {
		if i := slices.IndexFunc(at.attrs, isDirection); i >= 0 {
			return Direction(at.attrs[i].key)
		}
	}
	return SendRecv
}

func isDirection(a attr) bool {
	switch Direction(a.key) {
	case SendRecv, SendOnly, RecvOnly, Inactive:
		return true
	}
	return false
}

func (s *section) describe(d *description) Media {
	m := Media{
		Kind: s.kind, MID: s.mid(), Proto: s.proto, Port: s.port, Rejected: s.rejected(),
		Direction: s.direction(d.body), Codecs: s.codecs(), RIDs: s.rids(), Streams: s.streams(),
		Bitrate: bitrate(s.bands), SCTPPort: s.sctpPort(),
	}
	inherit := func(key string) string {
		v, ok := s.get(key)
		if !ok {
			v, _ = d.get(key)
		}
		return v
	}
	m.Setup, m.Ufrag = inherit("setup"), inherit("ice-ufrag")
	for _, a := range s.attrs {
		switch a.key {
		case "candidate":
			m.Candidates = append(m.Candidates, a.String())
		case "extmap":
			m.extension(a.value)
		case "ssrc":
			if n, ok := ssrc(a.value); ok && !slices.Contains(m.SSRCs, n) {
				m.SSRCs = append(m.SSRCs, n)
			}
		}
	}
	return m
}

func (m *Media) extension(value string) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return
	}
	number, _, _ := strings.Cut(f[0], "/")
	if id, err := strconv.ParseUint(number, 10, 16); err == nil {
		if m.Extensions == nil {
			m.Extensions = map[string]uint16{}
		}
		m.Extensions[f[1]] = uint16(id)
	}
}

// ssrc reads the number at the beginning of an a=ssrc value.
func ssrc(value string) (uint32, bool) {
	number, _, _ := strings.Cut(value, " ")
	n, err := strconv.ParseUint(number, 10, 32)
	return uint32(n), err == nil
}

// payload reads the payload type at the beginning of a value.
func payload(value string) (pt uint8, rest string, ok bool) {
	number, rest, _ := strings.Cut(value, " ")
	n, err := strconv.ParseUint(number, 10, 7)
	return uint8(n), strings.TrimSpace(rest), err == nil
}

func (s *section) codecs() []Codec {
	var all []Codec
	at := map[uint8]int{}
	for _, f := range s.formats {
		pt, _, ok := payload(f)
		if _, twice := at[pt]; !ok || twice || !s.rtp() {
			continue
		}
		at[pt] = len(all)
		c := Codec{Type: pt, Channels: 1}
		if text, ok := static[s.kind][pt]; ok {
			c.name(text)
		}
		all = append(all, c)
	}
	for _, a := range s.attrs {
		if a.key == "rtcp-fb" && strings.HasPrefix(a.value, "* ") {
			for i := range all {
				all[i].Feedback = append(all[i].Feedback, a.value[2:])
			}
			continue
		}
		pt, rest, ok := payload(a.value)
		i, known := at[pt]
		if !ok || !known {
			continue
		}
		switch a.key {
		case "rtpmap":
			all[i].name(rest)
		case "fmtp":
			all[i].Params = rest
		case "rtcp-fb":
			all[i].Feedback = append(all[i].Feedback, rest)
		}
	}
	return all
}

// name reads "opus/48000/2".
func (c *Codec) name(text string) {
	f := strings.Split(text, "/")
	c.Name = f[0]
	if len(f) > 1 {
		c.Rate, _ = strconv.Atoi(f[1])
	}
	if len(f) > 2 {
		c.Channels, _ = strconv.Atoi(f[2])
	}
}

func (s *section) rids() []RID {
	var all []RID
	for _, v := range s.all("rid") {
		if f := strings.Fields(v); len(f) > 1 {
			all = append(all, RID{ID: f[0], Send: f[1] == "send", Initial: true})
		}
	}
	simulcast, _ := s.get("simulcast")
	order := map[string]int{}
	for _, word := range strings.FieldsFunc(simulcast, func(r rune) bool { return r == ' ' || r == ';' || r == ',' || r == '=' }) {
		id := strings.TrimPrefix(word, "~")
		order[id] = len(order) + 1
		for i := range all {
			if all[i].ID == id && id != word {
				all[i].Initial = false
			}
		}
	}
	slices.SortStableFunc(all, func(a, b RID) int { return order[a.ID] - order[b.ID] })
	return all
}

// streams returns the MediaStream ids, of a=msid and of old a=ssrc lines.
func (s *section) streams() []string {
	var all []string
	for _, a := range s.attrs {
		text := a.value
		switch a.key {
		case "msid":
		case "ssrc":
			_, what, _ := strings.Cut(text, " ")
			key, value, _ := strings.Cut(strings.TrimSpace(what), ":")
			if key != "msid" && key != "mslabel" {
				continue
			}
			text = value
		default:
			continue
		}
		id, _, _ := strings.Cut(strings.TrimSpace(text), " ")
		if id != "" && id != "-" && !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

// bitrate returns the limit that b= lines set, in bit/s. TIAS (RFC 3890) is more
// exact than AS, which counts kbit/s.
func bitrate(bands []string) int {
	limit := 0
	for _, b := range bands {
		kind, number, _ := strings.Cut(b, ":")
		n, err := strconv.ParseUint(number, 10, 31)
		switch {
		case err != nil:
		case kind == "TIAS":
			return int(n)
		case kind == "AS" && n < 1<<31/1000:
			limit = int(n) * 1000
		}
	}
	return limit
}

func (s *section) rtp() bool { return s.kind == "audio" || s.kind == "video" }

// sctpPort returns the port of a data channel section in either form (RFC 8841,
// and the drafts before it), or 0.
func (s *section) sctpPort() int {
	if s.kind != "application" || !strings.HasSuffix(s.proto, "DTLS/SCTP") {
		return 0
	}
	text, ok := s.get("sctp-port")
	if !ok && len(s.formats) > 0 {
		text = s.formats[0]
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return defaultSCTP
	}
	return int(n)
}

const defaultSCTP = 5000
