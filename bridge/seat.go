package bridge

import (
	"context"
	"maps"
	"slices"
	"time"
)

// seat is a member's way to its room: the Link of a room of this process.
type seat struct {
	room *room
	m    *member
}

// Do posts a command and waits until it was applied.
func (s seat) Do(ctx context.Context, c Command) error {
	if c == nil {
		return Errorf(BadRequest, "there is no command")
	}
	return s.room.do(ctx, letter{from: s.m, cmd: c})
}

// Leave gives up the seat. It does so even if ctx has ended: a seat that nobody
// gives up stays for ever, and the room never lets one wait for long.
func (s seat) Leave(ctx context.Context, why Reason) error {
	return s.post(ctx, func(r *room) error {
		r.remove(s.m, why, Errorf(Closed, "you have left the room"))
		return nil
	})
}

// Away says whether the client's connection is lost. Without a connection the
// room removes the seat after the grace time.
func (s seat) Away(ctx context.Context, away bool, grace time.Duration) error {
	return s.post(ctx, func(r *room) error {
		r.setAway(s.m, away, grace)
		return nil
	})
}

// Retake gives the seat to a client that has come back.
func (s seat) Retake(ctx context.Context, out *Outbox) (Snapshot, error) {
	return ask(ctx, s.room, func(r *room) (at Snapshot, err error) {
		if r.members[s.m.ID] != s.m {
			return at, Errorf(NotFound, "the seat is gone")
		}
		if s.m.out != out {
			s.m.out.End(Errorf(Closed, "you have come back from elsewhere"))
			s.m.out = out
		}
		r.setAway(s.m, false, 0)
		if err := out.Restart(); err != nil {
			return at, err
		}
		at = r.snapshot(s.m)
		r.remind(s.m)
		return at, nil
	})
}

// remind tells a member what is in no snapshot.
func (r *room) remind(m *member) {
	if m.admitted {
		r.tellOne(m, Admitted{})
	}
	for _, p := range r.pubOrder {
		if p.owner == m && p.wanted != "" {
			r.tellOne(m, Wanted{ID: p.ID, Layer: p.wanted})
		}
	}
}

// post runs a function in the loop for a seat that may be gone already, with the
// room or without.
func (s seat) post(ctx context.Context, f func(*room) error) error {
	err := s.room.do(context.WithoutCancel(ctx), letter{call: func(r *room) error {
		if r.members[s.m.ID] != s.m {
			return nil
		}
		return f(r)
	}})
	if CodeOf(err) == Closed {
		return nil
	}
	return err
}

// knock asks at the door: Banned, or what is to be checked.
func (r *room) knock(ctx context.Context, req JoinRequest) (door, error) {
	return ask(ctx, r, func(r *room) (door, error) {
		if key, ok := banKeyOf(req.User, req.Remote); ok && !req.trusted() {
			if _, banned := r.banned[key]; banned {
				return door{}, Errorf(Banned, "you have been banned from this room")
			}
		}
		return door{secrets: r.spec.Secrets, usual: r.spec.Default, version: r.door}, nil
	})
}

// errDoorChanged says that the secrets were replaced while they were checked.
var errDoorChanged = Errorf(Unavailable, "the room is busy")

// Check tells what is wrong with a request by itself, whatever the room is like:
// BadRequest.
func (req JoinRequest) Check() error { return checkRequest(req) }

// join seats one whom the door let pass.
func (r *room) join(ctx context.Context, req JoinRequest, d door, p pass, out *Outbox) (seat, Snapshot, error) {
	m := newMember(req, p, out)
	at, err := ask(ctx, r, func(r *room) (Snapshot, error) {
		if d.version != r.door {
			return Snapshot{}, errDoorChanged
		}
		if err := r.let(m, p, req); err != nil {
			return Snapshot{}, err
		}
		if m.out.trunk != nil && m.out.trunk.begins() {
			r.touch() // its node knows nothing of the room yet
		}
		return r.snapshot(m), nil
	})
	if err != nil && ctx.Err() != nil {
		// The letter may have been served after all.
		_ = seat{r, m}.Leave(ctx, ByLoss)
	}
	return seat{r, m}, at, err
}

