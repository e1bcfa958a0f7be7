package bridge

import (
	"context"
	"fmt"
)

// Fresh returns the room as the session would see it if it joined now, with its own
// publications left out.
func (s *Session) Fresh(ctx context.Context) (at Snapshot, err error) {
	st := s.Link.(seat)
	err = st.room.do(ctx, letter{call: func(r *room) error {
		if r.members[st.m.ID] != st.m {
			return errNoSeat()
		}
		at = r.snapshot(st.m)
		return nil
	}})
	return at, err
}

// Leftovers says what a room remembers of people and streams.
func (l *Local) Leftovers(ctx context.Context, id RoomID) (left string, err error) {
	r, err := l.find(id)
	if err != nil {
		return "", err
	}
	err = r.do(ctx, letter{call: func(r *room) error {
		for what, n := range map[string]int{
			"members": len(r.members), "order": len(r.order), "publications": len(r.pubs), "their order": len(r.pubOrder),
			"away": len(r.clock.away), "inside": r.inside, "waiting": r.waiting,
		} {
			if n != 0 {
				left += fmt.Sprint(n, " ", what, " ")
			}
		}
		if r.recorder != nil || r.recording || !r.speaker.IsZero() {
			left += "a recorder or a speaker"
		}
		return nil
	}})
	return left, err
}

// Holds counts the sessions and tokens that a Local remembers.
func (l *Local) Holds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.holds) + len(l.away)
}

// Stall keeps a room from doing anything until release is called.
func (l *Local) Stall(ctx context.Context, id RoomID) (release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	go l.call(ctx, id, func(*room) error {
		close(in)
		<-out
		return nil
	})
	<-in
	return func() { close(out) }
}
