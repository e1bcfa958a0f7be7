package livekit_test

import (
	"testing"

	"github.com/livekit/protocol/auth"
	protocol "github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
)

// TestPeople: people of LiveKit are seated in our room and ours appear there, with their
// names and attributes, until they leave.
func TestPeople(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann")
	seat := ann.who("Lucy")
	if seat.Kind != bridge.Federated || seat.Dialect != "livekit" || seat.Role != bridge.Speaker || seat.Attrs["livekit.identity"] != "lucy" {
		t.Errorf("Lucy is seated as %+v", seat)
	}
	id, err := lucy.WaitNamed(ctx, "Ann")
	must(t, err)
	puppet := lucy.Room.GetParticipantByIdentity(id)
	if id != "here/"+ann.At.Self.ID.String() || protocol.ParticipantInfo_Kind(puppet.Kind()) != protocol.ParticipantInfo_BRIDGE {
		t.Errorf("Ann is %q, of kind %v", id, puppet.Kind())
	}
	if a := puppet.Attributes(); a["bridge.cluster"] != "here" || a["bridge.dialect"] != "k3k" || a["bridge.participant"] != ann.At.Self.ID.String() {
		t.Errorf("Ann's attributes are %v", a)
	}
	ben := s.join("meeting", "Ben")
	_, err = lucy.WaitNamed(ctx, "Ben")
	must(t, err)
	max := server.Join(t, "meeting", "max", livekittest.JoinOptions{Name: "Max"})
	ann.sees("Ben", "Lucy", "Max")
	max.Leave()
	ann.sees("Ben", "Lucy")
	event(ann, "Max to leave by wish", func(e bridge.Left) bool { return e.P.Name == "Max" && e.Reason == bridge.ByWish })
	ben.leave()
	must(t, lucy.Wait(ctx, "Ben to leave", func() bool { return len(lucy.Named("Ben")) == 0 }))

	// Nobody of ours is left: LiveKit's people do not keep the room.
	ann.leave()
	must(t, lucy.WaitPeople(ctx))
	s.until(ctx, "nobody in our room", func() bool {
		i, err := s.local.Lookup(ctx, "meeting")
		return err == nil && i.Members == 0 && s.Stats().Seated == 0
	})
}

// TestProfile: names and hands go both ways, and moderators of ours lower hands there.
func TestProfile(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann")
	id, err := lucy.WaitNamed(ctx, "Ann")
	must(t, err)
	ann.do(bridge.Rename{Name: "Anna"})
	s.until(ctx, "the new name", func() bool { return len(lucy.Named("Anna")) == 1 })
	ann.do(bridge.RaiseHand{Up: true})
	raised := func() bool { return lucy.Room.GetParticipantByIdentity(id).Attributes()["bridge.hand"] != "" }
	must(t, lucy.Wait(ctx, "a hand", raised))
	ann.do(bridge.RaiseHand{})
	must(t, lucy.Wait(ctx, "no hand", func() bool { return !raised() }))

	lucy.Room.LocalParticipant.SetName("Lucia")
	ann.sees("Lucia")
	lucy.SetAttributes(map[string]string{"handRaised": "true"})
	ann.wait("a hand", func() bool { return !ann.one("Lucia").Hand.IsZero() })
	ann.do(bridge.LowerHands{Targets: []bridge.ParticipantID{ann.who("Lucia").ID}})
	must(t, lucy.Wait(ctx, "the hand to be lowered", func() bool {
		return lucy.Room.LocalParticipant.Attributes()["handRaised"] == ""
	}))
	lucy.SetAttributes(map[string]string{"handRaised": "true"})
	ann.wait("a hand again", func() bool { return !ann.one("Lucia").Hand.IsZero() })
}

// one returns one of the others, by name; nothing if there is none. The mutex is held.
func (g *guest) one(name string) bridge.Participant {
	for _, p := range g.people {
		if p.Name == name {
			return p
		}
	}
	return bridge.Participant{}
}

// TestForged: attributes make nobody a bridge, and two clusters in one LiveKit room see
// each person once.
func TestForged(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s, other := newSite(t, "here", settings(server, "there")), newSite(t, "yonder", settings(server, "lk"))
	ctx := within(t)
	forged := map[string]string{"bridge.cluster": "here", "bridge.path": "here,yonder"}
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy", Attributes: forged})
	ann, bob := s.join("meeting", "Ann"), other.join("meeting", "Bob")
	ann.sees("Bob", "Lucy")
	bob.sees("Ann", "Lucy")
	must(t, lucy.Wait(ctx, "Ann and Bob", func() bool { return len(lucy.People()) == 2 }))
	s.until(ctx, "loops to be seen", func() bool { return s.Stats().Looped > 0 && other.Stats().Looped > 0 })
	if at := ann.who("Bob").Attrs; at["bridge.cluster"] != "yonder" || at["bridge.dialect"] != "k3k" {
		t.Errorf("Bob's attributes are %v", at)
	}
	ann.do(bridge.Say{ID: bridge.NewMessageID(), Text: "once"})
	must(t, lucy.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Name: "Ann", Text: "once"}))
	bob.wait("what Ann says", func() bool { return times(bob, func(e bridge.Said) bool { return e.Text == "once" }) == 1 })
}

