package bridge

import "context"

// Whose tells a node of a cluster, for its relays of media, whose some streams of a
// room are, zero for those that there are not, and what some participants may do,
// nothing for those who wait or are not there. NotFound: there is no such room.
func (l *Local) Whose(
	ctx context.Context, id RoomID, pubs []PublicationID, people []ParticipantID,
) (owners []ParticipantID, can []Permissions, err error) {
	err = l.call(ctx, id, func(r *room) error {
		owners, can = make([]ParticipantID, len(pubs)), make([]Permissions, len(people))
		for i, id := range pubs {
			if p := r.pubs[id]; p != nil {
				owners[i] = p.Owner
			}
		}
		for i, id := range people {
			if m := r.members[id]; m != nil && !m.waiting {
				can[i] = m.Can
			}
		}
		return nil
	})
	return owners, can, err
}

// Sitting is a seat that a client of this process has, in a room of any node.
type Sitting struct {
	Room        RoomID
	Participant ParticipantID
	Kind        Kind
	Dialect     string
}

// Sittings returns the seats of the clients of this process, also of those who are away
// for a moment or wait, in no order.
func (l *Local) Sittings() []Sitting {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Sitting, 0, len(l.holds))
	for h := range l.holds {
		all = append(all, Sitting{Room: h.room, Participant: h.self, Kind: h.kind, Dialect: h.dialect})
	}
	return all
}