func newMember(req JoinRequest, p pass, out *Outbox) *member {
	now := time.Now()
	m := &member{
		Participant: Participant{
			ID:      req.ID,
			User:    req.User,
			Name:    req.Name,
			Kind:    req.Kind,
			Role:    p.role,
			Can:     (p.role.Permissions() | req.Add) &^ req.Without,
			Dialect: req.Dialect,
			Shows:   req.Shows,
			Joined:  now,
			Remote:  req.Remote,
			Attrs:   maps.Clone(req.Attrs),
		},
		out:   out,
		most:  req.AtMost,
		extra: req.Add,
		score: -1,
		since: req.Since,
	}
	if m.since.IsZero() {
		m.since = now
	}
	if m.ID.IsZero() {
		m.ID = NewParticipantID()
	}
	return m
}

// admit seats a new member, inside or in the waiting room. It runs in the loop.
func (r *room) admit(m *member, p pass, fresh bool) error {
	old := r.members[m.ID]
	m.waiting = r.spec.WaitingRoom && m.Role < Moderator && !m.Kind.Hidden()
	if err := r.refuse(m, old, p, fresh); err != nil {
		return err
	}
	if old != nil && r.replace(old, m) {
		return nil
	}
	m.Joined = r.later(m.Joined)
	if m.counts() {
		r.started(m.Joined)
	}
	r.members[m.ID] = m
	r.order = append(r.order, m)
	r.count.participants.Add(1)
	switch {
	case m.waiting:
		r.waiting++
		r.clock.empty = time.Time{}
		r.knocked(m, false)
	case m.counts():
		r.inside++
		r.tellOthers(m, Joined{P: m.Participant})
	}
	return nil
}

// let seats a new member, or one who comes back from another node: that one is the one
// who is inside under its id.
func (r *room) let(m *member, p pass, req JoinRequest) error {
	if !req.Again {
		return r.admit(m, p, req.New)
	}
	old := r.members[m.ID]
	if old == nil || !old.counts() {
		return errNoSeat()
	}
	out, since := m.out, m.since
	*m = *old
	m.out, m.since, m.pubs, m.score, m.expected = out, since, 0, -1, false
	m.Away, m.Talking = false, false
	m.Attrs = maps.Clone(old.Attrs)
	r.replace(old, m)
	return nil
}

// later makes the times at which members join differ, in their order: a room that is
// opened anew elsewhere knows by them who was here first.
func (r *room) later(at time.Time) time.Time {
	if !at.After(r.youngest) {
		at = r.youngest.Add(1)
	}
	r.youngest = at
	return at
}

// refuse answers why a new member is not let in; fresh: it does not want to be
// taken for one who is here. One who has a seat already, old,
// is not locked out, and takes no place but its own.
func (r *room) refuse(m, old *member, p pass, fresh bool) error {
	if fresh && old != nil {
		return Errorf(Exists, "somebody is here under that id already")
	}
	if r.locked && !p.key && !p.trusted && old == nil {
		return Errorf(RoomLocked, "the room is locked")
	}
	if (old == nil || !old.counts()) && m.counts() && r.full() {
		return Errorf(RoomFull, "the room is full")
	}
	return nil
}

// counts reports whether a member is one of those inside: neither hidden nor
// waiting.
func (m *member) counts() bool { return !m.waiting && !m.Kind.Hidden() }

// full reports whether there is no place inside for one more who counts.
func (r *room) full() bool { return r.spec.Max > 0 && r.inside >= r.spec.Max }

