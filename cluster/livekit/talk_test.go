package livekit_test

import (
	"fmt"
	"strings"
	"testing"

	protocol "github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
)

// TestChat: what is said to all goes both ways, once, whichever way clients of LiveKit
// send it; also what is longer than a packet.
func TestChat(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann, ben := s.join("meeting", "Ann"), s.join("meeting", "Ben")
	for _, name := range []string{"Ann", "Ben"} {
		_, err := lucy.WaitNamed(ctx, name)
		must(t, err)
	}
	ann.sees("Ben", "Lucy")
	long := strings.Repeat("grüße ", 8000)
	for _, text := range []string{"hello", long} {
		ann.do(bridge.Say{ID: bridge.NewMessageID(), Text: text})
		must(t, lucy.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Name: "Ann", Text: text}))
	}
	lucy.Say("as a stream")
	must(t, lucy.SayOld("as a message"))
	must(t, lucy.Data("lk-chat-topic", []byte(`{"id":"7","timestamp":1,"message":"as data"}`)))
	must(t, lucy.Data("lk-chat-topic", []byte(`{"id":"8","timestamp":1,"message":"twice","ignoreLegacy":true}`)))
	must(t, lucy.Data("other", []byte(`{"id":"9","message":"no chat"}`)))
	lucy.Say("the last")
	for _, text := range []string{"as a stream", "as a message", "as data", "the last"} {
		ben.wait(text, func() bool {
			return times(ben, func(e bridge.Said) bool { return e.Name == "Lucy" && e.Text == text && e.To.IsZero() }) == 1
		})
	}
	if n := lucy.Times(livekittest.Told{What: livekittest.Said}); n != 2 {
		t.Errorf("Lucy was told %d messages", n)
	}
	// Who says something at once is told of later than that.
	server.Join(t, "meeting", "mia", livekittest.JoinOptions{Name: "Mia"}).Say("at once")
	ben.wait("the hasty message", func() bool {
		return times(ben, func(e bridge.Said) bool { return e.Name == "Mia" && e.Text == "at once" && e.To.IsZero() }) == 1
	})
	// Nothing was taken for a private message.
	s.until(ctx, "whispers to be over", func() bool { return s.Whispers() == 0 })
	for _, text := range []string{"as a stream", "twice", "no chat"} {
		if ben.heard("Lucy", text, true) > 0 || text != "as a stream" && ben.heard("Lucy", text, false) > 0 {
			t.Errorf("Ben was told %q", text)
		}
	}
}

// TestPrivateChat: what is said to one reaches just that one, both ways.
func TestPrivateChat(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	max := server.Join(t, "meeting", "max", livekittest.JoinOptions{Name: "Max"})
	ann, ben := s.join("meeting", "Ann"), s.join("meeting", "Ben")
	id, err := lucy.WaitNamed(ctx, "Ann")
	must(t, err)
	ann.sees("Ben", "Lucy", "Max")
	ann.do(bridge.Say{ID: bridge.NewMessageID(), To: ann.who("Lucy").ID, Text: "for you"})
	must(t, lucy.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Name: "Ann", Text: "for you"}))
	lucy.Say("and for you", id)
	event(ann, "a private message", func(e bridge.Said) bool {
		return e.Name == "Lucy" && e.To == ann.At.Self.ID && e.Text == "and for you"
	})
	lucy.Say("all")
	must(t, max.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Text: "all"}))
	event(ben, "what is for all", func(e bridge.Said) bool { return e.Text == "all" })
	if max.Times(livekittest.Told{What: livekittest.Said}) != 1 || ben.heard("Lucy", "and for you", true)+ben.heard("Lucy", "and for you", false) > 0 {
		t.Error("others have read what was private")
	}
}

// TestMutes: mute states of LiveKit's people are ours, and who of them speaks is told by
// whoever hears it.
func TestMutes(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann")
	must(t, lucy.Publish(livekittest.Microphone), lucy.Publish(livekittest.Camera))
	id := ann.who("Lucy").ID
	state := func(audio, video bridge.TrackState) func() bool {
		return func() bool {
			for _, p := range ann.pubs {
				if p.Owner == id && p.Source == bridge.Camera && p.Audio == audio && p.Video == video {
					return len(ann.pubs) == 1
				}
			}
			return false
		}
	}
	ann.wait("sound and picture", state(bridge.Live, bridge.Live))
	must(t, lucy.Mute(livekittest.Microphone, true))
	ann.wait("silence", state(bridge.Muted, bridge.Live))
	must(t, lucy.Mute(livekittest.Microphone, false))
	ann.wait("sound", state(bridge.Live, bridge.Live))
	for p := range ann.pubs {
		s.until(within(t), "it to be known as LiveKit's", func() bool { return s.Feeds("meeting", p) })
	}
	s.Speak("meeting", "there", "lucy")
	event(ann, "Lucy to talk", func(e bridge.Talking) bool { return e.ID == id && e.On })
	s.Speak("meeting", "there")
	event(ann, "Lucy to be silent", func(e bridge.Talking) bool { return e.ID == id && !e.On })
	must(t, lucy.Unpublish(livekittest.Camera))
	ann.wait("no picture", state(bridge.Live, bridge.Absent))
	must(t, lucy.Unpublish(livekittest.Microphone))
	ann.wait("nothing", func() bool { return len(ann.pubs) == 0 })
}

// TestHostile: what no client of LiveKit's sends costs nobody anything: neither streams
// that would end the SDK, nor those without an end.
func TestHostile(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	s := newSite(t, "here", settings(server, "there"))
	ctx := within(t)
	lucy := server.Join(t, "meeting", "lucy", livekittest.JoinOptions{Name: "Lucy"})
	ann := s.join("meeting", "Ann")
	_, err := lucy.WaitNamed(ctx, "Ann")
	must(t, err)
	ann.sees("Lucy")
	begin := func(id string) {
		must(t, lucy.Packet(&protocol.DataPacket{Value: &protocol.DataPacket_StreamHeader{StreamHeader: &protocol.DataStream_Header{
			StreamId: id, Topic: livekittest.ChatTopic,
			ContentHeader: &protocol.DataStream_Header_TextHeader{TextHeader: &protocol.DataStream_TextHeader{}},
		}}}))
	}
	for i := range 100 {
		begin(fmt.Sprint("endless ", i))
	}
	for i := range 100 {
		must(t, lucy.Packet(&protocol.DataPacket{Value: &protocol.DataPacket_StreamTrailer{StreamTrailer: &protocol.DataStream_Trailer{
			StreamId: fmt.Sprint("endless ", i), Attributes: map[string]string{"not": "announced"},
		}}}))
	}
	lucy.Say("all is well")
	event(ann, "chat", func(e bridge.Said) bool { return e.Text == "all is well" })
}
