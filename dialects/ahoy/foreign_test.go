package ahoy_test

import (
	"net/netip"
	"testing"

	"dragoman/bridge"
)

// room makes a room as another dialect does.
func (w *world) room(s bridge.Spec) bridge.RoomID {
	w.t.Helper()
	if s.ID == "" {
		s.ID = "r"
	}
	if err := w.rooms.Create(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
	return s.ID
}

func off() object { return object{"available": false, "muted": true} }
func on() object  { return object{"available": true, "muted": false} }

// TestForeignMember: a member of another dialect comes, shares, mutes, talks and
// goes (10.4).
func TestForeignMember(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{Title: "Room"})
		a := w.member("r", "A")
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "Guest", Remote: netip.MustParseAddr("192.0.2.7")})
		m := a.hear("CONFERENCE_JOIN_indication", object{"member": object{
			"name": "Guest", "moderator": true, "speaker": true, "webrtc": true, "audio": off(), "video": off(),
			"ip": "", // addresses of others are not disclosed
		}})
		id := m["member"].(object)["memberID"].(string)
		pub := g.publish(bridge.Camera, bridge.Live, bridge.Muted)
		a.hear("MEDIA_indication", object{
			"member": object{"name": "Guest", "memberID": id},
			"audio":  object{"available": true, "muted": false, "speaking": false},
			"video":  object{"available": true, "muted": true},
		})
		p := a.get(id, true, true)
		if o := p.Options(pub); o.NoAudio || o.NoVideo || o.Stream != id || len(p.Config.Codecs) != 0 {
			t.Errorf("sent with %+v and codecs %v, want both tracks in the stream of the memberID, and what there is", o, p.Config.Codecs)
		}
		g.do(bridge.SetTrack{ID: pub, Track: bridge.Video})
		a.silent() // there is no event for video
		g.do(bridge.SetTrack{ID: pub, Track: bridge.Audio, Muted: true})
		a.hear("MEDIA_event", object{"member": object{"name": "Guest", "memberID": id}, "event": "audio_muted"})
		g.do(bridge.SetTrack{ID: pub, Track: bridge.Audio})
		a.hear("MEDIA_event", object{"event": "audio_unmuted"})
		g.do(bridge.ReportTalking{On: true})
		a.hear("MEDIA_event", object{"event": "start_speaking"})
		g.do(bridge.ReportTalking{})
		a.hear("MEDIA_event", object{"event": "stop_speaking"})

		g.do(bridge.Unpublish{ID: pub})
		a.hear("MEDIA_indication", object{"audio": off(), "video": off()})
		if !p.Closed() {
			t.Error("the connection for a stream that has ended is open")
		}
		g.publish(bridge.Camera, bridge.Absent, bridge.Live)
		a.hear("MEDIA_indication", object{"audio": off(), "video": on()})
		if err := g.s.Leave(t.Context(), bridge.ByWish); err != nil {
			t.Error(err)
		}
		a.hear("CONFERENCE_LEAVE_indication", object{"member": object{"name": "Guest", "memberID": id, "moderator": true}})
		a.silent()
	})
}

// TestReplacedStream: a stream that ends and one that begins at once are one
// change, which makes clients ask anew.
func TestReplacedStream(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.member("r", "A")
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
		a.hear("CONFERENCE_JOIN_indication", nil)
		first := g.publish(bridge.Camera, bridge.Live, bridge.Live)
		a.hear("MEDIA_indication", object{"audio": on(), "video": on()})
		g.do(bridge.Unpublish{ID: first})
		second := g.publish(bridge.Camera, bridge.Live, bridge.Live)
		a.hear("MEDIA_indication", object{"audio": on(), "video": on()})
		a.silent()
		g.do(bridge.Unpublish{ID: second})
		a.hear("MEDIA_indication", object{"audio": off(), "video": off()})
		g.do(bridge.Unpublish{ID: g.publish(bridge.Camera, bridge.Absent, bridge.Absent)})
		a.silent() // nothing was there, and nothing is
	})
}

