package livekit

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/media"
)

const (
	tickTime    = 200 * time.Millisecond
	settleTime  = time.Second      // between looks at what nothing has told
	repeatTime  = 5 * time.Second  // between repetitions of who speaks
	whisperTime = time.Second      // if the room has not heard a message by then, it is private
	hostTime    = 10 * time.Second // for a command of the watch seat
	maxCalls    = 256
	maxWhispers = 256
)

// room looks at one of our rooms, with a hidden seat, and sees to its peerings. There is
// one where clients of this node are in the room, and where it runs.
type room struct {
	f     *Federation
	id    bridge.RoomID
	log   *slog.Logger
	ctx   context.Context
	stop  context.CancelFunc
	wake  chan struct{} // something that this node knows has changed; capacity 1
	calls chan func()   // from goroutines of peerings

	mu    sync.Mutex
	runs  bool                                     // the room runs on this node
	sits  map[bridge.ParticipantID]bool            // whose clients this node has
	views []Peering                                // for Peerings
	wants map[bridge.PublicationID]media.RelayWish // what clients of this node want in the room

	// Of the goroutine.
	session  *bridge.Session
	home     string
	agreed   agreed
	people   map[bridge.ParticipantID]bridge.Participant
	pubs     map[bridge.PublicationID]bridge.Publication
	peerings map[string]*peering
	whispers []whisper
	said     []bridge.MessageID // the last ones of LiveKit's people
	settled  time.Time
	dirty    bool
}

// whisper is a message that may be for one of ours alone.
type whisper struct {
	server string
	to     bridge.ParticipantID
	chat   chat
	due    time.Time
}

func newRoom(f *Federation, id bridge.RoomID) *room {
	r := &room{
		f: f, id: id, log: f.log.With("room", string(id)), wake: make(chan struct{}, 1), calls: make(chan func(), maxCalls),
		people: map[bridge.ParticipantID]bridge.Participant{}, pubs: map[bridge.PublicationID]bridge.Publication{},
		peerings: map[string]*peering{},
	}
	r.ctx, r.stop = context.WithCancel(f.ctx)
	return r
}

// set says what this node knows of the room.
func (r *room) set(runs bool, sits map[bridge.ParticipantID]bool) {
	r.mu.Lock()
	changed := r.runs != runs || !maps.Equal(r.sits, sits)
	r.runs, r.sits = runs, sits
	r.mu.Unlock()
	if changed {
		nudge(r.wake)
	}
}

// want says what clients of this node want in the room.
func (r *room) want(wishes map[bridge.PublicationID]media.RelayWish) {
	r.mu.Lock()
	changed := !maps.EqualFunc(r.wants, wishes, func(a, b media.RelayWish) bool {
		return a.Sound == b.Sound && a.Video == b.Video && slices.Equal(a.Layers, b.Layers)
	})
	r.wants = wishes
	r.mu.Unlock()
	if changed {
		nudge(r.wake)
	}
}

func (r *room) wishes() map[bridge.PublicationID]media.RelayWish {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wants
}

func (r *room) knows() (runs bool, sits map[bridge.ParticipantID]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs, r.sits
}

// call has the room's goroutine do something.
func (r *room) call(f func()) {
	select {
	case r.calls <- f:
	default:
		r.f.count.dropped.Add(1)
	}
}

// run looks at the room until it ends, or nothing of it is on this node.
func (r *room) run() {
	defer r.end()
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	for {
		if r.session == nil && !r.sit() {
			return
		}
		select {
		case <-r.ctx.Done():
			return
		case <-r.session.Ready():
			if !r.read() {
				return
			}
		case f := <-r.calls:
			f()
		case <-r.wake:
			r.dirty = true
		case now := <-tick.C:
			r.tick(now)
			r.publish() // what has gone over is more every time
		}
		if r.dirty && r.session != nil {
			r.settle(time.Now())
		}
	}
}

// end ends all peerings: people of ours are the last to leave.
func (r *room) end() {
	r.stop()
	rosters := []*roster{}
	for _, p := range r.peerings {
		if p.roster != nil {
			rosters = append(rosters, p.roster)
			p.endRoster(false)
		}
	}
	for _, p := range rosters {
		<-p.done
	}
	for _, p := range r.peerings {
		p.close()
	}
	if r.session != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), seatTime)
		_ = r.session.Leave(ctx, bridge.ByWish) // the session is over in any case
		cancel()
	}
	r.f.feed(r.id, nil)
}

