package nkmedia

import (
	"context"
	"errors"
	"strings"
	"time"

	"dragoman/bridge"
)

// place is where a member is.
type place struct {
	room bridge.RoomID
	member
	owner  bridge.Participant
	stream bridge.Publication // of publishers
}

// Bounds of looking for members.
const (
	maxHeard  = 4096 // members whose place is remembered
	maxSearch = 30   // searches through all rooms in a minute
)

// remember notes where a member is that the client was told of.
func (s *speaker) remember(id string, room bridge.RoomID) {
	if len(s.heard) >= maxHeard {
		clear(s.heard)
	}
	s.heard[id] = room
}

// locate finds a member: where the client looks on, where it was last, in the room
// that is named, and at last in all that are listed.
func (s *speaker) locate(ctx context.Context, id string, hint bridge.RoomID) (place, bool) {
	for room, w := range s.watches {
		if p, ok := placeIn(w.who, room, id); ok {
			return p, true
		}
	}
	var rooms []bridge.RoomID
	if m := s.media[id]; m != nil && m.seat != nil {
		rooms = append(rooms, m.seat.room)
	}
	if room, ok := s.heard[id]; ok {
		rooms = append(rooms, room)
	}
	if hint != "" {
		rooms = append(rooms, hint)
	}
	for _, t := range s.seats {
		rooms = append(rooms, t.room)
	}
	if p, ok := s.searchIn(ctx, rooms, id); ok {
		return p, true
	}
	if !s.maySearch() {
		return place{}, false
	}
	infos, err := s.d.env.Host.List(ctx)
	if err != nil {
		return place{}, false
	}
	rooms = rooms[:0]
	for _, i := range infos {
		rooms = append(rooms, i.ID)
	}
	return s.searchIn(ctx, rooms, id)
}

var errFound = errors.New("found")

func (s *speaker) searchIn(ctx context.Context, rooms []bridge.RoomID, id string) (found place, ok bool) {
	for _, room := range rooms {
		err := s.visiting(ctx, room, func(x *bridge.Session) error {
			if found, ok = placeIn(newRoster(x.At), room, id); ok {
				return errFound
			}
			return nil
		})
		if errors.Is(err, errFound) {
			s.remember(id, room)
			return found, true
		}
	}
	return place{}, false
}

// maySearch lets a client look through all rooms now and then: it costs as much as
// there are rooms.
func (s *speaker) maySearch() bool {
	if s.searches == 0 {
		s.c.After(time.Minute, func(context.Context) error {
			s.searches = 0
			return nil
		})
	}
	if s.searches >= maxSearch {
		return false
	}
	s.searches++
	return true
}

func placeIn(r *roster, room bridge.RoomID, id string) (place, bool) {
	m, p := r.member(id)
	if p == nil {
		return place{}, false
	}
	return place{room, m, p.Participant, p.publication(m.pub)}, true
}

// foreign finds a member of another dialect by an id of the form that those have.
func (s *speaker) foreign(ctx context.Context, id string) (place, bool) {
	var uuid bridge.PublicationID
	text, ok := strings.CutPrefix(id, "session-")
	if !ok || uuid.UnmarshalText([]byte(text)) != nil {
		return place{}, false
	}
	p, ok := s.locate(ctx, id, "")
	return p, ok && p.owner.Dialect != Name
}
