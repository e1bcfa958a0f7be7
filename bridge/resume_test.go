package bridge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func TestDetachAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, bridge.Spec{}, bridge.PeerOptions{DetectMute: true})
		c.quiet()
		c.ann.Memo = "what the dialect knows"
		old := c.ann.Session
		token := old.Detach(ctx(t), time.Minute)
		equal(t, "bob", told(c.bob), "Changed")
		equal(t, "away", c.bob.View.Participant(id(c.ann)).Away, true)
		equal(t, "detached", c.Stats().Detached, 1)

		// The old session is of no use any more, and harmless.
		_, err := old.Drain(ctx(t))
		code(t, err, bridge.Closed)
		_, err = old.Connect(ctx(t), bridge.PeerOptions{})
		code(t, err, bridge.Closed)
		code(t, old.Leave(ctx(t), bridge.ByLoss), 0)
		equal(t, "second token", old.Detach(ctx(t), time.Minute), "")
		old.WakeBy(make(chan struct{}, 1))

		// Meanwhile everything is enforced, and what the engine hears is told.
		after(50 * time.Second)
		c.upF.Fire(bridge.PeerSilence{Pub: c.cam, Silent: true})
		synctest.Wait()
		c.sound(t, bridge.Muted)
		c.mo.Does(bridge.Mute{Targets: []bridge.ParticipantID{id(c.ann)}, Track: bridge.Video, Force: true})
		synctest.Wait()
		equal(t, "picture is open", c.Media.Open(c.cam, bridge.Video), false)
		for range 2 * bridge.DefaultOutbox { // nobody answers these
			c.upF.Fire(bridge.PeerMessage{Label: "default"})
			synctest.Wait()
		}
		c.upF.Fire(bridge.PeerChanged{State: bridge.PeerDisconnected})
		c.upF.Fire(bridge.PeerTrack{Pub: c.cam})
		c.upF.Fire(bridge.PeerChanged{State: bridge.PeerConnected})
		for range 2 * bridge.DefaultOutbox {
			c.bob.Says("x")
			c.quietOthers()
			synctest.Wait()
		}

		s, err := c.Resume(ctx(t), token)
		code(t, err, 0)
		equal(t, "id", s.At.Self.ID, id(c.ann))
		equal(t, "away", s.At.Self.Away, false)
		equal(t, "others", len(s.At.Participants), 3)
		equal(t, "memo", s.Memo.(string), "what the dialect knows")
		equal(t, "peers", len(s.Peers()), 1)
		equal(t, "the same peer", s.Peers()[0], c.up)
		receives, _ := s.Carries(c.up.ID())
		equal(t, "receives", receives[0], c.cam)
		equal(t, "own publications", s.Published()[0].Video, bridge.Silenced)
		<-s.Ready()
		events, err := s.Drain(ctx(t))
		code(t, err, 0)
		if len(events) != 2 || events[1] != (bridge.PeerChanged{Peer: c.up.ID(), State: bridge.PeerConnected}) {
			t.Errorf("told %+v", events)
		}
		c.upF.Fire(bridge.PeerNegotiate{})
		events, err = s.Drain(ctx(t))
		code(t, err, 0)
		equal(t, "events of peers come", len(events), 1)
		_, err = c.Resume(ctx(t), token)
		code(t, err, bridge.NotFound)
		after(time.Hour)
		code(t, s.Do(ctx(t), bridge.Rename{Name: "still here"}), 0)

		// Each absence has a token of its own.
		again := s.Detach(ctx(t), time.Minute)
		if again == token || again == "" {
			t.Error("the same token twice")
		}
		_, err = c.Resume(ctx(t), again)
		code(t, err, 0)
		equal(t, "detached", c.Stats().Detached, 0)
	})
}

// quietOthers drains everybody who is not away.
func (c *connected) quietOthers() {
	for _, m := range []*bridgetest.Member{c.mo, c.bob, c.lis} {
		m.Unread()
	}
}

func TestGraceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
		token := c.ann.Detach(ctx(t), 15*time.Second)
		after(14 * time.Second)
		equal(t, "closed", c.upF.Closed(), false)
		c.bob.Unread()
		after(2 * time.Second)
		equal(t, "why", bridgetest.Told[bridge.Left](c.bob, nil).Reason, bridge.ByLoss)
		equal(t, "closed", c.upF.Closed(), true)
		_, err := c.Resume(ctx(t), token)
		code(t, err, bridge.NotFound)
		equal(t, "sessions", c.Stats().Sessions, 3)
		equal(t, "detached", c.Stats().Detached, 0)
	})
}

// A seat that is kept for nobody keeps the room no longer than the grace.
func TestAbsenceOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRoom(t, bridge.Spec{})
		r.Enter("Ann", bridge.Speaker).Detach(ctx(t), time.Hour)
		after(59 * time.Minute)
		equal(t, "exists", exists(r), true)
		after(time.Minute + bridge.DefaultEmptyTimeout + time.Second)
		equal(t, "exists", exists(r), false)
		equal(t, "holds", r.Holds(), 0)
	})
}

func TestDetachIsNotPossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, bridge.Spec{})
		equal(t, "no grace", c.ann.Detach(ctx(t), 0), "")
		equal(t, "why", bridgetest.Told[bridge.Left](c.bob, nil).Reason, bridge.ByLoss)
		c.mo.Does(bridge.Kick{Target: id(c.lis)})
		token := c.lis.Detach(ctx(t), time.Minute)
		synctest.Wait()
		_, err := c.Resume(ctx(t), token)
		code(t, err, bridge.NotFound)
		c.bob.Leaves()
		equal(t, "after leaving", c.bob.Detach(ctx(t), time.Minute), "")
		_, err = c.Resume(ctx(t), "")
		code(t, err, bridge.NotFound)
	})
}

func TestKickedWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
		token := c.ann.Detach(ctx(t), time.Minute)
		c.mo.Does(bridge.Kick{Target: id(c.ann)})
		synctest.Wait()
		equal(t, "closed", c.upF.Closed(), true)
		_, err := c.Resume(ctx(t), token)
		code(t, err, bridge.NotFound)
	})
}

// What happens in the last moment before Resume is enforced though nobody is told.
func TestEnforcedInTheLastMoment(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
	c.quiet()
	for range 50 {
		token := c.ann.Detach(ctx(t), time.Minute)
		c.mo.Does(bridge.Mute{Targets: []bridge.ParticipantID{id(c.ann)}, Force: true})
		s, err := c.Resume(ctx(t), token)
		code(t, err, 0)
		equal(t, "sound is open", c.Media.Open(c.cam, bridge.Audio), false)
		c.mo.Does(bridge.Mute{Targets: []bridge.ParticipantID{id(c.ann)}, Off: true})
		c.ann.Session = s
		c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Audio})
		_, _ = s.Drain(ctx(t))
		equal(t, "sound is open", c.Media.Open(c.cam, bridge.Audio), true)
		c.quietOthers()
	}
}

func TestWhoWaitsCanBeAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, wes := waitingScene(t)
		c.mo.Unread()
		token := wes.Detach(ctx(t), time.Minute)
		equal(t, "mo", told(c.mo), "Knocked")
		equal(t, "ann", told(c.ann), "")
		c.mo.Does(bridge.Admit{Target: id(wes), OK: true})
		s, err := c.Resume(ctx(t), token)
		code(t, err, 0)
		equal(t, "waits", s.At.Waiting, true)
		events, err := s.Drain(ctx(t))
		code(t, err, 0)
		if len(events) != 1 || events[0] != (bridge.Admitted{}) {
			t.Errorf("told %+v", events)
		}
		code(t, s.Do(ctx(t), bridge.Enter{}), 0)
	})
}

func TestShutdownWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		media := &bridgetest.Media{}
		l := bridge.NewLocal(bridge.LocalConfig{Media: media})
		s, err := l.JoinAt(ctx(t), elsewhere{}, bridge.JoinRequest{Room: "far"})
		code(t, err, 0)
		_, err = s.Connect(ctx(t), bridge.PeerOptions{})
		code(t, err, 0)
		s.Detach(ctx(t), time.Hour)
		code(t, l.Close(ctx(t)), 0)
		equal(t, "closed", media.Peers()[0].Closed(), true)
		equal(t, "holds", l.Holds(), 0)
	})
}

// A seat whose link cannot be retaken is gone, and given up properly.
func TestResumeOverALinkThatCannot(t *testing.T) {
	for name, p := range map[string]bridge.Place{"no way": elsewhere{}, "an error": brittle{bridge.Unavailable}, "gone": brittle{bridge.Closed}} {
		l := newLocal(t, bridge.LocalConfig{})
		s, err := l.JoinAt(ctx(t), p, bridge.JoinRequest{Room: "far"})
		code(t, err, 0)
		token := s.Detach(ctx(t), time.Hour)
		want := bridge.NotFound
		if name == "an error" {
			want = bridge.Unavailable
		}
		_, err = l.Resume(ctx(t), token)
		code(t, err, want)
		equal(t, "holds", l.Holds(), 0)
	}
}

// brittle is a place whose seats are lost when they are retaken.
type brittle struct{ code bridge.Code }

func (b brittle) Seat(context.Context, bridge.JoinRequest, *bridge.Outbox) (bridge.Link, bridge.Snapshot, error) {
	return brittleLink{farLink{}, b.code}, bridge.Snapshot{}, nil
}

type brittleLink struct {
	farLink
	code bridge.Code
}

func (l brittleLink) Retake(context.Context, *bridge.Outbox) (bridge.Snapshot, error) {
	return bridge.Snapshot{}, bridge.Errorf(l.code, "no")
}
