package livekit

import (
	"context"
	"slices"
	"testing"

	protocol "github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/media/mediatest"
)

// wired is a node whose federation has media.
func wired(t *testing.T, n mediaNode, servers ...Settings) (*Federation, *bridge.Local) {
	t.Helper()
	local := bridge.NewLocal(bridge.LocalConfig{Media: n.Engine})
	f, err := Start(Config{Servers: servers, Cluster: "here", Node: "n1", Host: local, Local: local, Media: n.Engine, Log: testLog()})
	must(t, err)
	t.Cleanup(func() {
		f.Close()
		must(t, local.Close(context.Background()))
	})
	return f, local
}

func serverAt(s *livekittest.Server, name string) Settings {
	c := DefaultSettings()
	c.Name, c.URL, c.Key, c.Secret, c.Rooms, c.DisableTURN = name, s.URL(), livekittest.Key, bridge.Secret(s.Secret()), []string{"*"}, false
	return c
}

// sit seats one of ours who publishes what a client sends, and reads what it is told.
func sit(ctx context.Context, t *testing.T, f *Federation, local *bridge.Local, c client, name string) (*bridge.Session, func(func(bridge.Event) bool)) {
	t.Helper()
	s, err := f.Host(local).Join(ctx, bridge.JoinRequest{
		Room: "room", Create: &bridge.Spec{}, Name: name, Kind: bridge.Guest, Dialect: "k3k", AtMost: bridge.Speaker,
	})
	must(t, err, s.Do(ctx, bridge.Publish{Publication: bridge.Publication{ID: c.id, Audio: bridge.Live, Video: bridge.Live}}))
	var told []bridge.Event
	return s, func(met func(bridge.Event) bool) {
		t.Helper()
		for {
			for i, e := range told {
				if met(e) {
					told = told[i+1:]
					return
				}
			}
			select {
			case <-s.Ready():
				events, err := s.Drain(ctx)
				told = append(told, events...)
				must(t, err)
			case <-ctx.Done():
				t.Fatalf("%s waited in vain; told %+v", name, told)
			}
		}
	}
}

// TestWired: media go both ways by what rooms say: one of ours is seen there, one of
// theirs here; who of them speaks is told; a mute of their moderator asks ours; and all
// is counted.
func TestWired(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	f, local := wired(t, n, serverAt(s, "server"))
	lucy := s.Join(t, "room", "lucy", livekittest.JoinOptions{Media: mediatest.Config{Level: 10}})
	must(t, lucy.Publish(livekittest.Camera), lucy.Publish(livekittest.Microphone))
	c := n.publish(ctx, false)
	ann, told := sit(ctx, t, f, local, c, "Ann")
	who := puppetIdentity("here", ann.At.Self.ID)
	must(t, lucy.WaitVideo(ctx, who, livekittest.Camera, 10), lucy.WaitSound(ctx, who, livekittest.Microphone))

	cam, seat := publicationID("server", "room", "lucy", bridge.Camera), participantID("server", "lucy")
	v := n.watch(ctx, cam)
	until(ctx, t, "Lucy's picture", func() bool { return v.video().Frames > 10 })
	until(ctx, t, "Lucy's sound", func() bool { return v.pc.Stats()[cam.String()+"/audio"].Packets > 10 })
	must(t, lucy.Mute(livekittest.Microphone, true)) // LiveKit tells of who begins to speak
	told(func(e bridge.Event) bool {
		is, ok := e.(bridge.PublicationChanged)
		return ok && is.Pub.Audio == bridge.Muted
	})
	until(ctx, t, "her silence to be noticed", func() bool {
		return !slices.ContainsFunc(lucy.Room.ActiveSpeakers(), func(p lksdk.Participant) bool { return p.Identity() == "lucy" })
	})
	must(t, lucy.Mute(livekittest.Microphone, false))
	told(func(e bridge.Event) bool { talk, ok := e.(bridge.Talking); return ok && talk.ID == seat && talk.On })
	until(ctx, t, "all to be counted", func() bool {
		is := f.Stats()
		return is.Views >= 2 && is.BytesIn > 0 && is.BytesOut > 0 && is.Puppets == 1 && is.Seated == 1 && f.Feeds("room", cam) && !f.Feeds("room", c.id) && !f.Feeds("another", cam)
	})
	mute := func(src protocol.TrackSource) {
		_, err := s.API().MutePublishedTrack(ctx, &protocol.MuteRoomTrackRequest{
			Room: "room", Identity: who, TrackSid: lucy.Track(who, src).Sid, Muted: true,
		})
		must(t, err)
	}
	mute(livekittest.Microphone)
	told(func(e bridge.Event) bool { asked, ok := e.(bridge.MuteAsked); return ok && asked.Track == bridge.Audio })
	must(t, ann.Leave(ctx, bridge.ByWish))
	until(ctx, t, "all to be gone", func() bool { is := f.Stats(); return is.Puppets == 0 && is.Seated == 0 })
}

// TestWiredThrough: with transit, media of one LiveKit room reach another.
func TestWiredThrough(t *testing.T) {
	s, ctx, n := livekittest.Start(t, livekittest.Options{}), within(t), newMediaNode(t)
	one, two := serverAt(s, "one"), serverAt(s, "two")
	one.Room, two.Room, one.Transit, two.Transit = "{room}-1", "{room}-2", true, true
	f, local := wired(t, n, one, two)
	lucy := s.Join(t, "room-1", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	max := s.Join(t, "room-2", "max", livekittest.JoinOptions{Name: "Max"})
	must(t, lucy.Publish(livekittest.Camera))
	sit(ctx, t, f, local, n.peer(mediatest.Config{}, bridge.PeerOptions{}), "Ann")
	id, err := max.WaitNamed(ctx, "Lucy")
	must(t, err, max.WaitVideo(ctx, id, livekittest.Camera, 10))
}
