package media

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"dragoman/bridge"
	"dragoman/media/forward"
	"dragoman/media/sdp"
)

// Inlet feeds a publication with RTP that comes from neither a client nor another node:
// a program hands it in. What is lost is not asked for, because whoever receives it for
// the program does that. All methods may be called from any goroutine, but not by what
// NewInlet was given.
type Inlet struct {
	e    *Engine
	p    *peer // without a PeerConnection
	key  func(rid string)
	of   *taken
	shut atomic.Uint64 // packets behind a closed gate

	mu      sync.Mutex // guards what follows; taken before the peer's arriving
	closed  bool
	next    uint32 // SSRC that was given last
	streams map[uint32]*InletStream
}

// InletStream is one layer that is handed in.
type InletStream struct {
	in    *Inlet
	track bridge.Track
	rid   string
	pt    uint8 // of its format

	// Guarded by the peer's arriving.
	sink   sink
	closed bool
}

// NewInlet opens the way into a publication. key is asked for a key frame of a layer, at
// most twice a second for each; it does not wait, and does not call back. Exists: a client
// of this node, a relay or another inlet feeds the publication; a client or a relay that
// comes later takes it over with its first packet.
func (e *Engine) NewInlet(id bridge.PublicationID, key func(rid string)) (*Inlet, error) {
	in := &Inlet{e: e, key: key, p: newFar(e, e.log.With("inlet", id)), streams: map[uint32]*InletStream{}}
	in.p.inlet, in.p.quit = in, make(chan struct{})
	of, err := in.p.take(id, (*publication).fed)
	if err != nil {
		return nil, err
	}
	in.of = of
	ins := of.ins[:]
	in.p.feedback.ins.Store(&ins)
	in.p.connected.Store(true)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.pubs.release(of.pub)
		return nil, bridge.Errorf(bridge.Unavailable, "the media engine is closed")
	}
	e.inlets[in] = true
	e.publish()
	e.mu.Unlock()
	for _, t := range of.ins {
		t.feed(of.pub, e.now())
	}
	e.nudge()
	return in, nil
}

// Offer says what can be had, lowest layer first, and which gates are open: what comes to
// a closed one goes nowhere. Before the first Offer both are closed.
func (in *Inlet) Offer(o RelayOffer) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return
	}
	in.p.arriving.Lock()
	for i, was := range in.of.open {
		if was && !o.Open[i] {
			in.clear(bridge.Track(i)) //nolint:gosec // one of two
		}
	}
	in.of.offered(o)
	in.p.arriving.Unlock()
	in.mu.Unlock()
	in.e.nudge()
}

// clear ends all layers of a track, which begin anew with their next packet. Both locks
// are held.
func (in *Inlet) clear(track bridge.Track) {
	for _, s := range in.streams {
		if s.track == track {
			s.sink.stream = nil
		}
	}
	to, now := in.of.ins[track], in.e.now()
	for _, l := range *to.layers.Load() {
		to.drop(l.RID, now)
	}
}

// open reports whether a gate is open.
func (in *Inlet) open(track bridge.Track) bool {
	in.p.arriving.Lock()
	defer in.p.arriving.Unlock()
	return in.of.open[track]
}

// Take makes place for a layer, of a codec by its name, "VP8", with its format parameters
// behind a semicolon if they matter: "H264;packetization-mode=1;profile-level-id=42e01f".
// It takes the place of the stream that had the layer. NotSupported: the engine does not
// have the codec.
func (in *Inlet) Take(track bridge.Track, rid, codec string) (*InletStream, error) {
	if track > bridge.Video {
		return nil, bridge.Errorf(bridge.BadRequest, "there is no such track")
	}
	n, err := codecNumber(track, codec)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, errInlet()
	}
	for ssrc, s := range in.streams {
		if s.track == track && s.rid == rid {
			s.end()
			delete(in.streams, ssrc)
		}
	}
	in.next++
	to := in.of.route(track, rid, in.next)
	to.in.route.Store(to)
	s := &InletStream{in: in, track: track, rid: rid, pt: formats[n].pt, sink: sink{p: in.p, ssrc: in.next}}
	s.sink.follow(to, rid)
	in.streams[in.next] = s
	return s, nil
}

// codecNumber returns the number of a codec as Take has it.
func codecNumber(track bridge.Track, codec string) (int, error) {
	name, params, exact := strings.Cut(codec, ";")
	n := slices.IndexFunc(formats[:], func(f format) bool {
		if trackOf(f.kind) != track || !strings.EqualFold(f.name, name) {
			return false
		}
		at, ok := number(sdp.Codec{Name: name, Rate: f.rate, Params: params})
		return !exact || ok && formats[at].profile == f.profile
	})
	if n < 0 {
		return 0, bridge.Errorf(bridge.NotSupported, "no codec %q", codec)
	}
	return n, nil
}

