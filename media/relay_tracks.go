package media

import (
	"maps"
	"slices"

	"dragoman/bridge"
	"dragoman/media/forward"
)

// relayLevel is the header extension id of the audio level (RFC 6464) on relays.
// There are no others.
const relayLevel = 1

// taking is a layer that comes in.
type taking struct {
	of    bridge.PublicationID
	track bridge.Track
	rid   string
	in    *incoming
}

// serving is a layer that goes out.
type serving struct {
	*outgoing
	of  *publication
	rid string
}

// Watch makes the relay feed a publication, of which nothing comes in yet. Exists: a
// client of this node feeds it.
func (r *Relay) Watch(id bridge.PublicationID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return errClosed()
	case r.takes[id] != nil:
		return nil
	}
	t, err := r.p.take(id, (*publication).local)
	if err != nil {
		return err
	}
	for i, in := range t.ins {
		t.pub.tracks[i].Feed(in.source, r.e.now())
	}
	r.takes[id] = t
	r.watch()
	return nil
}

// Offered says what the other node has of a publication that is watched.
func (r *Relay) Offered(id bridge.PublicationID, o RelayOffer) {
	r.mu.Lock()
	t := r.takes[id]
	if t != nil {
		t.offered(o)
	}
	r.mu.Unlock()
	r.e.nudge()
}

// Take makes place for a layer that will come in, and returns the SSRC that it is to
// have.
func (r *Relay) Take(id bridge.PublicationID, track bridge.Track, rid string) (ssrc uint32, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.takes[id]
	switch {
	case r.closed:
		return 0, errClosed()
	case t == nil || track > bridge.Video:
		return 0, bridge.Errorf(bridge.NotFound, "the stream is not watched")
	case len(r.taking) >= maxRelayed/2:
		return 0, bridge.Errorf(bridge.TooMany, "too many streams from one node")
	case r.next == 1<<31-1:
		return 0, bridge.Errorf(bridge.TooMany, "the relay is used up")
	}
	r.next++
	r.taking[r.next] = &taking{of: id, track: track, rid: rid, in: t.ins[track]}
	r.reroute()
	return r.next, nil
}

// Untake ends that.
func (r *Relay) Untake(ssrc uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.untake(ssrc)
}

func (r *Relay) untake(ssrc uint32) {
	t := r.taking[ssrc]
	if t == nil {
		return
	}
	delete(r.taking, ssrc)
	r.reroute()
	r.p.link.forget(ssrc) // no packet of it is being handled any more
	r.p.arriving.Lock()
	defer r.p.arriving.Unlock()
	t.in.drop(t.rid, r.e.now())
}

// Unwatch ends what Watch began.
func (r *Relay) Unwatch(id bridge.PublicationID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unwatch(id)
}

func (r *Relay) unwatch(id bridge.PublicationID) {
	t := r.takes[id]
	if t == nil {
		return
	}
	for ssrc, o := range r.taking {
		if o.of == id {
			r.untake(ssrc)
		}
	}
	delete(r.takes, id)
	for i, in := range t.ins {
		t.pub.tracks[i].Starve(in.source, r.e.now())
	}
	r.e.pubs.release(t.pub)
	r.watch()
}

// reroute says where what comes in belongs. The lock is held.
func (r *Relay) reroute() {
	all := &routes{ssrcs: make(map[uint32]*route, len(r.taking))}
	before := r.p.routes.Load()
	for ssrc, t := range r.taking {
		to := before.ssrcs[ssrc]
		if to == nil {
			to = r.takes[t.of].route(t.track, t.rid, ssrc)
			to.level = relayLevel
			for i := range to.nack {
				to.nack[i] = true
			}
			t.in.route.Store(to)
		}
		all.ssrcs[ssrc] = to
	}
	r.p.routes.Store(all)
}

// watch gives feedback its lists. The lock is held.
func (r *Relay) watch() {
	var ins []*incoming
	for _, t := range r.takes {
		ins = append(ins, t.ins[:]...)
	}
	outs := make([]*outgoing, 0, len(r.serves))
	for _, s := range r.serves {
		outs = append(outs, s.outgoing)
	}
	r.p.feedback.ins.Store(&ins)
	r.p.feedback.outs.Store(&outs)
}

