package bridge

import "context"

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

// Leftovers counts what a room remembers of people and streams.
func (l *Local) Leftovers(ctx context.Context, id RoomID) (n int, err error) {
	r, err := l.find(id)
	if err != nil {
		return 0, err
	}
	err = r.do(ctx, letter{call: func(r *room) error {
		n = len(r.members) + len(r.order) + len(r.pubs) + len(r.pubOrder) + len(r.clock.away) + r.inside + r.waiting
		if r.recorder != nil || r.recording || !r.speaker.IsZero() || r.locked {
			n++
		}
		return nil
	}})
	return n, err
}

// Holds counts the sessions and tokens that a Local remembers.
func (l *Local) Holds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.holds) + len(l.away)
}
