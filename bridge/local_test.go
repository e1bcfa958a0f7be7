package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func newLocal(t *testing.T, cfg bridge.LocalConfig) *bridge.Local {
	t.Helper()
	l := bridge.NewLocal(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// TestGiveUp: who gives up while a room is busy gets nothing, however the room
// answers later. (What both would touch is for the race detector to find.)
func TestGiveUp(t *testing.T) {
	l := newLocal(t, bridge.LocalConfig{})
	if err := l.Create(ctx(t), bridge.Spec{ID: "r"}); err != nil {
		t.Fatal(err)
	}
	for what, ask := range map[string]func(context.Context) error{
		"join": func(c context.Context) error {
			_, err := l.Join(c, bridge.JoinRequest{Room: "r", Name: "x"})
			return err
		},
		"lookup": func(c context.Context) error {
			_, err := l.Lookup(c, "r")
			return err
		},
	} {
		short, cancel := context.WithTimeout(ctx(t), time.Millisecond)
		context.AfterFunc(short, l.Stall(ctx(t), "r")) // it goes on at the same moment
		if err := ask(short); err != nil && bridge.CodeOf(err) != bridge.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
	}
}

func TestCreate(t *testing.T) {
	l := newLocal(t, bridge.LocalConfig{Rooms: 2, Defaults: bridge.Spec{
		Max: 7, Title: "usual", Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}, Attrs: map[string]string{"a": "b"}, NoHands: true,
	}})
	for name, s := range map[string]bridge.Spec{
		"no id":           {},
		"a bad id":        {ID: "a\nb"},
		"a bad role":      {ID: "x", Default: 9},
		"a bad maximum":   {ID: "x", Max: -1},
		"a bad bitrate":   {ID: "x", MaxBitrate: -1},
		"a bad limit":     {ID: "x", Limit: -1},
		"too much chat":   {ID: "x", KeepChat: bridge.MaxKeepChat + 1},
		"an end passed":   {ID: "x", Ends: time.Unix(1, 0)},
		"a bad secret":    {ID: "x", Secrets: map[bridge.Role]bridge.Secret{9: "x"}},
		"a long title":    {ID: "x", Title: strings.Repeat("x", bridge.MaxTitle+1)},
		"many attributes": {ID: "x", Attrs: map[string]string{"x": strings.Repeat("x", bridge.MaxAttrs)}},
	} {
		if err := l.Create(ctx(t), s); bridge.CodeOf(err) != bridge.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	code(t, l.Create(ctx(t), bridge.Spec{ID: " a "}), 0)
	code(t, l.Create(ctx(t), bridge.Spec{ID: "a"}), bridge.Exists)
	i, err := l.Lookup(ctx(t), "a")
	code(t, err, 0)
	if i.Max != 7 || i.Title != "usual" || !i.Secured[bridge.Moderator] || i.Hands || !i.Chat || i.Attrs["a"] != "b" {
		t.Errorf("the room is %+v", i)
	}
	code(t, l.Create(ctx(t), bridge.Spec{ID: "b", Unlisted: true}), 0)
	code(t, l.Create(ctx(t), bridge.Spec{ID: "c"}), bridge.Unavailable)
	list, err := l.List(ctx(t))
	code(t, err, 0)
	if len(list) != 1 || list[0].ID != "a" {
		t.Errorf("listed %+v", list)
	}
	_, err = l.Lookup(ctx(t), "c")
	code(t, err, bridge.NotFound)
	equal(t, "rooms", l.Stats().Rooms, 2)
}

func TestJoinCreates(t *testing.T) {
	l := newLocal(t, bridge.LocalConfig{})
	join := func(req bridge.JoinRequest) (*bridge.Session, error) { return l.Join(ctx(t), req) }
	_, err := join(bridge.JoinRequest{Room: "a"})
	code(t, err, bridge.NotFound)
	_, err = join(bridge.JoinRequest{Room: "a", Create: &bridge.Spec{Max: -1}})
	code(t, err, bridge.BadRequest)
	s, err := join(bridge.JoinRequest{Room: "a", Create: &bridge.Spec{ID: "ignored", Title: "A"}})
	code(t, err, 0)
	equal(t, "title", s.At.Room.Title, "A")
	equal(t, "id", s.At.Room.ID, "a")
	s, err = join(bridge.JoinRequest{Room: "a", Create: &bridge.Spec{Title: "B"}})
	code(t, err, 0)
	equal(t, "title", s.At.Room.Title, "A")
	equal(t, "others", len(s.At.Participants), 1)
}

func TestBadRequestsAtTheDoor(t *testing.T) {
	l := newLocal(t, bridge.LocalConfig{})
	for name, req := range map[string]bridge.JoinRequest{
		"no room":           {},
		"a blank":           {Room: "a "},
		"a bad role":        {Room: "a", AtMost: 9},
		"a bad kind":        {Room: "a", Kind: 99},
		"a long secret":     {Room: "a", Secret: bridge.Secret(strings.Repeat("x", 2000))},
		"a long name":       {Room: "a", Name: strings.Repeat("x", bridge.MaxName+1)},
		"too many attrs":    {Room: "a", Attrs: map[string]string{"x": strings.Repeat("x", bridge.MaxAttrs)}},
		"attrs not in UTF8": {Room: "a", Attrs: map[string]string{"x": "\xff"}},
	} {
		req.Create = &bridge.Spec{}
		if _, err := l.Join(ctx(t), req); bridge.CodeOf(err) != bridge.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	equal(t, "rooms", l.Stats().Rooms, 0)
}

// NotFound, Banned, WrongSecret or Unauthenticated, RoomLocked, RoomFull: in this
// order.
func TestOrderOfRefusals(t *testing.T) {
	r := bridgetest.NewRoom(t, bridge.Spec{Max: 2, Secrets: map[bridge.Role]bridge.Secret{
		bridge.Moderator: "m", bridge.Speaker: "s", bridge.Listener: "l",
	}})
	mo := r.Enter("Mo", bridge.Moderator)
	eve := r.Join(bridge.JoinRequest{User: "eve", Secret: "s"})
	join := func(user bridge.UserID, secret bridge.Secret, want bridge.Code) {
		t.Helper()
		s, err := r.Local.Join(ctx(t), bridge.JoinRequest{Room: r.ID, User: user, Secret: secret})
		code(t, err, want)
		if err == nil {
			code(t, s.Leave(ctx(t), bridge.ByWish), 0)
		}
	}
	join("", "s", bridge.RoomFull)
	mo.Does(bridge.Lock{On: true})
	join("", "s", bridge.RoomLocked)
	join("", "m", bridge.RoomFull)
	join("", "", bridge.Unauthenticated)
	join("", "x", bridge.WrongSecret)
	mo.Does(bridge.Kick{Target: id(eve), Ban: true})
	join("eve", "x", bridge.Banned)
	join("", "m", 0)
	join("", "s", bridge.RoomLocked)
	join("", "x", bridge.WrongSecret)
	mo.Does(bridge.SetSecrets{})
	join("", "x", bridge.RoomLocked)
	mo.Does(bridge.Lock{})
	join("", "x", 0)
}

func TestHiddenOnes(t *testing.T) {
	c := newScene(t, bridge.Spec{Max: 4, Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m", bridge.Speaker: "s", bridge.Listener: "l"}})
	c.mo.Does(bridge.Lock{On: true})
	c.quiet()
	program := c.Service() // whatever the secrets, the lock and the maximum
	equal(t, "others", len(program.At.Participants), 4)
	equal(t, "ann", told(c.ann), "")
	info, _ := c.Lookup(ctx(t), c.ID)
	equal(t, "members", info.Members, 4)
	program.Does(bridge.Lock{}, bridge.Rename{Name: "x"}, bridge.Typing{}, bridge.Seen{}, bridge.ReportTalking{On: true}, bridge.ReportQuality{Score: 1})
	e := bridgetest.Told[bridge.RoomChanged](c.ann, nil)
	equal(t, "hidden ones are not named", e.By.IsZero(), true)
	equal(t, "ann", told(c.ann), "")
	equal(t, "program", told(program), "RoomChanged Changed")
	c.ann.View.Hidden = func(who bridge.ParticipantID) bool { return who == id(program) }
	program.Says("hello")
	equal(t, "ann", told(c.ann), "Said")
	program.Leaves()
	equal(t, "ann", told(c.ann), "")
	_, err := c.Local.Join(ctx(t), bridge.JoinRequest{Room: c.ID, Kind: bridge.Service})
	code(t, err, bridge.Unauthenticated)
}

func TestReplace(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	c.ann.Does(bridge.RaiseHand{Up: true}, bridge.ReportTalking{On: true})
	c.quiet()
	again := c.Join(bridge.JoinRequest{ID: id(c.ann), Name: "Ann", Dialect: "test", Shows: ^bridge.Features(0), AtMost: bridge.Speaker})
	equal(t, "id", id(again), id(c.ann))
	equal(t, "old", told(c.ann), "Relocated")
	code(t, c.ann.Lost(), bridge.Closed)
	code(t, c.ann.Try(bridge.Rename{Name: "x"}), bridge.Closed)
	c.ann.Leaves() // does no harm to the new one
	equal(t, "bob", told(c.bob), "Unpublished Talking Changed")
	equal(t, "members", len(again.At.Participants), 3)
	again.Says("here again")
	info, _ := c.Lookup(ctx(t), c.ID)
	equal(t, "members", info.Members, 4)
	c.mo.Does(bridge.Lock{On: true}, bridge.SetMax{Max: 1})
	c.quiet()
	third := c.Join(bridge.JoinRequest{ID: id(c.ann), Name: "Ann", Dialect: "test", Shows: ^bridge.Features(0), AtMost: bridge.Speaker})
	equal(t, "bob", told(c.bob), "")
	c.mo.Does(bridge.SetWaitingRoom{On: true}, bridge.Lock{}, bridge.SetMax{})
	c.quiet()
	fourth := c.Join(bridge.JoinRequest{ID: id(c.ann), AtMost: bridge.Speaker})
	equal(t, "waits", fourth.At.Waiting, true)
	equal(t, "third", strings.HasSuffix(told(third), "Relocated"), true)
	equal(t, "bob", told(c.bob), "Left")
	equal(t, "mo", told(c.mo), "Left Knocked")
}

// TestNew: an id can be taken by whoever is first, and nobody replaces it.
func TestNew(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	c.quiet()
	again := bridge.JoinRequest{Room: c.ID, ID: id(c.ann), New: true, Kind: bridge.Service, AtMost: bridge.Speaker}
	_, err := c.Local.Join(ctx(t), again)
	code(t, err, bridge.Exists)
	equal(t, "ann", told(c.ann), "")
	c.ann.Leaves()
	x := c.Join(again)
	equal(t, "id", id(x), id(c.ann))
	_, err = c.Local.Join(ctx(t), again)
	code(t, err, bridge.Exists)
	x.Leaves()
	c.Join(again).Leaves()
}

// A silence stays with a participant who comes again by the same id.
func TestReplacedStaysSilenced(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	c.mo.Does(bridge.Mute{Targets: []bridge.ParticipantID{id(c.ann)}, Force: true})
	again := c.Join(bridge.JoinRequest{ID: id(c.ann), Name: "Ann", AtMost: bridge.Speaker})
	again.Shares(bridge.Camera)
	equal(t, "sound", bridgetest.Told[bridge.Published](again, nil).Pub.Audio, bridge.Silenced)
}

// Secrets that change while one is being checked are checked again.
func TestSecretsChangeWhileOneIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int32
		var l *bridge.Local
		var mo *bridge.Session
		l = newLocal(t, bridge.LocalConfig{Check: func(stored, given bridge.Secret) bool {
			if checks.Add(1) == 1 {
				err := mo.Do(t.Context(), bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "new"}})
				code(t, err, 0)
			}
			return string(stored) == string(given)
		}})
		mo, err := l.Join(ctx(t), bridge.JoinRequest{
			Room: "r", Kind: bridge.Service, AtMost: bridge.Moderator,
			Create: &bridge.Spec{Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "old"}},
		})
		code(t, err, 0)
		_, err = l.Join(ctx(t), bridge.JoinRequest{Room: "r", Secret: "old"})
		code(t, err, bridge.WrongSecret)
		equal(t, "checks", checks.Load(), 2)
	})
}

