package cluster

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// The times of a presence.
const (
	// answerTime is how long a command waits for the owner of its room.
	answerTime = 2 * time.Second
	// joinTime is the same for those who come in: a secret may take long to check,
	// and a room to be found.
	joinTime = 10 * time.Second
	// patience is how long clients are kept whose room cannot be reached.
	patience = 30 * time.Second
)

// presence is what this node's clients have of one room: seats, wherever the room
// runs, and what is known of it. When the room goes to another node the seats go with
// it, and the sessions that hold them notice only what is different then.
//
// The mutex guards everything below it. Outboxes are pushed to while it is held, as
// they never wait.
type presence struct {
	h    *Host
	room bridge.RoomID
	ctx  context.Context
	stop context.CancelFunc
	turn chan struct{} // held by who sends on the stream; capacity 1

	mu       sync.Mutex
	at       link.Holding
	local    bool      // the room runs here
	moving   bool      // and is about to go elsewhere
	calm     time.Time // when it takes commands, if it runs here
	closed   bool
	entering int // clients that are being seated in a room of this node: it is not idle
	seats    map[uint32]*seat
	calls    map[uint64]*call
	lastN    uint32       // number of the last seat
	stream   *link.Stream // nil: there is no way to the room
	changed  chan struct{}
	mirror   mirror
	known    uint64 // epoch of the room that the mirror is of; 0: of none
}

// call is something that the owner is asked and has not answered.
type call struct {
	number uint64
	seat   *seat
	body   any
	on     *link.Stream // where it was sent last
	done   chan error   // capacity 1
	at     bridge.Snapshot
}

func newPresence(h *Host, at link.Holding) *presence {
	p := &presence{
		h: h, room: at.Room, at: at, local: at.Owner == h.self, turn: make(chan struct{}, 1),
		seats: map[uint32]*seat{}, calls: map[uint64]*call{}, changed: make(chan struct{}),
	}
	p.ctx, p.stop = context.WithCancel(h.ctx)
	return p
}

// wake tells those who wait that the way to the room is another one. The mutex is
// held.
func (p *presence) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// errGone says that a presence has ended: ask for another one.
var errGone = bridge.Errorf(bridge.Moved, "the room has moved") //nolint:gochecknoglobals // a constant

// join seats a client.
func (p *presence) join(ctx context.Context, req bridge.JoinRequest, out *bridge.Outbox) (bridge.Link, bridge.Snapshot, error) {
	if req.ID.IsZero() {
		req.ID = bridge.NewParticipantID() // so that it may be asked twice, and comes once
	}
	if req.Since.IsZero() {
		req.Since = time.Now()
	}
	p.mu.Lock()
	if p.closed || p.moving {
		changed, moving := p.changed, p.moving
		p.mu.Unlock()
		if moving {
			wait(ctx, changed)
		}
		return nil, bridge.Snapshot{}, errGone
	}
	p.lastN++
	s := &seat{p: p, n: p.lastN, req: req, out: out, watches: map[bridge.PublicationID]string{}}
	local := p.local
	if local {
		p.entering++
	}
	p.mu.Unlock()
	if local {
		return p.joinHere(ctx, s)
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	at, err := p.do(ctx, s, link.Join{Request: req})
	if err != nil {
		p.release(s)
		return nil, bridge.Snapshot{}, err
	}
	return s, at, nil
}

// wait waits for a channel, but not longer than ctx and a second.
func wait(ctx context.Context, c <-chan struct{}) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	case <-ctx.Done():
	}
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// pauseUntil waits for a time, or until ctx ends.
func pauseUntil(ctx context.Context, t time.Time) {
	if d := time.Until(t); !t.IsZero() && d > 0 {
		pause(ctx, d)
	}
}

// joinHere seats a client in a room of this node.
func (p *presence) joinHere(ctx context.Context, s *seat) (bridge.Link, bridge.Snapshot, error) {
	in, at, err := p.h.local.Seat(ctx, s.req, s.out)
	if err != nil {
		p.mu.Lock()
		p.entering--
		if p.moving || !p.local {
			err = errGone
		}
		p.mu.Unlock()
		p.release(s)
		return nil, at, err
	}
	p.mu.Lock()
	p.entering--
	late := p.moving || !p.local || p.closed
	if !late {
		s.link, s.self = in, at.Self
		s.req.Secret, s.req.Create = "", nil // not needed any more
		p.seats[s.n] = s
	}
	p.mu.Unlock()
	if late {
		_ = in.Leave(ctx, bridge.ByMove)
		return nil, at, errGone
	}
	p.h.runs(p.room)
	return s, at, nil
}

