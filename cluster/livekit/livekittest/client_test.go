package livekittest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/media/mediatest"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestClients lets two clients meet: each gets the other's devices whole, and what else
// there is to tell.
func TestClients(t *testing.T) {
	s, ctx := Start(t, Options{}), within(t)
	a := s.Join(t, "r", "anna", JoinOptions{Name: "Anna", Attributes: map[string]string{"hand": "up"}})
	b := s.Join(t, "r", "ben", JoinOptions{Name: "Ben", Kind: livekit.ParticipantInfo_BRIDGE})
	must(t, a.Publish(Camera), a.Publish(Microphone), b.Publish(Camera), b.Publish(Microphone))
	must(t, a.WaitPeople(ctx, "ben"), b.WaitPeople(ctx, "anna"))
	for x, of := range map[*Client]*Client{a: b, b: a} {
		must(t, x.WaitVideo(ctx, of.Identity(), Camera, 20), x.WaitSound(ctx, of.Identity(), Microphone), x.WaitTold(ctx, Told{What: Talks, Who: of.Identity()}))
		video, sound := x.Received(of.Identity(), Camera), x.Received(of.Identity(), Microphone)
		if video.Last.Source != of.Source() || video.Broken+video.Undecodable+video.Lost+video.IDGaps > 0 || sound.Wrong > 0 || sound.Level != 30 {
			t.Errorf("%s received %+v and %+v", x.Identity(), video, sound)
		}
	}
	p := b.Room.GetParticipantByIdentity("anna")
	if p.Name() != "Anna" || p.Attributes()["hand"] != "up" || a.Room.GetParticipantByIdentity("ben").Kind() != lksdk.ParticipantKind(livekit.ParticipantInfo_BRIDGE) {
		t.Errorf("anna is %q with %v, ben of kind %v", p.Name(), p.Attributes(), a.Room.GetParticipantByIdentity("ben").Kind())
	}
	a.Say("to all")
	b.Say("to anna", "anna")
	must(t, a.SayOld("as before"), b.Data("topic", []byte("data")))
	must(t, b.WaitTold(ctx, Told{What: Said, Who: "anna", Text: "to all"}), a.WaitTold(ctx, Told{What: Said, Name: "Ben", Text: "to anna"}),
		b.WaitTold(ctx, Told{What: Said, Who: "anna", Text: "as before"}), a.WaitTold(ctx, Told{What: Sent, Who: "ben", Text: "topic/data"}))
	must(t, a.Publish(Screen), a.Publish(ScreenSound), b.WaitVideo(ctx, "anna", Screen, 5), b.WaitSound(ctx, "anna", ScreenSound))
	if f := b.Received("anna", Screen); f.Last.Layer != screenLayer {
		t.Errorf("the screen is %+v", f)
	}
	must(t, a.Unpublish(Screen), b.WaitTold(ctx, Told{What: Unpublished, Who: "anna", Text: Screen.String()}))
	a.SetAttributes(map[string]string{"hand": "down"})
	must(t, b.Wait(ctx, "attributes", func() bool { return p.Attributes()["hand"] == "down" }))
	if b.Times(Told{What: Came}) != 1 || a.Times(Told{What: Came, Name: "Ben"}) != 1 {
		t.Errorf("came twice: %v, %v", a.lately(), b.lately())
	}
	a.Leave()
	must(t, b.WaitTold(ctx, Told{What: Left, Who: "anna"}), b.WaitPeople(ctx))
}

// TestMute: what is muted is told and not sent, and comes again, a moderator can do it,
// too, and a reconnection does not change it.
func TestMute(t *testing.T) {
	s, ctx := Start(t, Options{}), within(t)
	a, b := s.Join(t, "r", "anna", JoinOptions{}), s.Join(t, "r", "ben", JoinOptions{})
	must(t, a.Publish(Camera), a.Publish(Microphone), b.WaitSound(ctx, "anna", Microphone), b.WaitVideo(ctx, "anna", Camera, 5))
	must(t, a.Mute(Microphone, true), b.WaitTold(ctx, Told{What: Muted, Who: "anna", Text: Microphone.String()}), b.WaitQuiet(ctx, "anna", Microphone, time.Second))
	must(t, a.Mute(Microphone, false), b.WaitTold(ctx, Told{What: Unmuted, Who: "anna", Text: Microphone.String()}), b.WaitSound(ctx, "anna", Microphone))
	_, err := s.API().MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: "r", Identity: "anna", TrackSid: b.Track("anna", Camera).Sid, Muted: true})
	must(t, err, a.WaitTold(ctx, Told{What: Muted, Who: "anna", Text: Camera.String()}), b.WaitQuiet(ctx, "anna", Camera, time.Second))
	s.Kill()
	must(t, a.WaitTold(ctx, Told{What: Reconnecting}))
	s.Restart()
	must(t, a.WaitTold(ctx, Told{What: Reconnected}), b.WaitTold(ctx, Told{What: Reconnected}), b.WaitSound(ctx, "anna", Microphone))
	must(t, a.Mute(Microphone, true), b.WaitTold(ctx, Told{What: Muted, Who: "anna", Text: Microphone.String()}), b.WaitQuiet(ctx, "anna", Microphone, time.Second))
	_, err = s.API().RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: "r", Identity: "anna"})
	must(t, err, a.WaitTold(ctx, Told{What: Gone, Text: livekit.DisconnectReason_PARTICIPANT_REMOVED.String()}), b.WaitPeople(ctx))
}

