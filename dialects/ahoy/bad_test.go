package ahoy_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
)

// TestBadFrames: for each frame the exact reaction; and nobody else in the room
// notices anything.
func TestBadFrames(t *testing.T) {
	const ignored = 0
	long := strings.Repeat("x", 300)
	cases := []struct {
		name, frame string
		status      int // of the response; ignored: there is none
	}{
		{"nothing", ``, ignored},
		{"not JSON", `{"messageType":`, ignored},
		{"two values", `{"messageType":"CONFERENCE_LEAVE_request"}{}`, ignored},
		{"an array", `[{"messageType":"CONFERENCE_LEAVE_request"}]`, ignored},
		{"a string", `"CONFERENCE_LEAVE_request"`, ignored},
		{"a number", `17`, ignored},
		{"null", `null`, ignored},
		{"no type", `{"transactionID":"1"}`, ignored},
		{"a type that is null", `{"messageType":null,"transactionID":"1"}`, ignored},
		{"a type that is a number", `{"messageType":1,"transactionID":"1"}`, ignored},
		{"a type that is an object", `{"messageType":{},"transactionID":"1"}`, ignored},
		{"not UTF-8", "{\"messageType\":\"CHAT_MESSAGE_request\",\"message\":{\"text\":\"\xff\xfe\"}}", ignored},
		{"deep", `{"messageType":"CHAT_MESSAGE_request","message":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, ignored},
		{"statistics", `{"conferenceStatisticsRequest":{}}`, ignored},
		{"an answer to nothing", `{"messageType":"SDP_response","transactionID":"x","sdp":"v=0"}`, ignored},
		{"an answer of no form", `{"messageType":"MEDIA_RECEIVE_response","transactionID":{},"sdp":[]}`, ignored},
		{"an indication", `{"messageType":"CONFERENCE_KICK_indication","timeout":0}`, ignored},
		{"an event", `{"messageType":"MEDIA_event","event":"audio_muted"}`, ignored},
		{"a response", `{"messageType":"CONFERENCE_JOIN_response","status":200}`, ignored},
		{"a type with blanks", `{"messageType":"CONFERENCE LEAVE request"}`, ignored},
		{"an unknown request", `{"messageType":"X_request","transactionID":"1"}`, 501},
		{"another case", `{"messageType":"Xconference_leave_request","transactionID":"1"}`, 501},
		{"nothing but the suffix", `{"messageType":"_request","transactionID":"1"}`, 501},
		{"kick of nobody", `{"messageType":"CONFERENCE_KICK_request","transactionID":"1"}`, 400},
		{"kick of a number", `{"messageType":"CONFERENCE_KICK_request","memberID":1,"transactionID":"1"}`, 400},
		{"kick of a stranger", `{"messageType":"CONFERENCE_KICK_request","memberID":"` + long + `","transactionID":"1"}`, 404},
		{"lock of no form", `{"messageType":"CONFERENCE_LOCK_request","lock":"yes","transactionID":"1"}`, 400},
		{"lock of an object", `{"messageType":"CONFERENCE_LOCK_request","lock":{},"transactionID":"1"}`, 400},
		{"no description", `{"messageType":"CONFERENCE_DESCRIPTION_request","transactionID":"1"}`, 400},
		{"a long description", `{"messageType":"CONFERENCE_DESCRIPTION_request","description":"` + strings.Repeat("x", 70_000) + `","transactionID":"1"}`, 400},
		{"share of no form", `{"messageType":"MEDIA_SHARE_request","audio":"on","transactionID":"1"}`, 400},
		{"share with a strange rate", `{"messageType":"MEDIA_SHARE_request","audio":true,"maxVideoBitrate":"fast","transactionID":"1"}`, 400},
		{"media of nobody", `{"messageType":"MEDIA_request","transactionID":"1"}`, 400},
		{"media of null", `{"messageType":"MEDIA_request","members":null,"transactionID":"1"}`, 400},
		{"media of an object", `{"messageType":"MEDIA_request","members":{},"transactionID":"1"}`, 400},
		{"media of numbers", `{"messageType":"MEDIA_request","members":[1],"transactionID":"1"}`, 400},
		{"media of strangers", `{"messageType":"MEDIA_request","members":[{"memberID":"` + long + `","audio":true},{},null],"transactionID":"1"}`, 200},
		{"chat of nothing", `{"messageType":"CHAT_MESSAGE_request","transactionID":"1"}`, 400},
		{"chat of a string", `{"messageType":"CHAT_MESSAGE_request","message":"hi","transactionID":"1"}`, 400},
		{"chat of a number", `{"messageType":"CHAT_MESSAGE_request","message":{"text":1},"transactionID":"1"}`, 400},
		{"chat too long for what is not the form of the web client", `{"messageType":"CHAT_MESSAGE_request","message":{"text":"` + strings.Repeat("x", 200_000) + `"},"transactionID":"1"}`, 400},
		{"create of a number", `{"messageType":"CONFERENCE_CREATE_request","conferenceID":1,"transactionID":"1"}`, 400},
		{"create with a control character", `{"messageType":"CONFERENCE_CREATE_request","conferenceID":"a\u0000b","transactionID":"1"}`, 400},
		{"create with a long name", `{"messageType":"CONFERENCE_CREATE_request","conferenceID":"` + long + `","transactionID":"1"}`, 400},
		{"create with a password of no form", `{"messageType":"CONFERENCE_CREATE_request","password":{},"transactionID":"1"}`, 400},
		{"create with a limit of no form", `{"messageType":"CONFERENCE_CREATE_request","maxMember":"many","transactionID":"1"}`, 400},
		{"create with a limit that is true", `{"messageType":"CONFERENCE_CREATE_request","timeLimit":true,"transactionID":"1"}`, 400},
		{"create with a long title", `{"messageType":"CONFERENCE_CREATE_request","conferenceName":"` + strings.Repeat("x", 2000) + `","transactionID":"1"}`, 400},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, w *world) {
				w.room(bridge.Spec{})
				bob, a := w.member("r", "Bob"), w.member("r", "A")
				bob.hear("CONFERENCE_JOIN_indication", nil)
				a.raw(c.frame)
				if c.status != ignored {
					like(t, a.next(), object{"status": c.status, "transactionID": "1"})
				}
				a.silent()
				bob.silent()
				if r := a.ask("CHAT_MESSAGE_request", object{"message": object{"text": "still here"}}); r["status"] != 200.0 {
					t.Errorf("afterwards the chat says %v", r)
				}
				bob.hear("CHAT_MESSAGE_indication", nil)
			})
		})
	}
}

// TestBadJoins: the same for those who are not members.
func TestBadJoins(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		bob := w.member("r", "Bob")
		a := w.dial()
		for _, c := range []struct {
			name   string
			m      object
			status int
		}{
			{"an id of no form", object{"conferenceID": 5}, 400},
			{"a name of no form", object{"conferenceID": "r", "name": 5}, 400},
			{"a password of no form", object{"conferenceID": "r", "password": []int{1}}, 400},
			{"a long name", object{"conferenceID": "r", "name": strings.Repeat("n", 300)}, 400},
			{"a control character", object{"conferenceID": "r\u0001"}, 404},
			{"a long id", object{"conferenceID": strings.Repeat("r", 300)}, 404},
			{"no id", object{"name": "A"}, 404},
		} {
			if s := a.status("CONFERENCE_JOIN_request", c.m); s != c.status {
				t.Errorf("%s: %d, want %d", c.name, s, c.status)
			}
		}
		bob.silent()
	})
}

// TestFlood: bad frames are ignored; a hundred within a minute are too many.
func TestFlood(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		bob, a := w.member("r", "Bob"), w.member("r", "A")
		bob.hear("CONFERENCE_JOIN_indication", nil)
		for range 3 {
			for range 99 {
				a.raw(`{"statistics":1}`)
			}
			wait(90 * second)
		}
		a.silent()
		for range 100 {
			a.raw(`{}`)
		}
		a.closed(websocket.ClosePolicyViolation)
		if n := w.env.Counts.Refused.Load(); n != 397 {
			t.Errorf("%d bad frames were counted", n)
		}
		bob.hear("CONFERENCE_LEAVE_indication", object{"member": object{"name": "A"}})
		bob.silent()
	})
}

// TestTooLarge: a frame that is too large closes the connection, one that is as
// large as it may be is taken.
func TestTooLarge(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		bob, a := w.member("r", "Bob"), w.member("r", "A")
		bob.hear("CONFERENCE_JOIN_indication", nil)
		frame := func(size int) string {
			const empty = `{"messageType":"CONFERENCE_KICK_request","transactionID":"1","x":""}`
			return fmt.Sprintf(`{"messageType":"CONFERENCE_KICK_request","transactionID":"1","x":"%s"}`, strings.Repeat("x", size-len(empty)))
		}
		a.raw(frame(256 << 10))
		a.hear("CONFERENCE_KICK_response", object{"status": 400})
		a.raw(frame(256<<10 + 1))
		a.closed(websocket.CloseMessageTooBig)
		bob.hear("CONFERENCE_LEAVE_indication", nil)
	})
}

// TestLagged: a client that is too slow for the room is closed; the others see it
// leave once.
func TestLagged(t *testing.T) {
	h := &host{}
	block := make(chan struct{})
	inWorld(t, func(w *world) {
		block = make(chan struct{})
		h.Host = slowHost{w.rooms, block}
		w.env.Host = h
	}, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
		bob, a := w.member("r", "Bob"), w.member("r", "A")
		bob.hear("CONFERENCE_JOIN_indication", nil)
		a.send(object{"messageType": "CONFERENCE_CREATE_request", "transactionID": "1"})
		synctest.Wait() // A's goroutine waits for the node
		left := 0
		for range bridge.DefaultOutbox + 10 {
			g.do(bridge.Say{ID: bridge.NewMessageID(), Text: "x"})
			g.events()
			if bob.next()["messageType"] == "CONFERENCE_LEAVE_indication" {
				left++
			}
		}
		close(block)
		a.hear("CONFERENCE_CREATE_response", object{"status": 200})
		for range bridge.DefaultOutbox - 1 {
			a.hear("CHAT_MESSAGE_indication", nil)
		}
		for m := range a.frames {
			if m["messageType"] != "CHAT_MESSAGE_indication" {
				t.Errorf("A is told %v", m)
			}
		}
		a.closed(websocket.ClosePolicyViolation)
		wait(second)
		for len(bob.frames) > 0 {
			if m := bob.next(); m["messageType"] == "CONFERENCE_LEAVE_indication" {
				left++
			}
		}
		if left != 1 {
			t.Errorf("the others saw it leave %d times", left)
		}
	})
}

// slowHost lets those who create a room wait.
type slowHost struct {
	bridge.Host
	block chan struct{}
}

func (h slowHost) Create(ctx ctx, s bridge.Spec) error {
	<-h.block
	return h.Host.Create(ctx, s)
}

// TestShutdown: when the node goes, clients are closed without being told to go.
func TestShutdown(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		w.room(bridge.Spec{ID: "waiting", WaitingRoom: true, Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		a, b := w.member("r", "A"), w.dial()
		b.send(object{"messageType": "CONFERENCE_JOIN_request", "conferenceID": "waiting"})
		synctest.Wait()
		if err := w.rooms.Close(t.Context()); err != nil {
			t.Error(err)
		}
		a.closed(websocket.CloseGoingAway)
		b.hear("CONFERENCE_JOIN_response", object{"status": 404})
	})
}

// TestRelocated: one whose seat went elsewhere joins again.
func TestRelocated(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "G"})
		a := w.member("r", "A")
		w.guest(bridge.JoinRequest{Room: "r", Name: "A", ID: g.participant("A")})
		a.closed(websocket.CloseServiceRestart)
	})
}
