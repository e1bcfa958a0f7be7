package cluster

import (
	"context"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

const (
	// guestGrace is how long the owner of a room keeps the seats of a node that it
	// has lost.
	guestGrace = 5 * time.Second
	// maxJoins is how many clients of one node may be coming into one room at once.
	maxJoins = 64
	// replays is how many answers are kept for a node that asks again.
	replays = 1024
)

// guests are the seats that another node has in a room of this one, over one stream.
type guests struct {
	h     *Host
	room  bridge.RoomID
	s     *link.Stream
	trunk *bridge.Trunk
	again *replay
	joins chan struct{} // held by those who are coming in
	epoch uint64
	calm  time.Time // when the room takes commands

	mu    sync.Mutex
	seats map[uint32]guest
	over  bool
}

type guest struct {
	bridge.Link
	out *bridge.Outbox
	id  bridge.ParticipantID
}

// replay is what a node was answered last in a room, whatever the stream. A command
// that is asked again, because the stream broke before the answer came, is answered
// and not applied again.
type replay struct {
	mu      sync.Mutex
	answers map[uint64]error
	order   []uint64
	used    time.Time
}

func (r *replay) get(n uint64) (error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err, ok := r.answers[n]
	return err, ok
}

func (r *replay) put(n uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[n] = err
	r.order = append(r.order, n)
	r.used = time.Now()
	if len(r.order) > replays {
		delete(r.answers, r.order[0])
		r.order = r.order[1:]
	}
}

// host serves a stream of another node to a room of this one.
func (h *Host) host(ctx context.Context, a link.Attach, s *link.Stream) {
	g := &guests{
		h: h, room: a.Room, s: s, trunk: bridge.NewTrunk(0), seats: map[uint32]guest{},
		epoch: a.Epoch, joins: make(chan struct{}, maxJoins), again: h.replayOf(s.Peer, a.Room),
	}
	if to, moved := h.movedTo(a.Room, a.Epoch); moved {
		_ = s.Send(&link.Envelope{Body: link.Moving{To: to}})
		return
	}
	attached, err := g.attach(ctx, a)
	if s.Send(&link.Envelope{Body: attached, Err: err}) != nil || err != nil {
		return
	}
	if to, moved := h.enter(g, a.Epoch); moved {
		g.trunk.Put(&link.Envelope{Body: link.Moving{To: to}})
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { g.write(ctx) })
	for {
		e, err := s.Recv()
		if e == nil {
			break
		}
		if err != nil {
			g.answer(e, nil, err)
			continue
		}
		g.serve(ctx, e, &tasks)
	}
	s.Close()
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
	tasks.Wait()
	h.leave(g)
	_ = h.local.Forsake(h.ctx, g.room, g.trunk, guestGrace)
}

// attach gives the node the seats that it claims.
func (g *guests) attach(ctx context.Context, a link.Attach) (link.Attached, error) {
	if to, gone := g.h.ownUnlessGone(link.Holding{Room: a.Room, Owner: g.h.self, Epoch: a.Epoch}); gone {
		return link.Attached{}, &bridge.Error{Code: bridge.Moved, Msg: "the room has moved", Node: to.Owner}
	}
	if len(a.Claims) == 0 {
		return link.Attached{}, nil
	}
	if a.Was != nil {
		if err := g.h.revive(*a.Was); err != nil {
			return link.Attached{}, err
		}
	}
	outs := make([]*bridge.Outbox, len(a.Claims))
	for i, c := range a.Claims {
		outs[i] = g.trunk.Branch(c.Seat)
	}
	state, links, err := g.h.local.TakeAll(ctx, a.Room, a.Claims, outs, a.Was, nil)
	if bridge.CodeOf(err) == bridge.NotFound {
		err = bridge.Errorf(bridge.Closed, "the room has ended")
	}
	if err != nil {
		return link.Attached{}, err
	}
	g.h.runs(a.Room)
	g.calm = g.h.calm(a.Room)
	attached := link.Attached{State: &state, Taken: make([]bool, len(links))}
	for i, l := range links {
		if attached.Taken[i] = l != nil; l != nil {
			g.seats[a.Claims[i].Seat] = guest{l, outs[i], a.Claims[i].Member.Participant.ID}
		}
	}
	return attached, nil
}

// write sends what the room tells, and the answers, in order.
func (g *guests) write(ctx context.Context) {
	defer g.s.Close()
	for {
		select {
		case <-g.trunk.Ready():
		case <-ctx.Done():
			return
		}
		parcels, lost := g.trunk.Take()
		for _, p := range parcels {
			if p.Over != nil {
				g.forget(p.To[0])
			}
			e := envelope(p)
			if err := g.s.Send(e); err != nil {
				return
			}
			if _, last := e.Body.(link.Moving); last {
				pause(ctx, time.Second) // the other end closes the stream when it has read it
				return
			}
		}
		if lost != nil {
			g.h.lagged.Add(1)
			g.h.log.Warn("a node is too slow for a room", "peer", string(g.s.Peer), "room", string(g.room))
			return
		}
	}
}

// forget forgets a seat that is lost. Its number is not used again.
func (g *guests) forget(seat uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.seats, seat)
}