// sit takes the hidden seat, as soon as that can be had. It reports false when there is
// no room any more.
func (r *room) sit() bool {
	var wait backoff
	for {
		ctx, cancel := context.WithTimeout(r.ctx, hostTime)
		s, err := r.f.cfg.Host.Join(ctx, bridge.JoinRequest{
			Room: r.id, Kind: bridge.Service, Dialect: dialect, Name: "LiveKit", AtMost: bridge.Moderator,
		})
		cancel()
		if err == nil {
			r.begin(s)
			return true
		}
		if code := bridge.CodeOf(err); code == bridge.NotFound || code == bridge.Closed {
			return false
		}
		if !pause(r.ctx, wait.next(nil)) {
			return false
		}
	}
}

// begin takes the room as it is.
func (r *room) begin(s *bridge.Session) {
	r.session, r.home, r.agreed = s, s.At.Room.Home, agreed{}
	clear(r.people)
	clear(r.pubs)
	for _, p := range s.At.Participants {
		r.people[p.ID] = p
	}
	for _, p := range s.At.Publications {
		r.pubs[p.ID] = p
	}
	for _, d := range s.At.Docs {
		r.doc(d)
	}
	r.dirty = true
}

// read takes what has happened. It reports false when the room is over.
func (r *room) read() bool {
	events, err := r.session.Drain(r.ctx)
	for _, e := range events {
		if _, over := e.(bridge.Ended); over {
			return false
		}
		r.apply(e)
	}
	if err == nil {
		return true
	}
	r.session = nil // too slow, or the way to the room was lost: it is looked at anew
	return r.ctx.Err() == nil
}

func (r *room) doc(d bridge.Doc) {
	if d.Key != docKey {
		return
	}
	var ok bool
	if r.agreed, ok = decodeAgreed(d.Value); !ok && len(d.Value) > 0 {
		r.log.Warn("the room's peerings cannot be read")
	}
	r.dirty = true
}

// apply notes an event.
func (r *room) apply(e bridge.Event) {
	switch e := e.(type) {
	case bridge.Joined:
		r.people[e.P.ID], r.dirty = e.P, true
	case bridge.Changed:
		r.people[e.P.ID], r.dirty = e.P, true
	case bridge.Left:
		delete(r.people, e.P.ID)
		r.dirty = true
	case bridge.Published:
		r.pubs[e.Pub.ID], r.dirty = e.Pub, true
	case bridge.PublicationChanged:
		r.pubs[e.Pub.ID], r.dirty = e.Pub, true
	case bridge.Unpublished:
		delete(r.pubs, e.Pub.ID)
		r.dirty = true
	case bridge.RoomChanged:
		r.home, r.dirty = e.Room.Home, true
	case bridge.DocChanged:
		r.doc(e.Doc)
	case bridge.Said:
		r.talk(e)
	case bridge.Data:
		r.data(e)
	}
}

// tick does what is done from time to time.
func (r *room) tick(now time.Time) {
	r.reveal(now)
	if now.Sub(r.settled) >= settleTime {
		r.dirty = true
	}
	for _, p := range r.peerings {
		p.tick(now)
	}
}

// settle makes the peerings what they should be.
func (r *room) settle(now time.Time) {
	r.dirty, r.settled = false, now
	runs, sits := r.knows()
	want := peersOf(r.f.servers, r.id, r.home, r.agreed)
	for name, p := range r.peerings {
		if w, ok := want[name]; !ok || w.theirs != p.theirs {
			p.close()
			delete(r.peerings, name)
		}
	}
	for name, w := range want {
		if r.peerings[name] == nil {
			r.peerings[name] = newPeering(r, w)
		}
		r.peerings[name].origin = w.origin
		r.peerings[name].settle(runs, sits)
	}
	foreign, wishes := r.foreign(), r.wishes()
	r.f.feed(r.id, foreign)
	if r.f.cfg.Media != nil {
		for _, p := range r.peerings {
			p.look(wishes, foreign)
		}
	}
	r.publish()
}

// foreign returns the streams of LiveKit's people, and of which servers they are.
func (r *room) foreign() map[bridge.PublicationID]string {
	all := map[bridge.PublicationID]string{}
	for id, p := range r.pubs {
		if server, ok := federated(r.people[p.Owner]); ok {
			all[id] = server
		}
	}
	return all
}

// publish writes down how the peerings do.
func (r *room) publish() {
	all := make([]Peering, 0, len(r.peerings))
	for _, name := range slices.Sorted(maps.Keys(r.peerings)) {
		all = append(all, r.peerings[name].report())
	}
	r.mu.Lock()
	r.views = all
	r.mu.Unlock()
}

// do posts a command of the hidden seat.
func (r *room) do(c bridge.Command) {
	if r.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, hostTime)
	defer cancel()
	if err := r.session.Do(ctx, c); err != nil {
		r.log.Info("the room does not do what LiveKit asks for", "err", err)
	}
}