// TestForeignScreen: a screen beside a camera is a second member, and so is every
// camera after the first; kicking it ends only the stream (10.4).
func TestForeignScreen(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{Max: 3})
		a := w.member("r", "A")
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
		who := a.hear("CONFERENCE_JOIN_indication", nil)["member"].(object)["memberID"].(string)
		camera := g.publish(bridge.Camera, bridge.Live, bridge.Live)
		a.hear("MEDIA_indication", object{"member": object{"memberID": who}})
		screen := g.publish(bridge.Screen, bridge.Absent, bridge.Live)
		m := a.hear("CONFERENCE_JOIN_indication", object{"member": object{"name": "G (screen)", "moderator": false, "audio": off(), "video": off()}})
		id := m["member"].(object)["memberID"].(string)
		if id == who {
			t.Error("the screen has the memberID of its owner")
		}
		a.hear("MEDIA_indication", object{"member": object{"name": "G (screen)", "memberID": id}, "audio": off(), "video": on()})
		p := a.get(id, true, true)
		if o := p.Options(screen); !o.NoAudio || o.NoVideo || o.Stream != id {
			t.Errorf("the screen is sent with %+v", o)
		}
		g.publish(bridge.Camera, bridge.Absent, bridge.Live)
		other := a.hear("CONFERENCE_JOIN_indication", object{"member": object{"name": "G (screen)"}})["member"].(object)["memberID"].(string)
		a.hear("MEDIA_indication", object{"member": object{"memberID": other}, "video": on()})

		b := w.member("r", "B") // screens do not count for maxMember
		a.hear("CONFERENCE_JOIN_indication", object{"member": object{"name": "B"}})
		b.close()
		a.hear("CONFERENCE_LEAVE_indication", nil)

		if s := a.status("CONFERENCE_KICK_request", object{"memberID": id}); s != 200 {
			t.Errorf("kick of a screen: %d", s)
		}
		a.hear("CONFERENCE_LEAVE_indication", object{"member": object{"name": "G (screen)", "memberID": id, "moderator": false}})
		if !p.Closed() {
			t.Error("the connection for the screen is open")
		}
		a.silent()
		if s := a.status("CONFERENCE_KICK_request", object{"memberID": id}); s != 404 {
			t.Errorf("kick of a screen that is gone: %d", s)
		}
		g.do(bridge.Unpublish{ID: camera})
		a.hear("MEDIA_indication", object{"member": object{"memberID": who}, "audio": off(), "video": off()})
		if s := a.status("CONFERENCE_KICK_request", object{"memberID": who}); s != 200 {
			t.Errorf("kick of its owner: %d", s)
		}
		// All that is left of it goes, each once.
		a.hear("CONFERENCE_LEAVE_indication", object{"member": object{"memberID": other}})
		a.hear("CONFERENCE_LEAVE_indication", object{"member": object{"memberID": who}})
		a.silent()
		events := g.events()
		if k, ok := events[len(events)-1].(bridge.Kicked); !ok {
			t.Errorf("the owner was told %T last, not Kicked: %+v", events[len(events)-1], k)
		}
	})
}

// TestLateAmongForeign: who comes late gets everybody in the response, streams
// and all; hidden ones are nobody.
func TestLateAmongForeign(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G", Secret: "m"})
		g.publish(bridge.Camera, bridge.Muted, bridge.Live)
		g.publish(bridge.Screen, bridge.Live, bridge.Live)
		phone := w.guest(bridge.JoinRequest{Room: "r", Name: "+49 30 1234", Kind: bridge.Phone})
		phone.publish(bridge.Camera, bridge.Live, bridge.Absent)
		w.guest(bridge.JoinRequest{Room: "r", Name: "recorder", Kind: bridge.Recorder})
		w.guest(bridge.JoinRequest{Room: "r", Name: "L", AtMost: bridge.Listener})
		a := w.dial()
		r := a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r", "name": "A"})
		want := []object{
			{"name": "G", "moderator": true, "speaker": true, "webrtc": true, "audio": object{"available": true, "muted": true}, "video": on()},
			{"name": "+49 30 1234", "moderator": false, "webrtc": false, "audio": on(), "video": off()},
			{"name": "L", "speaker": false, "webrtc": true, "audio": off()},
			{"name": "G (screen)", "moderator": false, "audio": on(), "video": on()},
		}
		got := r["members"].([]any)
		if len(got) != len(want) {
			t.Fatalf("%d members, want %d: %v", len(got), len(want), got)
		}
		for i := range want {
			like(t, got[i].(object), want[i])
		}
		w.guest(bridge.JoinRequest{Room: "r", Name: "service", Kind: bridge.Service})
		a.silent()
	})
}

