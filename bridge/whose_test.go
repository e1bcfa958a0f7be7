package bridge_test

import (
	"reflect"
	"testing"

	"dragoman/bridge"
)

func TestWhose(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	out := bridge.NewParticipantID()
	owners, can, err := c.Whose(ctx(t), c.ID, []bridge.PublicationID{bridge.NewPublicationID(), c.cam}, []bridge.ParticipantID{id(c.lis), out})
	code(t, err, 0)
	if want := []bridge.ParticipantID{{}, id(c.ann)}; !reflect.DeepEqual(owners, want) {
		t.Errorf("owners are %v, want %v", owners, want)
	}
	if !can[0].Has(bridge.Subscribing) || can[1] != 0 {
		t.Errorf("permissions are %v", can)
	}
	code(t, c.mo.Do(ctx(t), bridge.SendToWaiting{Target: id(c.lis)}), 0)
	_, can, err = c.Whose(ctx(t), c.ID, nil, []bridge.ParticipantID{id(c.lis)})
	code(t, err, 0)
	if can[0] != 0 {
		t.Errorf("who waits may %v", can[0])
	}
	_, _, err = c.Whose(ctx(t), "nowhere", nil, nil)
	code(t, err, bridge.NotFound)
}

// TestSittings: who has a client here is known, and no more once it has left.
func TestSittings(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	there := func(who bridge.ParticipantID) (all []bridge.Sitting) {
		for _, s := range c.Sittings() {
			if s.Participant == who {
				all = append(all, s)
			}
		}
		return all
	}
	lis := c.lis.At.Self
	want := []bridge.Sitting{{Room: c.ID, Participant: lis.ID, Kind: lis.Kind, Dialect: lis.Dialect}}
	if is := there(lis.ID); !reflect.DeepEqual(is, want) {
		t.Errorf("seats are %v, want %v", is, want)
	}
	code(t, c.lis.Leave(ctx(t), bridge.ByWish), 0)
	if is := there(lis.ID); len(is) > 0 {
		t.Errorf("who has left still sits at %v", is)
	}
}

// TestFederatedDoor: people of a federated server need no secret and have the role that is
// granted, but a lock holds them up.
func TestFederatedDoor(t *testing.T) {
	c := newScene(t, bridge.Spec{Home: "there/room", Secrets: map[bridge.Role]bridge.Secret{
		bridge.Moderator: "m", bridge.Speaker: "s", bridge.Listener: "l",
	}})
	req := bridge.JoinRequest{Room: c.ID, Kind: bridge.Federated, AtMost: bridge.Speaker}
	s, err := c.Local.Join(ctx(t), req)
	code(t, err, 0)
	if s.At.Self.Role != bridge.Speaker || s.At.Room.Home != "there/room" {
		t.Errorf("the role is %v, the home %q", s.At.Self.Role, s.At.Room.Home)
	}
	_, err = c.Local.Join(ctx(t), bridge.JoinRequest{Room: c.ID, Kind: bridge.Federated})
	code(t, err, bridge.Unauthenticated)
	code(t, c.mo.Do(ctx(t), bridge.Lock{On: true}), 0)
	_, err = c.Local.Join(ctx(t), req)
	code(t, err, bridge.RoomLocked)
}
