package livekit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
)

const (
	lookTime    = time.Second      // between looks at what no callback tells: names
	listTime    = 10 * time.Second // between questions who is there
	speakerTime = 12 * time.Second // what a node said of speakers is believed for that
	maxNotes    = 256
	maxKeys     = 512 // messages that are remembered to have been said to all
)

// roster seats the people of a LiveKit room in ours. There is one where the room runs,
// as long as somebody is there for whom it is worth it.
type roster struct {
	server  *server
	host    bridge.Host
	room    bridge.RoomID
	theirs  string
	cluster string
	who     identity
	count   *counts
	log     *slog.Logger
	private func(note)      // takes what one of ours says to one of theirs; does not wait
	looped  map[string]bool // SIDs of those who have come from here

	ctx       context.Context
	stop      context.CancelFunc
	yields    chan struct{} // closed: another node has the room now
	yieldOnce sync.Once
	done      chan struct{}

	wake      chan struct{} // of all seats
	connected chan connection
	listed    chan listing
	notes     chan heardNote
	ask       chan struct{} // who is there is to be asked now; capacity 1
	chores    chan func()
	seated    atomic.Int64
	status    status

	// Of the goroutine.
	conn   *lksdk.Room // nil: there is none
	feed   *feed
	idle   bool // the LiveKit room is empty, and closed
	next   time.Time
	wait   backoff
	list   time.Time // when to ask who is there
	asking bool
	sid    string           // our own on the connection
	grace  time.Time        // until then those who were there before the connection was lost may come back
	ghosts map[string]bool  // SIDs of people whom only the SDK believes to be there
	seats  map[string]*seat // by identity
	speaks map[bridge.ParticipantID]speakers
	keys   []string // of messages that were said to all
	early  []early
}

// heardNote is a note and whose seat it has come from; zero: this node.
type heardNote struct {
	topic  string
	source bridge.ParticipantID
	note   note
}

// speakers are whom a node has heard last.
type speakers struct {
	who []string
	at  time.Time
}

// listing is who the API says is there. Before are the SIDs that were known when it was
// asked.
type listing struct {
	before map[string]string // identities by SID
	all    map[string]*livekit.ParticipantInfo
	err    error
}

// status is how something does, for Peerings.
type status struct {
	mu    sync.Mutex
	state State
	since time.Time
	text  string
}

func (s *status) set(state State, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != state || s.since.IsZero() {
		s.state, s.since = state, time.Now()
	}
	if err != nil {
		s.text = err.Error()
	} else if state == Up {
		s.text = ""
	}
}

func (s *status) get() (State, time.Time, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.since, s.text
}

// start begins a roster in goroutines of tasks.
func (r *roster) start(ctx context.Context, tasks *sync.WaitGroup) {
	r.ctx, r.stop = context.WithCancel(ctx)
	r.looped, r.yields, r.done = map[string]bool{}, make(chan struct{}), make(chan struct{})
	r.wake, r.connected, r.listed = make(chan struct{}, 1), make(chan connection), make(chan listing)
	r.notes, r.ask, r.chores = make(chan heardNote, maxNotes), make(chan struct{}, 1), make(chan func(), maxChores)
	r.ghosts, r.seats, r.speaks = map[string]bool{}, map[string]*seat{}, map[bridge.ParticipantID]speakers{}
	r.feed = newFeed(r.count) // of no connection: it tells nothing
	r.status.set(Connecting, nil)
	tasks.Go(func() {
		defer close(r.done)
		var own sync.WaitGroup
		own.Go(r.work)
		r.run(&own)
		r.stop()
		own.Wait()
	})
}

// close ends a roster: its people leave.
func (r *roster) close() { r.stop() }

// yield ends a roster whose room is on another node now: the people are that node's as
// soon as it seats them.
func (r *roster) yield() { r.yieldOnce.Do(func() { close(r.yields) }) }

// put hands a note to the roster.
func (r *roster) put(n heardNote) {
	select {
	case r.notes <- n:
	default:
		r.count.dropped.Add(1)
	}
}

func (r *roster) run(own *sync.WaitGroup) {
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	r.begin(own)
	for {
		select {
		case <-r.ctx.Done():
			r.end(bridge.ByWish)
			return
		case <-r.yields:
			r.handOver()
			return
		case c := <-r.connected:
			r.take(c)
		case l := <-r.listed:
			r.compare(l)
		case <-r.wake:
			r.drain()
		case <-r.feed.changed:
			r.look(time.Now())
		case c := <-r.feed.heard:
			r.said(c)
		case n := <-r.notes:
			r.noted(n)
		case <-r.feed.over:
			r.ended()
		case <-r.ask:
			r.list = time.Now()
			r.tick(time.Now(), own)
		case now := <-tick.C:
			r.tick(now, own)
		}
	}
}