// replace gives the seat of old to m, who has the same id: the client has come
// again while its old connection was not yet known to be lost. Where both are
// inside, the others are told what is different about the participant, not that
// one left and another came; otherwise the old one leaves. It reports whether m
// is seated.
func (r *room) replace(old, m *member) bool {
	r.tellOne(old, Relocated{})
	over := Errorf(Closed, "you have joined this room from elsewhere")
	if !m.counts() || !old.counts() {
		r.remove(old, ByMove, over)
		return false
	}
	old.out.End(over)
	r.forget(old)
	m.Joined, m.silenced = old.Joined, old.silenced
	r.members[m.ID] = m
	r.order[slices.Index(r.order, old)] = m
	if what := difference(old.Participant, m.Participant); what != 0 {
		r.tellOthers(m, Changed{P: m.Participant, What: what})
	}
	return true
}

// difference returns what is not the same about two states of a participant.
func difference(a, b Participant) (what What) {
	if a.Name != b.Name {
		what |= NameChanged
	}
	if a.Role != b.Role || a.Can != b.Can || a.Kind != b.Kind {
		what |= RoleChanged
	}
	if !a.Hand.Equal(b.Hand) {
		what |= HandChanged
	}
	if !maps.Equal(a.Attrs, b.Attrs) || a.Dialect != b.Dialect || a.Shows != b.Shows || a.User != b.User || a.Remote != b.Remote {
		what |= AttrsChanged
	}
	if a.Away != b.Away {
		what |= PresenceChanged
	}
	return what
}

// remove takes a member's seat. Its session ends with err; the others are told.
func (r *room) remove(m *member, why Reason, err error) {
	m.out.End(err)
	m.Talking = false // Left says so, too
	r.forget(m)
	delete(r.members, m.ID)
	r.order = slices.DeleteFunc(r.order, func(o *member) bool { return o == m })
	r.count.participants.Add(-1)
	r.tellGone(m, m.waiting, why)
}

// forget ends what a member does in the room.
func (r *room) forget(m *member) {
	r.unpublishAll(m)
	for _, p := range r.pubOrder {
		r.unwatch(p, m)
	}
	delete(r.clock.away, m)
	if r.recorder == m {
		r.record(nil, m)
	}
}

// tellGone tells that a member, who is out of members or waits by now, is not
// inside any more, or that one who waited is gone.
func (r *room) tellGone(m *member, waited bool, why Reason) {
	switch {
	case m.Kind.Hidden():
		return
	case waited:
		r.waiting--
		if !m.admitted {
			r.knocked(m, true)
		}
	default:
		r.inside--
		if r.speaker == m.ID {
			r.speaker = ParticipantID{}
		}
		r.tellOthers(m, Left{P: m.Participant, Reason: why, By: m.kick.By, Text: m.kick.Reason})
	}
	r.emptied(time.Now())
}

// setAway notes that a member's connection is lost or back.
func (r *room) setAway(m *member, away bool, grace time.Duration) {
	delete(r.clock.away, m)
	if away {
		r.keepFor(m, grace)
	}
	if m.Away != away {
		m.Away = away
		r.changed(m, PresenceChanged, ParticipantID{})
	}
}

// info is the room as it may be known from outside.
func (r *room) info() Info {
	i := r.spec.Info()
	i.ID, i.Locked, i.Members, i.Ends = r.id, r.locked, r.inside, r.clock.ends
	i.Recording, i.Created, i.Speaker = r.recording, r.created, r.speaker
	return i
}

// snapshot is the room as m may see it.
func (r *room) snapshot(m *member) Snapshot {
	s := Snapshot{Version: r.version, Room: r.info(), Self: m.Participant, Waiting: m.waiting}
	if m.waiting {
		s.Room.Speaker = ParticipantID{}
		return s
	}
	for _, o := range r.order {
		switch {
		case o == m || o.Kind.Hidden():
		case !o.waiting:
			s.Participants = append(s.Participants, o.Participant)
		case !o.admitted && m.Can.Has(Admitting):
			s.Knocking = append(s.Knocking, o.Participant)
		}
	}
	for _, p := range r.pubOrder {
		if p.owner != m {
			s.Publications = append(s.Publications, p.Publication)
		}
	}
	s.Chat = slices.Clone(r.chat)
	for _, key := range slices.Sorted(maps.Keys(r.docs)) {
		s.Docs = append(s.Docs, r.docs[key])
	}
	return s
}
