package relay

import (
	"context"
	"reflect"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// server gives the node at the other end of a lane what it asks for of this node's
// clients, and nothing that comes from a third node. It goes on for a while when the
// stream breaks, for the next one to take over.
type server struct {
	r *Relays
	l *lane

	turn chan struct{} // held by the stream that is served; capacity 1
	news chan struct{} // there may be something to tell; capacity 1

	mu      sync.Mutex
	stop    context.CancelFunc // ends the stream that is served
	left    time.Time          // since when none is; zero: one is
	watches map[bridge.PublicationID]*watched
	serves  map[uint32]bridge.PublicationID
	rooms   map[bridge.RoomID]*seats
}

// watched is a publication that the node is told about.
type watched struct {
	room bridge.RoomID
	told *link.RelayOffer // nil: nothing yet
	at   time.Time
}

// seats is whether the node has a seat in a room, so that it may receive.
type seats struct {
	yes    bool
	lost   time.Time // since when the owner says that it has none; zero: it has
	next   time.Time // when to ask again
	asking bool
}

const (
	tellGap = 50 * time.Millisecond // between looks at what there is
	rateGap = time.Second           // between news that are only of bit rates
)

func newServer(r *Relays, l *lane) *server {
	return &server{
		r: r, l: l, turn: make(chan struct{}, 1), news: make(chan struct{}, 1),
		watches: map[bridge.PublicationID]*watched{}, serves: map[uint32]bridge.PublicationID{},
		rooms: map[bridge.RoomID]*seats{},
	}
}

// run serves a stream, which takes over from the one before.
func (s *server) run(ctx context.Context, first link.RelayPull, stream *link.Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.l.ctx, cancel)()
	s.mu.Lock()
	if s.stop != nil {
		s.stop()
	}
	s.stop = cancel
	s.mu.Unlock()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() {
		s.mu.Lock()
		s.left = time.Now()
		s.mu.Unlock()
		<-s.turn
	}()
	s.keep(first)
	asked, failed := make(chan link.RelayPull), make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	defer stream.Close()
	go func() { failed <- listen(stream, asked, done) }() // ends with the stream, at the latest when Serve has returned
	ticker := time.NewTicker(tellGap)
	defer ticker.Stop()
	for q, more := first, true; ; {
		var refused []uint32
		if more {
			refused = s.apply(q)
		}
		if o := s.tell(refused, time.Now()); len(o.Of)+len(o.Refused) > 0 {
			if err := stream.Send(&link.Envelope{Body: o}); err != nil {
				return err
			}
		}
		more = false
		select {
		case q = <-asked:
			more = true
		case err := <-failed:
			return err
		case <-s.news:
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keep ends what was asked for before and is not any more.
func (s *server) keep(first link.RelayPull) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = time.Time{}
	watch, take := map[bridge.PublicationID]bool{}, map[uint32]bool{}
	for _, w := range first.Watch {
		watch[w.ID] = true
	}
	for _, t := range first.Take {
		take[t.SSRC] = true
	}
	for ssrc := range s.serves {
		if !take[ssrc] {
			s.drop(ssrc)
		}
	}
	for id := range s.watches {
		if !watch[id] {
			delete(s.watches, id)
		}
	}
}

// apply does what the node asks for, and returns what it does not get.
func (s *server) apply(q link.RelayPull) (refused []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range q.Watch {
		s.watches[w.ID] = &watched{room: w.Room}
	}
	for _, ssrc := range q.Drop {
		s.drop(ssrc)
	}
	for _, id := range q.Unwatch {
		s.forget(id)
	}
	for _, t := range q.Take {
		if _, on := s.serves[t.SSRC]; on {
			continue
		}
		w := s.watches[t.ID]
		if w == nil || !s.may(w.room, time.Now()) || s.l.relay.Serve(t.ID, t.Track, t.RID, t.SSRC) != nil {
			s.r.count.refused.Add(1)
			refused = append(refused, t.SSRC)
			continue
		}
		s.serves[t.SSRC] = t.ID
	}
	return refused
}

// drop ends a layer. The mutex is held, as it is for what follows.
func (s *server) drop(ssrc uint32) {
	if _, on := s.serves[ssrc]; on {
		delete(s.serves, ssrc)
		s.l.relay.Unserve(ssrc)
	}
}

// forget ends a publication.
func (s *server) forget(id bridge.PublicationID) {
	delete(s.watches, id)
	for ssrc, of := range s.serves {
		if of == id {
			s.drop(ssrc)
		}
	}
}

// may reports whether the node has a seat in a room that may receive, as far as is
// known, and sees to it that it is known.
func (s *server) may(room bridge.RoomID, now time.Time) bool {
	is := s.rooms[room]
	if is == nil {
		is = &seats{}
		s.rooms[room] = is
	}
	if !is.asking && now.After(is.next) {
		is.asking = true
		s.r.spawn(func() {
			sits, known := s.r.seats(s.l.ctx, room, s.l.node)
			s.seated(room, sits, known)
		})
	}
	return is.yes
}

// seated takes what the owner of a room says. A room that has just been opened anew
// may not know everybody, so a node that had a seat loses it after a while only.
func (s *server) seated(room bridge.RoomID, sits, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	is := s.rooms[room]
	if is == nil {
		return
	}
	is.asking, is.next = false, now.Add(minWait)
	switch {
	case known && sits:
		is.yes, is.lost, is.next = true, time.Time{}, now.Add(seatGap)
	case !known || !is.yes:
	case is.lost.IsZero():
		is.lost = now
	case now.Sub(is.lost) > lostTime:
		is.yes = false
		for ssrc, id := range s.serves {
			if w := s.watches[id]; w != nil && w.room == room {
				s.drop(ssrc)
			}
		}
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// tell returns what the node has to be told.
func (s *server) tell(refused []uint32, now time.Time) link.RelayOffers {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := link.RelayOffers{Refused: refused}
	rooms := map[bridge.RoomID]bool{}
	for id, w := range s.watches {
		rooms[w.room] = true
		is := link.RelayOffer{ID: id}
		switch {
		case s.may(w.room, now):
			is = s.offer(id)
		case s.rooms[w.room].next.IsZero():
			continue // nobody knows yet
		}
		if w.told == nil || !same(*w.told, is, now.Sub(w.at) < rateGap) {
			w.told, w.at = &is, now
			o.Of = append(o.Of, is)
		}
	}
	for room := range s.rooms {
		if !rooms[room] {
			delete(s.rooms, room)
		}
	}
	return o
}

func (s *server) offer(id bridge.PublicationID) link.RelayOffer {
	m := s.r.cfg.Media.Offer(id)
	o := link.RelayOffer{
		ID: id, Here: m.Here, Talking: m.Talking, Open: m.Open[bridge.Audio], OpenVideo: m.Open[bridge.Video], Sound: m.Sound,
	}
	for _, l := range m.Layers {
		o.Layers = append(o.Layers, link.RelayLayer(l))
	}
	return o
}

// same reports whether two offers are the same, or with soon so much alike that what
// is different can wait: bit rates.
func same(a, b link.RelayOffer, soon bool) bool {
	if len(a.Layers) != len(b.Layers) {
		return false
	}
	layers := append([]link.RelayLayer(nil), a.Layers...)
	for i := range layers {
		was, is := layers[i].Bitrate, b.Layers[i].Bitrate
		if soon && was != 0 || max(was, is) <= min(was, is)*5/4 {
			layers[i].Bitrate = is
		}
	}
	a.Layers = layers
	if len(layers) == 0 {
		a.Layers = b.Layers
	}
	return reflect.DeepEqual(a, b)
}

// tidy ends what is served while nobody has asked for too long. It reports whether the
// node asks for anything.
func (s *server) tidy(now time.Time) (asked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left.IsZero() || now.Sub(s.left) < lostTime {
		return len(s.watches) > 0
	}
	for ssrc := range s.serves {
		s.drop(ssrc)
	}
	clear(s.watches)
	clear(s.rooms)
	return false
}
