package bridgetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"dragoman/bridge"
)

// View is a room as one session knows it: its snapshot with the events that it has
// read since. It notices events that the session should not have been told, or
// that name what it does not know.
type View struct {
	bridge.Snapshot
	// Hidden, if not nil, says who may be named without being known.
	Hidden func(bridge.ParticipantID) bool
	// KeepChat is how many messages the room keeps, to compare with a snapshot.
	KeepChat int

	over bool
}

// NewView makes a view of a snapshot.
func NewView(at bridge.Snapshot) *View {
	v := &View{}
	v.set(at)
	return v
}

func (v *View) set(at bridge.Snapshot) {
	at.Knocking, at.Participants = slices.Clone(at.Knocking), slices.Clone(at.Participants)
	at.Publications, at.Docs = slices.Clone(at.Publications), slices.Clone(at.Docs)
	at.Chat = slices.Clone(at.Chat)
	v.Snapshot = at
}

// Apply takes in an event. The error says what is wrong with it.
func (v *View) Apply(e bridge.Event) error {
	if v.over {
		return errors.New("came after the last event")
	}
	if v.Waiting && !v.mayWaitingHear(e) {
		return errors.New("told to one who waits")
	}
	for _, apply := range []func(bridge.Event) (bool, error){v.applyRoom, v.applyPeople, v.applyStreams, v.applyTalk} {
		if known, err := apply(e); known {
			return err
		}
	}
	return nil // of the session's own peers
}

func (v *View) mayWaitingHear(e bridge.Event) bool {
	switch e := e.(type) {
	case bridge.Admitted, bridge.Entered, bridge.Kicked, bridge.Ended, bridge.Relocated:
		return true
	case bridge.Changed:
		return e.P.ID == v.Self.ID
	case bridge.Knocked:
		return e.P.ID == v.Self.ID && !e.Gone
	}
	return false
}

func (v *View) applyRoom(e bridge.Event) (bool, error) {
	switch e := e.(type) {
	case bridge.RoomChanged:
		v.Room = e.Room
		return true, v.knows(e.By, e.Room.Speaker)
	case bridge.Ending:
		v.Room.Ends = e.At
	case bridge.Recording:
		v.Room.Recording = e.On
		return true, v.knows(e.By)
	case bridge.Ended, bridge.Relocated:
		v.over = true
	case bridge.Kicked:
		v.over = true
		return true, v.knows(e.By)
	case bridge.Entered:
		if !v.Waiting {
			return true, errors.New("was not waiting")
		}
		v.set(e.At)
	case bridge.Admitted:
		if !v.Waiting {
			return true, errors.New("was not waiting")
		}
	case bridge.DocChanged:
		return true, v.applyDoc(e)
	default:
		return false, nil
	}
	return true, nil
}

func (v *View) applyDoc(e bridge.DocChanged) error {
	i := slices.IndexFunc(v.Docs, func(d bridge.Doc) bool { return d.Key == e.Doc.Key })
	if i >= 0 {
		v.Docs = slices.Delete(v.Docs, i, i+1)
	}
	if len(e.Doc.Value) > 0 {
		v.Docs = append(v.Docs, e.Doc)
	}
	slices.SortFunc(v.Docs, func(a, b bridge.Doc) int { return strings.Compare(a.Key, b.Key) })
	return v.knows(e.By)
}

func (v *View) applyPeople(e bridge.Event) (bool, error) {
	switch e := e.(type) {
	case bridge.Joined:
		return true, v.joined(e.P)
	case bridge.Left:
		return true, v.left(e.P)
	case bridge.Knocked:
		v.knocked(e)
	case bridge.Changed:
		p := v.Participant(e.P.ID)
		if p == nil {
			return true, errors.New("nobody knows that participant")
		}
		*p = e.P
		return true, v.knows(e.By)
	case bridge.HandsLowered:
		return true, v.knows(e.By)
	case bridge.Talking:
		p := v.Participant(e.ID)
		if p == nil {
			return true, errors.New("nobody knows that participant")
		}
		p.Talking = e.On
		if e.On {
			v.Room.Speaker = e.ID
		}
	case bridge.Quality:
		return true, v.knows(e.ID)
	case bridge.MuteAsked:
		return true, v.knows(e.By)
	case bridge.Invited:
		return true, v.knows(e.By)
	default:
		return false, nil
	}
	return true, nil
}

func (v *View) joined(p bridge.Participant) error {
	if v.Participant(p.ID) != nil {
		return errors.New("is there already")
	}
	if p.Kind.Hidden() {
		return errors.New("is hidden")
	}
	v.Participants = append(v.Participants, p)
	v.Room.Members++
	return nil
}

func (v *View) left(p bridge.Participant) error {
	for _, pub := range v.Publications {
		if pub.Owner == p.ID {
			return errors.New("has left a publication behind")
		}
	}
	n := len(v.Participants)
	v.Participants = slices.DeleteFunc(v.Participants, func(o bridge.Participant) bool { return o.ID == p.ID })
	if len(v.Participants) != n-1 {
		return errors.New("nobody knows that participant")
	}
	v.Room.Members--
	if v.Room.Speaker == p.ID {
		v.Room.Speaker = bridge.ParticipantID{}
	}
	return nil
}