// Serve sends a layer of a publication that a client of this node feeds, under an SSRC
// that is higher than any before it. NotFound: none feeds it.
func (r *Relay) Serve(id bridge.PublicationID, track bridge.Track, rid string, ssrc uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed || !r.p.link.up():
		return errClosed()
	case track > bridge.Video || ssrc <= r.newest || ssrc >= 1<<31:
		return bridge.Errorf(bridge.BadRequest, "the stream cannot be asked for like that")
	case len(r.serves) >= maxRelayed/2:
		return bridge.Errorf(bridge.TooMany, "too many streams to one node")
	}
	r.newest = ssrc
	pub, err := r.e.pubs.acquire(id, bridge.ParticipantID{})
	if err != nil {
		return err
	}
	if !pub.local() {
		r.e.pubs.release(pub)
		return bridge.Errorf(bridge.NotFound, "no client of this node has the stream")
	}
	kind := audio
	if track == bridge.Video {
		kind = video
	}
	o := newOutgoing(r.p, kind, &send{id: id})
	o.begin(ssrc, 0)
	o.writer.agree(forward.Extensions{Level: relayLevel}, nil)
	o.down.SetFormats(relayFormats())
	o.down.Aim(rid, false)
	r.serves[ssrc] = &serving{outgoing: o, of: pub, rid: rid}
	r.watch()
	o.join(pub.tracks[track], r.e.now())
	o.live(true, r.e.now())
	return nil
}

// relayFormats are our own payload types: nodes speak of formats as offers do.
func relayFormats() (all forward.Formats) {
	for i := range all {
		all[i] = forward.NoFormat
	}
	for i := range formats {
		all[i] = formats[i].pt
	}
	return all
}

// Unserve ends that.
func (r *Relay) Unserve(ssrc uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unserve(ssrc)
}

func (r *Relay) unserve(ssrc uint32) {
	s := r.serves[ssrc]
	if s == nil {
		return
	}
	delete(r.serves, ssrc)
	r.watch()
	s.part()
	if send := r.p.link.send.Load(); send != nil {
		send.Retire(ssrc)
	}
	r.e.pubs.release(s.of)
	c := s.down.Stats()
	r.past.PacketsOut += c.Packets
	r.past.BytesOut += c.Bytes
	r.past.Repeated += c.Repeated
}

// RelayCounts is what a relay has counted. Bytes in are with headers, out of payload.
type RelayCounts struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	Repeated             uint64 // of PacketsOut
}

// RelayStats is what an operator sees of a relay.
type RelayStats struct {
	RelayCounts
	Up, Frozen bool
	Lost       uint64 // packets that never came, of what comes in now
	Dropped    Drops  // packets that went nowhere
	Takes      []RelayStream
	Serves     []RelayStream
}

// RelayStream is a layer that goes over a relay.
type RelayStream struct {
	Publication bridge.PublicationID
	Track       bridge.Track
	RID         string
	SSRC        uint32
	In          forward.LayerStats // of what comes in
	Out         forward.DownStats  // of what goes out
}

// stats returns what there is to see of a layer that comes in with an SSRC.
func (t taking) stats(ssrc uint32) RelayStream {
	s := RelayStream{Publication: t.of, Track: t.track, RID: t.rid, SSRC: ssrc}
	for _, l := range *t.in.layers.Load() {
		if l.SSRC == ssrc {
			s.In = l.Stats()
		}
	}
	return s
}

// Stats returns what was counted.
func (r *Relay) Stats() RelayStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.p.feedback
	s := RelayStats{RelayCounts: r.past, Up: r.p.connected.Load() && !r.closed, Frozen: r.frozen}
	s.PacketsIn, s.BytesIn = f.packetsIn.Load(), f.bytesIn.Load()
	all := r.p.counts()
	s.Lost, s.Dropped = all.Lost, all.Dropped
	for _, ssrc := range slices.Sorted(maps.Keys(r.taking)) {
		s.Takes = append(s.Takes, r.taking[ssrc].stats(ssrc))
	}
	for _, ssrc := range slices.Sorted(maps.Keys(r.serves)) {
		o := r.serves[ssrc]
		c := o.down.Stats()
		s.Serves = append(s.Serves, RelayStream{Publication: o.of.id, Track: trackOf(o.kind), RID: o.rid, SSRC: ssrc, Out: c})
		s.PacketsOut += c.Packets
		s.BytesOut += c.Bytes
		s.Repeated += c.Repeated
	}
	return s
}
