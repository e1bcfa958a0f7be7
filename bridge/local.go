package bridge

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// LocalConfig is what a Local is made of. Zero fields are defaults.
type LocalConfig struct {
	// Media makes the peers of sessions. Without it there are none.
	Media Media
	// Check compares a room's secret, or its hash, with one that was given. It may
	// be slow: it runs in the goroutine of the client that joins. Default: both are
	// plain text, compared in constant time.
	Check func(stored, given Secret) bool
	// Defaults fills the fields that the Spec of a new room leaves zero. Switches
	// that it switches on are on in every room.
	Defaults Spec
	// History keeps the chat of rooms that are kept when empty (Spec.Keep) and have
	// KeepChat: it is there again in the next process. nil: it goes with this one.
	History History
	Log     *slog.Logger // default: none
	Outbox  int          // events that a session may leave unread; default DefaultOutbox
	Mailbox int          // letters that a room may leave unserved; default 256
	Peers   int          // peers of one session; default 256
	Rooms   int          // rooms at once; default 10 000
}

// Local is the rooms of this process and the sessions of its clients. It is a Host
// of those rooms, and a Place for whoever speaks for clients of other nodes.
type Local struct {
	cfg   LocalConfig
	count counters
	ctx   context.Context // ends when the Local closes
	stop  context.CancelFunc
	tasks sync.WaitGroup // the loops of rooms and the caretakers

	mu     sync.Mutex // held for a look or a change only
	closed bool
	rooms  map[RoomID]*room
	holds  map[*hold]struct{}
	away   map[ResumeToken]*hold
}

// NewLocal makes a Local. Close ends what it starts.
func NewLocal(cfg LocalConfig) *Local {
	if cfg.Check == nil {
		cfg.Check = compare
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Outbox = cmp.Or(cfg.Outbox, DefaultOutbox)
	cfg.Mailbox = cmp.Or(cfg.Mailbox, 256)
	cfg.Peers = cmp.Or(cfg.Peers, 256)
	cfg.Rooms = cmp.Or(cfg.Rooms, 10_000)
	ctx, stop := context.WithCancel(context.Background())
	return &Local{
		cfg: cfg, ctx: ctx, stop: stop,
		rooms: map[RoomID]*room{},
		holds: map[*hold]struct{}{},
		away:  map[ResumeToken]*hold{},
	}
}

// Close ends all rooms with ByShutdown, closes all peers and waits until every
// goroutine of the Local is gone, or ctx has ended.
func (l *Local) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	holds := slices.Collect(maps.Keys(l.holds))
	l.mu.Unlock()
	l.stop()
	for _, h := range holds {
		h.closePeers()
	}
	done := make(chan struct{})
	go func() {
		l.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return &Error{Code: Unavailable, Msg: "some rooms have not ended in time", Err: ctx.Err()}
	}
}

// Stats returns what was counted.
func (l *Local) Stats() Stats { return l.count.stats() }

// Create makes a room. Exists: there is one of that id.
func (l *Local) Create(ctx context.Context, s Spec) error {
	s, err := prepare(s, l.cfg.Defaults)
	if err != nil {
		return err
	}
	past, err := l.past(ctx, s)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rooms[s.ID] != nil {
		return Errorf(Exists, "there is such a room already")
	}
	_, err = l.start(s, past)
	return err
}

// archived reports whether the chat of a room outlives the process.
func (l *Local) archived(s Spec) bool { return l.cfg.History != nil && s.Keep && s.KeepChat > 0 }

// past returns what was said in a room before this process.
func (l *Local) past(ctx context.Context, s Spec) ([]Said, error) {
	if !l.archived(s) {
		return nil, nil
	}
	return l.cfg.History.Last(ctx, s.ID, s.KeepChat)
}

// start makes a room and runs it. The mutex is held.
func (l *Local) start(s Spec, past []Said) (*room, error) {
	return l.open(s, func(r *room) { r.remember(past) })
}

// open is start for a room that is not as new as others.
func (l *Local) open(s Spec, before func(*room)) (*room, error) {
	if l.closed {
		return nil, errShutdown()
	}
	if len(l.rooms) >= l.cfg.Rooms {
		return nil, Errorf(Unavailable, "there are too many rooms")
	}
	r := newRoom(s, l.cfg.Mailbox, l.cfg.Log, &l.count)
	if l.archived(s) {
		r.history = l.cfg.History
	}
	before(r)
	l.rooms[s.ID] = r
	l.count.rooms.Add(1)
	r.log.Info("room opened")
	l.tasks.Go(func() {
		r.loop(l.ctx.Done())
		r.log.Info("room ended", "reason", r.why.String())
		l.mu.Lock()
		delete(l.rooms, s.ID)
		l.mu.Unlock()
		l.count.rooms.Add(-1)
		close(r.quit)
	})
	return r, nil
}

func errShutdown() error { return Errorf(Unavailable, "the server is shutting down") }

