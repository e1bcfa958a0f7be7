package bridge

import (
	"cmp"
	"context"
	"slices"
)

// Seated is a session of this process, for whoever empties it. The room may run
// elsewhere.
type Seated struct {
	Room    RoomID
	Self    ParticipantID
	Kind    Kind
	Dialect string

	hold *hold
}

// Seated lists all sessions, by participant, those of clients that are away too.
func (l *Local) Seated() []Seated {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Seated, 0, len(l.holds))
	for h := range l.holds {
		list = append(list, Seated{Room: h.room, Self: h.self, Kind: h.kind, Dialect: h.dialect, hold: h})
	}
	slices.SortFunc(list, func(a, b Seated) int { return cmp.Compare(a.Self.String(), b.Self.String()) })
	return list
}

// Dismiss ends the session as the end of its room by ByShutdown would, so that the
// client is sent away in the words of its dialect and comes back to another node. The
// room goes on; the others in it are told Left. One that is over is left alone.
func (s Seated) Dismiss(ctx context.Context) error {
	s.hold.mu.Lock()
	over := s.hold.over
	s.hold.mu.Unlock()
	if over {
		return nil
	}
	s.hold.out.Push(Ended{Reason: ByShutdown})
	s.hold.out.End(Errorf(Closed, "the server is shutting down"))
	return s.hold.link.Leave(ctx, ByShutdown)
}
