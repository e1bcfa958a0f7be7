package k3k

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// moderationActions are what clients ask of the namespace moderation. Those who may
// not are ignored (reference 10).
var moderationActions = map[string]handler{
	"kick":                 moderate((*seat).kick),
	"ban":                  moderate((*seat).ban),
	"accept":               moderate((*seat).accept),
	"enable_waiting_room":  moderate(post(bridge.SetWaitingRoom{On: true})),
	"disable_waiting_room": moderate(post(bridge.SetWaitingRoom{})),
	"enable_raise_hands":   moderate(post(bridge.AllowHands{On: true})),
	"disable_raise_hands":  moderate(post(bridge.AllowHands{})),
	"reset_raised_hands":   moderate(post(bridge.LowerHands{})),
	"debrief":              moderate((*seat).debrief),
	"send_to_waiting_room": moderate((*seat).sendToWaiting),
	"change_display_name":  moderate((*seat).changeName),
}

// moderate makes a handler of what only moderators may do.
func moderate[T command](f func(*seat, context.Context, T) error) handler {
	do := to(f)
	return func(t *seat, ctx context.Context, payload json.RawMessage) error {
		if !t.me.moderates() {
			return nil
		}
		return do(t, ctx, payload)
	}
}

func post(c bridge.Command) func(*seat, context.Context, nothing) error {
	return func(t *seat, ctx context.Context, _ nothing) error { return t.session.Do(ctx, c) }
}

func (t *seat) kick(ctx context.Context, q target) error {
	return t.session.Do(ctx, bridge.Kick{Target: q.Target})
}

// ban handles the action of that name. Guests come back under another name, so the
// protocol does not pretend that they can be kept out.
func (t *seat) ban(ctx context.Context, q target) error {
	m := t.member(q.Target)
	if m == nil {
		return nil
	}
	if m.who.User == "" {
		return refuse("cannot_ban_guest")
	}
	return t.session.Do(ctx, bridge.Kick{Target: q.Target, Ban: true})
}

func (t *seat) accept(ctx context.Context, q target) error {
	return t.session.Do(ctx, bridge.Admit{Target: q.Target, OK: true})
}

// sendToWaiting handles send_to_waiting_room, which switches the waiting room on.
func (t *seat) sendToWaiting(ctx context.Context, q target) error {
	if m := t.member(q.Target); m == nil {
		return nil
	} else if m.owns() {
		return refuse("cannot_send_room_owner_to_waiting_room")
	}
	return t.session.Do(ctx, bridge.SendToWaiting{Target: q.Target})
}

// What clients of this dialect are told by others through the room.
const (
	topicName    = Name + "/name"
	topicDebrief = Name + "/debrief"
)

// changeName handles change_display_name. Only this dialect has such a thing, so
// only its guests can be renamed.
func (t *seat) changeName(ctx context.Context, q rename) error {
	name := strings.Join(strings.Fields(*q.Name), " ")
	m := t.member(q.Target)
	switch {
	case m == nil:
		return nil
	case m.who.User != "" || m.who.Dialect != Name:
		return refuse("cannot_change_name_of_registered_users")
	case name == "" || len(name) > longestName:
		return refuse("invalid_display_name")
	}
	return t.session.Do(ctx, bridge.Send{To: q.Target, Topic: topicName, Data: []byte(name)})
}

// debrief handles the action of that name: the waiting room is switched on, and
// those in scope have to go. Clients of this dialect are told why.
func (t *seat) debrief(ctx context.Context, q debrief) error {
	if err := t.session.Do(ctx, bridge.SetWaitingRoom{On: true}); err != nil {
		return err
	}
	if err := t.session.Do(ctx, bridge.Send{Topic: topicDebrief, Data: []byte(q.Scope)}); err != nil {
		return err
	}
	for _, m := range t.order {
		if m.who.Dialect == Name || !q.Scope.holds(m) {
			continue
		}
		err := t.session.Do(ctx, bridge.Kick{Target: m.who.ID})
		if err != nil && bridge.CodeOf(err) != bridge.NotFound {
			return err
		}
	}
	return t.debriefed(q.Scope, t.me.who.ID)
}

// holds reports whether somebody has to go.
func (k kickScope) holds(m *member) bool {
	switch k {
	case kickAll:
		return true
	case kickUsers:
		return !m.moderates()
	}
	return m.role() == kindGuest
}

// debriefed tells that the meeting is over, or over for others.
func (t *seat) debriefed(scope kickScope, by bridge.ParticipantID) error {
	if !scope.holds(t.me) {
		return t.s.say(nsModeration, "debriefing_started", issuedBy{by})
	}
	t.s.pass.Admitted = false
	if err := t.s.say(nsModeration, "session_ended", issuedBy{by}); err != nil {
		return err
	}
	return &dialects.Hangup{Code: websocket.CloseNormalClosure}
}

// topics is what speakers of this dialect tell each other. Only moderators do.
var topics = map[string]func(*seat, context.Context, bridge.Data) error{
	topicMute: func(t *seat, _ context.Context, e bridge.Data) error {
		var d muteDoc
		if json.Unmarshal(e.Data, &d) != nil {
			return nil
		}
		return t.s.say(nsMedia, "request_mute", muteDoc{Issuer: e.From, Force: d.Force})
	},
	topicName: func(t *seat, ctx context.Context, e bridge.Data) error {
		return t.session.Do(ctx, bridge.Rename{Name: string(e.Data)})
	},
	topicDebrief: func(t *seat, _ context.Context, e bridge.Data) error {
		var scope kickScope
		if scope.UnmarshalText(e.Data) != nil {
			return nil
		}
		return t.debriefed(scope, e.From)
	},
}

// data takes what another speaker of this dialect tells.
func (t *seat) data(ctx context.Context, e bridge.Data) error {
	do, from := topics[e.Topic], t.member(e.From)
	if do == nil || from == nil || from.who.Dialect != Name || !from.moderates() {
		return nil
	}
	return t.s.settle(nsModeration, do(t, ctx, e))
}