func (l *Local) find(id RoomID) (*room, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.rooms[id]; r != nil {
		return r, nil
	}
	if l.closed {
		return nil, errShutdown()
	}
	return nil, errNoRoom()
}

func errNoRoom() error { return Errorf(NotFound, "there is no such room") }

// Lookup tells what may be known of a room. NotFound: there is none.
func (l *Local) Lookup(ctx context.Context, id RoomID) (Info, error) {
	return askIn(ctx, l, id, func(r *room) (Info, error) { return r.info(), nil })
}

// List tells of all rooms that are not unlisted, by id.
func (l *Local) List(ctx context.Context) ([]Info, error) {
	l.mu.Lock()
	ids := slices.Sorted(maps.Keys(l.rooms))
	l.mu.Unlock()
	list := make([]Info, 0, len(ids))
	for _, id := range ids {
		switch i, err := l.Lookup(ctx, id); {
		case CodeOf(err) == NotFound: // it has ended in the meantime
		case err != nil:
			return nil, err
		case !i.Unlisted:
			list = append(list, i)
		}
	}
	return list, nil
}

// Join takes a seat in a room of this process.
func (l *Local) Join(ctx context.Context, req JoinRequest) (*Session, error) {
	return l.JoinAt(ctx, l, req)
}

// JoinAt takes a seat at some place for a client of this process. It is for Hosts
// that know more places than this one; the session is the Local's.
func (l *Local) JoinAt(ctx context.Context, p Place, req JoinRequest) (*Session, error) {
	out := newOutbox(l.cfg.Outbox, req.Wake, &l.count)
	link, at, err := p.Seat(ctx, req, out)
	if err != nil {
		l.count.refused.Add(1)
		return nil, err
	}
	h := newHold(l, link, req.Room, at, out)
	s := &Session{Link: link, At: at, hold: h}
	h.holder = s
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.holds[h] = struct{}{}
		l.count.sessions.Add(1)
	}
	l.mu.Unlock()
	if closed {
		_ = link.Leave(ctx, ByShutdown)
		return nil, errShutdown()
	}
	return s, nil
}

// Seat takes a seat in a room of this process. The outbox is told everything that
// is newer than the snapshot.
func (l *Local) Seat(ctx context.Context, req JoinRequest, out *Outbox) (Link, Snapshot, error) {
	if err := checkRequest(req); err != nil {
		return nil, Snapshot{}, err
	}
	for {
		s, at, err := l.seat(ctx, req, out)
		switch {
		case err == nil:
			return s, at, nil
		case CodeOf(err) == Closed || errors.Is(err, errDoorChanged):
			// The room has just ended, or its door has just changed: ask anew.
		default:
			return nil, Snapshot{}, err
		}
	}
}

func (l *Local) seat(ctx context.Context, req JoinRequest, out *Outbox) (seat, Snapshot, error) {
	r, err := l.room(ctx, req)
	if err != nil {
		return seat{}, Snapshot{}, err
	}
	d, err := r.knock(ctx, req)
	if err != nil {
		return seat{}, Snapshot{}, err
	}
	p, err := passOf(d, req, l.cfg.Check)
	if err != nil {
		return seat{}, Snapshot{}, err
	}
	return r.join(ctx, req, d, p, out)
}

// room finds the room of a request, or makes it.
func (l *Local) room(ctx context.Context, req JoinRequest) (*room, error) {
	r, err := l.find(req.Room)
	if err == nil || req.Create == nil {
		return r, err
	}
	s := *req.Create
	s.ID = req.Room
	if s, err = prepare(s, l.cfg.Defaults); err != nil {
		return nil, err
	}
	past, err := l.past(ctx, s)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.rooms[req.Room]; r != nil {
		return r, nil // made by another one meanwhile
	}
	return l.start(s, past)
}

// Resume takes a seat again that was left by Detach. NotFound: it is gone.
func (l *Local) Resume(ctx context.Context, token ResumeToken) (*Session, error) {
	l.mu.Lock()
	h := l.away[token]
	delete(l.away, token)
	l.mu.Unlock()
	if h == nil {
		return nil, errNoSeat()
	}
	l.count.detached.Add(-1)
	h.mu.Lock()
	away := h.away
	h.mu.Unlock()
	return h.resume(ctx, away)
}

// care has a caretaker watch a hold.
func (l *Local) care(h *hold, away *absence, wake chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, held := l.holds[h]; l.closed || !held {
		return false
	}
	l.away[away.token] = h
	l.count.detached.Add(1)
	l.tasks.Go(func() { h.watch(l.ctx, away, wake) })
	return true
}

// forgetHold drops a hold that is over.
func (l *Local) forgetHold(h *hold) {
	h.mu.Lock()
	away := h.away
	h.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, held := l.holds[h]; !held {
		return
	}
	delete(l.holds, h)
	l.count.sessions.Add(-1)
	if away == nil {
		return
	}
	if _, waits := l.away[away.token]; waits {
		delete(l.away, away.token)
		l.count.detached.Add(-1)
	}
}
