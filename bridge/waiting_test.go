package bridge_test

import (
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// waitingScene is a scene with a waiting room, and Wes in it.
func waitingScene(t *testing.T) (*scene, *bridgetest.Member) {
	t.Helper()
	c := newScene(t, bridge.Spec{})
	c.mo.Does(bridge.SetWaitingRoom{On: true})
	wes := c.Enter("Wes", bridge.Speaker)
	c.ann.Unread()
	return c, wes
}

func TestWaiting(t *testing.T) {
	c, wes := waitingScene(t)
	equal(t, "waiting", wes.At.Waiting, true)
	equal(t, "participants shown", len(wes.At.Participants)+len(wes.At.Publications), 0)
	equal(t, "who waits", bridgetest.Told[bridge.Knocked](c.mo, nil).P.ID, id(wes))
	equal(t, "ann", told(c.ann), "")
	info, _ := c.Lookup(ctx(t), c.ID)
	equal(t, "members", info.Members, 4)

	for _, cmd := range []bridge.Command{
		bridge.RaiseHand{Up: true},
		bridge.ReportTalking{On: true},
		bridge.ReportQuality{},
		camera(bridge.NewPublicationID(), bridge.Live, bridge.Live),
		bridge.SetTrack{ID: c.cam},
		bridge.Unpublish{ID: c.cam},
		bridge.Subscribe{ID: c.cam},
		bridge.Want{ID: c.cam},
		bridge.Mute{},
		bridge.SetRole{},
		bridge.Permit{},
		bridge.LowerHands{},
		bridge.Kick{Target: id(c.ann)},
		bridge.Admit{},
		bridge.SendToWaiting{},
		bridge.MoveTo{},
		bridge.Typing{},
		bridge.Seen{},
		bridge.Say{ID: bridge.NewMessageID(), Text: "x"},
		bridge.ClearChat{},
		bridge.Send{Topic: "x"},
		bridge.PutDoc{Key: "x"},
		bridge.Lock{},
		bridge.SetSecrets{},
		bridge.Describe{},
		bridge.SetEnd{},
		bridge.SetWaitingRoom{},
		bridge.AllowHands{},
		bridge.AllowChat{},
		bridge.SetMax{},
		bridge.Record{},
		bridge.CloseRoom{},
		bridge.Enter{},
	} {
		if err := wes.Try(cmd); bridge.CodeOf(err) != bridge.Forbidden {
			t.Errorf("one who waits may %T: %v", cmd, err)
		}
	}
	code(t, wes.Try(bridge.Unsubscribe{ID: c.cam}), 0)
	code(t, wes.Try(bridge.RaiseHand{}), 0)

	// Nobody inside has anything to do with one who waits, but who admits.
	code(t, c.ann.Try(bridge.Say{ID: bridge.NewMessageID(), To: id(wes), Text: "x"}), bridge.NotFound)
	code(t, c.mo.Try(bridge.SetRole{Target: id(wes), Role: bridge.Listener}), bridge.NotFound)
	c.ann.Says("a secret")
	c.ann.Shares(bridge.Screen)
	c.mo.Does(bridge.Lock{On: true}, bridge.Lock{})
	equal(t, "wes", told(wes), "")

	c.mo.Unread()
	wes.Does(bridge.Rename{Name: "Wesley"}, bridge.SetAttrs{Attrs: map[string]string{"a": "b"}})
	equal(t, "wes", told(wes), "Changed")
	equal(t, "mo", told(c.mo), "Knocked Knocked")
	equal(t, "mo sees", c.mo.View.Knocking[0].Name, "Wesley")
}

func TestAdmit(t *testing.T) {
	c, wes := waitingScene(t)
	admit := bridge.Admit{Target: id(wes), OK: true}
	code(t, c.mo.Try(bridge.Admit{OK: true}), bridge.NotFound)
	c.mo.Unread()
	c.mo.Does(admit, admit)
	equal(t, "wes", told(wes), "Admitted")
	equal(t, "mo", told(c.mo), "Knocked")
	equal(t, "nobody waits", len(c.mo.View.Knocking), 0)
	c.ann.Unread()
	wes.Does(bridge.Enter{}, bridge.Enter{})
	equal(t, "ann", told(c.ann), "Joined")
	at := bridgetest.Told[bridge.Entered](wes, nil).At
	equal(t, "participants shown", len(at.Participants), 4)
	equal(t, "publications shown", len(at.Publications), 1)
	equal(t, "members", at.Room.Members, 5)
	wes.Says("hello")
	c.mo.Does(admit) // it is inside: nothing to do
}

func TestRefuse(t *testing.T) {
	c, wes := waitingScene(t)
	c.mo.Unread()
	c.mo.Does(bridge.Admit{Target: id(wes)})
	bridgetest.Told[bridge.Kicked](wes, nil)
	code(t, wes.Lost(), bridge.Closed)
	equal(t, "mo", told(c.mo), "Knocked")
	equal(t, "ann", told(c.ann), "")

	wes = c.Enter("Wes", bridge.Speaker)
	c.mo.Does(bridge.Kick{Target: id(wes)})
	bridgetest.Told[bridge.Kicked](wes, nil)

	wes = c.Enter("Wes", bridge.Speaker)
	c.mo.Does(bridge.Admit{Target: id(wes), OK: true}, bridge.Admit{Target: id(wes)})
	code(t, wes.Lost(), bridge.Closed)
	equal(t, "ann", told(c.ann), "")
}

func TestWhoWaitsLeaves(t *testing.T) {
	c, wes := waitingScene(t)
	c.mo.Unread()
	wes.Leaves()
	if e := bridgetest.Told[bridge.Knocked](c.mo, nil); !e.Gone {
		t.Errorf("told %+v", e)
	}
	equal(t, "ann", told(c.ann), "")
}

func TestModeratorsAndProgramsDoNotWait(t *testing.T) {
	c, _ := waitingScene(t)
	mo := c.Enter("Second", bridge.Moderator)
	equal(t, "moderator waits", mo.At.Waiting, false)
	equal(t, "is shown who waits", len(mo.At.Knocking), 1)
	equal(t, "program waits", c.Service().At.Waiting, false)
	equal(t, "recorder waits", c.Join(bridge.JoinRequest{Kind: bridge.Recorder, AtMost: bridge.Listener}).At.Waiting, false)
}

func TestFullRoomLetsNobodyEnter(t *testing.T) {
	c, wes := waitingScene(t)
	c.mo.Does(bridge.SetMax{Max: 4}, bridge.Admit{Target: id(wes), OK: true})
	code(t, wes.Try(bridge.Enter{}), bridge.RoomFull)
	c.lis.Leaves()
	code(t, wes.Try(bridge.Enter{}), 0)
}

func TestWaitingRoomIsSwitchedOff(t *testing.T) {
	c, wes := waitingScene(t)
	c.mo.Unread()
	c.mo.Does(bridge.SetWaitingRoom{})
	equal(t, "mo", told(c.mo), "RoomChanged Knocked")
	equal(t, "wes", told(wes), "Admitted")
	equal(t, "others wait", c.Enter("Xi", bridge.Speaker).At.Waiting, false)
}

func TestSendToWaiting(t *testing.T) {
	c, _ := waitingScene(t)
	back := bridge.SendToWaiting{Target: id(c.ann)}
	c.ann.Does(bridge.ReportTalking{On: true}, bridge.RaiseHand{Up: true})
	c.quiet()
	c.mo.Does(back)
	equal(t, "bob", told(c.bob), "Unpublished Left")
	equal(t, "mo", told(c.mo), "Unpublished Left Knocked")
	equal(t, "ann", told(c.ann), "Unpublished Knocked")
	equal(t, "ann waits", c.ann.View.Waiting, true)
	code(t, c.ann.Try(bridge.Say{ID: bridge.NewMessageID(), Text: "x"}), bridge.Forbidden)
	c.mo.Does(back)
	equal(t, "mo", told(c.mo), "")
	c.mo.Does(bridge.Admit{Target: id(c.ann), OK: true}, back)
	equal(t, "ann", told(c.ann), "Admitted Knocked")
	code(t, c.ann.Try(bridge.Enter{}), bridge.Forbidden)
	c.mo.Does(bridge.Admit{Target: id(c.ann), OK: true})
	c.ann.Does(bridge.Enter{})
	equal(t, "hand", bridgetest.Told[bridge.Entered](c.ann, nil).At.Self.Hand.IsZero(), true)
	code(t, c.mo.Try(bridge.SendToWaiting{}), bridge.NotFound)
	code(t, c.mo.Try(bridge.SendToWaiting{Target: id(c.Service())}), bridge.NotSupported)
}

// Who may admit is told who waits as soon as it may.
func TestAdmittingIsGivenAndTaken(t *testing.T) {
	c := newScene(t, bridge.Spec{Default: bridge.Speaker})
	boss := c.Service()
	free := c.Join(bridge.JoinRequest{Name: "Free"})
	boss.Does(bridge.SetWaitingRoom{On: true})
	wes := c.Join(bridge.JoinRequest{Name: "Wes"})
	free.Unread()
	boss.Does(bridge.Permit{Target: id(free), Add: bridge.Admitting})
	equal(t, "free", told(free), "Changed Knocked")
	equal(t, "waits", free.View.Knocking[0].ID, id(wes))
	boss.Does(bridge.Permit{Target: id(free), Remove: bridge.Admitting})
	equal(t, "free", told(free), "Changed Knocked")
	equal(t, "waits", len(free.View.Knocking), 0)
}
