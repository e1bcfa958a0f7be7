package livekit_test

import (
	"testing"

	protocol "github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
)

// TestModeratedHere: what a moderator of ours does to one of theirs is done there.
func TestModeratedHere(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann") // a moderator, as the room has no secret
	must(t, lucy.Publish(livekittest.Microphone))
	id := ann.who("Lucy").ID
	audio := func(want bridge.TrackState) {
		t.Helper()
		ann.wait("the state of Lucy's sound", func() bool {
			for _, p := range ann.pubs {
				if p.Owner == id {
					return p.Audio == want
				}
			}
			return false
		})
	}
	audio(bridge.Live)
	ann.do(bridge.Mute{Targets: []bridge.ParticipantID{id}, Track: bridge.Audio})
	audio(bridge.Muted)
	muted := func() bool { return lucy.Room.LocalParticipant.GetTrackPublication(livekittest.Microphone).IsMuted() }
	must(t, lucy.Wait(ctx, "to be muted", muted), lucy.Mute(livekittest.Microphone, false))
	audio(bridge.Live)
	ann.do(bridge.Mute{Targets: []bridge.ParticipantID{id}, Track: bridge.Audio, Force: true})
	audio(bridge.Silenced)
	must(t, lucy.Wait(ctx, "to be muted", muted), lucy.Mute(livekittest.Microphone, false))
	ann.do(bridge.Mute{Targets: []bridge.ParticipantID{id}, Track: bridge.Audio, Off: true})
	audio(bridge.Live)

	ann.do(bridge.Kick{Target: id, Reason: "enough"})
	must(t, lucy.WaitTold(ctx, livekittest.Told{What: livekittest.Gone, Text: protocol.DisconnectReason_PARTICIPANT_REMOVED.String()}))
	ann.sees()
	lucy = server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann.sees("Lucy") // she was not banned
	ann.do(bridge.Kick{Target: id, Ban: true})
	must(t, lucy.WaitTold(ctx, livekittest.Told{What: livekittest.Gone}))
	server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	s.until(ctx, "her to be refused", func() bool { return s.Stats().Unseated > 0 })
	ann.sees()
}

// TestModeratedThere: what a moderator there does to one of ours is done here, but for
// moderators of ours, and where the settings say no.
func TestModeratedThere(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann")
	ben := s.join("meeting", "Ben", func(q *bridge.JoinRequest) { q.AtMost = bridge.Speaker })
	remove := func(name string) {
		t.Helper()
		id, err := lucy.WaitNamed(ctx, name)
		must(t, err)
		_, err = server.API().RemoveParticipant(ctx, &protocol.RoomParticipantIdentity{Room: "meeting", Identity: id})
		must(t, err)
		must(t, lucy.Wait(ctx, name+" to be gone", func() bool { return len(lucy.Named(name)) == 0 }))
	}
	remove("Ann")
	remove("Ben")
	event(ben, "to be thrown out", func(e bridge.Kicked) bool { return e.Reason != "" })
	ann.sees("Lucy")
	if n := s.Stats().Removed; n != 1 {
		t.Errorf("%d were removed", n)
	}

	set := settings(server, "other")
	set.Moderates = false
	other := newSite(t, "yonder", set)
	cem := other.join("meeting", "Cem", func(q *bridge.JoinRequest) { q.AtMost = bridge.Speaker })
	remove("Cem")
	other.until(ctx, "him to be out of LiveKit", func() bool { p := other.Peerings(); return len(p) == 1 && p[0].Puppets == 0 })
	if _, err := other.local.Lookup(ctx, "meeting"); err != nil || other.Stats().Removed > 0 {
		t.Errorf("removed: %d, %v", other.Stats().Removed, err)
	}
	cem.who("Lucy")
}
