package asn

import (
	"errors"
	"testing"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// TestEveryCode: one table says what becomes of each code of the room model.
func TestEveryCode(t *testing.T) {
	for _, c := range bridge.Codes() {
		if n, ok := numbers[c]; !ok || !n.Known() {
			t.Errorf("%v: %d", c, n)
		}
	}
	if len(numbers) != len(bridge.Codes()) {
		t.Errorf("there are %d codes, and numbers for %d", len(bridge.Codes()), len(numbers))
	}
	for _, c := range []struct {
		err  error
		want rose.ConferenceError
	}{
		{errors.New("oops"), rose.InternalError},
		{fail(rose.NotPublishing, "x"), rose.NotPublishing},
		{&rose.Unfit{Member: "x", Large: true}, rose.TooLarge},
		{&rose.Unfit{Member: "x"}, rose.InvalidArgument},
		{errors.Join(&rose.Unfit{Member: "x", Large: true}, nil), rose.TooLarge},
		{bridge.Errorf(bridge.RoomFull, "x"), rose.TooMany},
	} {
		f := failureOf(c.err)
		if f.number != c.want || f.onWire().ErrorString == "" || f.onWire().ErrorDetail != int64(c.want) {
			t.Errorf("%v is %v, want %d", c.err, f, c.want)
		}
	}
	if f := failureOf(errors.New("a password")); f.onWire().ErrorString == "a password" {
		t.Error("clients are told what is for the log")
	}
}

// TestEveryReason: nobody goes for no reason.
func TestEveryReason(t *testing.T) {
	for r := bridge.ByWish; r <= bridge.Refused; r++ {
		if n, ok := reasons[r]; !ok || !n.Known() {
			t.Errorf("%v: %d, %v", r, n, ok)
		}
	}
}

// TestEveryOperation: each is carried out by somebody, or is an event of the
// server's.
func TestEveryOperation(t *testing.T) {
	for _, o := range rose.Operations() {
		_, free := methods[o.ID]
		_, of := actions[o.ID]
		servers := o.ID >= rose.OpPartyAdded
		if free && of || !free && !of != servers {
			t.Errorf("%s: a method %v, an action %v", o.Name, free, of)
		}
	}
	for id, do := range methods {
		if _, err := do(t.Context(), nil, new(rose.SDPOfferArgument)); bridge.CodeOf(err) != bridge.Internal {
			t.Errorf("%d takes the argument of another: %v", id, err)
		}
	}
	for id, do := range actions {
		if _, err := do(nil, t.Context(), new(rose.PartyTalkingArgument)); bridge.CodeOf(err) != bridge.Internal {
			t.Errorf("%d takes the argument of another: %v", id, err)
		}
	}
}
