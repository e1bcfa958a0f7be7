package bridge

import (
	"time"
)

func (c Mute) apply(r *room, m *member) error {
	if err := m.may(MutingOthers); err != nil {
		return err
	}
	switch {
	case c.Track > Video || c.Source > Screen:
		return Errorf(BadRequest, "there is no such track")
	case c.Source == Screen && !c.Force && !c.Off:
		return Errorf(BadRequest, "nobody can be asked to mute a screen")
	}
	targets, err := r.findAll(c.Targets, func(t *member) bool { return t != m && t.Role < Moderator })
	if err != nil {
		return err
	}
	for _, t := range targets {
		if c.Force || c.Off {
			r.silence(t, c.Source, c.Track, !c.Off, m.by())
		} else {
			r.tellOne(t, MuteAsked{By: m.by(), Track: c.Track})
		}
	}
	return nil
}

// silence makes a track of a participant's camera or screen silent, or lets its
// owner unmute it again. It holds for whatever stream of that source the
// participant publishes, so that publishing anew is no way around it.
func (r *room) silence(t *member, src Source, track Track, on bool, by ParticipantID) {
	t.silenced[src][track] = on
	r.touch()
	for _, p := range r.pubOrder {
		if p.owner != t || p.Source != src {
			continue
		}
		switch state := p.State(track); {
		case on && state != Absent:
			r.setTrack(p, track, Silenced, by)
		case !on && state == Silenced:
			r.setTrack(p, track, Muted, by)
		}
	}
}

func (c SetRole) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	t, err := r.find(c.Target)
	if err != nil {
		return err
	}
	switch {
	case c.Role == NoRole || c.Role > Moderator:
		return Errorf(BadRequest, "there is no such role")
	case t.most != NoRole && c.Role > t.most:
		return Errorf(Forbidden, "this participant may not have that role")
	case !m.Can.Has(c.Role.Permissions() &^ t.Can):
		return Errorf(Forbidden, "you cannot give what you do not have")
	}
	r.regrade(t, c.Role, c.Role.Permissions()|t.extra, m.by())
	return nil
}

func (c Permit) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	t, err := r.find(c.Target)
	if err != nil {
		return err
	}
	can := t.Can&^c.Remove | c.Add
	switch added := can &^ t.Can; {
	case t.most != NoRole && !(t.most.Permissions() | t.extra).Has(added):
		return Errorf(Forbidden, "this participant may not be permitted that")
	case !m.Can.Has(added):
		return Errorf(Forbidden, "you cannot give what you do not have")
	}
	r.regrade(t, t.Role, can, m.by())
	return nil
}

// regrade gives a participant other permissions and ends what is not permitted
// any more.
func (r *room) regrade(t *member, role Role, can Permissions, by ParticipantID) {
	if role == t.Role && can == t.Can {
		return
	}
	had, what := t.Can, RoleChanged
	t.Role, t.Can = role, can
	r.curtail(t, by)
	if !can.Has(RaisingHand) && !t.Hand.IsZero() {
		t.Hand = time.Time{}
		what |= HandChanged
	}
	r.changed(t, what, by)
	r.admitting(t, had)
}

// curtail takes away the tracks that a participant may not publish any more, and
// the streams that it may not receive.
func (r *room) curtail(t *member, by ParticipantID) {
	for _, p := range append([]*publication(nil), r.pubOrder...) {
		if !t.Can.Has(Subscribing) {
			r.unwatch(p, t)
		}
		if p.owner != t {
			continue
		}
		cut := p.Publication
		for _, track := range tracks() {
			if !t.Can.Has(needs(p.Source, track)) {
				cut.set(track, Absent)
			}
		}
		switch {
		case samePublication(cut, p.Publication):
		case cut.Audio == Absent && cut.Video == Absent:
			r.unpublish(p)
		default:
			p.Publication = cut
			r.tell(PublicationChanged{Pub: cut, By: by})
			r.hush(t)
		}
	}
}

func (c LowerHands) apply(r *room, m *member) error {
	if err := m.may(MutingOthers); err != nil {
		return err
	}
	targets, err := r.findAll(c.Targets, func(*member) bool { return true })
	if err != nil {
		return err
	}
	r.lowerHands(targets, m.by())
	return nil
}

// lowerHands lowers the hands of those who have one up.
func (r *room) lowerHands(targets []*member, by ParticipantID) {
	told := false
	for _, t := range targets {
		if t.Hand.IsZero() {
			continue
		}
		if !told {
			r.tell(HandsLowered{By: by})
			told = true
		}
		r.setHand(t, false, by)
	}
}

func (c Kick) apply(r *room, m *member) error {
	if err := m.may(Kicking); err != nil {
		return err
	}
	t := r.members[c.Target]
	if t == nil {
		return Errorf(NotFound, "there is no such participant")
	}
	if len(c.Reason) > MaxName {
		return Errorf(BadRequest, "the reason is longer than %d bytes", MaxName)
	}
	if key, ok := banKeyOf(t.User, t.Remote); c.Ban && ok {
		if _, already := r.banned[key]; !already && len(r.banned) >= MaxBans {
			return Errorf(TooMany, "nobody else can be banned from this room")
		}
		r.banned[key] = struct{}{}
		r.touch()
	}
	t.kick = Kicked{By: m.byTo(t), Banned: c.Ban, Reason: c.Reason}
	r.tellOne(t, t.kick)
	r.remove(t, ByModerator, Errorf(Closed, "you have been removed from the room"))
	return nil
}

func (c MoveTo) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	t, err := r.find(c.Target)
	if err != nil {
		return err
	}
	id, err := Normalize(string(c.Room))
	if err != nil {
		return err
	}
	r.tellOne(t, Invited{By: m.by(), Room: id})
	return nil
}
