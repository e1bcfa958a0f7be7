package media

import (
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/media/forward"
)

// RelayOffer is what a node has of a publication.
type RelayOffer struct {
	Here    bool      // a client of the node feeds it
	Talking bool      // and is heard talking
	Through bool      // an Inlet feeds it
	Open    [2]bool   // gates, by bridge.Track
	Codecs  [2]string // "opus", "VP8", … (RFC 4855), by bridge.Track; empty: nothing has come
	Params  [2]string // format parameters of the codecs (RFC 4566, 6)
	Sound   bool      // sound has come
	Layers  []forward.Offer
}

// Offer returns what this node's clients, or its inlets, have of a publication.
func (e *Engine) Offer(id bridge.PublicationID) (o RelayOffer) {
	for _, t := range []bridge.Track{bridge.Audio, bridge.Video} {
		track := e.pubs.track(id, t)
		if track == nil {
			return o
		}
		o.Open[t] = track.Open()
		s := track.Source()
		if s == nil {
			continue
		}
		in, _ := s.Upstream().(*incoming)
		switch {
		case local(s):
			o.Here = true
			o.Talking = o.Talking || in.talks()
		case in != nil && in.p.inlet != nil:
			o.Through = true
			o.Open[t] = o.Open[t] && in.p.inlet.open(t)
		default:
			continue
		}
		o.add(t, s, e.now())
	}
	return o
}

// add adds what a source has.
func (o *RelayOffer) add(t bridge.Track, s *forward.Source, now int64) {
	layers := s.Layers()
	if len(layers) > 0 {
		f := &formats[layers[0].Format]
		o.Codecs[t], o.Params[t] = f.name, f.params
	}
	if t == bridge.Audio {
		o.Sound = len(layers) > 0
		return
	}
	if o.Layers = slices.Clone(s.Offered()); len(o.Layers) > 0 {
		return
	}
	for _, l := range layers {
		if len(layers) > 1 && l.Idle(now) > relayStalled {
			continue
		}
		w, h := l.Size()
		o.Layers = append(o.Layers, forward.Offer{RID: l.RID, Width: w, Height: h, Bitrate: l.Bitrate()})
	}
}

// relayStalled is after how long without packets a simulcast layer is not offered.
const relayStalled = 1500 * time.Millisecond

// RelayWish is what this node's clients want of a publication that none of them feeds.
type RelayWish struct {
	Room   bridge.RoomID
	Sound  bool
	Video  bool
	Layers []string // rids of the layers, of those that can be had
}

// Wishes returns what this node's clients, and its outlets, want of publications that
// none of its clients feeds.
func (e *Engine) Wishes() map[bridge.PublicationID]RelayWish {
	all := map[bridge.PublicationID]RelayWish{}
	for _, p := range *e.snapshot.Load() {
		if !p.far() && p.connected.Load() {
			p.wishes(e.now(), all)
		}
	}
	for _, o := range *e.outlets.Load() {
		if !o.hold.Load() && !o.pub.local() {
			all[o.cfg.Publication] = o.wish(all[o.cfg.Publication])
		}
	}
	return all
}

// Wished returns a channel of the caller's own, of capacity 1, which is signalled when
// Wishes may return something else. It is there as long as the engine: who listens asks
// once.
func (e *Engine) Wished() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := make(chan struct{}, 1)
	all := append(slices.Clone(*e.wishers.Load()), c)
	e.wishers.Store(&all)
	return c
}

func (e *Engine) nudge() {
	for _, c := range *e.wishers.Load() {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// wishes adds what the client wants.
func (p *peer) wishes(now int64, all map[bridge.PublicationID]RelayWish) {
	defer p.post.flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	far := slices.DeleteFunc(slices.Clone(p.lines), func(l *line) bool { return !l.far() })
	if len(far) == 0 {
		return
	}
	p.allocate(now)
	for _, l := range far {
		w := all[l.send.id]
		w.Room = p.cfg.Room
		if w.add(l) {
			all[l.send.id] = w
		}
	}
}

// far reports whether the client gets here what another node's client feeds. The
// peer's lock is held.
func (l *line) far() bool {
	return l.send != nil && l.send.pub != nil && l.out != nil && l.out.up && l.out.track != nil && !l.send.pub.local()
}

// add adds what is wanted on a line. It reports whether anything is.
func (w *RelayWish) add(l *line) bool {
	wish, sub := l.send.wish, &l.out.sub
	if l.kind == audio {
		w.Sound = w.Sound || !wish.Silent
		return w.Sound || w.Video
	}
	if wish.NoMore {
		return w.Sound || w.Video
	}
	w.Video = true
	if at := sub.Target(); at >= 0 && !slices.Contains(w.Layers, sub.Layers[at].RID) {
		w.Layers = append(w.Layers, sub.Layers[at].RID)
	}
	return true
}

// local reports whether a client of this node feeds the publication.
func (p *publication) local() bool {
	return local(p.tracks[bridge.Audio].Source()) || local(p.tracks[bridge.Video].Source())
}

// fed reports whether anything feeds the publication.
func (p *publication) fed() bool {
	return p.tracks[bridge.Audio].Source() != nil || p.tracks[bridge.Video].Source() != nil
}

// taken is a publication that another node's client feeds, or a program.
type taken struct {
	pub  *publication
	ins  [2]*incoming // by bridge.Track
	open [2]bool      // its gates there
}

// take makes the peer one that may feed a publication. Exists: what feeds it already
// comes first.
func (p *peer) take(id bridge.PublicationID, first func(*publication) bool) (*taken, error) {
	pub, err := p.e.pubs.acquire(id, bridge.ParticipantID{})
	if err != nil {
		return nil, err
	}
	if first(pub) {
		p.e.pubs.release(pub)
		return nil, bridge.Errorf(bridge.Exists, "the stream is fed already")
	}
	return &taken{pub: pub, ins: [2]*incoming{newIncoming(p, audio), newIncoming(p, video)}}, nil
}

// offered takes what there is of the publication.
func (t *taken) offered(o RelayOffer) {
	for i, in := range t.ins {
		if t.open[i] && !o.Open[i] {
			in.source.Forget() // nobody begins with what came before a mute
		}
	}
	t.open = o.Open
	t.ins[bridge.Video].source.Offer(o.Layers)
}

// route makes the route of a layer, which has an SSRC to itself.
func (t *taken) route(track bridge.Track, rid string, ssrc uint32) *route {
	r := &route{in: t.ins[track], rid: rid, declared: []uint32{ssrc}, pli: true}
	for i := range formats {
		if f := &formats[i]; f.kind == r.in.kind {
			r.payloads[f.pt] = payload{ok: true, format: i}
		}
	}
	return r
}