func errInlet() error { return bridge.Errorf(bridge.Closed, "the inlet is closed") }

// Write takes one packet as it came, of which nothing is kept: early or late, twice, or
// with gaps before it. Its payload type and SSRC, and header extensions, do not matter;
// level is that of sound (RFC 6464). Exists: a client or a relay has taken the publication
// over.
func (s *InletStream) Write(rtp []byte, level uint8, hasLevel bool) error {
	p := s.in.p
	var h forward.Header
	if err := h.Parse(rtp); err != nil {
		p.feedback.malformed.Add(1)
		return err
	}
	p.arriving.Lock()
	defer p.arriving.Unlock()
	switch {
	case s.closed:
		return errInlet()
	case !s.in.of.ins[s.track].source.Feeding():
		return bridge.Errorf(bridge.Exists, "somebody else feeds the stream")
	case !s.in.of.open[s.track]:
		s.in.shut.Add(1)
		return nil
	}
	h.PT, h.SSRC = s.pt, s.sink.ssrc
	s.sink.deliver(&h, forward.Arrival{At: s.in.e.now(), Level: level, HasLevel: hasLevel}, len(rtp))
	return nil
}

// Report takes what a sender report (RFC 3550, 6.4.1) says, so that sound and picture
// stay together. All streams of an inlet share the clock that ntp is of.
func (s *InletStream) Report(ntp uint64, rtp uint32) {
	p := s.in.p
	p.arriving.Lock()
	defer p.arriving.Unlock()
	if l := s.sink.stream; l != nil && !s.closed {
		l.SenderReport(ntp, rtp, s.in.e.now())
	}
}

// end stops the stream; what it fed stays. It returns when no packet is being handled any
// more.
func (s *InletStream) end() {
	p := s.in.p
	p.arriving.Lock()
	defer p.arriving.Unlock()
	s.closed, s.sink.stream = true, nil
}

// Close ends the layer. It is idempotent.
func (s *InletStream) Close() {
	in := s.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.streams[s.sink.ssrc] != s {
		return
	}
	delete(in.streams, s.sink.ssrc)
	s.end()
	in.p.arriving.Lock()
	defer in.p.arriving.Unlock()
	in.of.ins[s.track].drop(s.rid, in.e.now())
}

// Close ends the inlet and all its streams. It is idempotent.
func (in *Inlet) Close() {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		<-in.p.done
		return
	}
	in.closed = true
	for ssrc, s := range in.streams {
		s.end()
		delete(in.streams, ssrc)
	}
	in.mu.Unlock()
	in.p.connected.Store(false)
	now := in.e.now()
	for _, t := range in.of.ins {
		t.starve(in.of.pub, now)
	}
	in.e.pubs.release(in.of.pub)
	close(in.p.quit)
	in.p.post.close()
	in.e.mu.Lock()
	delete(in.e.inlets, in)
	in.e.publish()
	in.e.totals.mu.Lock()
	in.e.totals.past.add(in.p.counts())
	in.e.totals.mu.Unlock()
	in.e.mu.Unlock()
	in.e.nudge()
	close(in.p.done)
}

// InletStats is what an operator sees of an inlet. Bytes are with headers.
type InletStats struct {
	PacketsIn, BytesIn uint64
	Shut               uint64 // packets that came to a closed gate
	Malformed          uint64 // not RTP
	Feeds              bool   // nobody has taken the publication over
	Talking            bool   // as its level says
	Takes              []RelayStream
}

// Stats returns what was counted.
func (in *Inlet) Stats() InletStats {
	in.mu.Lock()
	defer in.mu.Unlock()
	f := &in.p.feedback
	sound, picture := in.of.ins[bridge.Audio], in.of.ins[bridge.Video]
	s := InletStats{
		PacketsIn: f.packetsIn.Load(), BytesIn: f.bytesIn.Load(), Shut: in.shut.Load(), Malformed: f.malformed.Load(),
		Feeds: !in.closed && sound.source.Feeding() && picture.source.Feeding(), Talking: sound.talks(),
	}
	for _, ssrc := range slices.Sorted(maps.Keys(in.streams)) {
		o := in.streams[ssrc]
		s.Takes = append(s.Takes, taking{of: in.of.pub.id, track: o.track, rid: o.rid, in: in.of.ins[o.track]}.stats(ssrc))
	}
	return s
}
