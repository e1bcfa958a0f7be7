package bridge

import (
	"slices"
	"time"
)

// knocked tells those who may admit that somebody waits, or waits no more.
func (r *room) knocked(m *member, gone bool) {
	r.tellSome(Knocked{P: m.Participant, Gone: gone}, func(o *member) bool { return o.Can.Has(Admitting) })
}

// admitting tells a member whose permissions were had until now about those who
// wait, if it may know now and could not, or could and may not any more.
func (r *room) admitting(m *member, had Permissions) {
	can := m.Can.Has(Admitting)
	if m.waiting || can == had.Has(Admitting) {
		return
	}
	for _, o := range slices.Clone(r.order) {
		if o.waiting && !o.admitted {
			r.tellOne(m, Knocked{P: o.Participant, Gone: !can})
		}
	}
}

// letIn lets one who waits enter.
func (r *room) letIn(m *member) {
	m.admitted = true
	r.tellOne(m, Admitted{})
	r.knocked(m, true)
}

func (c Enter) apply(r *room, m *member) error {
	switch {
	case !m.waiting:
		return nil // done before
	case !m.admitted:
		return Errorf(Forbidden, "you have not been let in yet")
	case r.full():
		return Errorf(RoomFull, "the room is full")
	}
	m.Joined = r.later(time.Now())
	r.started(m.Joined)
	m.waiting, m.admitted = false, false
	r.waiting--
	r.inside++
	// Those who were here first are older.
	r.order = append(slices.DeleteFunc(r.order, func(o *member) bool { return o == m }), m)
	r.tellOthers(m, Joined{P: m.Participant})
	r.tellOne(m, Entered{At: r.snapshot(m)})
	return nil
}

func (c Admit) apply(r *room, m *member) error {
	if err := m.may(Admitting); err != nil {
		return err
	}
	t := r.members[c.Target]
	switch {
	case t == nil:
		return Errorf(NotFound, "there is no such participant")
	case !t.waiting || t.admitted && c.OK:
		return nil // done before
	case c.OK:
		r.letIn(t)
	default:
		r.tellOne(t, Kicked{By: m.byTo(t)})
		r.remove(t, Refused, Errorf(Closed, "you have not been let in"))
	}
	return nil
}

func (c SendToWaiting) apply(r *room, m *member) error {
	if err := m.may(Admitting); err != nil {
		return err
	}
	t := r.members[c.Target]
	switch {
	case t == nil:
		return Errorf(NotFound, "there is no such participant")
	case t.Kind.Hidden():
		return Errorf(NotSupported, "this participant cannot wait")
	case t.waiting && !t.admitted:
		return nil // done before
	case t.waiting:
		t.admitted = false
		r.tellOne(t, Knocked{P: t.Participant})
		r.knocked(t, false)
		return nil
	}
	t.Talking, t.Hand = false, time.Time{}
	away, lost := r.clock.away[t]
	r.forget(t)
	if lost {
		r.clock.away[t] = away
	}
	t.waiting = true
	r.waiting++
	r.tellGone(t, false, ByModerator)
	r.tellOne(t, Knocked{P: t.Participant})
	r.knocked(t, false)
	return nil
}

func (c SetWaitingRoom) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	if r.spec.WaitingRoom == c.On {
		return nil
	}
	r.spec.WaitingRoom = c.On
	r.touch()
	r.tell(RoomChanged{Room: r.info(), By: m.by()})
	for _, o := range slices.Clone(r.order) {
		if !c.On && o.waiting && !o.admitted {
			r.letIn(o)
		}
	}
	return nil
}
