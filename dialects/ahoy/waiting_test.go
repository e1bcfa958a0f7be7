package ahoy_test

import (
	"testing"

	"dragoman/bridge"
)

// TestWaitingRoom: the response to a join waits until a moderator has decided
// (architecture 9).
func TestWaitingRoom(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{WaitingRoom: true, Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		mod := w.guest(bridge.JoinRequest{Room: "r", Name: "Mo", Secret: "m"})
		knock := func(u *user, id string) bridge.ParticipantID {
			t.Helper()
			u.send(object{"messageType": "CONFERENCE_JOIN_request", "conferenceID": "r", "name": "A", "transactionID": id})
			u.silent()
			for _, e := range mod.events() {
				if k, ok := e.(bridge.Knocked); ok && !k.Gone {
					return k.P.ID
				}
			}
			t.Fatal("nobody knocks")
			return bridge.ParticipantID{}
		}
		a := w.dial()
		id := knock(a, "in")
		for kind, want := range map[string]int{"MEDIA_request": 403, "CHAT_MESSAGE_request": 403, "CONFERENCE_LOCK_request": 403, "MEDIA_SHARE_request": 403} {
			if s := a.status(kind, object{"members": []any{}, "message": object{"text": "x"}}); s != want {
				t.Errorf("%s of one who waits: %d, want %d", kind, s, want)
			}
		}
		mod.do(bridge.Say{ID: bridge.NewMessageID(), Text: "inside only"})
		a.silent()
		mod.do(bridge.Admit{Target: id, OK: true})
		a.hear("CONFERENCE_JOIN_response", object{"transactionID": "in", "status": 200, "speaker": true, "moderator": false})
		if s := a.status("CHAT_MESSAGE_request", object{"message": object{"text": "x"}}); s != 200 {
			t.Errorf("chat of one who was let in: %d", s)
		}

		b := w.dial()
		id = knock(b, "out")
		mod.do(bridge.Admit{Target: id})
		b.hear("CONFERENCE_JOIN_response", object{"transactionID": "out", "status": 470, "reason": "locked"})
		b.silent() // the connection stays, and may knock again
		id = knock(b, "again")
		mod.do(bridge.Kick{Target: id})
		b.hear("CONFERENCE_JOIN_response", object{"transactionID": "again", "status": 470})

		// Leaving, and joining anew, end the waiting.
		knock(b, "leaves")
		b.send(object{"messageType": "CONFERENCE_LEAVE_request", "transactionID": "l"})
		b.hear("CONFERENCE_JOIN_response", object{"transactionID": "leaves", "status": 470})
		b.hear("CONFERENCE_LEAVE_response", object{"transactionID": "l", "status": 200})
		knock(b, "first")
		b.send(object{"messageType": "CONFERENCE_JOIN_request", "conferenceID": "nowhere", "transactionID": "second"})
		b.hear("CONFERENCE_JOIN_response", object{"transactionID": "first", "status": 470})
		b.hear("CONFERENCE_JOIN_response", object{"transactionID": "second", "status": 404})

		// A room that is full by the time of the admission.
		mod.events()
		id = knock(b, "late")
		mod.do(bridge.SetMax{Max: 2})
		mod.do(bridge.Admit{Target: id, OK: true})
		b.hear("CONFERENCE_JOIN_response", object{"transactionID": "late", "status": 486, "reason": "conference full"})
		mod.do(bridge.SetMax{})

		// One who is inside is put back.
		mod.events()
		mod.do(bridge.SendToWaiting{Target: mod.participant("A")})
		a.hear("CONFERENCE_KICK_indication", object{"timeout": 0})
		a.closed(1000)

		// The room ends.
		knock(b, "end")
		mod.do(bridge.CloseRoom{})
		b.hear("CONFERENCE_JOIN_response", object{"transactionID": "end", "status": 404})
		b.silent()
	})
}

// TestWaitingGoes: one who waits and goes is gone.
func TestWaitingGoes(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{WaitingRoom: true, Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m"}})
		mod := w.guest(bridge.JoinRequest{Room: "r", Name: "Mo", Secret: "m"})
		a := w.dial()
		a.send(object{"messageType": "CONFERENCE_JOIN_request", "conferenceID": "r", "name": "A"})
		a.silent()
		a.close()
		wait(second)
		events := mod.events()
		if k, ok := events[len(events)-1].(bridge.Knocked); !ok || !k.Gone {
			t.Errorf("the moderator was told %+v last", events[len(events)-1])
		}
	})
}
