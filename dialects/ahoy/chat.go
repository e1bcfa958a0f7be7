package ahoy

import (
	"context"
	"encoding/json"

	"dragoman/bridge"
)

// What Ahoy members tell each other beside the plain text: the whole message
// object, so that it arrives byte for byte (4.8, 10.5).
const (
	chatAttr  = "ahoy/message" // of a Said
	chatTopic = "ahoy/message" // of a Data, for what only Ahoy members understand
)

// chat handles CHAT_MESSAGE_request (4.8).
func (t *seat) chat(ctx context.Context, m message) (answer, error) {
	q, err := read[chat](m)
	if err != nil {
		return answer{}, err
	}
	var body chatText
	if err := json.Unmarshal(q.Message, &body); err != nil || body.Text == nil {
		return answer{}, &bridge.Error{Code: bridge.BadRequest, Msg: "message.text is missing", Err: err}
	}
	text, forAll := unwrap(*body.Text)
	if !forAll {
		return answer{}, t.session.Do(ctx, bridge.Send{Topic: chatTopic, Data: q.Message})
	}
	say := bridge.Say{ID: bridge.NewMessageID(), Text: text}
	if !asWrapped(q.Message, *body.Text, text) {
		say.Attrs = map[string]string{chatAttr: string(q.Message)}
	}
	return answer{}, t.session.Do(ctx, say)
}

// asWrapped reports whether a message is just what wrap makes of its text, as
// those of the web client are. Then it need not be carried beside the text.
func asWrapped(message json.RawMessage, text, plain string) bool {
	var all map[string]json.RawMessage
	chat, err := chatOf(plain)
	return err == nil && json.Unmarshal(message, &all) == nil && len(all) == 1 && chat == text
}

// unwrap returns the plain text of a chat text, and false when there is nothing
// in it for other dialects: camera control, or no text at all (10.5).
func unwrap(s string) (text string, forAll bool) {
	var object struct {
		Chat    *string         `json:"chat"`
		Control json.RawMessage `json:"control"`
	}
	switch err := json.Unmarshal([]byte(s), &object); {
	case err == nil && object.Chat != nil:
		s = *object.Chat
	case err == nil && object.Control != nil:
		return "", false
	default:
		var plain *string
		if json.Unmarshal([]byte(s), &plain) == nil && plain != nil {
			s = *plain
		}
	}
	return s, s != ""
}

// wrap makes the message object of a plain text. The web client drops what is
// not JSON.
func wrap(s string) (json.RawMessage, error) {
	chat, err := chatOf(s)
	if err != nil {
		return nil, err
	}
	return encode(map[string]string{"text": chat})
}

// chatOf is what the web client makes of what its user types.
func chatOf(s string) (string, error) {
	b, err := encode(map[string]string{"chat": s})
	return string(b), err
}

// said renders a chat message. There is no private chat here, and what was said
// to some is not shown as if it was said to all.
func (t *seat) said(_ context.Context, e bridge.Said) error {
	if e.From == t.me.who.ID || !e.To.IsZero() || e.Group != "" {
		return nil
	}
	from := memberRef{Name: e.Name, MemberID: t.memberID(e.From)}
	if m := t.people[e.From]; m != nil {
		from = m.ref()
		if err := t.introduce(m); err != nil {
			return err
		}
	}
	if raw := json.RawMessage(e.Attrs[chatAttr]); raw != nil && json.Valid(raw) {
		return t.s.say("CHAT_MESSAGE_indication", &chatIndication{From: from, Message: raw})
	}
	return t.line(from, e.Text)
}

// line sends a plain text as a chat message.
func (t *seat) line(from memberRef, text string) error {
	message, err := wrap(text)
	if err != nil {
		return err
	}
	return t.s.say("CHAT_MESSAGE_indication", &chatIndication{From: from, Message: message})
}

// data renders what only Ahoy members understand.
func (t *seat) data(_ context.Context, e bridge.Data) error {
	m := t.people[e.From]
	if e.Topic != chatTopic || m == nil || m == t.me || !json.Valid(e.Data) {
		return nil
	}
	return t.s.say("CHAT_MESSAGE_indication", &chatIndication{From: m.ref(), Message: e.Data})
}

// note tells in words what the protocol has no message for. It comes from the
// member that it is about, because some clients drop what unknown members say.
func (t *seat) note(about *member, text string) error {
	if !t.s.cfg.Notes {
		return nil
	}
	if err := t.introduce(about); err != nil {
		return err
	}
	return t.line(about.ref(), "["+text+"]")
}