// A join that meets a room in its last moment gets the next room of that name, or
// hears that there is none; never an error that says neither.
func TestJoinMeetsAnEndingRoom(t *testing.T) {
	l := newLocal(t, bridge.LocalConfig{Mailbox: 1})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				s, err := l.Join(context.Background(), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
				if err != nil {
					t.Errorf("join: %v", err)
					return
				}
				if err := s.Do(context.Background(), bridge.CloseRoom{}); err != nil && bridge.CodeOf(err) != bridge.Closed {
					t.Errorf("close: %v", err)
				}
				_, err = l.Join(context.Background(), bridge.JoinRequest{Room: "r"})
				if err != nil && bridge.CodeOf(err) != bridge.NotFound {
					t.Errorf("join without making: %v", err)
				}
			}
		})
	}
	all.Wait()
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		media := &bridgetest.Media{}
		l := bridge.NewLocal(bridge.LocalConfig{Media: media})
		join := func() *bridge.Session {
			s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
			code(t, err, 0)
			return s
		}
		a, b := join(), join()
		_, err := a.Connect(ctx(t), bridge.PeerOptions{})
		code(t, err, 0)
		token := b.Detach(ctx(t), time.Hour)
		_, _ = a.Drain(ctx(t))
		code(t, l.Close(ctx(t)), 0)
		events, err := a.Drain(ctx(t))
		code(t, err, bridge.Closed)
		if len(events) != 1 || events[0] != (bridge.Ended{Reason: bridge.ByShutdown}) {
			t.Errorf("told %+v", events)
		}
		equal(t, "peer is closed", media.Peers()[0].Closed(), true)
		_, err = l.Resume(ctx(t), token)
		code(t, err, bridge.NotFound)
		code(t, l.Create(ctx(t), bridge.Spec{ID: "x"}), bridge.Unavailable)
		_, err = l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
		code(t, err, bridge.Unavailable)
		_, err = l.JoinAt(ctx(t), elsewhere{}, bridge.JoinRequest{Room: "r"})
		code(t, err, bridge.Unavailable)
		code(t, l.Close(ctx(t)), 0)
		equal(t, "holds", l.Holds(), 0)
		s := l.Stats()
		equal(t, "left", s.Rooms+s.Participants+s.Sessions+s.Detached+s.Peers, 0)
	})
}

