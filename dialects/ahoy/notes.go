package ahoy

import (
	"context"

	"dragoman/bridge"
)

// What follows has no message in the protocol and is told as a chat line
// (architecture 9, "noted").

// changed notes a participant anew. Of what is different only hands and names
// are told.
func (t *seat) changed(_ context.Context, e bridge.Changed) error {
	m := t.people[e.P.ID]
	if m == nil {
		return nil
	}
	before := m.who
	for _, other := range t.members {
		if other.extra && other.who.ID == e.P.ID {
			other.who = e.P
		}
	}
	m.who = e.P
	m.who.Talking = before.Talking // Talking tells that
	if m == t.me {
		return nil
	}
	if m.unnamed != nil && e.P.Name != "" {
		return t.introduce(m)
	}
	if e.What&bridge.NameChanged != 0 && before.Name != e.P.Name {
		if err := t.note(m, known(before.Name)+" is now called "+known(e.P.Name)); err != nil {
			return err
		}
	}
	up, was := !e.P.Hand.IsZero(), !before.Hand.IsZero()
	if e.What&bridge.HandChanged == 0 || up == was {
		return nil
	}
	if up {
		return t.note(m, known(e.P.Name)+" raises a hand")
	}
	return t.note(m, known(e.P.Name)+" lowers the hand")
}

// known is a name for a sentence.
func known(name string) string {
	if name == "" {
		return "Somebody"
	}
	return name
}

// person returns who did something, for a note; oneself when that is not known.
func (t *seat) person(id bridge.ParticipantID) (*member, string) {
	if m := t.people[id]; m != nil {
		return m, known(m.who.Name)
	}
	return t.me, known("")
}

func (t *seat) recording(_ context.Context, e bridge.Recording) error {
	m, name := t.person(e.By)
	if e.On {
		return t.note(m, name+" records this conference")
	}
	return t.note(m, "The recording has ended")
}

// knocked: one who is put back into the waiting room has to go, and waits when it
// joins again.
func (t *seat) knocked(_ context.Context, e bridge.Knocked) error {
	if e.P.ID == t.me.who.ID {
		return t.over(0)
	}
	if e.Gone {
		return nil
	}
	return t.note(t.me, known(e.P.Name)+" waits to be let in")
}

func (t *seat) muteAsked(_ context.Context, e bridge.MuteAsked) error {
	m, name := t.person(e.By)
	what := "microphone"
	if e.Track == bridge.Video {
		what = "camera"
	}
	return t.note(m, name+" asks you to switch off your "+what)
}

func (t *seat) invited(_ context.Context, e bridge.Invited) error {
	m, name := t.person(e.By)
	return t.note(m, name+" asks you to join "+string(e.Room))
}
