package bridge

import (
	"slices"
	"time"
)

// expectGrace is how long a room that was opened anew keeps the places of those whose
// nodes have not brought them yet: as long as an owner keeps those of a node that it
// has lost.
const expectGrace = 5 * time.Second

// expect keeps places for the people of another room of the same id, so that nobody
// is told that they leave and come again while their nodes are on the way. Hidden ones
// are missed by nobody.
func (r *room) expect(s State) {
	nowhere := NewTrunk(1)
	nowhere.Lose(Errorf(Closed, "nobody reads this yet"))
	for _, was := range s.Members {
		id := was.Participant.ID
		if was.Participant.Kind.Hidden() || r.members[id] != nil {
			continue
		}
		m := &member{
			Participant: was.Participant, out: nowhere.Branch(0), most: was.Most, extra: was.Extra,
			waiting: was.Waiting, admitted: was.Admitted, score: -1, silenced: r.hushed[id], expected: true,
		}
		m.Talking = false
		r.clock.empty = time.Time{}
		r.members[id] = m
		r.place(m)
		r.count.participants.Add(1)
		if m.waiting {
			r.waiting++
		} else {
			r.inside++
			r.tellOthers(m, Joined{P: m.Participant})
		}
		r.republish(m, slices.DeleteFunc(slices.Clone(s.Publications), func(p Publication) bool { return p.Owner != id }))
		r.keepFor(m, expectGrace)
	}
}

// arrive gives somebody who was expected the seat that its node claims, and reports
// false if it has gone in or out meanwhile: then it is as if it came now. The others
// are told what is different.
func (r *room) arrive(m *member, c Claim, out *Outbox) bool {
	if m.waiting != c.Member.Waiting {
		r.remove(m, ByMove, Errorf(Closed, "you have come back from elsewhere"))
		return false
	}
	old := m.Participant
	m.Participant, m.out, m.since, m.expected = c.Member.Participant, out, c.Since, false
	m.Joined, m.Talking = old.Joined, false
	m.most, m.extra, m.admitted, m.lastSaid = c.Member.Most, c.Member.Extra, c.Member.Admitted, c.LastSaid
	delete(r.clock.away, m)
	if m.Away {
		r.keepFor(m, reseatGrace)
	}
	if what := difference(old, m.Participant); what != 0 {
		r.changed(m, what, ParticipantID{})
	}
	for _, p := range slices.Clone(r.pubOrder) {
		if p.owner == m && !slices.ContainsFunc(c.Publications, func(is Publication) bool { return m.sends(p, is) }) {
			r.unpublish(p)
		}
	}
	r.republish(m, c.Publications)
	if c.Recording && m.Can.Has(Managing) && !r.recording {
		r.record(m, m)
	}
	return true
}

// sends reports whether a stream is as its member's node says.
func (m *member) sends(p *publication, is Publication) bool {
	m.sign(&is)
	return p.ID == is.ID && p.Source == is.Source && p.Audio == is.Audio && p.Video == is.Video && slices.Equal(p.Layers, is.Layers)
}

// keepFor keeps a seat for a time without its client.
func (r *room) keepFor(m *member, grace time.Duration) {
	if r.clock.away == nil {
		r.clock.away = map[*member]time.Time{}
	}
	r.clock.away[m] = time.Now().Add(grace)
}