// begin connects, in a goroutine of its own.
func (r *roster) begin(own *sync.WaitGroup) {
	r.next = time.Time{}
	own.Go(func() {
		c := r.server.connect(r.ctx, r.who, true, nil)
		select {
		case r.connected <- c:
		case <-r.ctx.Done():
			hangUp(c.room)
		}
	})
}

// hangUp ends a connection, if there is one.
func hangUp(room *lksdk.Room) {
	if room != nil {
		room.Disconnect()
	}
}

// take takes a connection that was made, or not.
func (r *roster) take(c connection) {
	if c.err != nil {
		r.next = time.Now().Add(r.wait.next(c.err))
		r.status.set(Failed, c.err)
		r.log.Warn("no connection to LiveKit", "err", c.err)
		return
	}
	r.wait.reset()
	r.conn, r.feed, r.idle = c.room, c.feed, false
	r.sid, r.list = c.room.LocalParticipant.SID(), time.Now()
	clear(r.ghosts)
	r.status.set(Up, nil)
	r.look(time.Now())
}

// ended notes that the connection has ended by itself.
func (r *roster) ended() {
	why := r.conn.DisconnectReason()
	r.drop()
	r.count.lost.Add(1)
	r.log.Info("the connection to LiveKit has ended", "reason", why.String())
	switch why {
	case livekit.DisconnectReason_ROOM_CLOSED:
		r.idle = true
		r.leaveAll(bridge.ByWish) // nobody was there
		r.status.set(Waiting, nil)
	case livekit.DisconnectReason_ROOM_DELETED:
		r.leaveAll(bridge.ByEnd)
		r.next = time.Now().Add(refusedTime)
		r.status.set(Failed, bridge.Errorf(bridge.Closed, "their room was closed there"))
	default:
		r.away(time.Now())
		r.next = time.Now().Add(r.wait.next(nil))
		r.status.set(Connecting, nil)
	}
}

// drop forgets the connection.
func (r *roster) drop() {
	hangUp(r.conn)
	r.conn, r.feed = nil, newFeed(r.count)
}

// away notes that LiveKit is lost: the others see that its people are.
func (r *roster) away(lost time.Time) {
	r.grace = lost.Add(keepTime)
	for _, s := range r.seats {
		if s.session == nil || s.away {
			continue
		}
		ctx, cancel := context.WithTimeout(r.ctx, seatTime)
		s.away = s.session.Away(ctx, true, time.Until(r.grace)) == nil
		cancel()
	}
}

func (r *roster) leaveAll(why bridge.Reason) {
	for _, s := range r.seats {
		r.leave(s, why)
	}
	clear(r.seats)
}

// end gives everything up.
func (r *roster) end(why bridge.Reason) {
	r.status.set(Waiting, nil)
	hangUp(r.conn)
	r.leaveAll(why)
}

// handOver waits until the node that has the room now has seated everybody again, so
// that nobody is told that they leave.
func (r *roster) handOver() {
	r.status.set(Waiting, nil)
	hangUp(r.conn)
	ctx, cancel := context.WithTimeout(r.ctx, keepTime)
	defer cancel()
	for r.seated.Load() > 0 {
		select {
		case <-r.wake:
			for _, s := range r.seats {
				if s.session == nil {
					continue
				}
				if _, err := s.session.Drain(r.ctx); err != nil {
					r.unseat(s)
				}
			}
		case <-ctx.Done():
			r.leaveAll(bridge.ByMove)
		}
	}
}

// tick does what is done from time to time.
func (r *roster) tick(now time.Time, own *sync.WaitGroup) {
	if r.conn == nil && !r.next.IsZero() && now.After(r.next) {
		r.status.set(Connecting, nil)
		r.begin(own)
	}
	if (r.conn != nil || r.idle) && !r.asking && !now.Before(r.list) {
		r.inquire(own)
	}
	if r.conn == nil && !r.grace.IsZero() && now.After(r.grace) {
		r.grace = time.Time{}
		r.leaveAll(bridge.ByLoss)
	}
	r.talk(now)
	r.look(now)
}