// TestTransit: people of one LiveKit room appear in another one only where that is
// wanted, and never come back.
func TestTransit(t *testing.T) {
	for _, on := range []bool{false, true} {
		server := livekittest.Start(t, livekittest.Options{})
		one, two := settings(server, "one"), settings(server, "two")
		one.Room, two.Room = "{room}-1", "{room}-2"
		one.Transit, two.Transit = on, on
		s := newSite(t, "here", one, two)
		ctx := within(t)
		lucy := server.Join(t, "meeting-1", "lucy", livekittest.JoinOptions{Name: "Lucy"})
		max := server.Join(t, "meeting-2", "max", livekittest.JoinOptions{Name: "Max"})
		ann := s.join("meeting", "Ann")
		ann.sees("Lucy", "Max")
		_, err := lucy.WaitNamed(ctx, "Ann")
		must(t, err)
		if on {
			id, err := lucy.WaitNamed(ctx, "Max")
			must(t, err)
			_, err = max.WaitNamed(ctx, "Lucy")
			must(t, err)
			if a := lucy.Room.GetParticipantByIdentity(id).Attributes(); a["bridge.path"] != "here" || a["bridge.origin"] != "two" {
				t.Errorf("Max has the attributes %v", a)
			}
			lucy.Say("through")
			must(t, max.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Name: "Lucy", Text: "through"}))
		}
		s.until(ctx, "all puppets", func() bool { return s.Stats().Puppets == map[bool]int{false: 2, true: 4}[on] })
		ann.sees("Lucy", "Max")
		if !on && len(lucy.People()) != 1 {
			t.Errorf("Lucy sees %v", lucy.People())
		}
	}
}

// TestMaxPuppets: no more of ours are there than may be; a place that is free is taken.
func TestMaxPuppets(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	set := settings(server, "there")
	set.MaxPuppets = 1
	s := newSite(t, "here", set)
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{})
	ann := s.join("meeting", "Ann")
	_, err := lucy.WaitNamed(ctx, "Ann")
	must(t, err)
	s.join("meeting", "Ben")
	s.until(ctx, "the limit to be told", func() bool {
		p := s.Peerings()
		return s.Stats().Full > 0 && len(p) == 1 && p[0].Error != "" && p[0].Out == 2 && p[0].Puppets == 1
	})
	ann.leave()
	_, err = lucy.WaitNamed(ctx, "Ben")
	must(t, err)
}

// TestExport: with publishers, only they are there; with none, nobody; without import
// nobody comes.
func TestExport(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	some, none := settings(server, "some"), settings(server, "none")
	some.Export, some.Room, some.Import = "publishers", "some", false
	none.Export, none.Room = "none", "none"
	some.Rooms = []string{"meeting"} // only one has that name there
	none.Rooms = some.Rooms
	s := newSite(t, "here", some, none)
	ctx := within(t)
	lucy := server.Join(t, "some", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	server.Join(t, "none", "max", livekittest.JoinOptions{Name: "Max", Grant: func(g *auth.VideoGrant) { g.SetCanPublish(false) }})
	ann, ben := s.join("meeting", "Ann"), s.join("meeting", "Ben")
	ann.sees("Ben", "Max")
	if ann.who("Max").Shows.Has(bridge.ShowsPrivateChat) {
		t.Error("Max can be written to, but nobody is there to pass it on")
	}
	pub := bridge.Publication{ID: bridge.NewPublicationID(), Audio: bridge.Live}
	ben.do(bridge.Publish{Publication: pub})
	_, err := lucy.WaitNamed(ctx, "Ben")
	must(t, err)
	if len(lucy.Named("Ann")) > 0 {
		t.Error("Ann publishes nothing, and is there")
	}
	ben.do(bridge.Unpublish{ID: pub.ID})
	must(t, lucy.WaitPeople(ctx))
	if p := s.Peerings(); len(p) != 2 || p[0].Roster == p[1].Roster {
		t.Errorf("peerings are %+v", p)
	}
}

// TestWaitingRoom: people of LiveKit wait as others do, and come in when they are let in;
// secrets are not for them, and a lock is.
func TestWaitingRoom(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	must(t, s.local.Create(ctx, bridge.Spec{ID: "meeting", WaitingRoom: true, Secrets: map[bridge.Role]bridge.Secret{
		bridge.Moderator: "m", bridge.Speaker: "s", bridge.Listener: "l",
	}}))
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	must(t, lucy.Publish(livekittest.Microphone))
	ann := s.join("meeting", "Ann", func(q *bridge.JoinRequest) { q.Secret = "m" })
	var id bridge.ParticipantID
	event(ann, "Lucy to knock", func(e bridge.Knocked) bool {
		id = e.P.ID
		return e.P.Name == "Lucy" && !e.Gone
	})
	ann.do(bridge.Admit{Target: id, OK: true})
	ann.sees("Lucy")
	event(ann, "her stream", func(e bridge.Published) bool { return e.Pub.Owner == id })
	ann.do(bridge.SendToWaiting{Target: id})
	ann.sees()
	ann.do(bridge.Admit{Target: id, OK: true})
	ann.sees("Lucy")
	ann.wait("her stream again", func() bool { return len(ann.pubs) == 1 })
	ann.do(bridge.Lock{On: true})
	server.Join(t, "meeting", "max", livekittest.JoinOptions{Name: "Max"})
	s.until(ctx, "Max to be refused", func() bool { return s.Stats().Unseated > 0 })
	ann.sees("Lucy")
}