// elsewhere is a place whose seats are on no node of ours.
type elsewhere struct{}

func (elsewhere) Seat(context.Context, bridge.JoinRequest, *bridge.Outbox) (bridge.Link, bridge.Snapshot, error) {
	return farLink{}, bridge.Snapshot{Self: bridge.Participant{ID: bridge.NewParticipantID()}}, nil
}

// farLink is a link that cannot be retaken.
type farLink struct{}

func (farLink) Do(context.Context, bridge.Command) error        { return nil }
func (farLink) Leave(context.Context, bridge.Reason) error      { return nil }
func (farLink) Away(context.Context, bool, time.Duration) error { return nil }

func TestCloseGivesUp(t *testing.T) {
	block := make(chan struct{})
	l := bridge.NewLocal(bridge.LocalConfig{Media: stuckMedia{&bridgetest.Media{}, block}})
	s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
	code(t, err, 0)
	code(t, s.Do(ctx(t), camera(bridge.NewPublicationID(), bridge.Muted, bridge.Live)), 0)
	s.Detach(ctx(t), time.Minute) // the caretaker hangs in media
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err = l.Close(ended)
	code(t, err, bridge.Unavailable)
	equal(t, "says why", errors.Is(err, context.Canceled), true)
	close(block)
	code(t, l.Close(context.Background()), 0)
}

