package spreed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// Attributes of a chat message by which the speakers of other Spreed clients give
// it back as it came.
const (
	attrChat    = "spreed/chat"    // the message without its text, as JSON
	attrChannel = "spreed/channel" // the whole document, which came over a data channel
)

// maxMids is how many messages to one member are remembered, until it says that
// it has read them.
const maxMids = 64

// onChat handles Chat from the socket, in the order of reference 5.13.
func (s *speaker) onChat(ctx context.Context, r wire.Request) error {
	if r.Chat == nil || r.Chat.Chat == nil {
		return nil
	}
	c := *r.Chat
	if !c.Chat.NoEcho {
		if err := s.unicast(address{id: s.me}, s.id, c); err != nil {
			return err
		}
	}
	m := *c.Chat
	m.Time = stamp(time.Now())
	c.Chat = &m
	if c.To == "" {
		s.counts.broadcastChats.Add(1)
		return s.shout(ctx, c)
	}
	s.counts.unicastChats.Add(1)
	return s.address(ctx, c)
}

// address sends a private document to whom it is for. What is for nobody is
// confirmed like everything else.
func (s *speaker) address(ctx context.Context, c wire.Chat) error {
	to, ok := s.route(c.To)
	switch contact := c.Chat.Status != nil && c.Chat.Status.ContactRequest != nil; {
	case contact && ok && !to.to.virtual:
		return s.sendContact(ctx, to.to.id, c)
	case contact:
		return nil
	case ok && to.x != nil:
		return s.at.whisper(ctx, to.x, c, nil)
	case ok:
		if err := s.pass(ctx, to.to.id, c); err != nil {
			return err
		}
	}
	return s.sent(c.To, c.Chat.Mid)
}

// sent confirms a private message, also one to nobody.
func (s *speaker) sent(to, mid string) error {
	if mid == "" {
		return nil
	}
	return s.unicast(address{id: s.me}, s.id, wire.Chat{To: to, Type: wire.TypeChat, Chat: &wire.Message{
		Mid: mid, Status: &wire.ChatStatus{State: wire.StateSent},
	}})
}

// shout says something to the room. Nothing is confirmed, also not that there is
// no room.
func (s *speaker) shout(ctx context.Context, c wire.Chat) error {
	if s.at == nil {
		return nil
	}
	text := plain(*c.Chat)
	if text == "" {
		data, err := json.Marshal(c)
		if err != nil {
			return err
		}
		return s.gentle(s.at.session.Do(ctx, bridge.Send{Topic: topicShout, Data: data}))
	}
	say, err := sayOf(*c.Chat, text)
	if err != nil {
		return err
	}
	return s.gentle(s.at.session.Do(ctx, say))
}

// sayOf is a message as the room takes it.
func sayOf(m wire.Message, text string) (bridge.Say, error) {
	if m.Message == text {
		m.Message = ""
	}
	m.Time = ""
	extra, err := json.Marshal(m)
	return bridge.Say{ID: bridge.NewMessageID(), Text: text, Attrs: map[string]string{attrChat: string(extra)}}, err
}

// plain is a message as a text for those who know nothing else: a file is its name
// and size, a place its coordinates (reference 14.11). Empty: there is nothing to
// be read.
func plain(m wire.Message) string {
	if m.Status == nil {
		return m.Message
	}
	var lines []string
	if f := m.Status.FileInfo; f != nil {
		lines = append(lines, fmt.Sprintf("[file] %s (%d bytes)", f.Name, f.Size))
	}
	if g := m.Status.Geolocation; g != nil && g.Latitude != nil && g.Longitude != nil {
		lines = append(lines, fmt.Sprintf("[place] %.6f, %.6f", *g.Latitude, *g.Longitude))
	}
	if len(lines) == 0 {
		return m.Message
	}
	return strings.Join(lines, "\n")
}

// whisper handles a private document to a member. raw is the document as it came
// over a data channel, nil for one from the socket.
func (m *meeting) whisper(ctx context.Context, x *member, c wire.Chat, raw []byte) error {
	text := plain(*c.Chat)
	var err error
	switch {
	case !x.virtual() && x.Away: // it may be connected again and not yet here
		err = m.s.pass(ctx, x.ID, c)
	case text != "":
		return m.tell(ctx, x, c, text, raw)
	case x.virtual():
		err = m.signal(ctx, x, c.Chat.Status)
	case raw != nil:
		err = m.session.Do(ctx, bridge.Send{To: x.ID, Topic: topicChannel, Data: raw})
	default:
		err = m.s.pass(ctx, x.ID, c)
	}
	if err := m.s.gentle(err); err != nil || raw != nil {
		return err
	}
	return m.s.sent(c.To, c.Chat.Mid)
}