// TestSimulcast: a viewer chooses each layer; the layers that nobody looks at are not
// sent.
func TestSimulcast(t *testing.T) {
	s, ctx := Start(t, Options{}), within(t)
	a := s.Join(t, "r", "anna", JoinOptions{Media: mediatest.Config{Simulcast: true}})
	b := s.Join(t, "r", "ben", JoinOptions{})
	must(t, a.Publish(Camera), b.WaitLayer(ctx, "anna", Camera, 2))
	for layer, q := range []livekit.VideoQuality{livekit.VideoQuality_LOW, livekit.VideoQuality_MEDIUM, livekit.VideoQuality_HIGH, livekit.VideoQuality_LOW} {
		begin := time.Now()
		must(t, b.SetQuality("anna", Camera, q), b.WaitLayer(ctx, "anna", Camera, uint8(layer%3)))
		t.Logf("%v after %s", q, time.Since(begin).Round(time.Millisecond))
	}
	must(t, still(ctx, func() int64 { return a.SentBytes(Camera, "f") + a.SentBytes(Camera, "h") }))
	before := a.KeyRequests(Camera, "q")
	must(t, b.WritePLI("anna", Camera), b.Wait(ctx, "a request for a key frame", func() bool { return a.KeyRequests(Camera, "q") > before }))
	// The server cuts off the last frame of a layer that it switches away from.
	if f := b.Received("anna", Camera); f.Broken > f.Switches || f.Undecodable+f.Lost > 0 {
		t.Errorf("%+v", f)
	}
	must(t, b.Subscribe("anna", Camera, false), b.Wait(ctx, "the end", func() bool { return b.Received("anna", Camera).Ended }))
	must(t, still(ctx, func() int64 { return a.SentBytes(Camera, "q") }))
	must(t, b.Subscribe("anna", Camera, true), b.WaitVideo(ctx, "anna", Camera, 5))
}

// TestHidden: who comes hidden and subscribes by hand is not seen, and gets nothing unless
// it wants to; strangers do not get in.
func TestHidden(t *testing.T) {
	s, ctx := Start(t, Options{}), within(t)
	a := s.Join(t, "r", "anna", JoinOptions{NoLevels: true})
	must(t, a.Publish(Microphone))
	b := s.Join(t, "r", "ben", JoinOptions{Manual: true, Grant: func(g *auth.VideoGrant) { g.Hidden = true }})
	must(t, b.WaitTold(ctx, Told{What: Published, Who: "anna"}), b.Subscribe("anna", Microphone, true), b.WaitSound(ctx, "anna", Microphone))
	if len(a.People()) > 0 || b.Received("anna", Microphone).Subscriptions != 1 {
		t.Errorf("anna sees %v", a.People())
	}
	if err := errors.Join(b.Subscribe("nobody", Camera, true), b.SetQuality("anna", Camera, 0), b.WritePLI("anna", Camera), b.Mute(Camera, true), b.Unpublish(Camera)); err == nil {
		t.Error("what is not there can be used")
	}
	if _, err := s.Dial(ctx, "r", "carl", JoinOptions{Grant: func(g *auth.VideoGrant) { g.RoomJoin = false }}); err == nil {
		t.Error("a stranger is in the room")
	}
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if err := b.WaitPeople(short, "carl"); err == nil {
		t.Error("somebody is there who is not")
	}
}

// still waits until a count has not moved for a second.
func still(ctx context.Context, count func() int64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last, since := count(), time.Now()
	for {
		if now := count(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > time.Second {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