// stuckMedia is a media whose gates are stuck.
type stuckMedia struct {
	*bridgetest.Media
	block chan struct{}
}

func (m stuckMedia) Gate(bridge.PublicationID, bridge.Track, bool) { <-m.block }

func TestInterrupted(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err := c.ann.Do(ended, bridge.Rename{Name: "x"})
	code(t, err, bridge.Unavailable)
	equal(t, "says why", errors.Is(err, context.Canceled), true)
	_, err = c.List(ended)
	code(t, err, bridge.Unavailable)
	_, err = c.Local.Join(ended, bridge.JoinRequest{Room: c.ID})
	code(t, err, bridge.Unavailable)
	// A seat is given up all the same.
	code(t, c.ann.Leave(ended, bridge.ByLoss), 0)
	equal(t, "bob", told(c.bob), "Unpublished Left")
}

func TestSlowReaderLosesItsSeat(t *testing.T) {
	l := newLocal(t, bridge.LocalConfig{Outbox: 8})
	join := func(name string) *bridge.Session {
		s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}, Name: name})
		code(t, err, 0)
		return s
	}
	slow, slower, quick := join("slow"), join("slower"), join("quick")
	for i := range 20 {
		code(t, quick.Do(ctx(t), bridge.Say{ID: bridge.NewMessageID(), Text: fmt.Sprint(i)}), 0)
		if _, err := quick.Drain(ctx(t)); err != nil {
			t.Fatalf("the quick one is lost: %v", err)
		}
	}
	for _, s := range []*bridge.Session{slow, slower} {
		events, err := s.Drain(ctx(t))
		code(t, err, bridge.Lagged)
		equal(t, "last events", len(events), 8)
		code(t, s.Do(ctx(t), bridge.Rename{Name: "x"}), bridge.Closed)
		code(t, s.Leave(ctx(t), bridge.ByLoss), 0)
	}
	info, err := l.Lookup(ctx(t), "r")
	code(t, err, 0)
	equal(t, "members", info.Members, 1)
	equal(t, "lagged", l.Stats().Lagged, 2)
}