// tell passes a private message on, and confirms it as far as that goes.
func (m *meeting) tell(ctx context.Context, x *member, c wire.Chat, text string, raw []byte) error {
	say, err := sayOf(*c.Chat, text)
	if err != nil {
		return err
	}
	say.To = x.ID
	if raw != nil && !x.virtual() && len(raw)+len(text) < bridge.MaxText/2 {
		say.Attrs[attrChannel] = string(raw)
	}
	if err := m.session.Do(ctx, say); err != nil {
		if x.virtual() && !x.Shows.Has(bridge.ShowsPrivateChat) && m.room.Chat {
			return m.aside(x, "cannot read private messages")
		}
		return m.s.gentle(err)
	}
	mid := c.Chat.Mid
	if mid == "" {
		return nil
	}
	if raw == nil {
		if err := m.s.sent(x.id, mid); err != nil {
			return err
		}
	}
	if !x.virtual() {
		return nil // its client says what becomes of it
	}
	x.mids = append(x.mids, mid)
	x.mids = x.mids[max(0, len(x.mids)-maxMids):]
	return m.state(x, &wire.ChatStatus{State: wire.StateDelivered, Mid: mid})
}

// signal passes on what a client says about messages to one whom the bridge speaks
// for.
func (m *meeting) signal(ctx context.Context, x *member, st *wire.ChatStatus) error {
	switch {
	case st == nil:
		return nil
	case st.Typing != "":
		return m.session.Do(ctx, bridge.Typing{To: x.ID, On: st.Typing == wire.TypingStart})
	case len(st.SeenMids) > 0:
		return m.session.Do(ctx, bridge.Seen{Scope: x.ID.String(), At: time.Now()})
	}
	return nil // that it was delivered nobody else wants to know
}

// state tells the client how its messages to somebody fare.
func (m *meeting) state(x *member, st *wire.ChatStatus) error {
	return m.unicast(x, wire.Chat{To: m.s.id, Type: wire.TypeChat, Chat: &wire.Message{
		Time: stamp(time.Now()), NoEcho: true, Status: st,
	}})
}

// aside is a remark that only the client is to read.
func (m *meeting) aside(x *member, text string) error {
	if !m.s.cfg.Notes {
		return nil
	}
	return m.unicast(x, wire.Chat{To: m.s.id, Type: wire.TypeChat, Chat: &wire.Message{
		Message: "* " + text, Time: stamp(time.Now()), NoEcho: true,
	}})
}

// said tells a chat message (reference 14.11).
func (m *meeting) said(e bridge.Said) error {
	if e.From == m.self.ID || e.Group != "" {
		return nil // the client has been echoed; groups are not for it
	}
	var msg wire.Message
	extra, spreed := e.Attrs[attrChat]
	if spreed && json.Unmarshal([]byte(extra), &msg) != nil {
		msg = wire.Message{}
	}
	if !spreed {
		msg.NoEcho = true
	}
	if msg.Message == "" {
		msg.Message = e.Text
	}
	msg.Time = stamp(e.At)
	x := m.members[e.From]
	if x == nil {
		// It has left; what it said was kept.
		p := bridge.Participant{ID: e.From, Name: e.Name}
		if spreed {
			p.Dialect = Name
		}
		x = &member{Participant: p, id: m.s.forms.of(p)}
	}
	if e.To.IsZero() {
		return m.broadcast(x, wire.Chat{Type: wire.TypeChat, Chat: &msg})
	}
	if raw, ok := e.Attrs[attrChannel]; ok && m.calls.pass(x, []byte(raw)) {
		return nil
	}
	if !spreed {
		msg.Mid = e.ID.String()
	}
	return m.unicast(x, wire.Chat{To: m.s.id, Type: wire.TypeChat, Chat: &msg})
}

// typing tells that somebody types to the client; that somebody types to all is
// not told in this protocol.
func (m *meeting) typing(e bridge.TypingNow) error {
	x := m.members[e.From]
	if x == nil || e.To != m.self.ID {
		return nil
	}
	state := wire.TypingStop
	if e.On {
		state = wire.TypingStart
	}
	return m.state(x, &wire.ChatStatus{Typing: state})
}

// seen tells that somebody has read what the client said to it.
func (m *meeting) seen(e bridge.SeenBy) error {
	x := m.members[e.By]
	if x == nil || e.Scope != m.self.ID.String() || len(x.mids) == 0 {
		return nil
	}
	mids := x.mids
	x.mids = nil
	return m.state(x, &wire.ChatStatus{SeenMids: mids})
}
