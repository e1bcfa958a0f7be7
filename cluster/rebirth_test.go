package cluster_test

import (
	"slices"
	"testing"
	"time"

	"dragoman/bridge"
)

// TestRebirthOfAll: those who wait, who are hidden and who are away come along, too.
func TestRebirthOfAll(t *testing.T) {
	inTown(t, 3, func(t *testing.T, c *town) {
		room := c.roomOf(c.Nodes[0])
		spec := &bridge.Spec{KeepChat: 100, WaitingRoom: true}
		join := func(n int, name string, kind bridge.Kind, role bridge.Role) *dweller {
			return c.join(c.Nodes[n], bridge.JoinRequest{Room: room, Create: spec, Name: name, Kind: kind, AtMost: role})
		}
		mo := join(1, "mo", bridge.Person, bridge.Moderator)
		rec := join(2, "rec", bridge.Recorder, bridge.Moderator)
		waits := join(2, "waits", bridge.Person, bridge.Speaker)
		let := join(1, "let", bridge.Person, bridge.Speaker)
		away := join(2, "away", bridge.Person, bridge.Moderator)
		join(0, "dies", bridge.Person, bridge.Moderator)
		rec.must(bridge.Record{On: true})
		mo.must(bridge.Admit{Target: let.At.Self.ID, OK: true})
		pub := bridge.Publication{ID: bridge.NewPublicationID(), Video: bridge.Live, Layers: []bridge.Layer{{RID: "q"}, {RID: "h"}}}
		mo.must(bridge.Publish{Publication: pub})
		away.must(bridge.Want{ID: pub.ID, Layer: "h"})
		gone := join(1, "gone", bridge.Person, bridge.Moderator)
		token := away.Detach(t.Context(), time.Minute)
		c.people = slices.DeleteFunc(c.people, func(d *dweller) bool { return d == away })
		c.read()

		c.Kill(c.Nodes[0])
		if gone.Detach(t.Context(), time.Minute) == "" { // while there is no room
			t.Error("one who is lost at the same time loses its seat")
		}
		c.people = slices.DeleteFunc(c.people, func(d *dweller) bool { return d == gone })
		time.Sleep(10 * time.Second) // in a synctest bubble
		owner := c.owner(room, time.Second, c.Nodes[1:]...)
		c.same(owner, room, "mo", "rec", "waits", "let", "away", "gone")
		s, _, err := owner.Local.Take(t.Context(), room, bridge.NewTrunk(0), nil)
		if err != nil || !s.Room.Recording || !s.Room.WaitingRoom {
			t.Errorf("the room is %+v, %v", s.Room, err)
		}
		for _, m := range s.Members {
			name := m.Participant.Name
			if m.Waiting != (name == "waits" || name == "let") || m.Admitted != (name == "let") || m.Participant.Away != (name == "away" || name == "gone") {
				t.Errorf("%s is %+v", name, m)
			}
		}
		let.must(bridge.Enter{})
		mo.must(bridge.Admit{Target: waits.At.Self.ID, OK: true})
		c.read()
		waits.must(bridge.Enter{})
		back, err := c.Nodes[2].Resume(t.Context(), token)
		if err != nil || len(back.At.Participants) != 4 {
			t.Fatalf("resumed in %+v, %v", back, err)
		}
		away.Session = back
		c.same(owner, room, "mo", "rec", "waits", "let", "away", "gone")
		wanted := ""
		for _, e := range mo.told {
			if w, ok := e.(bridge.Wanted); ok {
				wanted = w.Layer
			}
		}
		if wanted != "h" {
			t.Errorf("of the stream %q is wanted", wanted)
		}
		rec.must(bridge.Record{})
		if err := away.Leave(t.Context(), bridge.ByWish); err != nil {
			t.Error(err)
		}
		mo.must(bridge.CloseRoom{})
		c.read()
		for _, d := range c.people {
			if d.lost == nil && d.name != "dies" {
				t.Errorf("%s is still in the room", d.name)
			}
		}
	})
}

// TestRoomsMoveHomes: a home that joins is told, one that is lost is replaced, and a
// room that ends is forgotten by all.
func TestRoomsMoveHomes(t *testing.T) {
	inTown(t, 2, func(t *testing.T, c *town) {
		var rooms []bridge.RoomID
		for i := range 40 {
			room := bridge.RoomID(string(rune('a'+i%26)) + string(rune('a'+i/26)))
			if err := c.Nodes[i%2].Create(t.Context(), bridge.Spec{ID: room, NeverJoined: 5 * time.Minute}); err != nil {
				t.Fatal(err)
			}
			rooms = append(rooms, room)
		}
		third, err := c.Add()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Settle(time.Minute); err != nil {
			t.Fatal(err)
		}
		find := func() {
			t.Helper()
			for _, room := range rooms {
				for _, n := range c.Nodes {
					if n == third || n == c.Nodes[0] {
						if _, err := n.Lookup(t.Context(), room); err != nil {
							t.Errorf("%s does not find %s: %v", n.ID(), room, err)
						}
					}
				}
			}
		}
		find()                       // at once: the new home asks
		time.Sleep(10 * time.Second) // in a synctest bubble
		find()                       // and was told
		homes := third.Stats().Homes
		if homes < 5 || homes > 25 {
			t.Errorf("the new node is the home of %d of 40 rooms", homes)
		}
		if n := len(third.Local.Rooms()); n != 0 {
			t.Errorf("%d rooms moved to it", n)
		}
		time.Sleep(6 * time.Minute) // in a synctest bubble: the rooms end
		total := 0
		for _, n := range c.Nodes {
			total += n.Stats().Homes + n.Stats().Owned
		}
		if total != 0 {
			t.Errorf("%d entries are left of rooms that have ended", total)
		}
	})
}