// envelope is what a parcel is on a link.
func envelope(p bridge.Parcel) *link.Envelope {
	switch {
	case p.Over != nil:
		return &link.Envelope{Seat: p.To[0], Err: p.Over, Body: link.Over{}}
	case p.Restart:
		return &link.Envelope{Seat: p.To[0], Body: link.Restart{}}
	case p.Event != nil:
		return &link.Envelope{To: p.To, Version: p.Version, Body: p.Event}
	}
	e, _ := p.Note.(*link.Envelope)
	return e
}

// answer puts an answer behind all that followed from what it answers.
func (g *guests) answer(e *link.Envelope, body any, err error) {
	g.trunk.Put(&link.Envelope{Seat: e.Seat, Number: e.Number, Body: body, Err: err})
}

// serve does what the node asks for. What needs long is done beside; all else in
// order, so that a node that asks too much has to wait.
func (g *guests) serve(ctx context.Context, e *link.Envelope, tasks *sync.WaitGroup) {
	if join, ok := e.Body.(link.Join); ok {
		select {
		case g.joins <- struct{}{}:
		case <-ctx.Done():
			return
		}
		tasks.Go(func() {
			defer func() { <-g.joins }()
			g.join(ctx, e, join.Request)
		})
		return
	}
	if _, ok := e.Body.(bridge.Command); ok {
		pauseUntil(ctx, g.calm)
	}
	g.mu.Lock()
	seat, ok := g.seats[e.Seat]
	g.mu.Unlock()
	if _, retake := e.Body.(link.Retake); retake {
		g.retake(ctx, e, seat)
		return
	}
	if err, again := g.again.get(e.Number); again {
		g.answer(e, nil, err)
		return
	}
	var err error
	switch body := e.Body.(type) {
	case link.Leave:
		if ok {
			err = seat.Leave(ctx, body.Reason)
		}
		g.forget(e.Seat)
	case link.Away:
		if ok {
			err = seat.Away(ctx, body.Away, body.Grace)
		}
	case bridge.Command:
		if err = bridge.Errorf(bridge.Closed, "you are not in the room any more"); ok {
			err = seat.Do(ctx, body)
		}
	default:
		err = bridge.Errorf(bridge.BadRequest, "a seat cannot be asked that")
	}
	if g.unanswered(ctx, err) {
		return
	}
	g.again.put(e.Number, err)
	g.answer(e, nil, err)
}

// unanswered reports whether what was asked failed only because the room was handed
// over, or the stream has ended: the node asks again, by another stream or another
// owner. An answer that was kept would be found when the room comes back.
func (g *guests) unanswered(ctx context.Context, err error) bool {
	code := bridge.CodeOf(err)
	if code != bridge.Closed && code != bridge.Unavailable {
		return false
	}
	_, moved := g.h.movedTo(g.room, g.epoch)
	return moved || code == bridge.Unavailable && ctx.Err() != nil
}

func (g *guests) retake(ctx context.Context, e *link.Envelope, s guest) {
	r, ok := s.Link.(bridge.Retaker)
	if !ok {
		g.answer(e, nil, bridge.Errorf(bridge.NotFound, "the seat is gone"))
		return
	}
	at, err := r.Retake(ctx, s.out)
	g.answer(e, link.Seated{At: at}, err)
}

// join seats a client of the node.
func (g *guests) join(ctx context.Context, e *link.Envelope, req bridge.JoinRequest) {
	if _, moved := g.h.movedTo(g.room, g.epoch); moved || req.Room != g.room {
		g.answer(e, nil, bridge.Errorf(bridge.Moved, "the room has moved"))
		return
	}
	out := g.trunk.Branch(e.Seat)
	in, at, err := g.h.local.Seat(ctx, req, out)
	if _, moved := g.h.movedTo(g.room, g.epoch); err != nil && moved {
		err = bridge.Errorf(bridge.Moved, "the room has moved")
	}
	if err != nil {
		g.answer(e, nil, err)
		return
	}
	g.mu.Lock()
	late := g.over
	if !late {
		g.seats[e.Seat] = guest{in, out, at.Self.ID}
	}
	g.mu.Unlock()
	if late {
		_ = in.Leave(ctx, bridge.ByLoss)
		return
	}
	g.h.runs(g.room)
	g.answer(e, link.Seated{At: at}, nil)
}