func (v *View) knocked(e bridge.Knocked) {
	if e.P.ID == v.Self.ID {
		v.Waiting, v.Self = true, e.P
		v.Knocking, v.Participants, v.Publications, v.Chat, v.Docs = nil, nil, nil, nil, nil
		return
	}
	i := slices.IndexFunc(v.Knocking, func(p bridge.Participant) bool { return p.ID == e.P.ID })
	switch {
	case e.Gone && i >= 0:
		v.Knocking = slices.Delete(v.Knocking, i, i+1)
	case e.Gone:
	case i >= 0:
		v.Knocking[i] = e.P
	default:
		v.Knocking = append(v.Knocking, e.P)
	}
}

func (v *View) applyStreams(e bridge.Event) (bool, error) {
	switch e := e.(type) {
	case bridge.Published:
		if v.Publication(e.Pub.ID) != nil {
			return true, errors.New("is there already")
		}
		v.Publications = append(v.Publications, e.Pub)
		return true, v.knows(e.Pub.Owner)
	case bridge.PublicationChanged:
		p := v.Publication(e.Pub.ID)
		if p == nil {
			return true, errors.New("nobody knows that publication")
		}
		*p = e.Pub
		return true, v.knows(e.By)
	case bridge.Unpublished:
		p := v.Publication(e.Pub.ID)
		if p == nil {
			return true, errors.New("nobody knows that publication")
		}
		v.Publications = slices.DeleteFunc(v.Publications, func(o bridge.Publication) bool { return o.ID == e.Pub.ID })
	case bridge.Wanted:
		if p := v.Publication(e.ID); p == nil || p.Owner != v.Self.ID {
			return true, errors.New("is not a publication of one's own")
		}
	default:
		return false, nil
	}
	return true, nil
}

func (v *View) applyTalk(e bridge.Event) (bool, error) {
	switch e := e.(type) {
	case bridge.Said:
		if e.To.IsZero() && e.Group == "" {
			v.Chat = append(v.Chat, e)
			v.Chat = v.Chat[max(0, len(v.Chat)-v.KeepChat):]
		}
		if !e.To.IsZero() && e.To != v.Self.ID && e.From != v.Self.ID {
			return true, errors.New("was said to somebody else")
		}
		if e.Group != "" && !inGroup(v.Self, e.Group) {
			return true, errors.New("was said to a group of others")
		}
		return true, v.knows(e.From, e.To)
	case bridge.ChatCleared:
		v.Chat = nil
		return true, v.knows(e.By)
	case bridge.SeenBy:
		return true, v.knows(e.By)
	case bridge.TypingNow:
		return true, errors.Join(v.isFor(e.To), v.knows(e.From))
	case bridge.Data:
		return true, errors.Join(v.isFor(e.To), v.knows(e.From))
	}
	return false, nil
}

func inGroup(p bridge.Participant, group string) bool {
	return slices.Contains(strings.Split(p.Attrs[bridge.AttrGroups], "\n"), group)
}

func (v *View) isFor(to bridge.ParticipantID) error {
	if !to.IsZero() && to != v.Self.ID {
		return errors.New("is for somebody else")
	}
	return nil
}

// Participant returns oneself or another that is known, or nil.
func (v *View) Participant(id bridge.ParticipantID) *bridge.Participant {
	if id == v.Self.ID {
		return &v.Self
	}
	for i := range v.Participants {
		if v.Participants[i].ID == id {
			return &v.Participants[i]
		}
	}
	return nil
}

// Publication returns a publication that is known, or nil. Those of one's own are
// in the view, though not in a snapshot.
func (v *View) Publication(id bridge.PublicationID) *bridge.Publication {
	for i := range v.Publications {
		if v.Publications[i].ID == id {
			return &v.Publications[i]
		}
	}
	return nil
}

// knows answers which of some participants nobody has told of.
func (v *View) knows(ids ...bridge.ParticipantID) error {
	for _, id := range ids {
		if !id.IsZero() && v.Participant(id) == nil && (v.Hidden == nil || !v.Hidden(id)) {
			return fmt.Errorf("nobody knows participant %s", id)
		}
	}
	return nil
}

// Diff tells where the view is not what a snapshot of the same moment says. Without
// KeepChat the chat is not compared.
func (v *View) Diff(fresh bridge.Snapshot) error {
	var wrong []error
	compare := func(what string, have, want any) {
		if !reflect.DeepEqual(have, want) && (!isEmpty(have) || !isEmpty(want)) {
			wrong = append(wrong, fmt.Errorf("%s: told\n%+v\nbut it is\n%+v", what, have, want))
		}
	}
	compare("waiting", v.Waiting, fresh.Waiting)
	compare("self", v.Self, fresh.Self)
	if v.Waiting || fresh.Waiting {
		return errors.Join(wrong...)
	}
	have, want := v.Room, fresh.Room
	have.Speaker, want.Speaker = bridge.ParticipantID{}, bridge.ParticipantID{} // not all of it is told
	compare("room", have, want)
	compare("participants", v.Participants, fresh.Participants)
	compare("publications", slices.DeleteFunc(slices.Clone(v.Publications), func(p bridge.Publication) bool {
		return p.Owner == v.Self.ID
	}), fresh.Publications)
	compare("docs", v.Docs, fresh.Docs)
	compare("knocking", byID(v.Knocking), byID(fresh.Knocking))
	if v.KeepChat > 0 {
		compare("chat", v.Chat, fresh.Chat)
	}
	return errors.Join(wrong...)
}

func isEmpty(list any) bool {
	v := reflect.ValueOf(list)
	return v.Kind() == reflect.Slice && v.Len() == 0
}

func byID(people []bridge.Participant) map[bridge.ParticipantID]bridge.Participant {
	m := map[bridge.ParticipantID]bridge.Participant{}
	for _, p := range people {
		m[p.ID] = p
	}
	return m
}
