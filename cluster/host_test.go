package cluster_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/cluster"
	"dragoman/cluster/clustertest"
)

// TestElsewhere: a session in a room of another node is as one in a room of its own.
func TestElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := clustertest.NewElsewhere(bridge.LocalConfig{Media: &bridgetest.Media{}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close(t.Context())
		if _, err := e.Join(t.Context(), bridge.JoinRequest{Room: "r"}); bridge.CodeOf(err) != bridge.NotFound {
			t.Fatalf("joined a room that is not there: %v", err)
		}
		ann, err := e.Join(t.Context(), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{Title: "R"}, Name: "Ann"})
		if err != nil {
			t.Fatal(err)
		}
		if ann.At.Room.Title != "R" || ann.At.Self.Name != "Ann" || ann.At.Self.Role != bridge.Moderator {
			t.Errorf("at %+v", ann.At)
		}
		if info, err := e.Owner.Lookup(t.Context(), "r"); err != nil || info.Members != 1 {
			t.Errorf("the room runs nowhere: %+v, %v", info, err)
		}
		bob, err := e.Join(t.Context(), bridge.JoinRequest{Room: "r", Name: "Bob"})
		if err != nil {
			t.Fatal(err)
		}
		if err := bob.Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), Text: "hi"}); err != nil {
			t.Fatal(err)
		}
		events, err := bob.Drain(t.Context())
		if said, ok := events[len(events)-1].(bridge.Said); err != nil || !ok || said.Text != "hi" {
			t.Errorf("after Do was answered, what followed is told: %+v, %v", events, err)
		}
		if err := bob.Do(t.Context(), bridge.Kick{}); bridge.CodeOf(err) != bridge.NotFound {
			t.Errorf("errors cross: %v", err)
		}
		synctest.Wait()
		if events, err = ann.Drain(t.Context()); err != nil || len(events) != 2 {
			t.Errorf("Ann was told %+v, %v", events, err)
		}
		list, err := e.List(t.Context())
		if err != nil || len(list) != 1 || list[0].Members != 2 {
			t.Errorf("listed %+v, %v", list, err)
		}
		token := ann.Detach(t.Context(), time.Minute)
		_ = bob.Do(t.Context(), bridge.Rename{Name: "Bo"})
		ann, err = e.Resume(t.Context(), token)
		if err != nil || len(ann.At.Participants) != 1 || ann.At.Participants[0].Name != "Bo" {
			t.Fatalf("resumed %v", err)
		}
		if err := ann.Leave(t.Context(), bridge.ByWish); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		events, err = bob.Drain(t.Context())
		if left, ok := events[len(events)-1].(bridge.Left); err != nil || !ok || left.Reason != bridge.ByWish {
			t.Errorf("Bob was told %+v, %v", events, err)
		}
		if err := bob.Leave(t.Context(), bridge.ByWish); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		// Who comes again is not answered what others were answered.
		again, err := e.Join(t.Context(), bridge.JoinRequest{Room: "r", Name: "Ann"})
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Leave(t.Context(), bridge.ByWish); err != nil {
			t.Error(err)
		}
		if info, err := e.Owner.Lookup(t.Context(), "r"); err != nil || info.Members != 0 {
			t.Errorf("left, and there are %d, %v", info.Members, err)
		}
		synctest.Wait()
		if s := e.Stats(); s.Remote != 0 || s.Links.Streams != 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

// TestReports: an operator sees from any node how something of all others does; who has
// no such topic, or does not answer, is left out.
func TestReports(t *testing.T) {
	inTown(t, 1, func(t *testing.T, c *town) {
		tells := func(name string) func(*cluster.Config) {
			return func(cfg *cluster.Config) {
				cfg.Report = func(_ context.Context, topic string) ([]byte, error) {
					if topic != "weather" {
						return nil, bridge.Errorf(bridge.NotSupported, "no such topic")
					}
					return []byte(name), nil
				}
			}
		}
		second, err := c.Add(tells("rain"))
		if err != nil {
			t.Fatal(err)
		}
		third, err := c.Add(tells("sun"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Settle(time.Minute); err != nil {
			t.Fatal(err)
		}
		want := map[bridge.NodeID][]byte{second.ID(): []byte("rain"), third.ID(): []byte("sun")}
		if got := c.Nodes[0].Reports(t.Context(), "weather"); !reflect.DeepEqual(got, want) {
			t.Errorf("the first one is told %q", got)
		}
		delete(want, second.ID())
		if got := second.Reports(t.Context(), "weather"); !reflect.DeepEqual(got, want) {
			t.Errorf("the second one is told %q", got)
		}
		if got := third.Reports(t.Context(), "news"); len(got) != 0 {
			t.Errorf("of another topic: %q", got)
		}
	})
}

// TestWhereAndAskDrain: an operator sees from any node where each room is, and asks
// any node to go.
func TestWhereAndAskDrain(t *testing.T) {
	inTown(t, 2, func(t *testing.T, c *town) {
		asked := make(chan bool, 2)
		third, err := c.Add(func(cfg *cluster.Config) { cfg.Asked = func(on bool) { asked <- on } })
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Settle(time.Minute); err != nil {
			t.Fatal(err)
		}
		a := c.Nodes[0]
		for i := range 9 {
			if err := a.Create(t.Context(), bridge.Spec{ID: bridge.RoomID(fmt.Sprint("room ", i))}); err != nil {
				t.Fatal(err)
			}
		}
		where := third.Where(t.Context())
		all := 0
		for _, n := range c.Nodes {
			if len(where[n.ID()]) != len(n.Local.Rooms()) {
				t.Errorf("%s has %v, told %v", n.ID(), n.Local.Rooms(), where[n.ID()])
			}
			all += len(where[n.ID()])
		}
		if all != 9 {
			t.Errorf("%d rooms: %v", all, where)
		}
		for _, on := range []bool{true, false} {
			if err := a.AskDrain(t.Context(), third.Gossip.Self().Name, on); err != nil || <-asked != on {
				t.Errorf("drain %v: %v", on, err)
			}
		}
		if err := third.AskDrain(t.Context(), string(a.ID()), true); bridge.CodeOf(err) != bridge.NotSupported {
			t.Errorf("a node that nobody may ask: %v", err)
		}
		if err := a.AskDrain(t.Context(), "nobody", true); bridge.CodeOf(err) != bridge.NotFound {
			t.Errorf("no such node: %v", err)
		}
		if err := a.Drain(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Join(t.Context(), bridge.JoinRequest{Room: "room 1"}); bridge.CodeOf(err) != bridge.Unavailable {
			t.Errorf("join while draining: %v", err)
		}
		for i := range 9 { // at once: their homes may not know yet that they have moved
			room := bridge.RoomID(fmt.Sprint("room ", i))
			if _, err := third.Lookup(t.Context(), room); err != nil {
				t.Errorf("look up %s: %v", room, err)
			}
			s, err := a.Join(t.Context(), bridge.JoinRequest{Room: room, Kind: bridge.Service})
			if err != nil {
				t.Errorf("a program looks at %s from a draining node: %v", room, err)
				continue
			}
			_ = s.Leave(t.Context(), bridge.ByWish)
		}
	})
}
