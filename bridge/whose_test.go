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
