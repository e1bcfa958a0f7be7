package sdp

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"dragoman/bridge"
)

// Lifted is a client's description in modern form.
type Lifted struct {
	// Text is what Pion takes: unified plan, CRLF, every m-line with a mid, a
	// direction, described codecs, and DTLS-SRTP or SCTP over DTLS. The m-lines of
	// the client keep their places.
	Text string
	// Dropped says what could not be kept, one entry each, for the log.
	Dropped []string
	form    form
}

// Lift turns a client's offer into modern form. It is bridge.BadRequest when
// that cannot be done. An offer whose m-lines are all rejected is lifted, though
// Pion will not take it.
func Lift(raw string) (Lifted, error) { return lift(raw, nil) }

// LiftAnswer turns a client's answer to an offer of ours into modern form. The
// offer, as it was sent, lends the answer what old clients leave out: mids, and
// m-lines that they do not know. All m-lines may be rejected: see
// Media.Rejected. An offer that cannot be read is bridge.Internal.
func LiftAnswer(raw, offer string) (Lifted, error) {
	ours, err := parse(offer)
	if err != nil {
		return Lifted{}, &bridge.Error{Code: bridge.Internal, Err: fmt.Errorf("the offer that was answered: %w", err)}
	}
	return lift(raw, ours)
}

// lifting is one description on its way up.
type lifting struct {
	*description
	offer   *description // that this answers; nil: this is an offer
	form    form
	dropped []string
}

// steps are the repairs, in the order in which they rely on each other.
var steps = []struct {
	session func(*lifting) error
	media   func(*lifting, *section)
}{
	{session: (*lifting).head},
	{session: (*lifting).mids},    // before Firefox 38, and edited texts
	{session: (*lifting).align},   // an answer against its offer
	{media: (*lifting).foreign},   // m-lines of other protocols: old RTP data channels, fax
	{session: (*lifting).inherit}, // from the session to m-lines: Pion prefers the session's, RFC 8839 the m-line's
	{media: (*lifting).codecs},    // payload types that nothing describes (spreed.md 12.1)
	{media: (*lifting).profile},   // RTP/SAVPF, DTLS/SCTP 5000
	{media: (*lifting).leftovers}, // SDES keys, google-ice
	{media: (*lifting).extensions},
	{media: (*lifting).tracks},   // plan B
	{session: (*lifting).bundle}, // clients without BUNDLE get the first m-line only
	{media: (*lifting).candidates},
	{session: (*lifting).transport}, // what Pion reads of the first bundled m-line must stand there
}

func lift(raw string, offer *description) (Lifted, error) {
	if len(raw) > MaxSize {
		return Lifted{}, bridge.Errorf(bridge.BadRequest, "the session description is larger than %d KiB", MaxSize>>10)
	}
	d, err := parse(unwrap(raw))
	if err != nil {
		return Lifted{}, err
	}
	if len(d.media) == 0 {
		return Lifted{}, bridge.Errorf(bridge.BadRequest, "the session description has no media")
	}
	l := &lifting{description: d, offer: offer, form: formOf(d)}
	for _, step := range steps {
		if step.session != nil {
			if err := step.session(l); err != nil {
				return Lifted{}, err
			}
			continue
		}
		for _, s := range slices.Clone(l.media) {
			step.media(l, s)
		}
	}
	text := l.String()
	if len(text) > MaxSize {
		return Lifted{}, bridge.Errorf(bridge.BadRequest, "the session description is larger than %d KiB", MaxSize>>10)
	}
	return Lifted{Text: text, Dropped: l.dropped, form: l.form}, nil
}

// drop notes what is left out, up to a bound.
func (l *lifting) drop(s *section, what string) {
	const most = 32
	if len(l.dropped) < most {
		l.dropped = append(l.dropped, fmt.Sprintf("%.60s of m-line %d (%.20s)", what, slices.Index(l.media, s), s.kind))
	}
}

// head repairs the lines before the first m-line.
func (l *lifting) head() error {
	if !origin(l.origin) {
		l.origin = "- 0 0 IN IP4 127.0.0.1"
	}
	if l.name == "" {
		l.name = "-"
	}
	for _, at := range l.bodies() {
		at.bands = slices.DeleteFunc(at.bands, func(b string) bool { return !band(b) })
	}
	for _, m := range l.media {
		switch {
		case connection(m.conn):
		case connection(l.conn):
			m.conn = l.conn
		default:
			m.conn = anywhere
		}
	}
	l.conn = ""
	return nil
}

const anywhere = "IN IP4 0.0.0.0"

// bodies returns the session's level and those of the m-lines.
func (d *description) bodies() []*body {
	all := []*body{&d.body}
	for _, m := range d.media {
		all = append(all, &m.body)
	}
	return all
}

func origin(text string) bool {
	f := strings.Fields(text)
	if len(f) != 6 {
		return false
	}
	_, err1 := strconv.ParseUint(f[1], 10, 64)
	_, err2 := strconv.ParseUint(f[2], 10, 64)
	return err1 == nil && err2 == nil && connection(strings.Join(f[3:], " "))
}

func connection(text string) bool {
	f := strings.Fields(text)
	return len(f) == 3 && f[0] == "IN" && (f[1] == "IP4" || f[1] == "IP6") && !strings.Contains(f[2], "/")
}

func band(text string) bool {
	kind, number, _ := strings.Cut(text, ":")
	_, err := strconv.ParseUint(number, 10, 64)
	return err == nil && slices.Contains([]string{"CT", "AS", "TIAS", "RS", "RR"}, kind)
}

