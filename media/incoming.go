package media

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media/forward"
	"dragoman/media/level"
)

// incoming is what comes in on an m-line. It implements forward.Upstream.
type incoming struct {
	p      *peer
	kind   webrtc.RTPCodecType
	source *forward.Source
	route  atomic.Pointer[route] // nil: the client does not send here now
	layers atomic.Pointer[[]*stream]
	told   atomic.Bool // PeerTrack, of the present claim
	fir    atomic.Uint32

	mu     sync.Mutex // guards what follows; taken last
	pub    bridge.PublicationID
	meter  *level.Meter
	silent bool // has been told
}

// stream is a layer with the SSRC that it comes from.
type stream struct {
	*forward.Layer
	repair uint32 // SSRC of its retransmissions; 0: none seen
}

func newIncoming(p *peer, kind webrtc.RTPCodecType) *incoming {
	in := &incoming{p: p, kind: kind}
	in.source = forward.NewSource(in, &p.clock)
	in.layers.Store(&[]*stream{})
	return in
}

// feed makes what comes in the track of a publication.
func (in *incoming) feed(pub *publication, now int64) {
	track := pub.tracks[trackOf(in.kind)]
	in.mu.Lock()
	again := in.pub == pub.id
	in.pub = pub.id
	if !again && in.kind == audio {
		in.meter, in.silent = level.New(level.Config{}), false
	}
	in.mu.Unlock()
	if again && track.Source() == in.source {
		return
	}
	in.told.Store(false)
	track.Feed(in.source, now)
	in.tell()
}

// starve ends that.
func (in *incoming) starve(pub *publication, now int64) {
	in.lose()
	in.quiet(pub.id)
	pub.tracks[trackOf(in.kind)].Starve(in.source, now)
}

// lose stops to listen for a publication. Somebody must flush the mailbox.
func (in *incoming) lose() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.meter != nil && in.meter.Talking() {
		in.p.post.leave(bridge.PeerHeard{Pub: in.pub})
	}
	in.pub, in.meter = bridge.PublicationID{}, nil
}

// quiet tells that packets have an end.
func (in *incoming) quiet(pub bridge.PublicationID) {
	if in.told.Swap(false) {
		in.p.post.leave(bridge.PeerTrack{Peer: in.p.cfg.ID, Pub: pub, Track: trackOf(in.kind)})
	}
}

// claimed returns whose packets these are, zero for nobody's.
func (in *incoming) claimed() bridge.PublicationID {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.pub
}

// Began implements forward.Upstream.
func (in *incoming) Began(*forward.Source, *forward.Layer) {
	in.tell()
	in.p.post.flush()
}

// tell tells, once, that a claimed track has packets. Somebody must flush the
// mailbox.
func (in *incoming) tell() {
	pub := in.claimed()
	if pub.IsZero() || len(in.source.Layers()) == 0 || in.told.Swap(true) {
		return
	}
	in.p.post.leave(bridge.PeerTrack{
		Peer: in.p.cfg.ID, Pub: pub, Track: trackOf(in.kind), Live: true, Layers: in.describe(),
	})
}

// describe returns the layers, lowest first, as far as they are known; none
// without simulcast.
func (in *incoming) describe() (all []bridge.Layer) {
	r := in.route.Load()
	if r == nil || !r.simulcast {
		return nil
	}
	for _, l := range in.source.Layers() {
		w, h := l.Size()
		all = append(all, bridge.Layer{RID: l.RID, Width: w, Height: h})
	}
	for _, rid := range r.rids {
		if !slices.ContainsFunc(all, func(l bridge.Layer) bool { return l.RID == rid }) {
			all = append(all, bridge.Layer{RID: rid})
		}
	}
	return all
}

