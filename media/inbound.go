package media

import (
	"encoding/binary"
	"io"
	"slices"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/transport/v4/packetio"

	"dragoman/media/estimate"
	"dragoman/media/forward"
	"dragoman/media/port"
)

// Pion gives each SSRC a buffer that it writes decrypted packets to, and lets us
// make the buffer. Ours passes each packet on at once, in the goroutine that
// decrypts: one for the RTP of a connection, and one for its RTCP. So there is no
// queue, and no goroutine for each track. A link does without Pion here.

// maxSinks is how many SSRCs a client may use, for RTP and for RTCP; those that
// we send on do not count. What comes on more is dropped.
const maxSinks = 256

// buffer makes the buffer for an SSRC. Pion calls it from different goroutines.
func (p *peer) buffer(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	rtcp := kind == packetio.RTCPBufferPacket
	ours := rtcp && p.feedback.out(ssrc) != nil
	if p.sinks.Add(1) > maxSinks && !ours {
		p.sinks.Add(-1)
		return discard{}
	}
	if rtcp {
		return &control{p: p, ssrc: ssrc}
	}
	return &sink{p: p, ssrc: ssrc}
}

// discard is a buffer that nothing comes out of. All of ours are, because Pion
// does not have to read.
type discard struct{}

// Read implements io.Reader.
func (discard) Read([]byte) (int, error) { return 0, io.EOF }

// Write implements io.Writer.
func (discard) Write(b []byte) (int, error) { return len(b), nil }

// Close implements io.Closer.
func (discard) Close() error { return nil }

// sink takes the RTP of one SSRC.
type sink struct {
	discard
	p    *peer
	ssrc uint32

	// Of the goroutine that decrypts. What routes say that each packet needs is copied:
	// they are large, and of each connection.
	transport uint8 // header extension ids
	level     uint8
	sound     bool
	pt        uint8 // of the last packet
	known     bool  // what that means
	payload   payload
	routes    *routes
	in        *incoming
	stream    *stream
	route     *route
	rid       string
}

// Close implements io.Closer.
func (s *sink) Close() error {
	s.p.sinks.Add(-1)
	return nil
}

// Write takes a packet from Pion.
func (s *sink) Write(b []byte) (int, error) {
	var h forward.Header
	if h.Parse(b) != nil {
		s.p.feedback.malformed.Add(1)
		return len(b), nil
	}
	s.p.arriving.Lock()
	defer s.p.arriving.Unlock()
	s.take(&h, len(b), s.p.e.now(), nil)
	return len(b), nil
}

// take takes a packet of size bytes. The peer's arriving is held. What is to be
// sent may wait in out, if there is one.
func (s *sink) take(h *forward.Header, size int, now int64, out *port.Batch) {
	r := s.p.routes.Load()
	if r == nil {
		return
	}
	routed := s.routes == r || s.resolve(r, h)
	if s.transport != 0 {
		if x := h.Extension(s.transport); len(x) == 2 {
			s.p.feedback.arrived(s.ssrc, binary.BigEndian.Uint16(x), now)
		}
	}
	if !routed {
		s.p.feedback.unrouted.Add(1)
		return
	}
	a := forward.Arrival{At: now}
	if out == nil {
		s.deliver(h, a, size)
		return
	}
	a.Out, a.Burst = out, &s.p.burst
	began := s.p.burst.Empty()
	s.deliver(h, a, size)
	if began && !s.p.burst.Empty() {
		out.Later(s.p)
	}
}

// Finish implements port.Job: it forwards what one read has brought.
func (p *peer) Finish(out *port.Batch) {
	p.arriving.Lock()
	defer p.arriving.Unlock()
	p.burst.Forward(out)
}

// deliver gives a packet to its layer.
func (s *sink) deliver(h *forward.Header, a forward.Arrival, size int) {
	in := s.in
	pt := s.means(h.PT)
	switch {
	case !pt.ok:
		s.p.feedback.unrouted.Add(1)
		return
	case pt.rtx:
		if s.stream == nil {
			s.stream = in.repaired(s.rid, s.ssrc)
		}
		if s.stream == nil || !h.UnwrapRTX(pt.apt, s.stream.SSRC) {
			return
		}
	case s.stream == nil || s.stream.Format != pt.format || s.stream.SSRC != s.ssrc:
		s.stream = in.layer(s.route, s.rid, s.ssrc, pt.format, a.At)
		if s.stream == nil {
			return
		}
	}
	if s.level != 0 && s.sound {
		if x := h.Extension(s.level); len(x) > 0 {
			a.Level, a.HasLevel = x[0], true
		}
	}
	if s.stream.Push(h, a) && s.sound {
		in.hear(a.At, a.Level, a.HasLevel, len(h.Payload))
	}
	s.p.feedback.packetsIn.Add(1)
	s.p.feedback.bytesIn.Add(uint64(size))
}

