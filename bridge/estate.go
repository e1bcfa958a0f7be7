package bridge

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Estate is what a room has beyond its people, its chat and its documents: what it
// takes to open it again elsewhere as it was. It holds the room's secrets, so only
// nodes of a cluster tell each other. As an Event it is told to nodes, through a
// Trunk, never to sessions.
type Estate struct {
	Spec     Spec // as the settings are now
	Created  time.Time
	Joined   time.Time // the first join ever
	Ends     time.Time // the end, if there is one
	Locked   bool
	Banned   []Ban
	Silenced []Hush
}

func (Estate) key() string { return "estate" }

// Ban is by what somebody who was banned is known again: the user, or for a guest
// where it came from.
type Ban struct {
	User UserID
	From netip.Prefix
}

// Hush is whose tracks a moderator has silenced, for one source.
type Hush struct {
	ID           ParticipantID
	Source       Source
	Audio, Video bool
}

// Member is a participant with all that its room knows of it.
type Member struct {
	Participant Participant
	Most        Role        // see JoinRequest.AtMost
	Extra       Permissions // see JoinRequest.Add
	Waiting     bool
	Admitted    bool // waits, and may Enter
}

// State is a room with everything that is in it: what a node that speaks for
// several seats has to know. Waiting and hidden members are among the others.
type State struct {
	Version      uint64
	Estate       Estate
	Room         Info
	Members      []Member
	Publications []Publication
	Chat         []Said
	Docs         []Doc
}

// Claim is a seat that a node claims for its client, in a room that may not know of
// it: because it was opened anew, or gave the client up.
type Claim struct {
	Seat         uint32 // of the trunk
	Member       Member
	Since        time.Time // when the client took the seat: of two claims of one participant the later counts
	Publications []Publication
	Watches      []Watch
	Recording    bool // it is the one who records
	LastSaid     MessageID
}

// Watch is a stream that a seat receives, and the layer that it wants.
type Watch struct {
	ID    PublicationID
	Layer string
}

// estate returns the room's. It runs in the loop.
func (r *room) estate() Estate {
	e := Estate{
		Spec: r.spec, Created: r.created, Joined: r.joined, Ends: r.clock.ends, Locked: r.locked,
	}
	for k := range r.banned {
		e.Banned = append(e.Banned, Ban{User: k.user, From: k.from})
	}
	slices.SortFunc(e.Banned, func(a, b Ban) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.From.String(), b.From.String()))
	})
	for _, m := range r.order {
		for src, tracks := range m.silenced {
			if tracks != [2]bool{} {
				e.Silenced = append(e.Silenced, Hush{ID: m.ID, Source: Source(src), Audio: tracks[Audio], Video: tracks[Video]})
			}
		}
	}
	return e
}

// state returns everything. It runs in the loop.
func (r *room) state() State {
	s := State{Version: r.version, Estate: r.estate(), Room: r.info(), Chat: slices.Clone(r.chat)}
	for _, m := range r.order {
		s.Members = append(s.Members, Member{
			Participant: m.Participant, Most: m.most, Extra: m.extra, Waiting: m.waiting, Admitted: m.admitted,
		})
	}
	for _, p := range r.pubOrder {
		s.Publications = append(s.Publications, p.Publication)
	}
	for _, key := range slices.Sorted(maps.Keys(r.docs)) {
		s.Docs = append(s.Docs, r.docs[key])
	}
	return s
}

// As is the room as a member sees it, and false if it is not in it.
func (s State) As(id ParticipantID) (Snapshot, bool) {
	i := slices.IndexFunc(s.Members, func(m Member) bool { return m.Participant.ID == id })
	if i < 0 {
		return Snapshot{}, false
	}
	self := s.Members[i]
	at := Snapshot{Version: s.Version, Room: s.Room, Self: self.Participant, Waiting: self.Waiting}
	if at.Waiting {
		at.Room.Speaker = ParticipantID{}
		return at, true
	}
	for _, m := range s.Members {
		switch {
		case m.Participant.ID == id || m.Participant.Kind.Hidden():
		case !m.Waiting:
			at.Participants = append(at.Participants, m.Participant)
		case !m.Admitted && self.Participant.Can.Has(Admitting):
			at.Knocking = append(at.Knocking, m.Participant)
		}
	}
	at.Publications = slices.DeleteFunc(slices.Clone(s.Publications), func(p Publication) bool { return p.Owner == id })
	at.Chat, at.Docs = s.Chat, s.Docs
	return at, true
}

// touch notes that the estate has changed. Nodes are told when the letter is done.
func (r *room) touch() { r.touched = true }

// flush tells nodes the estate if it has changed.
func (r *room) flush() {
	if !r.touched {
		return
	}
	r.touched = false
	told := map[*Trunk]bool{}
	var e Estate
	for _, m := range r.order {
		t := m.out.trunk
		if t == nil || told[t] {
			continue
		}
		if len(told) == 0 {
			e = r.estate()
		}
		told[t] = true
		t.tell(e)
	}
}