// TestSilencedByModerator: a moderator of another dialect mutes an Ahoy member.
// Everybody is told, and the packets stop.
func TestSilencedByModerator(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		mod := w.guest(bridge.JoinRequest{Room: "r", Name: "Mo", Secret: "m"})
		a := w.member("r", "A")
		b := w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		p := a.share(true, true)
		b.hear("MEDIA_indication", object{"member": object{"memberID": a.id}, "audio": on(), "video": on()})
		pub := p.Receives()[0]
		mod.do(bridge.Mute{Targets: []bridge.ParticipantID{mod.participant("A")}, Track: bridge.Audio, Force: true})
		for _, u := range []*user{a, b} {
			u.hear("MEDIA_event", object{"member": object{"name": "A", "memberID": a.id}, "event": "audio_muted"})
		}
		if w.media.Open(pub, bridge.Audio) {
			t.Error("the packets of one who is silenced are forwarded")
		}
		mod.do(bridge.Mute{Targets: []bridge.ParticipantID{mod.participant("A")}, Track: bridge.Audio, Off: true})
		for _, u := range []*user{a, b} {
			u.hear("MEDIA_event", object{"event": "audio_unmuted"}) // it never muted itself
		}
		mod.do(bridge.Unpublish{ID: pub})
		b.hear("MEDIA_indication", object{"member": object{"memberID": a.id}, "audio": off(), "video": off()})
		if !p.Closed() {
			t.Error("the connection of a stream that was ended is open")
		}
		a.silent()
		a.share(true, true)
		b.hear("MEDIA_indication", object{"audio": on(), "video": on()})
	})
}

// TestScreenSource: a member whose name ends in " (screen)" and who shares video
// alone is a screen to others, and itself to Ahoy members (10.2).
func TestScreenSource(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
		a := w.member("r", "A")
		s := w.member("r", "A (screen)")
		a.hear("CONFERENCE_JOIN_indication", object{"member": object{"name": "A (screen)", "memberID": s.id}})
		s.share(false, true)
		a.hear("MEDIA_indication", object{"member": object{"name": "A (screen)", "memberID": s.id}, "audio": off(), "video": on()})
		if src := g.lastPublished(); src != bridge.Screen {
			t.Errorf("others see source %d, want a screen", src)
		}
		s.share(true, true) // sound, too: a member like any other
		a.hear("MEDIA_indication", object{"member": object{"memberID": s.id}, "audio": on(), "video": on()})
		if src := g.lastPublished(); src != bridge.Camera {
			t.Errorf("others see source %d, want a camera", src)
		}
		a.share(false, true)
		s.hear("MEDIA_indication", object{"member": object{"memberID": a.id}, "video": on()})
		if src := g.lastPublished(); src != bridge.Camera {
			t.Errorf("others see source %d, want a camera", src)
		}
	})
}

// participant finds somebody by name.
func (g *guest) participant(name string) bridge.ParticipantID {
	g.w.t.Helper()
	g.events()
	for _, e := range g.seen {
		if j, ok := e.(bridge.Joined); ok && j.P.Name == name {
			return j.P.ID
		}
	}
	for _, p := range g.s.At.Participants {
		if p.Name == name {
			return p.ID
		}
	}
	g.w.t.Fatalf("nobody is called %s", name)
	return bridge.ParticipantID{}
}