// align gives an answer the m-lines of its offer: what is missing at the end is
// rejected, and mids that the offer does not have are not the client's to choose.
func (l *lifting) align() error {
	if l.offer == nil {
		return nil
	}
	if len(l.media) > len(l.offer.media) {
		return bridge.Errorf(bridge.BadRequest, "the answer has more media than the offer")
	}
	for i, ours := range l.offer.media {
		if i == len(l.media) {
			l.media = append(l.media, &section{kind: ours.kind, proto: ours.proto, formats: ours.formats, body: body{conn: anywhere}})
			l.form.media = append(l.form.media, shape{})
		}
		if l.media[i].kind != ours.kind {
			return bridge.Errorf(bridge.BadRequest, "the answer has %.20s where the offer has %.20s", l.media[i].kind, ours.kind)
		}
		if ours.mid() != "" {
			l.rename(l.media[i], ours.mid())
		}
	}
	return nil
}

// rename gives an m-line another mid, also in its group.
func (l *lifting) rename(s *section, mid string) {
	old := s.mid()
	s.set("mid", mid)
	for i, a := range l.attrs {
		if old != "" && old != mid && a.key == "group" {
			f := strings.Fields(a.value)
			if at := slices.Index(f, old); at > 0 {
				f[at] = mid
				l.attrs[i].value = strings.Join(f, " ")
			}
		}
	}
}

// inherit writes what stands at session level into the m-lines that do not have
// their own.
func (l *lifting) inherit() error {
	setup := "actpass"
	if l.offer != nil {
		setup = "active" // what a client without the attribute is (RFC 4145, 4)
	}
	for _, at := range l.bodies() {
		if v, ok := at.get("setup"); ok && !slices.Contains([]string{"actpass", "active", "passive"}, v) {
			at.remove("setup")
		}
	}
	for _, m := range l.media {
		if v, ok := m.get("setup"); ok {
			setup = v
			break
		}
	}
	keys := [][]string{{"ice-ufrag", "ice-pwd"}, {"fingerprint"}, {"setup"}, {"extmap"}}
	for _, m := range l.media {
		if m.rtp() {
			m.turn(m.direction(l.body))
		}
		for _, group := range keys {
			if _, ok := m.get(group[0]); ok {
				continue
			}
			for _, key := range group {
				for _, v := range l.all(key) {
					m.add(key, v)
				}
			}
		}
		if _, ok := m.get("setup"); !ok {
			m.add("setup", setup)
		}
	}
	for _, group := range keys {
		l.remove(group...)
	}
	l.attrs = slices.DeleteFunc(l.attrs, isDirection)
	return nil
}

// foreign closes m-lines of protocols that are not ours, in a form that Pion
// answers: were they missing, every m-line after them would have another place.
func (l *lifting) foreign(s *section) {
	data := s.kind == "application" && strings.HasSuffix(s.proto, "DTLS/SCTP")
	if data || s.rtp() && strings.Contains("/"+s.proto+"/", "/RTP/") {
		return
	}
	l.drop(s, s.proto)
	l.form.media[slices.Index(l.media, s)].foreign = true
	mid := s.mid()
	*s = section{kind: "application", proto: "UDP/DTLS/SCTP", body: body{conn: anywhere}}
	if mid != "" {
		s.add("mid", mid)
	}
}

// mids names every m-line, by what its group calls it where that can be told.
func (l *lifting) mids() error {
	taken := map[string]bool{}
	for _, m := range l.media {
		mid := m.mid()
		if mid == "" || strings.ContainsAny(mid, " \t") || taken[mid] {
			m.remove("mid")
			continue
		}
		taken[mid] = true
	}
	group := l.description.bundle()
	for i, m := range l.media {
		names := []string{m.kind, strconv.Itoa(i)}
		if m.kind == "application" {
			names[0] = "data"
		}
		if i < len(group) {
			names = append(names, group[i])
		}
		names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(group, n) })
		for n := i; m.mid() == ""; n++ {
			names = append(names, strconv.Itoa(n))
			if at := slices.IndexFunc(names, func(n string) bool { return !taken[n] }); at >= 0 {
				m.add("mid", names[at])
				taken[names[at]] = true
			}
		}
		if i < len(l.form.media) {
			l.form.media[i].lifted = m.mid()
		}
	}
	return nil
}

// profile writes the protocols as RFC 8834 and RFC 8841 do.
func (l *lifting) profile(s *section) {
	if s.rtp() {
		s.proto = "UDP/TLS/RTP/SAVPF"
		return
	}
	port := s.sctpPort()
	s.proto, s.formats = "UDP/DTLS/SCTP", []string{"webrtc-datachannel"}
	s.remove("sctpmap")
	s.set("sctp-port", strconv.Itoa(port))
}

// leftovers removes what DTLS-SRTP and RFC 8445 have replaced.
func (l *lifting) leftovers(s *section) {
	s.remove("crypto", "zrtp-hash")
	for _, at := range []*body{&l.body, &s.body} {
		if options, ok := at.get("ice-options"); ok {
			f := slices.DeleteFunc(strings.Fields(options), func(o string) bool { return o == "google-ice" })
			if at.set("ice-options", strings.Join(f, " ")); len(f) == 0 {
				at.remove("ice-options")
			}
		}
	}
}

// extensions removes header extensions that cannot be read: Pion takes none if
// there is one of them.
func (l *lifting) extensions(s *section) {
	s.attrs = slices.DeleteFunc(s.attrs, func(a attr) bool {
		if a.key != "extmap" {
			return false
		}
		f := strings.Fields(a.value)
		if len(f) < 2 {
			return true
		}
		number, direction, narrowed := strings.Cut(f[0], "/")
		id, err := strconv.ParseUint(number, 10, 8)
		_, err2 := url.Parse(f[1])
		return err != nil || err2 != nil || id < 1 || id > 246 || narrowed && !isDirection(attr{key: direction})
	})
}
