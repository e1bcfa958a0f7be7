package nkmedia

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
)

// Roles of members (reference 6.4).
const (
	publisher = "publisher"
	listener  = "listener"
)

// attrSession begins the attributes by which participants of this dialect say which
// of their sessions is what: "p" and the id of the publication, or "l" and the id of
// the session that is listened to.
const attrSession = Name + "/session/"

// member is one of a conference (reference 6.4, 10.8).
type member struct {
	id, role, user, peer string
	pub                  bridge.PublicationID // of publishers
	soon                 bool                 // a foreign participant that may be something else in a moment
	nameless             bool                 // user is made up
	tracks               kinds                // of foreign publishers
	over                 bool                 // the client was told that it is over, and is told anew in a moment
	listed               bool                 // the client has found it in a list, and has not been told
}

// more reports whether somebody else's stream has got sound or picture that it did not
// have. Who listens to it has what it had at first, and has to begin anew.
func (m member) more(was member) bool { return m.tracks.and(was.tracks) != m.tracks }

// anew reports whether a member that the client knows is over, or is to be, and begins
// anew in a moment; late says that this is over.
func (m member) anew(was member, late bool) bool {
	if was.over {
		return !late
	}
	return m.more(was)
}

// same reports whether the client knows all of a member.
func (m member) same(was member) bool {
	return !was.over && was.peer == m.peer && (m.nameless || !was.nameless)
}

// doc is a member on the wire.
func (m member) doc() object {
	d := object{"role": m.role, "user_id": m.user}
	if m.peer != "" {
		d["peer_id"] = m.peer
	}
	return d
}

// body is that of an event about it.
func (m member) body() object {
	d := m.doc()
	d["session_id"] = m.id
	return d
}

// person is a participant with its streams.
type person struct {
	bridge.Participant
	known bool // false: hidden, only its streams are known
	pubs  []bridge.Publication
}

// nameless reports whether nobody knows what a participant is called.
func (p *person) nameless() bool { return p.Name == "" && p.User == "" }

// unsaid reports whether a nameless participant may be just about to say its name: in
// some dialects it does so after it has come in, and may have begun to send.
func (p *person) unsaid() bool {
	return p.known && p.nameless() && time.Since(p.Joined) < settleTime
}

// roster is who is in a room. It is built of a snapshot and kept by events.
type roster struct{ people []*person }

func newRoster(at bridge.Snapshot) *roster {
	r := &roster{}
	for _, p := range at.Participants {
		r.people = append(r.people, &person{Participant: p, known: true})
	}
	for _, pub := range at.Publications {
		r.owner(pub.Owner).put(pub)
	}
	return r
}

// owner returns a participant, hidden if nobody has told of it.
func (r *roster) owner(id bridge.ParticipantID) *person {
	if p := r.find(id); p != nil {
		return p
	}
	p := &person{Participant: bridge.Participant{ID: id}}
	r.people = append(r.people, p)
	return p
}

func (r *roster) find(id bridge.ParticipantID) *person {
	i := slices.IndexFunc(r.people, func(p *person) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return r.people[i]
}

// apply takes an event in, and returns whose members may be different now; nil:
// nobody's.
func (r *roster) apply(e bridge.Event) *person {
	switch e := e.(type) {
	case bridge.Joined:
		p := r.owner(e.P.ID)
		p.Participant, p.known = e.P, true
		return p
	case bridge.Changed:
		p := r.owner(e.P.ID)
		p.Participant = e.P
		return p
	case bridge.Left:
		p := r.owner(e.P.ID)
		p.known, p.pubs, p.Attrs = false, nil, nil
		r.people = slices.DeleteFunc(r.people, func(o *person) bool { return o == p })
		return p
	case bridge.Published:
		p := r.owner(e.Pub.Owner)
		p.put(e.Pub)
		return p
	case bridge.PublicationChanged:
		p := r.owner(e.Pub.Owner)
		p.put(e.Pub)
		return p
	case bridge.Unpublished:
		p := r.owner(e.Pub.Owner)
		p.pubs = slices.DeleteFunc(p.pubs, func(o bridge.Publication) bool { return o.ID == e.Pub.ID })
		return p
	}
	return nil
}

func (p *person) put(pub bridge.Publication) {
	if i := slices.IndexFunc(p.pubs, func(o bridge.Publication) bool { return o.ID == pub.ID }); i >= 0 {
		p.pubs[i] = pub
		return
	}
	p.pubs = append(p.pubs, pub)
}

// members returns what a participant is in a conference. Foreign ones are one
// publisher for each stream, or without any a listener (reference 10.8).
func (p *person) members() (all []member) {
	if p.Dialect == Name {
		return p.own()
	}
	user := userOf(p.Participant)
	for _, pub := range p.pubs {
		if pub.Audio != bridge.Absent || pub.Video != bridge.Absent {
			all = append(all, member{id: memberID(pub.ID), role: publisher, user: user, pub: pub.ID, soon: p.unsaid(), nameless: p.nameless(), tracks: kindsOf(pub)})
		}
	}
	if len(all) == 0 && p.known {
		all = append(all, member{id: "session-" + p.ID.String(), role: listener, user: user, soon: true, nameless: p.nameless()})
	}
	return all
}

// own returns the sessions of a participant of this dialect.
func (p *person) own() (all []member) {
	for _, key := range slices.Sorted(maps.Keys(p.Attrs)) {
		id, ok := strings.CutPrefix(key, attrSession)
		if !ok {
			continue
		}
		m := member{id: id, role: listener, user: userOf(p.Participant)}
		what := p.Attrs[key]
		if peer, ok := strings.CutPrefix(what, "l"); ok {
			m.peer = peer
		} else {
			i := slices.IndexFunc(p.pubs, func(pub bridge.Publication) bool { return "p"+pub.ID.String() == what })
			if i < 0 {
				continue // not yet, or not any more
			}
			m.role, m.pub = publisher, p.pubs[i].ID
		}
		all = append(all, m)
	}
	return all
}

// userOf returns what a participant is called; never nothing.
func userOf(p bridge.Participant) string {
	return cmp.Or(p.Name, string(p.User), cmp.Or(p.Dialect, "somebody")+"-"+p.ID.String()[:8])
}

// memberID is the id of a stream as a session, unless its client has chosen one.
func memberID(id bridge.PublicationID) string { return "session-" + id.String() }

// member returns one by its id, and whose it is.
func (r *roster) member(id string) (member, *person) {
	for _, p := range r.people {
		for _, m := range p.members() {
			if m.id == id {
				return m, p
			}
		}
	}
	return member{}, nil
}

// publication returns the stream of a publisher.
func (p *person) publication(id bridge.PublicationID) bridge.Publication {
	for _, pub := range p.pubs {
		if pub.ID == id {
			return pub
		}
	}
	return bridge.Publication{ID: id}
}