// lastPublished returns the source of the stream that came last.
func (g *guest) lastPublished() (src bridge.Source) {
	for _, e := range g.events() {
		if p, ok := e.(bridge.Published); ok {
			src = p.Pub.Source
		}
	}
	return src
}

// TestForeignRoom: a room of another dialect exists for Ahoy clients, and its
// rules bind them.
func TestForeignRoom(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{ID: "theirs", Title: "Their room", About: "about", Max: 2})
		g := w.guest(bridge.JoinRequest{Room: "theirs", Name: "G"})
		a := w.dial()
		like(t, a.ask("CONFERENCE_CREATE_request", object{"conferenceID": "theirs"}), object{"status": 486, "conferenceID": "theirs"})
		like(t, a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "theirs", "name": "A"}), object{
			"status": 200, "conferenceName": "Their room", "description": "about", "locked": false,
		})
		if s := w.dial().status("CONFERENCE_JOIN_request", object{"conferenceID": "theirs"}); s != 486 {
			t.Errorf("join of a full room: %d", s)
		}
		g.do(bridge.Lock{On: true})
		a.hear("CONFERENCE_LOCK_indication", object{"locked": true})
		text := "new"
		g.do(bridge.Describe{Title: &text, About: &text})
		a.hear("CONFERENCE_DESCRIPTION_indication", object{"description": "new"})
		g.do(bridge.SetMax{Max: 5})
		a.silent() // no message for that
		g.do(bridge.Kick{Target: g.participant("A")})
		a.hear("CONFERENCE_KICK_indication", object{"timeout": 0})
		a.closed(1000)
		g.do(bridge.Lock{})
		b := w.member("theirs", "B")
		g.do(bridge.CloseRoom{})
		b.hear("CONFERENCE_KICK_indication", object{"timeout": 0})
		b.closed(1000)
	})
}

// TestForgedMember: ids of another room are of nobody here.
func TestForgedMember(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{ID: "one"})
		w.room(bridge.Spec{ID: "two"})
		a, b := w.member("one", "A"), w.member("two", "B")
		if s := a.status("CONFERENCE_KICK_request", object{"memberID": b.id}); s != 404 {
			t.Errorf("kick over rooms: %d", s)
		}
		if s := a.status("MEDIA_request", object{"members": []any{object{"memberID": b.id, "audio": true}}}); s != 200 {
			t.Errorf("media over rooms: %d", s)
		}
		a.silent()
		b.silent()
	})
}

// TestNamelessMember: one of another dialect that has no name yet is told when it
// has one, with the media that it shares by then, or after a while (spreed.md 8:
// names come about a second after the client).
func TestNamelessMember(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.member("r", "A")
		g := w.guest(bridge.JoinRequest{Room: "r"})
		g.publish(bridge.Camera, bridge.Live, bridge.Live)
		g.do(bridge.ReportTalking{On: true})
		a.silent()
		g.do(bridge.Rename{Name: "Guest"})
		m := a.hear("CONFERENCE_JOIN_indication", object{"member": object{"name": "Guest", "audio": off(), "video": off()}})
		a.hear("MEDIA_indication", object{"member": object{"name": "Guest"}, "audio": on(), "video": on()})
		if id := m["member"].(object)["memberID"]; id == "" {
			t.Error("it has no id")
		}

		// One who says something is introduced by that, and one who never says its
		// name is not kept back for ever.
		h := w.guest(bridge.JoinRequest{Room: "r"})
		h.do(bridge.Say{ID: bridge.NewMessageID(), Text: "hello"})
		a.hear("CONFERENCE_JOIN_indication", object{"member": object{"name": ""}})
		a.hear("CHAT_MESSAGE_indication", object{"message": object{"text": `{"chat":"hello"}`}})
		w.guest(bridge.JoinRequest{Room: "r"})
		a.hear("CONFERENCE_JOIN_indication", object{"member": object{"name": ""}})

		// One who goes before that was never there.
		i := w.guest(bridge.JoinRequest{Room: "r"})
		if err := i.s.Leave(t.Context(), bridge.ByWish); err != nil {
			t.Fatal(err)
		}
		a.silent()
	})
}
