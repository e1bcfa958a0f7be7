package relay

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
	"dragoman/media"
	"dragoman/media/forward"
)

// want is what this node's clients want of a publication.
type want struct {
	media.RelayWish
	loud bool // its sound is among those that are taken
}

// puller takes from one node what is wanted of it. What is below wants belongs to its
// goroutine.
type puller struct {
	r    *Relays
	node bridge.NodeID
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	wants   map[bridge.PublicationID]want
	talking []bridge.PublicationID

	lane *lane
	of   map[bridge.PublicationID]*pulled
}

// pulled is a publication that is watched.
type pulled struct {
	room  bridge.RoomID
	offer media.RelayOffer
	takes map[layer]*take
	idle  time.Time // since when nobody wants it; zero: somebody does
	hold  time.Time // until when nothing is asked for, after a refusal
}

// layer is one that can be taken.
type layer struct {
	track bridge.Track
	rid   string
}

// take is a layer that comes in.
type take struct {
	ssrc uint32
	idle time.Time // since when nobody wants it; zero: somebody does
}

func newPuller(r *Relays, node bridge.NodeID) *puller {
	return &puller{r: r, node: node, wake: make(chan struct{}, 1), of: map[bridge.PublicationID]*pulled{}}
}

// want says what is wanted.
func (p *puller) want(all map[bridge.PublicationID]want) {
	p.mu.Lock()
	p.wants = all
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *puller) wanted() map[bridge.PublicationID]want {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wants
}

// talkers returns whose publications of the node are heard talking.
func (p *puller) talkers() []bridge.PublicationID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.talking
}

// run asks the node as long as anything is wanted of it.
func (p *puller) run() {
	for wait := minWait; !p.done(); wait = min(2*wait, maxWait) {
		began := time.Now()
		err := p.session()
		if err == nil || time.Since(began) > maxWait {
			wait = minWait / 2
		}
		if err != nil && p.r.ctx.Err() == nil {
			p.r.log.Debug("no media from a node", "peer", string(p.node), "err", err)
		}
		pause(p.r.ctx, wait)
	}
}

// done reports whether nothing is wanted any more. Then the puller is forgotten.
func (p *puller) done() bool {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.r.ctx.Err() == nil && len(p.wanted()) > 0 {
		return false
	}
	for id := range p.of {
		p.lane.relay.Unwatch(id)
	}
	delete(p.r.pullers, p.node)
	return true
}

// session is one stream to the node, until nothing is wanted any more.
func (p *puller) session() error {
	ctx, cancel := context.WithCancel(p.r.ctx)
	defer cancel()
	l, err := p.r.lane(ctx, p.node)
	if err != nil {
		return err
	}
	if p.lane != l {
		p.lane, p.of = l, map[bridge.PublicationID]*pulled{} // what came over another one has ended
		p.talk(nil)
	}
	defer context.AfterFunc(l.ctx, cancel)()
	s, err := p.r.cfg.Cluster.Open(ctx, p.node)
	if err != nil {
		return err
	}
	defer s.Close()
	first := p.all()
	p.reconcile(time.Now(), &first)
	first.Relay = l.id
	if err := s.Send(&link.Envelope{Body: first}); err != nil {
		return err
	}
	return p.follow(ctx, s)
}

// all is what is watched and taken already.
func (p *puller) all() (q link.RelayPull) {
	for id, it := range p.of {
		q.Watch = append(q.Watch, link.RelayWatch{Room: it.room, ID: id})
		for at, t := range it.takes {
			q.Take = append(q.Take, link.RelayTake{ID: id, Track: at.track, RID: at.rid, SSRC: t.ssrc})
		}
	}
	return q
}

