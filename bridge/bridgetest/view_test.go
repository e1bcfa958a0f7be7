package bridgetest_test

import (
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func someone(kind bridge.Kind) bridge.Participant {
	return bridge.Participant{ID: bridge.NewParticipantID(), Kind: kind}
}

// What may not be told is noticed. Each row is the events after which the last one
// is wrong.
func TestViewNotices(t *testing.T) {
	self, ann, stranger := someone(0), someone(0), someone(0)
	pub := bridge.Publication{ID: bridge.NewPublicationID(), Owner: ann.ID}
	doc := bridge.Doc{Key: "k", Value: []byte("v"), Version: 1}
	for name, events := range map[string][]bridge.Event{
		"after the end":              {bridge.Ended{}, bridge.ChatCleared{}},
		"after a kick":               {bridge.Kicked{}, bridge.Ended{}},
		"admitted without waiting":   {bridge.Admitted{}},
		"entered without waiting":    {bridge.Entered{}},
		"joins twice":                {bridge.Joined{P: ann}},
		"joins though hidden":        {bridge.Joined{P: someone(bridge.Recorder)}},
		"leaves without having been": {bridge.Left{P: stranger}},
		"leaves a stream behind":     {bridge.Published{Pub: pub}, bridge.Left{P: ann}},
		"a stranger changes":         {bridge.Changed{P: stranger}},
		"changed by a stranger":      {bridge.Changed{P: ann, By: stranger.ID}},
		"a stranger talks":           {bridge.Talking{ID: stranger.ID}},
		"a stranger's quality":       {bridge.Quality{ID: stranger.ID}},
		"a stranger's stream":        {bridge.Published{Pub: bridge.Publication{ID: pub.ID, Owner: stranger.ID}}},
		"published twice":            {bridge.Published{Pub: pub}, bridge.Published{Pub: pub}},
		"changed without being":      {bridge.PublicationChanged{Pub: pub}},
		"ended without being":        {bridge.Unpublished{Pub: pub}},
		"somebody else's wish":       {bridge.Published{Pub: pub}, bridge.Wanted{ID: pub.ID}},
		"somebody else's message":    {bridge.Said{From: ann.ID, To: stranger.ID}},
		"another group's message":    {bridge.Said{From: ann.ID, Group: "g"}},
		"a stranger's message":       {bridge.Said{From: stranger.ID}},
		"somebody types to another":  {bridge.TypingNow{From: ann.ID, To: stranger.ID}},
		"data for another":           {bridge.Data{From: ann.ID, To: ann.ID}},
		"a stranger has seen":        {bridge.SeenBy{By: stranger.ID}},
		"a stranger's document":      {bridge.DocChanged{Doc: doc, By: stranger.ID}},
		"a stranger's setting":       {bridge.RoomChanged{By: stranger.ID}},
		"a stranger's recording":     {bridge.Recording{By: stranger.ID}},
		"a stranger lowers hands":    {bridge.HandsLowered{By: stranger.ID}},
		"a stranger asks to mute":    {bridge.MuteAsked{By: stranger.ID}},
		"a stranger invites":         {bridge.Invited{By: stranger.ID}},
		"a stranger clears":          {bridge.ChatCleared{By: stranger.ID}},
		"a message to one who waits": {bridge.Knocked{P: self}, bridge.Said{From: ann.ID}},
		"a change to one who waits":  {bridge.Knocked{P: self}, bridge.Changed{P: ann}},
		"who else waits":             {bridge.Knocked{P: self}, bridge.Knocked{P: ann}},
		"somebody known before waiting": {
			bridge.Knocked{P: self}, bridge.Entered{At: bridge.Snapshot{Self: self}}, bridge.Changed{P: ann},
		},
	} {
		v := bridgetest.NewView(bridge.Snapshot{Self: self, Participants: []bridge.Participant{ann}})
		for i, e := range events {
			if err := v.Apply(e); (err != nil) != (i == len(events)-1) {
				t.Errorf("%s: event %d %T: %v", name, i, e, err)
			}
		}
	}
}

func TestViewFollows(t *testing.T) {
	r := bridgetest.NewRoom(t, bridge.Spec{KeepChat: 2, Secrets: map[bridge.Role]bridge.Secret{
		bridge.Speaker: "s", bridge.Listener: "l",
	}})
	mo, ann, lis := r.Enter("Mo", bridge.Moderator), r.Enter("Ann", bridge.Speaker), r.Enter("Lis", bridge.Listener)
	for _, m := range []*bridgetest.Member{mo, ann, lis} {
		m.View.KeepChat = 2
	}
	for who, want := range map[*bridgetest.Member]bridge.Role{mo: bridge.Moderator, ann: bridge.Speaker, lis: bridge.Listener} {
		if who.Unread(); who.View.Self.Role != want {
			t.Errorf("%s is %d", who.At.Self.Name, who.View.Self.Role)
		}
	}
	pub := ann.Shares(bridge.Camera)
	ann.Says("1")
	ann.Says("2")
	ann.Says("3")
	mo.Does(bridge.PutDoc{Key: "b", Value: []byte("x")}, bridge.PutDoc{Key: "a", Value: []byte("y")}, bridge.PutDoc{Key: "b", IfVersion: 1})
	mo.Does(bridge.Record{On: true}, bridge.Mute{Targets: []bridge.ParticipantID{ann.At.Self.ID}, Force: true})
	mo.Does(bridge.SetWaitingRoom{On: true})
	wes := r.Join(bridge.JoinRequest{Name: "Wes", Secret: "l", AtMost: bridge.Listener})
	wes.Does(bridge.Rename{Name: "Wesley"})
	bridgetest.Told(mo, func(k bridge.Knocked) bool { return k.P.Name == "Wesley" })
	bridgetest.Told(lis, func(c bridge.RoomChanged) bool { return c.Room.WaitingRoom })

	late := r.Service()
	fresh := late.At
	for who, self := range map[*bridgetest.Member]bridge.Participant{mo: mo.View.Self, lis: lis.View.Self} {
		at := fresh
		at.Self = self
		at.Participants = nil
		for _, p := range fresh.Participants {
			if p.ID != self.ID {
				at.Participants = append(at.Participants, p)
			}
		}
		if who == lis {
			at.Knocking = nil
		}
		if err := who.View.Diff(at); err != nil {
			t.Errorf("%s: %v", self.Name, err)
		}
		at.Room.Title = "another"
		at.Chat = at.Chat[1:]
		at.Publications = nil
		if err := who.View.Diff(at); err == nil {
			t.Errorf("%s: the difference is not seen", self.Name)
		}
	}
	if p := lis.View.Publication(pub); p == nil || p.Audio != bridge.Silenced {
		t.Errorf("publication %+v", p)
	}
	wes.Leaves()
	bridgetest.Told(mo, func(k bridge.Knocked) bool { return k.Gone })
	if len(mo.View.Knocking) != 0 || wes.Lost() == nil {
		t.Error("Wes waits still")
	}
}