// inherit makes a new room what another one was. Its people are expected.
func (r *room) inherit(s State) {
	e := s.Estate
	r.version = s.Version + 1<<20 // newer than anything that the other has told anybody
	r.created, r.joined, r.locked = e.Created, e.Joined, e.Locked
	r.banned = make(map[banKey]struct{}, len(e.Banned))
	for _, b := range e.Banned {
		r.banned[banKey{user: b.User, from: b.From}] = struct{}{}
	}
	r.hushed = map[ParticipantID][2][2]bool{}
	for _, h := range e.Silenced {
		if h.Source > Screen {
			continue
		}
		of := r.hushed[h.ID]
		of[h.Source] = [2]bool{Audio: h.Audio, Video: h.Video}
		r.hushed[h.ID] = of
	}
	now := time.Now()
	r.endAt(e.Ends, now)
	r.clock.empty = now.Add(r.spec.EmptyTimeout)
	r.absorb(s)
	r.expect(s)
	r.sortStreams(s.Publications)
}

// absorb takes in what another room of the same id kept: messages that this one
// does not have, in the order of their times, and newer documents.
func (r *room) absorb(s State) {
	known := make(map[MessageID]bool, len(r.chat))
	for _, said := range r.chat {
		known[said.ID] = true
	}
	fresh := slices.DeleteFunc(slices.Clone(s.Chat), func(said Said) bool { return known[said.ID] })
	for _, said := range fresh {
		r.said = max(r.said, said.Number)
		r.keep(said)
		r.tell(said)
	}
	slices.SortStableFunc(r.chat, func(a, b Said) int { return a.At.Compare(b.At) })
	for _, d := range s.Docs {
		old := r.docs[d.Key]
		if d.Version <= old.Version || r.docBytes-old.size()+d.size() > MaxDocs {
			continue
		}
		r.docBytes += d.size() - old.size()
		r.docs[d.Key] = d
		r.tell(DocChanged{Doc: d})
	}
}

// sortStreams puts streams into the order that they had in another room; what was not
// there comes last.
func (r *room) sortStreams(was []Publication) {
	at := make(map[PublicationID]int, len(was))
	for i, p := range was {
		at[p.ID] = i + 1
	}
	slices.SortStableFunc(r.pubOrder, func(a, b *publication) int {
		return cmp.Compare(cmp.Or(at[a.ID], len(was)+1), cmp.Or(at[b.ID], len(was)+1))
	})
}

// claim gives a node's client its seat. It reports false if another node has the
// client now.
func (r *room) claim(c Claim, out *Outbox) (*member, bool) {
	m := r.members[c.Member.Participant.ID]
	switch {
	case m != nil && m.since.After(c.Since):
		return nil, false
	case m != nil && m.expected:
		if r.arrive(m, c, out) {
			return m, true
		}
	case m != nil:
		m.out.End(Errorf(Closed, "you have come back from elsewhere"))
		m.out, m.since = out, c.Since
		r.setAway(m, c.Member.Participant.Away, reseatGrace)
		return m, true
	}
	m = &member{
		Participant: c.Member.Participant, out: out, most: c.Member.Most, extra: c.Member.Extra,
		waiting: c.Member.Waiting, admitted: c.Member.Admitted, since: c.Since, score: -1,
		silenced: r.hushed[c.Member.Participant.ID], lastSaid: c.LastSaid,
	}
	m.Talking = false // said again by whoever hears it
	away := m.Away
	m.Away = false
	r.clock.empty = time.Time{}
	r.members[m.ID] = m
	r.place(m)
	r.count.participants.Add(1)
	switch {
	case m.waiting:
		r.waiting++
		if !m.admitted {
			r.knocked(m, false)
		}
	case m.counts():
		r.inside++
		r.tellOthers(m, Joined{P: m.Participant})
	}
	r.republish(m, c.Publications)
	if away {
		r.setAway(m, true, reseatGrace)
	}
	if c.Recording && m.Can.Has(Managing) && !r.recording {
		r.record(m, m)
	}
	return m, true
}

// republish gives a member its streams again.
func (r *room) republish(m *member, pubs []Publication) {
	for _, p := range pubs {
		if checkStored(p) == nil && r.pubs[p.ID] == nil && m.pubs < MaxPublications && !m.waiting {
			m.sign(&p)
			r.publish(m, p)
		}
	}
}

// checkStored is checkPublication for a stream whose tracks may be silenced.
func checkStored(p Publication) error {
	for _, t := range tracks() {
		if p.State(t) == Silenced {
			p.set(t, Muted)
		}
	}
	return checkPublication(p)
}

// place puts a member where it belongs by its age.
func (r *room) place(m *member) {
	if m.Joined.After(r.youngest) {
		r.youngest = m.Joined
	}
	i := slices.IndexFunc(r.order, func(o *member) bool { return o.Joined.After(m.Joined) })
	if i < 0 {
		i = len(r.order)
	}
	r.order = slices.Insert(r.order, i, m)
}

// rewatch notes again what a client receives, as far as there is such.
func (r *room) rewatch(m *member, watches []Watch) {
	for _, w := range watches {
		if p := r.pubs[w.ID]; p != nil && m.may(Subscribing) == nil {
			p.watchers[m] = w.Layer
			r.rank(p)
		}
	}
}
