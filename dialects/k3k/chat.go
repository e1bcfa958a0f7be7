package k3k

import (
	"context"
	"time"

	"dragoman/bridge"
)

// longestMessage is how long a chat message may be, in bytes (reference 9).
const longestMessage = 4096

// chatActions are what clients ask of the namespace chat (reference 9).
var chatActions = map[string]handler{
	"send_message": to((*seat).sendMessage),
	"enable_chat": to(func(t *seat, ctx context.Context, _ nothing) error {
		return t.session.Do(ctx, bridge.AllowChat{On: true})
	}),
	"disable_chat":            to(func(t *seat, ctx context.Context, _ nothing) error { return t.session.Do(ctx, bridge.AllowChat{}) }),
	"clear_history":           to(func(t *seat, ctx context.Context, _ nothing) error { return t.session.Do(ctx, bridge.ClearChat{}) }),
	"set_last_seen_timestamp": to((*seat).setSeen),
}

// sendMessage handles send_message.
func (t *seat) sendMessage(ctx context.Context, q say) error {
	if *q.Content == "" {
		return nil
	}
	m := bridge.Say{ID: bridge.NewMessageID(), Text: cut(*q.Content, longestMessage)}
	switch q.Scope {
	case group:
		m.Group = *q.Target
	case private:
		if err := m.To.UnmarshalText([]byte(*q.Target)); err != nil {
			return errUnread
		}
	}
	err := t.session.Do(ctx, m)
	switch code := bridge.CodeOf(err); {
	case code == bridge.NotSupported:
		// Switched off, or the other one's client cannot show it: it is not shown to
		// anybody, and the sender is to know that.
		return refuse("chat_disabled")
	case code == bridge.Forbidden && q.Scope == group:
		return nil
	case code == bridge.NotFound && q.Scope == private:
		return t.tellSaid(bridge.Said{ID: m.ID, From: t.me.who.ID, To: m.To, Text: m.Text, At: time.Now()})
	}
	return err
}

// said tells a chat message. Its sender is told, too.
func (t *seat) said(ctx context.Context, e bridge.Said) error {
	if e.Text == "" {
		return nil // only what another dialect has added
	}
	if err := t.show(ctx, e.From); err != nil {
		return err
	}
	return t.tellSaid(e)
}

func (t *seat) tellSaid(e bridge.Said) error {
	return t.s.sayAt(e.At, nsChat, "message_sent", saidDoc(e))
}

// saidDoc is a chat message on the wire. The target of a private one is who gets
// it, in both copies.
func saidDoc(e bridge.Said) said {
	d := said{ID: e.ID, Source: e.From, Content: cut(e.Text, longestMessage), Scope: string(global)}
	switch {
	case !e.To.IsZero():
		d.Scope, d.Target = string(private), e.To.String()
	case e.Group != "":
		d.Scope, d.Target = string(group), e.Group
	}
	return d
}

func (t *seat) chatCleared(_ context.Context, e bridge.ChatCleared) error {
	return t.s.say(nsChat, "history_cleared", issuedBy{e.By})
}

// marks are how far somebody has read.
type marks struct {
	Room    time.Time            `json:"room,omitzero"`
	Private map[string]time.Time `json:"private,omitempty"`
	Group   map[string]time.Time `json:"group,omitempty"`
}

// maxMarks is how many people, and groups, are remembered.
const maxMarks = 256

// setSeen handles set_last_seen_timestamp. It is told to nobody, and comes back
// after a resumption.
func (t *seat) setSeen(_ context.Context, q seen) error {
	m := &t.s.pass.Seen
	switch q.Scope {
	case private:
		mark(&m.Private, *q.Target, q.at())
	case group:
		mark(&m.Group, *q.Target, q.at())
	default:
		m.Room = q.at()
	}
	return nil
}

func mark(m *map[string]time.Time, of string, at time.Time) {
	if *m == nil {
		*m = map[string]time.Time{}
	}
	if _, known := (*m)[of]; known || len(*m) < maxMarks {
		(*m)[of] = at
	}
}

// chatState is the chat as it is at the join, newest first.
func (t *seat) chatState(at bridge.Snapshot) chatState {
	seen := t.s.pass.Seen
	c := chatState{
		Enabled: t.room.Chat, Room: []said{}, Groups: []groupHistory{}, Private: []privateHistory{},
		SeenRoom: when(seen.Room), SeenPrivate: stamps(seen.Private), SeenGroup: stamps(seen.Group),
	}
	for i := range at.Chat {
		e := at.Chat[len(at.Chat)-1-i]
		if e.Text == "" {
			continue
		}
		d := saidDoc(e)
		d.Timestamp = when(e.At)
		c.Room = append(c.Room, d)
	}
	for _, g := range t.me.groups() {
		c.Groups = append(c.Groups, groupHistory{g, []said{}})
	}
	return c
}

func stamps(times map[string]time.Time) map[string]stamp {
	all := make(map[string]stamp, len(times))
	for k, t := range times {
		all[k] = stamp(t)
	}
	return all
}