// RequestKey implements forward.Upstream.
func (in *incoming) RequestKey(l *forward.Layer) {
	r := in.route.Load()
	if r == nil {
		return
	}
	if in.p.inlet != nil {
		in.p.inlet.key(l.RID)
		return
	}
	if r.pli || !r.fir {
		in.p.writeRTCP(&rtcp.PictureLossIndication{SenderSSRC: in.p.ssrc, MediaSSRC: l.SSRC})
		return
	}
	in.p.writeRTCP(&rtcp.FullIntraRequest{
		SenderSSRC: in.p.ssrc, MediaSSRC: l.SSRC,
		FIR: []rtcp.FIREntry{{SSRC: l.SSRC, SequenceNumber: uint8(in.fir.Add(1))}},
	})
}

// layer returns the layer that packets of an SSRC belong to, and makes it if
// need be. nil: they are not wanted now. It is called by the goroutine that
// decrypts.
func (in *incoming) layer(r *route, rid string, ssrc uint32, format int, now int64) *stream {
	list := *in.layers.Load()
	i := slices.IndexFunc(list, func(s *stream) bool { return s.RID == rid })
	if i >= 0 {
		s := list[i]
		if s.SSRC == ssrc && s.Format == format {
			return s
		}
		// Another SSRC takes over when it has been declared and the old one has not, or
		// when the old one is silent.
		const silent = 500 * time.Millisecond
		replaced := slices.Contains(r.declared, ssrc) && !slices.Contains(r.declared, s.SSRC)
		if s.SSRC != ssrc && !replaced && s.Idle(now) < silent {
			return nil
		}
	}
	f := &formats[format]
	s := &stream{Layer: in.source.Add(forward.Spec{
		RID: rid, Codec: f.codec, Format: format, Rate: f.rate, SSRC: ssrc, Repair: r.nack[format], Due: &in.p.feedback.due,
	})}
	list = slices.Clone(list)
	if i >= 0 {
		list[i] = s
	} else {
		list = append(list, s)
	}
	in.layers.Store(&list)
	return s
}

// drop forgets a layer that does not come any more. The peer's arriving is held.
func (in *incoming) drop(rid string, now int64) {
	list := slices.DeleteFunc(slices.Clone(*in.layers.Load()), func(s *stream) bool { return s.RID == rid })
	in.layers.Store(&list)
	in.source.Remove(rid, now)
}

// talks reports whether somebody is heard talking.
func (in *incoming) talks() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.meter != nil && in.meter.Talking()
}

// repaired returns the layer whose retransmissions an SSRC carries.
func (in *incoming) repaired(rid string, ssrc uint32) *stream {
	for _, s := range *in.layers.Load() {
		if s.RID == rid {
			s.repair = ssrc
			return s
		}
	}
	return nil
}

// hear follows the level of an audio packet.
func (in *incoming) hear(now int64, l uint8, known bool, size int) {
	in.mu.Lock()
	if in.meter == nil {
		in.mu.Unlock()
		return
	}
	value, voice := level.Unknown, false
	if known {
		value, voice = l&0x7f, l&0x80 != 0
	}
	c := in.meter.Packet(time.Duration(now), value, voice, size)
	in.say(c)
}

// listen notices the end of sound, and that another peer has taken over.
func (in *incoming) listen(now int64) {
	if pub := in.claimed(); !pub.IsZero() && !in.source.Feeding() {
		in.lose()
		in.told.Store(false)
		in.p.post.flush()
		return
	}
	in.mu.Lock()
	if in.meter == nil || !in.p.connected.Load() {
		in.mu.Unlock()
		return
	}
	in.say(in.meter.Tick(time.Duration(now)))
}

// say tells what a meter has found out. It unlocks.
func (in *incoming) say(c level.Change) {
	pub := in.pub
	if c == 0 {
		in.mu.Unlock()
		return
	}
	in.mu.Unlock()
	if c.Has(level.Started) || c.Has(level.Stopped) {
		in.p.post.leave(bridge.PeerHeard{Pub: pub, Talking: c.Has(level.Started)})
	}
	if in.p.cfg.DetectMute && (c.Has(level.Muted) || c.Has(level.Unmuted)) {
		in.p.post.leave(bridge.PeerSilence{Pub: pub, Silent: c.Has(level.Muted)})
	}
	in.p.post.flush()
}
