package cluster

import (
	"slices"
	"strings"

	"dragoman/bridge"
)

// mirror is a room of another node as this one knows it: what it was told for the
// seats of its clients. It is what a room is opened anew from when its owner is lost,
// and what is compared with the room when the way to it was lost.
type mirror struct {
	live     bool // a seat is inside: what all are told is told to this node
	version  uint64
	estate   bridge.Estate
	room     bridge.Info
	people   []bridge.Participant // inside, hidden ones left out; oldest first
	knocking []bridge.Participant
	pubs     []bridge.Publication
	chat     []bridge.Said
	docs     []bridge.Doc // by key
}

// mirrorOf is the mirror of a state.
func mirrorOf(s bridge.State) mirror {
	m := mirror{
		version: s.Version, estate: s.Estate, room: s.Room, live: true,
		pubs: slices.Clone(s.Publications), chat: slices.Clone(s.Chat), docs: slices.Clone(s.Docs),
	}
	for _, p := range s.Members {
		switch {
		case p.Participant.Kind.Hidden():
		case !p.Waiting:
			m.people = append(m.people, p.Participant)
		case !p.Admitted:
			m.knocking = append(m.knocking, p.Participant)
		}
	}
	return m
}

// enter takes in the room as a seat sees it that comes inside. Those who are inside
// already know all of it.
func (m *mirror) enter(at bridge.Snapshot) {
	if m.live {
		return
	}
	m.live, m.version, m.room = true, at.Version, at.Room
	m.people, m.pubs = slices.Clone(at.Participants), slices.Clone(at.Publications)
	m.chat, m.docs = slices.Clone(at.Chat), slices.Clone(at.Docs)
	m.knocking = slices.Clone(at.Knocking)
}

// add takes in a seat of this node's own that is inside: it is not told that it has
// joined.
func (m *mirror) add(self bridge.Participant) {
	if !self.Kind.Hidden() {
		m.person(self)
	}
}

// state is the room as it would be opened anew, with the people who are expected in it.
func (m *mirror) state() bridge.State {
	s := bridge.State{Version: m.version, Estate: m.estate, Room: m.room, Publications: m.pubs, Chat: m.chat, Docs: m.docs}
	s.Estate.Locked = m.room.Locked
	if !m.live {
		return s // who is inside is not known
	}
	for _, p := range m.people {
		s.Members = append(s.Members, bridge.Member{Participant: p})
	}
	for _, p := range m.knocking {
		s.Members = append(s.Members, bridge.Member{Participant: p, Waiting: true})
	}
	return s
}

// apply takes in what the node was told.
func (m *mirror) apply(e bridge.Event) {
	switch e := e.(type) {
	case bridge.Estate:
		m.estate = e
	case bridge.RoomChanged:
		m.room = e.Room
	case bridge.Ending:
		m.room.Ends = e.At
	case bridge.Recording:
		m.room.Recording = e.On
	case bridge.Said:
		m.said(e)
	case bridge.ChatCleared:
		m.chat = nil
	case bridge.DocChanged:
		m.doc(e.Doc)
	case bridge.Published:
		m.publication(e.Pub)
	case bridge.PublicationChanged:
		m.publication(e.Pub)
	case bridge.Unpublished:
		m.pubs = slices.DeleteFunc(m.pubs, func(p bridge.Publication) bool { return p.ID == e.Pub.ID })
	default:
		m.applyPeople(e)
	}
}

func (m *mirror) applyPeople(e bridge.Event) {
	switch e := e.(type) {
	case bridge.Joined:
		m.person(e.P)
	case bridge.Left:
		m.people = without(m.people, e.P.ID)
	case bridge.Changed:
		if i := indexOf(m.people, e.P.ID); i >= 0 {
			m.people[i] = e.P
		}
	case bridge.Talking:
		if i := indexOf(m.people, e.ID); i >= 0 {
			m.people[i].Talking = e.On
		}
	case bridge.Knocked:
		m.knocking = without(m.knocking, e.P.ID)
		if !e.Gone {
			m.knocking = append(m.knocking, e.P)
		}
	}
}

// said keeps a message to everybody, as the room does.
func (m *mirror) said(e bridge.Said) {
	if !e.To.IsZero() || e.Group != "" || m.estate.Spec.KeepChat == 0 {
		return
	}
	m.chat = append(m.chat, e)
	m.chat = m.chat[max(0, len(m.chat)-m.estate.Spec.KeepChat):]
}

func (m *mirror) doc(d bridge.Doc) {
	i, found := slices.BinarySearchFunc(m.docs, d.Key, func(d bridge.Doc, key string) int { return strings.Compare(d.Key, key) })
	switch {
	case len(d.Value) == 0 && found:
		m.docs = slices.Delete(m.docs, i, i+1)
	case len(d.Value) == 0:
	case found:
		m.docs[i] = d
	default:
		m.docs = slices.Insert(m.docs, i, d)
	}
}

func (m *mirror) publication(p bridge.Publication) {
	if i := slices.IndexFunc(m.pubs, func(o bridge.Publication) bool { return o.ID == p.ID }); i >= 0 {
		m.pubs[i] = p
		return
	}
	m.pubs = append(m.pubs, p)
}

func (m *mirror) person(p bridge.Participant) {
	if i := indexOf(m.people, p.ID); i >= 0 {
		m.people[i] = p
		return
	}
	m.people = append(m.people, p)
}

// published returns the publications of a participant.
func (m *mirror) published(id bridge.ParticipantID) (pubs []bridge.Publication) {
	for _, p := range m.pubs {
		if p.Owner == id {
			pubs = append(pubs, p)
		}
	}
	return pubs
}

// snapshot is the room as a seat of this node sees it that is inside.
func (m *mirror) snapshot(self bridge.Participant) bridge.Snapshot {
	s := bridge.Snapshot{
		Version: m.version, Room: m.room, Self: self,
		Participants: without(slices.Clone(m.people), self.ID), Chat: slices.Clone(m.chat), Docs: slices.Clone(m.docs),
	}
	s.Room.Members = len(m.people)
	if self.Can.Has(bridge.Admitting) {
		s.Knocking = slices.Clone(m.knocking)
	}
	for _, p := range m.pubs {
		if p.Owner != self.ID {
			s.Publications = append(s.Publications, p)
		}
	}
	return s
}

func indexOf(people []bridge.Participant, id bridge.ParticipantID) int {
	return slices.IndexFunc(people, func(p bridge.Participant) bool { return p.ID == id })
}

func without(people []bridge.Participant, id bridge.ParticipantID) []bridge.Participant {
	return slices.DeleteFunc(people, func(p bridge.Participant) bool { return p.ID == id })
}