// follow is the rest of a session.
func (p *puller) follow(ctx context.Context, s *link.Stream) error {
	heard, failed := make(chan link.RelayOffers), make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	p.r.tasks.Go(func() { failed <- listen(s, heard, done) })
	ticker := time.NewTicker(lookGap)
	defer ticker.Stop()
	for {
		var q link.RelayPull
		p.reconcile(time.Now(), &q)
		if len(q.Watch)+len(q.Take)+len(q.Drop)+len(q.Unwatch) > 0 {
			if err := s.Send(&link.Envelope{Body: q}); err != nil {
				return err
			}
		}
		if len(p.of) == 0 {
			return nil
		}
		select {
		case o := <-heard:
			p.hear(o)
		case err := <-failed:
			return err
		case <-p.wake:
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listen receives values of a stream until it ends, or done is closed.
func listen[T any](s *link.Stream, heard chan<- T, done <-chan struct{}) error {
	for {
		e, err := s.Recv()
		switch {
		case e == nil:
			return err
		case err != nil:
			continue // of a newer node
		case e.Err != nil:
			return e.Err
		}
		if body, ok := e.Body.(T); ok {
			select {
			case heard <- body:
			case <-done:
				return nil
			}
		}
	}
}

// reconcile compares what is wanted with what comes, and adds to q what to ask for.
func (p *puller) reconcile(now time.Time, q *link.RelayPull) {
	wants := p.wanted()
	for id, w := range wants {
		if p.of[id] == nil && p.lane.relay.Watch(id) == nil {
			p.of[id] = &pulled{room: w.Room, takes: map[layer]*take{}}
			q.Watch = append(q.Watch, link.RelayWatch{Room: w.Room, ID: id})
		}
	}
	for id, it := range p.of {
		w, wanted := wants[id]
		if wanted {
			it.idle = time.Time{}
			p.layers(id, it, w, now, q)
			continue
		}
		if over(&it.idle, now) {
			p.r.count.dropped.Add(uint64(len(it.takes)))
			p.lane.relay.Unwatch(id)
			delete(p.of, id)
			q.Unwatch = append(q.Unwatch, id)
		}
	}
	// The numbers of streams only go up, so they are asked for in that order.
	slices.SortFunc(q.Take, func(a, b link.RelayTake) int { return cmp.Compare(a.SSRC, b.SSRC) })
}

// over notes that something is not wanted now, and reports whether it has not been for
// long enough.
func over(idle *time.Time, now time.Time) bool {
	if idle.IsZero() {
		*idle = now
	}
	return now.Sub(*idle) >= lingerTime
}

// layers does the same for the layers of a publication.
func (p *puller) layers(id bridge.PublicationID, it *pulled, w want, now time.Time, q *link.RelayPull) {
	wanted := it.wanted(w)
	for _, at := range wanted {
		if t := it.takes[at]; t != nil {
			t.idle = time.Time{}
			continue
		}
		if now.Before(it.hold) {
			continue
		}
		ssrc, err := p.lane.relay.Take(id, at.track, at.rid)
		if err != nil {
			it.hold = now.Add(maxWait)
			p.r.log.Warn("a stream of another node is not taken", "peer", string(p.node), "err", err)
			continue
		}
		p.r.count.pulled.Add(1)
		it.takes[at] = &take{ssrc: ssrc}
		q.Take = append(q.Take, link.RelayTake{ID: id, Track: at.track, RID: at.rid, SSRC: ssrc})
	}
	for at, t := range it.takes {
		if !slices.Contains(wanted, at) && over(&t.idle, now) {
			p.r.count.dropped.Add(1)
			p.lane.relay.Untake(t.ssrc)
			delete(it.takes, at)
			q.Drop = append(q.Drop, t.ssrc)
		}
	}
}

// wanted returns the layers that are wanted of those that there are.
func (it *pulled) wanted(w want) (all []layer) {
	if !it.offer.Here {
		return nil
	}
	if w.Sound && w.loud && it.offer.Sound {
		all = append(all, layer{track: bridge.Audio})
	}
	for _, o := range it.offer.Layers {
		if w.Video && slices.Contains(w.Layers, o.RID) {
			all = append(all, layer{bridge.Video, o.RID})
		}
	}
	return all
}

// hear takes what the node says that it has.
func (p *puller) hear(o link.RelayOffers) {
	for _, of := range o.Of {
		it := p.of[of.ID]
		if it == nil {
			continue
		}
		it.offer = offered(of)
		p.lane.relay.Offered(of.ID, it.offer)
		if of.Here {
			p.r.places.found(of.ID)
		} else {
			p.r.places.lose(of.ID, p.node)
		}
	}
	for _, ssrc := range o.Refused {
		for _, it := range p.of {
			for at, t := range it.takes {
				if t.ssrc == ssrc {
					p.lane.relay.Untake(ssrc)
					delete(it.takes, at)
					it.hold = time.Now().Add(time.Second)
				}
			}
		}
	}
	var talking []bridge.PublicationID
	for id, it := range p.of {
		if it.offer.Talking {
			talking = append(talking, id)
		}
	}
	p.talk(talking)
	p.r.nudge()
}

func (p *puller) talk(who []bridge.PublicationID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.talking = who
}

func offered(o link.RelayOffer) media.RelayOffer {
	m := media.RelayOffer{Here: o.Here, Talking: o.Talking, Open: [2]bool{o.Open, o.OpenVideo}, Sound: o.Sound}
	for _, l := range o.Layers {
		m.Layers = append(m.Layers, forward.Offer(l))
	}
	return m
}
