package livekit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"dragoman/bridge"

	"dragoman/cluster/livekit/livekittest"
	"dragoman/e2e/demo"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// TestMeeting: one client of each dialect here, two at a LiveKit server. All hear, see
// and read all, see screens, and see each other mute, and leave.
func TestMeeting(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	var out bytes.Buffer
	m := &demo.Meeting{Out: &out}
	defer func() { m.Close() }()
	err := gather(s, m, n, lk, "meeting", false)
	if err == nil {
		err = errors.Join(m.Look(s.ctx), m.Talk(s.ctx), m.Share(s.ctx, slices.Clone(m.Members)), m.Mute(s.ctx, slices.Clone(m.Members)), m.Leave(s.ctx))
	}
	if err == nil { // and now those see the others leave who have left first
		err = errors.Join(gather(s, m, n, lk, "again", true), m.Look(s.ctx), m.Leave(s.ctx))
	}
	t.Logf("%s\n\n%s", &out, &m.Table)
	if err != nil {
		t.Fatal(err)
	}
	// Of each dialect there is one, who gets nothing of its own kind.
	dialects := len(driver.Dialects())
	want := (dialects+1)*(dialects+1) - dialects
	for _, c := range driver.Columns() {
		if got, unable := m.Table.Count(c); got+unable != want {
			t.Errorf("%s: %d pairs got it, and %d cannot, want %d", c, got, unable, want)
		}
	}
}

// gather lets one of each dialect and two of LiveKit's enter, one of these first, the
// other one last.
func gather(s *stage, m *demo.Meeting, n *node.Node, lk *livekittest.Server, room string, reverse bool) error {
	guest := func(name string) driver.Member {
		return driver.Member{Driver: New(lk, name, livekittest.JoinOptions{}), Name: name, Dialect: Dialect}
	}
	all := []driver.Member{guest("Lara")}
	for _, d := range driver.Dialects() {
		addr, path := n.Place(d.Name)
		name := "Of " + d.Name
		all = append(all, driver.Member{Driver: d.New(driver.Options{Addr: addr, Path: path, Name: name}), Name: name, Dialect: d.Name})
	}
	all = append(all, guest("Luc"))
	if reverse {
		slices.Reverse(all)
	}
	var err error
	for _, p := range all {
		err = errors.Join(err, m.Enter(s.ctx, p, room))
	}
	return err
}

// TestCameraLater: who has only a microphone at first is seen by all as soon as the camera
// goes on, is heard when it goes off, and seen again.
func TestCameraLater(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	lara := lk.Join(t, "r", "Lara", livekittest.JoinOptions{})
	if err := lara.Publish(livekittest.Microphone); err != nil {
		t.Fatal(err)
	}
	var all []driver.Member
	for _, d := range driver.Dialects() {
		all = append(all, s.at(n, d.Name, "r", "Of "+d.Name))
	}
	s.together(all, "hears Lara", func(ctx context.Context, m driver.Member) error { return m.Hears(ctx, "Lara") })
	for range 2 {
		if err := lara.Publish(livekittest.Camera); err != nil {
			t.Fatal(err)
		}
		s.together(all, "sees Lara", func(ctx context.Context, m driver.Member) error {
			f, err := m.Sees(ctx, "Lara", bridge.Camera)
			if err == nil && f.Source != lara.Source() {
				err = errors.New("it is somebody else")
			}
			return errors.Join(err, m.Hears(ctx, "Lara"))
		})
		if err := lara.Unpublish(livekittest.Camera); err != nil {
			t.Fatal(err)
		}
		s.together(all, "hears Lara without a picture", func(ctx context.Context, m driver.Member) error { return m.Hears(ctx, "Lara") })
	}
}

// together waits until it is so for all of several people, at the same time.
func (s *stage) together(all []driver.Member, what string, f func(ctx context.Context, m driver.Member) error) {
	s.Helper()
	s.do(what, func(ctx context.Context) error {
		errs := make([]error, len(all))
		var wg sync.WaitGroup
		for i, m := range all {
			wg.Go(func() {
				if err := f(ctx, m); err != nil {
					errs[i] = fmt.Errorf("%s %s: %w", m.Name, what, err)
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}
