package bridge

import (
	"context"
	"maps"
	"slices"
	"time"
)

// reseatGrace is how long a seat is kept whose client was away already when its node
// lost the way to the room.
const reseatGrace = 30 * time.Second

// Rooms returns the ids of all rooms, in no order.
func (l *Local) Rooms() []RoomID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.rooms))
}

// Revive opens a room that another node had. Its people are brought by Take: their
// places are kept for them for a while. Exists: there is one of that id.
func (l *Local) Revive(s State) error {
	spec := s.Estate.Spec
	if spec.Ends.Before(time.Now()) {
		spec.Ends = time.Time{} // the estate knows the end
	}
	spec, err := prepare(spec, Spec{})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rooms[spec.ID] != nil {
		return Errorf(Exists, "there is such a room already")
	}
	_, err = l.open(spec, func(r *room) { r.inherit(s) })
	return err
}

// Surrender ends a room that goes on elsewhere and returns it. Nobody is told
// anything: whoever asks for it sees to the seats. NotFound: there is no such room.
func (l *Local) Surrender(ctx context.Context, id RoomID) (State, error) {
	r, err := l.find(id)
	if err != nil {
		return State{}, err
	}
	// Who gave up now would lose the room.
	s, err := askIn(context.WithoutCancel(ctx), l, id, func(r *room) (State, error) {
		s := r.state()
		r.surrendered = true
		r.end(ByMove)
		return s, nil
	})
	if err == nil {
		<-r.quit // until nobody finds it any more
	}
	return s, err
}

// Forsake says that nobody reads a trunk any more: its seats are kept for the grace
// time without their clients. Seats that were taken through another trunk since stay
// as they are. NotFound: there is no such room.
func (l *Local) Forsake(ctx context.Context, id RoomID, t *Trunk, grace time.Duration) error {
	t.Lose(Errorf(Closed, "nobody reads this any more"))
	return l.call(ctx, id, func(r *room) error {
		for _, m := range slices.Clone(r.order) {
			if m.out.trunk == t {
				r.setAway(m, true, grace)
			}
		}
		return nil
	})
}

// Take gives a node the seats of its clients, through a trunk, and the room as it is
// at that moment: all that the trunk carries then is newer. For each claim there is
// a Link, nil for one whose participant is on another node now. NotFound: there is
// no such room.
func (l *Local) Take(ctx context.Context, id RoomID, t *Trunk, claims []Claim) (State, []Link, error) {
	outs := make([]*Outbox, len(claims))
	for i, c := range claims {
		outs[i] = t.Branch(c.Seat)
	}
	return l.TakeAll(ctx, id, claims, outs, nil, nil)
}

// TakeAll is Take for seats whose outboxes, one for each claim, are not of a trunk:
// those of clients of this process. If was is not nil, the room takes in what another
// room of the same id kept, or what another node knows of the room that was: messages
// and documents; without claims also places for its people, whose nodes are on the way.
// Before the seats are told anything, before, if it is not nil, is
// called with the room as it is, so that it can tell them what is different from what
// they know. It must not wait, nor call the Local.
func (l *Local) TakeAll(
	ctx context.Context, id RoomID, claims []Claim, outs []*Outbox, was *State, before func(State, []Link),
) (State, []Link, error) {
	type grant struct {
		state State
		links []Link
	}
	g, err := askIn(ctx, l, id, func(r *room) (grant, error) {
		links := make([]Link, len(claims))
		taken := make([]*member, len(claims))
		nowhere := NewTrunk(1) // what comes of the claims themselves is in the state
		nowhere.Lose(Errorf(Closed, "nobody reads this"))
		for i, c := range claims {
			if m, ok := r.claim(c, nowhere.Branch(0)); ok {
				taken[i], links[i] = m, seat{r, m}
			}
		}
		for i, m := range taken {
			if m != nil {
				r.rewatch(m, claims[i].Watches)
			}
		}
		if was != nil {
			r.absorb(*was)
			if len(claims) == 0 {
				r.expect(*was)
			}
			r.sortStreams(was.Publications)
		}
		s := r.state()
		if before != nil {
			before(s, links)
		}
		for i, m := range taken {
			if m != nil && r.members[m.ID] == m && m.since.Equal(claims[i].Since) {
				m.out = outs[i]
				r.remind(m)
			}
		}
		return grant{s, links}, nil
	})
	return g.state, g.links, err
}

// call runs a function in the loop of a room. A room that has ended is NotFound.
func (l *Local) call(ctx context.Context, id RoomID, f func(*room) error) error {
	_, err := askIn(ctx, l, id, func(r *room) (struct{}, error) { return struct{}{}, f(r) })
	return err
}

// askIn is ask for a room that there may not be: NotFound.
func askIn[T any](ctx context.Context, l *Local, id RoomID, f func(*room) (T, error)) (T, error) {
	r, err := l.find(id)
	if err != nil {
		var nothing T
		return nothing, err
	}
	said, err := ask(ctx, r, f)
	if CodeOf(err) == Closed {
		err = errNoRoom()
	}
	return said, err
}
