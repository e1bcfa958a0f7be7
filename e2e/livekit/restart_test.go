package livekit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// TestRestart (recipe 6): LiveKit is killed and started again. Media are back soon, who
// was mute is so at the server, and nobody who went meanwhile is left on either side.
func TestRestart(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	kim, anna, ben := s.at(n, "k3k", "r", "Kim"), s.at(n, "ahoy", "r", "Anna"), s.at(n, "ahoy", "r", "Ben")
	lara, inside := s.guest(lk, "r", "Lara", livekittest.JoinOptions{})
	luc, _ := s.guest(lk, "r", "Luc", livekittest.JoinOptions{})
	all := []driver.Member{kim, anna, ben, lara, luc}
	s.look(all, all)
	s.do("mute", func(ctx context.Context) error { return errors.Join(kim.Mute(ctx, true), lara.Mute(ctx, true)) })
	s.saw(lara, driver.Sight{What: driver.Muted, Who: "Kim"})
	s.saw(anna, driver.Sight{What: driver.Muted, Who: "Lara"})

	lk.Kill()
	s.do("LiveKit is missed", func(ctx context.Context) error {
		return inside.WaitTold(ctx, livekittest.Told{What: livekittest.Reconnecting})
	})
	s.do("two go", func(ctx context.Context) error { return errors.Join(ben.Leave(ctx), luc.Leave(ctx)) })
	s.look([]driver.Member{anna}, []driver.Member{anna}) // ours go on
	s.away(3 * time.Second)
	lk.Restart()
	took := s.within(10*time.Second, "media both ways", func(ctx context.Context) error {
		r := driver.Look(ctx, []driver.Member{lara}, []driver.Member{anna})
		_, err := anna.Sees(ctx, "Lara", bridge.Camera)
		return errors.Join(r.Err(), err)
	})
	t.Logf("media are back %s after LiveKit", took.Round(10*time.Millisecond))
	s.attend(patience, []string{n.Admin()}, "r", "Anna", "Kim", "Lara")
	s.alone(lk, "r", "Lara", "Kim", "Anna")
	s.until(patience, "Kim is mute at the server", func() error { return mute(s.ctx, lk, "r", "Kim", true) })
	s.do("silence", func(ctx context.Context) error {
		return errors.Join(lara.Deaf(ctx, "Kim"), anna.Deaf(ctx, "Lara"))
	})
	s.do("unmute", func(ctx context.Context) error { return errors.Join(kim.Mute(ctx, false), lara.Mute(ctx, false)) })
	all = []driver.Member{kim, anna, lara}
	s.look(all, all)
	s.times(anna, driver.Sight{What: driver.Came, Who: "Lara"}, 1)
	s.times(anna, driver.Sight{What: driver.Left, Who: "Lara"}, 0)
}

// TestAway (recipe 6): LiveKit is away for longer than its clients wait. Ours come back
// by themselves.
func TestAway(t *testing.T) {
	t.Parallel() // it waits
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	anna := s.at(n, "ahoy", "r", "Anna")
	lara, _ := s.guest(lk, "r", "Lara", livekittest.JoinOptions{})
	s.look([]driver.Member{anna, lara}, []driver.Member{anna, lara})
	lk.Kill()
	s.away(70 * time.Second)
	if p, err := s.show(n.Admin(), "r", "lk"); err != nil || p.State == "up" {
		t.Errorf("the peering is %+v, %v", p, err)
	}
	s.attend(patience, []string{n.Admin()}, "r", "Anna")
	lara.Close()
	lk.Restart()
	luc, _ := s.guest(lk, "r", "Luc", livekittest.JoinOptions{})
	took := s.within(35*time.Second, "both are back", func(ctx context.Context) error {
		return driver.Look(ctx, []driver.Member{anna, luc}, []driver.Member{anna, luc}).Err()
	})
	t.Logf("back after %s", took.Round(100*time.Millisecond))
	s.attend(patience, []string{n.Admin()}, "r", "Anna", "Luc")
	s.alone(lk, "r", "Luc", "Anna")
}

// away waits while a server is away.
func (s *stage) away(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// alone waits until exactly these are in a LiveKit room, as the server tells.
func (s *stage) alone(lk *livekittest.Server, room string, names ...string) {
	s.Helper()
	s.until(patience, "everybody is there once", func() error {
		all, err := lk.API().ListParticipants(s.ctx, &livekit.ListParticipantsRequest{Room: room})
		if err != nil {
			return err
		}
		seen := map[string]int{}
		for _, p := range all.Participants {
			if !p.GetPermission().GetHidden() {
				seen[p.Name]++
			}
		}
		if len(seen) != len(names) {
			return fmt.Errorf("the server tells of %v, want %v", seen, names)
		}
		for _, n := range names {
			if seen[n] != 1 {
				return fmt.Errorf("the server tells of %v, want %v once", seen, names)
			}
		}
		return nil
	})
}

// mute checks what a server says of somebody's microphone.
func mute(ctx context.Context, lk *livekittest.Server, room, name string, want bool) error {
	all, err := lk.API().ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: room})
	if err != nil {
		return err
	}
	for _, p := range all.Participants {
		for _, t := range p.Tracks {
			if p.Name == name && t.Source == livekittest.Microphone && t.Muted == want {
				return nil
			}
		}
	}
	return fmt.Errorf("no microphone of %s with muted %t in %v", name, want, all.Participants)
}
