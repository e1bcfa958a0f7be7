package bridge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// exists asks whether the room of a test is still there.
func exists(r *bridgetest.Room) bool {
	_, err := r.Lookup(context.Background(), r.ID)
	return err == nil
}

func after(d time.Duration) {
	time.Sleep(d) // in a synctest bubble
	synctest.Wait()
}

func TestUnusedRoomEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{})
		r.Service().Leaves() // counts for nothing
		after(bridge.DefaultNeverJoined - time.Second)
		equal(t, "exists", exists(r), true)
		after(2 * time.Second)
		equal(t, "exists", exists(r), false)
	})
}

func TestEmptyRoomEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{})
		ann := r.Enter("Ann", bridge.Speaker)
		watcher := r.Service()
		after(time.Hour)
		ann.Leaves()
		after(bridge.DefaultEmptyTimeout - time.Second)
		bob := r.Enter("Bob", bridge.Speaker)
		after(time.Hour)
		bob.Leaves()
		after(bridge.DefaultEmptyTimeout - time.Second)
		equal(t, "exists", exists(r), true)
		after(2 * time.Second)
		equal(t, "exists", exists(r), false)
		equal(t, "reason", bridgetest.Told[bridge.Ended](watcher, nil).Reason, bridge.Unused)
	})
}

// Touch begins an empty room's last time anew, before its first join and after
// its last leave; it does not keep a room for ever.
func TestTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{NeverJoined: 5 * time.Minute, EmptyTimeout: time.Minute})
		watcher := r.Service()
		after(4 * time.Minute)
		watcher.Does(bridge.Touch{})
		after(5*time.Minute - time.Second)
		equal(t, "untouched by a join", exists(r), true)
		ann := r.Enter("Ann", bridge.Speaker)
		ann.Does(bridge.Touch{})
		after(time.Hour)
		ann.Leaves()
		for range 3 {
			after(50 * time.Second)
			watcher.Does(bridge.Touch{})
		}
		after(time.Minute - time.Second)
		equal(t, "exists", exists(r), true)
		after(2 * time.Second)
		equal(t, "exists", exists(r), false)
	})
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{Keep: true})
		r.Service().Does(bridge.Touch{})
		after(24 * time.Hour)
		equal(t, "a kept room exists", exists(r), true)
	})
}

func TestKeptRoomDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{Keep: true})
		after(24 * time.Hour)
		r.Enter("Ann", bridge.Speaker).Leaves()
		after(24 * time.Hour)
		equal(t, "exists", exists(r), true)
	})
}

func TestWhoWaitsKeepsTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{WaitingRoom: true})
		wes := r.Enter("Wes", bridge.Speaker)
		after(time.Hour)
		equal(t, "exists", exists(r), true)
		wes.Leaves()
		after(time.Hour)
		equal(t, "exists", exists(r), false)
	})
}

func TestLockLiftsWhenTheRoomIsEmpty(t *testing.T) {
	r := bridgetest.NewRoom(t, bridge.Spec{})
	mo, watcher := r.Enter("Mo", bridge.Moderator), r.Service()
	mo.Does(bridge.Lock{On: true})
	watcher.Unread()
	mo.Leaves()
	equal(t, "watcher", told(watcher), "Left RoomChanged")
	equal(t, "locked", r.Enter("Ann", bridge.Speaker).At.Room.Locked, false)
}

// A program may lock a room before anybody is in it.
func TestLockOfAnEmptyRoomHolds(t *testing.T) {
	r := bridgetest.NewRoom(t, bridge.Spec{})
	s := r.Service()
	s.Does(bridge.Lock{On: true})
	s.Leaves()
	_, err := r.Local.Join(ctx(t), bridge.JoinRequest{Room: r.ID})
	code(t, err, bridge.RoomLocked)
}

// The time limit counts from the first join ever, whatever happens then (ahoy.md
// 8.1).
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{Limit: time.Hour})
		watcher := r.Service()
		after(time.Minute)
		began := time.Now()
		ann := r.Enter("Ann", bridge.Speaker)
		equal(t, "end", ann.At.Room.Ends, began.Add(time.Hour))
		equal(t, "end told", bridgetest.Told[bridge.Ending](watcher, nil).At, began.Add(time.Hour))
		left, ok := ann.At.Room.Remaining(began)
		equal(t, "remaining", left, time.Hour)
		equal(t, "has an end", ok, true)
		ann.Leaves()
		after(time.Minute)
		ann = r.Enter("Ann", bridge.Speaker)
		for _, before := range []time.Duration{5 * time.Minute, time.Minute} {
			after(time.Until(ann.At.Room.Ends) - before - time.Second)
			equal(t, "early", told(ann), "")
			bridgetest.Told[bridge.Ending](ann, nil)
			equal(t, "warned", time.Until(ann.At.Room.Ends), before)
		}
		after(time.Minute - time.Second)
		equal(t, "reason", bridgetest.Told[bridge.Ended](ann, nil).Reason, bridge.ByTimeLimit)
		equal(t, "time", time.Since(began), time.Hour)
		code(t, ann.Lost(), bridge.Closed)
		equal(t, "exists", exists(r), false)
	})
}

func TestFixedEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{Ends: time.Now().Add(30 * time.Minute), Limit: time.Hour})
		ann := r.Enter("Ann", bridge.Moderator)
		after(30 * time.Second)
		ann.Does(bridge.SetEnd{At: time.Now().Add(time.Minute)}, bridge.SetEnd{})
		equal(t, "ann", told(ann), "Ending")
		after(2 * time.Hour)
		equal(t, "exists", exists(r), true)
		ann.Does(bridge.SetEnd{At: time.Now().Add(30 * time.Second)})
		after(time.Minute)
		equal(t, "ann", told(ann), "Ending Ended")
		if _, ok := ann.At.Room.Remaining(time.Now()); !ok {
			t.Error("no end was known")
		}
		if _, ok := (bridge.Info{}).Remaining(time.Now()); ok {
			t.Error("an end was known")
		}
	})
}

func TestDefaultTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLocal(bridge.LocalConfig{Defaults: bridge.Spec{NeverJoined: time.Minute, EmptyTimeout: time.Second}})
		defer l.Close(context.Background())
		code(t, l.Create(ctx(t), bridge.Spec{ID: "a"}), 0)
		code(t, l.Create(ctx(t), bridge.Spec{ID: "b", NeverJoined: time.Hour}), 0)
		s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "c", Create: &bridge.Spec{}})
		code(t, err, 0)
		after(2 * time.Minute)
		rooms := func(want string) {
			t.Helper()
			list, err := l.List(ctx(t))
			code(t, err, 0)
			have := ""
			for _, i := range list {
				have += string(i.ID)
			}
			equal(t, "rooms", have, want)
		}
		rooms("bc")
		code(t, s.Leave(ctx(t), bridge.ByWish), 0)
		after(2 * time.Second)
		rooms("b")
	})
}
