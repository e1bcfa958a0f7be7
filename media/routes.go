package media

import (
	"slices"

	"dragoman/media/sdp"
)

// routes says where incoming packets belong. It is made at the end of each
// negotiation and never changed.
type routes struct {
	mids  map[string]*route
	lines map[*incoming]*route
	ssrcs map[uint32]*route
	types [128]*route // by payload type, where only one line has it

	mid, rid, repaired, transport uint8 // header extension ids; 0: not negotiated
}

// route is an incoming m-line.
type route struct {
	in        *incoming
	payloads  [128]payload
	level     uint8  // header extension id
	rid       string // the only layer of a relay's
	simulcast bool   // layers are told apart by rid
	rids      []string
	declared  []uint32           // SSRCs in the description
	nack      [len(formats)]bool // the client repeats what is lost of a format
	pli       bool
	fir, remb bool
}

// payload is what a payload type means.
type payload struct {
	ok     bool
	format int
	rtx    bool  // a retransmission (RFC 4588) …
	apt    uint8 // … of this payload type
}

// agreed is an m-line as both sides have described it.
type agreed struct {
	line         *line
	ours, theirs sdp.Media
	answer       sdp.Media // whichever of the two answers: what both support
}

// makeRoutes makes the routes of lines that the client sends on.
func makeRoutes(lines []agreed, simulcast bool) *routes {
	r := &routes{mids: map[string]*route{}, lines: map[*incoming]*route{}, ssrcs: map[uint32]*route{}}
	var shared [128]bool
	for _, a := range lines {
		id := func(uri string) uint8 { return extensionID(a.answer, uri) }
		r.mid, r.rid = max(r.mid, id(uriMid)), max(r.rid, id(uriRID))
		r.repaired, r.transport = max(r.repaired, id(uriRepaired)), max(r.transport, id(uriTransport))
		if !a.line.incoming {
			continue
		}
		in := &route{in: a.line.in, level: id(uriLevel), declared: a.theirs.SSRCs}
		if simulcast {
			for _, rid := range a.theirs.RIDs {
				if rid.Send {
					in.rids = append(in.rids, rid.ID)
				}
			}
			in.simulcast = len(in.rids) > 0
		}
		in.learn(a.ours.Codecs, a.answer.Codecs)
		r.mids[a.line.mid], r.lines[a.line.in] = in, in
		for _, ssrc := range a.theirs.SSRCs {
			r.ssrcs[ssrc] = in
		}
		for pt, p := range in.payloads {
			if p.ok {
				shared[pt] = shared[pt] || r.types[pt] != nil
				r.types[pt] = in
			}
		}
	}
	for pt, is := range shared {
		if is {
			r.types[pt] = nil
		}
	}
	return r
}

// extensionID returns the id of a header extension, 0 for none or one that no
// one-byte header can have.
func extensionID(m sdp.Media, uri string) uint8 {
	if id := m.Extensions[uri]; id <= 255 {
		return uint8(id)
	}
	return 0
}

// learn notes payload types as we have described them, and the feedback that was
// agreed on.
func (r *route) learn(ours, answer []sdp.Codec) {
	for _, c := range ours {
		n, ok := number(c)
		if !ok {
			continue
		}
		r.payloads[c.Type&0x7f] = payload{ok: true, format: n}
		if formats[n].kind == audio { // see repeatSound: nobody answers to that
			r.nack[n] = slices.Contains(c.Feedback, "nack")
		}
	}
	for _, c := range ours {
		of, is := repaired(c)
		if !is || !r.payloads[of].ok {
			continue
		}
		r.payloads[c.Type&0x7f] = payload{ok: true, format: r.payloads[of].format, rtx: true, apt: of}
	}
	for _, c := range answer {
		if n, ok := number(c); ok {
			r.nack[n] = r.nack[n] || slices.Contains(c.Feedback, "nack")
		}
		r.pli = r.pli || slices.Contains(c.Feedback, "nack pli")
		r.fir = r.fir || slices.Contains(c.Feedback, "ccm fir")
		r.remb = r.remb || slices.Contains(c.Feedback, "goog-remb")
	}
}
