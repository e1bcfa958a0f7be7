package spreed

import (
	"context"
	"encoding/json"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// onRoom changes the PIN of the room (reference 5.4). Any member may, where the
// room has no moderators' secret: who may not is refused by the room.
func (s *speaker) onRoom(ctx context.Context, r wire.Request) error {
	switch {
	case r.Room == nil:
		return s.reply(r.Iid, refused(codeBadRequest, "there is no Room"))
	case s.at == nil || s.names.key(r.Room.Name, r.Room.Type) != s.at.key:
		return s.reply(r.Iid, refused(codeNotInRoom, "you are not in that room"))
	}
	m := s.at
	doc := wire.Room{Type: m.key.Kind, Name: m.key.Name, Credentials: r.Room.Credentials}
	if doc.Credentials != nil {
		if err := m.setPIN(ctx, bridge.Secret(doc.Credentials.PIN)); err != nil {
			return s.reply(r.Iid, refusal(err))
		}
	}
	if err := s.reply(r.Iid, doc); err != nil {
		return err
	}
	if err := m.shareRoom(ctx, doc); err != nil {
		return err
	}
	return m.calls.announce(ctx)
}

// setPIN changes the PIN. All secrets of a room are replaced at once, so who does not
// know the moderators' cannot do it.
func (m *meeting) setPIN(ctx context.Context, given bridge.Secret) error {
	secrets := pin(given)
	if m.room.Secured[bridge.Moderator] {
		if m.master == "" {
			return bridge.Errorf(bridge.Forbidden, "only who came with the moderators' password may do that")
		}
		secrets[bridge.Moderator] = m.master
	}
	return m.session.Do(ctx, bridge.SetSecrets{Secrets: secrets})
}

// shareRoom tells the other Spreed members the room with its PIN, as the original
// server does. Between speakers it is sealed: events hold no secrets.
func (m *meeting) shareRoom(ctx context.Context, doc wire.Room) error {
	plain, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	sealed := seal(m.s.tokens.notes, plain)
	return m.s.gentle(m.session.Do(ctx, bridge.Send{Topic: topicRoom, Data: []byte(sealed)}))
}

func (m *meeting) roomTold(ctx context.Context, x *member, sealed []byte) error {
	plain, ok := open(m.s.tokens.notes, string(sealed))
	if !ok {
		return nil
	}
	if err := m.broadcast(x, json.RawMessage(plain)); err != nil {
		return err
	}
	return m.calls.announce(ctx)
}

// roomChanged tells that somebody of another dialect has opened the room. That it
// was closed cannot be told: the PIN is not known here.
func (m *meeting) roomChanged(e bridge.RoomChanged) error {
	was := m.room
	m.room = e.Room
	by := m.members[e.By]
	if e.By == m.self.ID || by != nil && !by.virtual() || !needsSecret(was) || needsSecret(e.Room) {
		return nil
	}
	doc := wire.Room{Type: m.key.Kind, Name: m.key.Name, Credentials: &wire.Credentials{}}
	if by == nil {
		return m.s.reply("", doc)
	}
	return m.broadcast(by, doc)
}