// resolve finds out where the packets of the SSRC belong: by the SSRC if the
// client has declared it, by the mid in the packet, by where they belonged before,
// or by a payload type that only one m-line has (RFC 8843, 9.2). Browsers send the
// mid only until we have reported that their packets arrive.
func (s *sink) resolve(r *routes, h *forward.Header) bool {
	s.transport = r.transport
	route := r.ssrcs[s.ssrc]
	if route == nil && r.mid != 0 {
		if mid := h.Extension(r.mid); len(mid) > 0 {
			route = r.mids[string(mid)]
		}
	}
	if route == nil && s.route != nil {
		route = r.lines[s.route.in]
	}
	if route == nil {
		route = r.types[h.PT]
	}
	if route == nil {
		return false
	}
	same := s.route != nil && s.route.in == route.in
	rid := route.rid
	if route.simulcast {
		if rid = ridOf(r, route, h); rid == "" && same {
			rid = s.rid // said once, in the packets of an earlier negotiation
		}
		if rid == "" {
			return false
		}
	}
	if !same || s.rid != rid {
		s.stream = nil
	}
	s.routes = r
	s.follow(route, rid)
	return true
}

// means returns what a payload type means.
func (s *sink) means(pt uint8) payload {
	if !s.known || s.pt != pt {
		s.pt, s.payload, s.known = pt, s.route.payloads[pt], true
	}
	return s.payload
}

// follow makes what comes go by a route from now on.
func (s *sink) follow(r *route, rid string) {
	s.route, s.rid = r, rid
	s.in, s.level, s.sound, s.known = r.in, r.level, r.in.kind == audio, false
}

// ridOf returns the layer that a packet says it belongs to, or repairs.
func ridOf(r *routes, in *route, h *forward.Header) string {
	id := r.rid
	if in.payloads[h.PT].rtx {
		id = r.repaired
	}
	if id == 0 {
		return ""
	}
	return string(h.Extension(id))
}

// control takes the RTCP that concerns one SSRC: theirs in a sender's report,
// ours in all feedback.
type control struct {
	discard
	p    *peer
	ssrc uint32
}

// Close implements io.Closer.
func (c *control) Close() error {
	c.p.sinks.Add(-1)
	return nil
}

// Write takes a packet. One that concerns several SSRCs comes once for each.
func (c *control) Write(b []byte) (int, error) {
	c.p.feedback.read(b, c, nil)
	return len(b), nil
}

// read takes a compound packet, for one SSRC or for all that it concerns. What is
// repeated is sent via forward.Arrival.Out.
func (f *feedback) read(b []byte, only *control, via any) {
	const header = 4
	for len(b) >= header {
		n := header + header*int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			break
		}
		if one := b[:n]; estimate.IsFeedback(one) {
			f.fate(one)
		} else {
			f.one(one, only, via)
		}
		b = b[n:]
	}
	if len(b) > 0 {
		f.malformed.Add(1)
	}
}

// fate takes transport-wide feedback. Where it comes several times, once for each SSRC in
// a compound packet, only the first tells anything.
func (f *feedback) fate(b []byte) {
	f.capacity.Lock()
	defer f.capacity.Unlock()
	if f.capacity.sent != nil && !f.capacity.guess.TWCC(time.Duration(f.p.e.now()), f.capacity.sent, b) {
		f.malformed.Add(1)
	}
}

// one takes one packet of a compound one.
func (f *feedback) one(b []byte, only *control, via any) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		f.malformed.Add(1)
		return
	}
	for _, packet := range packets {
		ssrcs := packet.DestinationSSRC()
		for i, ssrc := range ssrcs {
			if only != nil && only.ssrc != ssrc || slices.Contains(ssrcs[:i], ssrc) {
				continue
			}
			f.take(ssrc, packet, via)
		}
	}
}
