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
		given := bridge.Secret(doc.Credentials.PIN)
		if err := m.session.Do(ctx, bridge.SetSecrets{Secrets: m.secrets(given)}); err != nil {
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

// secrets are those of the room with another PIN. Who came in with the moderators'
// secret keeps it; nobody else can set any in a room that has one.
func (m *meeting) secrets(given bridge.Secret) map[bridge.Role]bridge.Secret {
	all := pin(given)
	if m.room.Secured[bridge.Moderator] && m.secret != "" {
		all[bridge.Moderator] = m.secret
	}
	return all
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
