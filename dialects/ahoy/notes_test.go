package ahoy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/dialects/ahoy"
)

// chatOf returns the text that the web client shows of a chat indication.
func chatOf(t *testing.T, m object) string {
	t.Helper()
	var body struct{ Chat string }
	text, _ := m["message"].(object)["text"].(string)
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Errorf("the web client drops %q: %v", text, err)
	}
	return body.Chat
}

// TestNotes: what the protocol has no message for is told as a chat line, from
// the member that it is about.
func TestNotes(t *testing.T) {
	for _, notes := range []bool{true, false} {
		inBubble(t, func(c *ahoy.Config) { c.Notes = notes }, func(t *testing.T, w *world) {
			w.room(bridge.Spec{})
			g := w.guest(bridge.JoinRequest{Room: "r", Name: "Bob"})
			a := w.dial()
			r := a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r", "name": "A"})
			bob := r["members"].([]any)[0].(object)["memberID"]
			told := func(want string) {
				t.Helper()
				if !notes {
					a.silent()
					return
				}
				m := a.hear("CHAT_MESSAGE_indication", object{"from": object{"memberID": bob}})
				if got := chatOf(t, m); got != want {
					t.Errorf("told %q, want %q", got, want)
				}
			}
			g.do(bridge.RaiseHand{Up: true})
			told("[Bob raises a hand]")
			g.do(bridge.RaiseHand{})
			told("[Bob lowers the hand]")
			g.do(bridge.Rename{Name: "Robert"})
			told("[Bob is now called Robert]")
			g.do(bridge.Record{On: true})
			told("[Robert records this conference]")
			b := w.member("r", "B")
			a.hear("CONFERENCE_JOIN_indication", nil)
			if notes {
				if got := chatOf(t, b.hear("CHAT_MESSAGE_indication", nil)); got != "[This conference is being recorded]" {
					t.Errorf("who comes later is told %q", got)
				}
			}
			b.silent()
			g.do(bridge.Record{})
			told("[The recording has ended]")
			me := g.participant("A")
			g.do(bridge.Mute{Targets: []bridge.ParticipantID{me}, Track: bridge.Audio})
			told("[Robert asks you to switch off your microphone]")
			g.do(bridge.Mute{Targets: []bridge.ParticipantID{me}, Track: bridge.Video})
			told("[Robert asks you to switch off your camera]")
			g.do(bridge.MoveTo{Target: me, Room: "other"})
			told("[Robert asks you to join other]")
			g.do(bridge.Rename{Name: ""})
			told("[Robert is now called Somebody]")
			g.do(bridge.SetAttrs{Attrs: map[string]string{"status": "x"}})
			g.do(bridge.Typing{On: true})
			a.silent() // neither can be shown at all
		})
	}
}

// TestNoteOfKnocking: moderators hear that somebody waits; they cannot admit.
func TestNoteOfKnocking(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{WaitingRoom: true, Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		a := w.dial()
		r := a.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r", "name": "Mo", "password": "m"})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "Bob"})
		m := a.hear("CHAT_MESSAGE_indication", object{"from": object{"memberID": r["memberID"]}})
		if got := chatOf(t, m); got != "[Bob waits to be let in]" {
			t.Errorf("told %q", got)
		}
		if err := g.s.Leave(t.Context(), bridge.ByWish); err != nil {
			t.Error(err)
		}
		a.silent()
	})
}

// TestChatWithOthers: text goes to other dialects unwrapped and comes from them
// wrapped; control stays among Ahoy members; what was said to some is shown to
// nobody else (10.5).
func TestChatWithOthers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{KeepChat: 10})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G", Shows: bridge.ShowsPrivateChat})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		for _, c := range []struct{ sent, others string }{
			{`{"chat":"hi"}`, "hi"},
			{`{"chat":"a","control":{}}`, "a"},
			{`"a \"quoted\" string"`, `a "quoted" string`},
			{`plain <text>`, "plain <text>"},
			{`{"chat":5}`, `{"chat":5}`},
			{`{"other":1}`, `{"other":1}`},
			{`17`, "17"},
			{`{"control":{"member":{"memberID":"x"}}}`, ""},
			{``, ""},
			{`{"chat":""}`, ""},
			{`""`, ""},
			{`{"chat":"` + strings.Repeat("x", 200_000) + `"}`, strings.Repeat("x", 200_000)},
			{`{"chat":"<ünï> & \"\\ 😀"}`, `<ünï> & "\ 😀`},
			{`{"chat":"\u00fc"}`, "ü"},
			{`{ "chat": "spaced" }`, "spaced"},
			{`{"chat":"x","chat":"y"}`, "y"},
		} {
			g.events()
			message := object{"text": c.sent}
			if len(c.sent) < 30 {
				message["more"] = 1
			}
			for range 2 {
				if s := a.status("CHAT_MESSAGE_request", object{"message": message}); s != 200 {
					t.Errorf("chat %.100q: %d", c.sent, s)
				}
				got := b.hear("CHAT_MESSAGE_indication", object{"from": object{"name": "A", "memberID": a.id}, "message": message})
				if len(got["message"].(object)) != len(message) {
					t.Errorf("the message is %v, want %v", got["message"], message)
				}
				delete(message, "more")
			}
			got := ""
			for _, e := range g.events() {
				if s, ok := e.(bridge.Said); ok {
					got = s.Text
				}
			}
			if got != c.others {
				t.Errorf("others read %.100q of %.100q, want %.100q", got, c.sent, c.others)
			}
		}
		g.do(bridge.Say{ID: bridge.NewMessageID(), Text: `quote " and <tag> & 😀`})
		if got := chatOf(t, a.hear("CHAT_MESSAGE_indication", object{"from": object{"name": "G"}})); got != `quote " and <tag> & 😀` {
			t.Errorf("shown %q", got)
		}
		b.hear("CHAT_MESSAGE_indication", nil)
		if err := g.s.Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), To: g.participant("A"), Text: "private"}); bridge.CodeOf(err) != bridge.NotSupported {
			t.Errorf("a private message to an Ahoy member: %v, want NotSupported", err)
		}
		g.do(bridge.Send{Topic: "spreed/offer", Data: []byte(`{"text":"x"}`)})
		g.do(bridge.Send{Topic: "ahoy/message", Data: []byte(`not JSON`)})
		a.silent()
		b.silent()
		w.member("r", "C").silent() // no history
		b.hear("CONFERENCE_JOIN_indication", nil)
		g.do(bridge.AllowChat{})
		if s := b.status("CHAT_MESSAGE_request", object{"message": object{"text": "x"}}); s == 200 {
			t.Error("chat although it is switched off")
		}
	})
}
