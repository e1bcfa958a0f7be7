package bridge_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// claimsOf are what a node would claim for the members of a state.
func claimsOf(s bridge.State) (claims []bridge.Claim) {
	for i, m := range s.Members {
		c := bridge.Claim{Seat: uint32(i + 1), Member: m, Since: time.Now()}
		for _, p := range s.Publications {
			if p.Owner == m.Participant.ID {
				c.Publications = append(c.Publications, p)
			}
		}
		claims = append(claims, c)
	}
	return claims
}

// TestRebirth: a room that is surrendered and opened on another node is the same.
func TestRebirth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, bridge.Spec{ID: "r", KeepChat: 3, Limit: time.Hour, Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		bad := c.Enter("Bad", bridge.Speaker)
		for _, cmd := range []bridge.Command{
			bridge.Say{ID: bridge.NewMessageID(), Text: "one"},
			bridge.PutDoc{Key: "a/b", Value: []byte("x")},
			bridge.Mute{Targets: []bridge.ParticipantID{id(c.ann), id(c.bob)}, Force: true},
			bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "s"}},
			bridge.Kick{Target: id(bad), Ban: true},
			bridge.Lock{On: true},
			bridge.Record{On: true},
		} {
			code(t, c.mo.Try(cmd), 0)
		}
		before, err := c.Surrender(ctx(t), "r")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*bridgetest.Member{c.mo, c.ann} {
			for _, e := range m.Unread() {
				if _, ended := e.(bridge.Ended); ended {
					t.Error("somebody was told of an end")
				}
			}
		}
		code(t, c.ann.Try(bridge.RaiseHand{Up: true}), bridge.Closed)
		time.Sleep(time.Second) // in a synctest bubble

		other := bridge.NewLocal(bridge.LocalConfig{})
		defer other.Close(ctx(t))
		if err := other.Revive(before); err != nil {
			t.Fatal(err)
		}
		code(t, other.Revive(before), bridge.Exists)
		trunk := bridge.NewTrunk(0)
		claims := claimsOf(before)
		claims[0].Recording = true
		claims[2].Watches = []bridge.Watch{{ID: c.cam, Layer: "q"}}
		after, links, err := other.Take(ctx(t), "r", trunk, claims)
		if err != nil || slices.Contains(links, nil) {
			t.Fatalf("links %v, %v", links, err)
		}
		equal(t, "members", len(after.Members), len(before.Members))
		for i, m := range after.Members {
			if m.Participant.ID != before.Members[i].Participant.ID || m.Participant.Role != before.Members[i].Participant.Role {
				t.Errorf("member %d is %+v", i, m)
			}
		}
		equal(t, "recording", after.Room.Recording, true)
		equal(t, "locked", after.Room.Locked, true)
		equal(t, "ends", after.Room.Ends, before.Room.Ends)
		equal(t, "secured", after.Room.Secured[bridge.Speaker], true)
		equal(t, "created", after.Room.Created, before.Room.Created)
		equal(t, "chat", len(after.Chat), 1)
		equal(t, "docs", string(after.Docs[0].Value), "x")
		equal(t, "publications", len(after.Publications), len(before.Publications))
		equal(t, "audio of Ann", after.Publications[0].Audio, bridge.Silenced)
		if after.Version <= before.Version {
			t.Errorf("version %d after %d", after.Version, before.Version)
		}
		if words := carried(must(trunk.Take())); !slices.Equal(words, []string{"Wanted[2]"}) {
			t.Errorf("carries %q", words)
		}
		// What was said there is not said again.
		code(t, links[0].Do(ctx(t), bridge.Say{ID: before.Chat[0].ID, Text: "one"}), 0)
		equal(t, "carries", len(carried(must(trunk.Take()))), 0)
		// Bob, who had no stream, stays silenced.
		p := bridge.Publication{ID: bridge.NewPublicationID(), Audio: bridge.Live}
		code(t, links[2].Do(ctx(t), bridge.Publish{Publication: p}), 0)
		for _, parcel := range must(trunk.Take()) {
			if e, ok := parcel.Event.(bridge.Published); ok && e.Pub.Audio != bridge.Silenced {
				t.Errorf("published %+v", e.Pub)
			}
		}
		_, err = other.Join(ctx(t), bridge.JoinRequest{Room: "r", Secret: "s"})
		code(t, err, bridge.RoomLocked)
		// Nobody reads the trunk any more: the seats are kept for a while.
		code(t, other.Forsake(ctx(t), "r", trunk, time.Minute), 0)
		now, _, err := other.Take(ctx(t), "r", bridge.NewTrunk(0), nil)
		code(t, err, 0)
		equal(t, "away", now.Members[1].Participant.Away, true)
		// The same claims again change nothing; older ones are refused.
		again := bridge.NewTrunk(0)
		_, _, err = other.Take(ctx(t), "r", again, claims)
		code(t, err, 0)
		equal(t, "carries", len(carried(must(again.Take()))), 1)
		claims[1].Since = claims[1].Since.Add(-time.Second)
		_, links, err = other.Take(ctx(t), "r", bridge.NewTrunk(0), claims[1:2])
		code(t, err, 0)
		if links[0] != nil {
			t.Error("an old claim was taken")
		}
	})
}

func must(parcels []bridge.Parcel, _ error) []bridge.Parcel { return parcels }

// TestAbsorb: what two rooms kept becomes one, in the order of time.
func TestAbsorb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bridgetest.NewRoom(t, bridge.Spec{ID: "r", KeepChat: 9}), bridgetest.NewRoom(t, bridge.Spec{ID: "r", KeepChat: 9})
		ann, bob := a.Enter("Ann", bridge.Moderator), b.Enter("Bob", bridge.Moderator)
		say := func(m *bridgetest.Member, text string) {
			time.Sleep(time.Second) // in a synctest bubble
			code(t, m.Try(bridge.Say{ID: bridge.NewMessageID(), Text: text}), 0)
		}
		say(ann, "1")
		say(bob, "2")
		say(ann, "3")
		code(t, bob.Try(bridge.PutDoc{Key: "k", Value: []byte("new")}), 0)
		s, err := b.Surrender(ctx(t), "r")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, _, err := a.TakeAll(ctx(t), "r", nil, nil, &s, nil)
			code(t, err, 0)
		}
		now, _, err := a.Take(ctx(t), "r", bridge.NewTrunk(0), nil)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, said := range now.Chat {
			text += said.Text
		}
		equal(t, "chat", text, "123")
		equal(t, "docs", len(now.Docs), 1)
		_, err = a.Surrender(ctx(t), "x")
		code(t, err, bridge.NotFound)
		equal(t, "rooms", len(a.Rooms()), 1)
	})
}