// do asks the owner something for a seat and waits for the answer.
func (p *presence) do(ctx context.Context, s *seat, body any) (bridge.Snapshot, error) {
	c, err := p.ask(ctx, s, body)
	if err != nil {
		return bridge.Snapshot{}, err
	}
	select {
	case err := <-c.done:
		return c.at, err
	case <-ctx.Done():
		p.mu.Lock()
		delete(p.calls, c.number)
		p.mu.Unlock()
		return bridge.Snapshot{}, interrupted(ctx.Err())
	}
}

// ask sends something to the owner, or as soon as there is a way to it.
func (p *presence) ask(ctx context.Context, s *seat, body any) (*call, error) {
	p.mu.Lock()
	if s.over != nil || p.closed {
		p.mu.Unlock()
		if _, joins := body.(link.Join); joins {
			return nil, errGone // the last one who was here has just left
		}
		return nil, bridge.Errorf(bridge.Closed, "you are not in the room any more")
	}
	c := &call{number: p.h.calls.Add(1), seat: s, body: body, done: make(chan error, 1), on: p.stream}
	p.calls[c.number] = c
	stream := p.stream
	p.mu.Unlock()
	if stream != nil {
		p.send(ctx, stream, c)
	}
	return c, nil
}

// send sends a call. What cannot be sent is sent again on the next stream.
func (p *presence) send(ctx context.Context, stream *link.Stream, c *call) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return
	case <-stream.Context().Done():
		return
	}
	defer func() { <-p.turn }()
	if err := stream.Send(&link.Envelope{Seat: c.seat.n, Number: c.number, Body: c.body}); err != nil {
		stream.Close()
	}
}

// release forgets a seat, and ends the presence with the last one.
func (p *presence) release(s *seat) {
	p.mu.Lock()
	delete(p.seats, s.n)
	p.mirror.live = p.mirror.live && p.inside()
	if s.over == nil {
		s.over = bridge.Errorf(bridge.Closed, "you have left the room")
	}
	idle := !p.closed && !p.moving && len(p.seats) == 0 && len(p.calls) == 0 && p.entering == 0
	if idle {
		p.closed = true
		p.wake()
	}
	p.mu.Unlock()
	if idle {
		p.h.drop(p)
		p.stop()
	}
}

// sweep releases seats of a room of this node whose sessions are over.
func (p *presence) sweep() {
	p.mu.Lock()
	var over []*seat
	for _, s := range p.seats {
		if p.local && s.out.Over() {
			over = append(over, s)
		}
	}
	p.mu.Unlock()
	for _, s := range over {
		p.release(s)
	}
}

// claims are the seats that are taken to another owner, oldest first, with their
// outboxes. The mutex is held.
func (p *presence) claims() (claims []bridge.Claim, seats []*seat) {
	for _, s := range p.seats {
		if s.over == nil && !s.self.ID.IsZero() {
			seats = append(seats, s)
		}
	}
	// In the order of the room, as far as it is known.
	at := func(s *seat) int { return indexOf(p.mirror.people, s.self.ID) }
	slices.SortFunc(seats, func(a, b *seat) int { return cmp.Or(at(a)-at(b), int(a.n)-int(b.n)) })
	for _, s := range seats {
		claims = append(claims, s.claim())
	}
	return claims, seats
}

// adopt takes in the room as it is now, and tells the seats what is different from
// what they know. taken says which of the seats that were claimed it has. The mutex
// is held.
func (p *presence) adopt(is bridge.State, seats []*seat, taken func(i int) bool) {
	now := mirrorOf(is)
	tell, knocks := difference(&p.mirror, &now), knockNow(&p.mirror, &now)
	p.mirror, p.known = now, p.at.Epoch
	for i, s := range seats {
		if !taken(i) {
			s.end(bridge.Errorf(bridge.Closed, "you have joined this room from elsewhere"), bridge.Relocated{})
			delete(p.seats, s.n)
			continue
		}
		for _, m := range is.Members {
			if m.Participant.ID == s.self.ID {
				s.adopt(m, tell, knocks, &p.mirror)
			}
		}
	}
}
