package bridge

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of talk.
const (
	MaxKeepChat  = 1000    // messages that a room keeps
	maxChatBytes = 4 << 20 // bytes of them
	maxScope     = 256     // bytes of a topic, a group, a key of a document
	maxDocs      = 1024    // documents of a room
)

func (c Say) apply(r *room, m *member) error {
	needs := Chatting
	if !c.To.IsZero() {
		needs = ChattingPrivately
	}
	if err := r.mayChat(m, needs); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	to, err := r.recipient(c.To)
	switch {
	case err != nil:
		return err
	case to != nil && !to.Shows.Has(ShowsPrivateChat):
		return Errorf(NotSupported, "this participant cannot read private messages")
	case c.Group != "" && !m.in(c.Group):
		return Errorf(Forbidden, "you do not belong to this group")
	case m.lastSaid == c.ID || r.heard(c.ID):
		return nil // a repetition
	}
	m.lastSaid = c.ID
	said := Said{
		ID: c.ID, From: m.ID, Name: m.Name, To: c.To, Group: c.Group,
		Text: c.Text, Attrs: maps.Clone(c.Attrs), At: time.Now(),
	}
	switch {
	case to != nil:
		r.tellSome(said, func(o *member) bool { return o == to || o == m })
	case c.Group != "":
		r.tellSome(said, func(o *member) bool { return o.in(c.Group) })
	default:
		r.said++
		said.Number = r.said
		r.keep(said)
		most := r.spec.KeepChat
		r.archive(func(ctx context.Context, h History) error { return h.Append(ctx, r.id, said, most) })
		r.tell(said)
	}
	return nil
}

// heard reports whether a message was said in the room that this one was: its node
// may say it again, as the answer was lost with the room.
func (r *room) heard(id MessageID) bool {
	return r.hushed != nil && slices.ContainsFunc(r.chat, func(s Said) bool { return s.ID == id })
}

func (c Say) check() error {
	switch {
	case c.ID.IsZero():
		return Errorf(BadRequest, "the message has no id")
	case c.Text == "" && len(c.Attrs) == 0:
		return Errorf(BadRequest, "the message is empty")
	case !utf8.ValidString(c.Text):
		return Errorf(BadRequest, "the message is not UTF-8")
	case !c.To.IsZero() && c.Group != "":
		return Errorf(BadRequest, "a message is for one or for a group, not for both")
	case len(c.Text) > MaxText:
		return Errorf(BadRequest, "the message is longer than %d bytes", MaxText)
	}
	return checkAttrs(c.Attrs, MaxText-len(c.Text))
}

// mayChat answers why a member may not chat.
func (r *room) mayChat(m *member, needs Permissions) error {
	if err := m.may(needs); err != nil {
		return err
	}
	if r.spec.NoChat {
		return Errorf(NotSupported, "chat is switched off")
	}
	return nil
}

// recipient returns the one that something is for, nil for everybody.
func (r *room) recipient(id ParticipantID) (*member, error) {
	if id.IsZero() {
		return nil, nil
	}
	return r.find(id)
}

// keep keeps a message for those who join later.
func (r *room) keep(s Said) {
	if r.spec.KeepChat == 0 {
		return
	}
	r.chat = append(r.chat, s)
	r.chatBytes += s.size()
	for len(r.chat) > r.spec.KeepChat || r.chatBytes > maxChatBytes {
		r.chatBytes -= r.chat[0].size()
		r.chat = slices.Delete(r.chat, 0, 1)
	}
}

// archive has who gave the command change the history, where the room keeps one. A
// database that is away does not stop a conversation: it is logged and counted.
func (r *room) archive(change func(context.Context, History) error) {
	if r.history == nil {
		return
	}
	r.rest = func(ctx context.Context) {
		if err := change(ctx, r.history); err != nil {
			r.count.unkept.Add(1)
			r.log.Warn("the chat is not kept", "err", err)
		}
	}
}

// remember takes over the chat that a room of an earlier process has kept.
func (r *room) remember(past []Said) {
	slices.SortStableFunc(past, func(a, b Said) int { return cmp.Compare(a.Number, b.Number) })
	for _, s := range past {
		r.keep(s)
		r.said = max(r.said, s.Number)
	}
}

// size is about what a message takes, in bytes.
func (s Said) size() int {
	n := len(s.Text) + len(s.Name)
	for k, v := range s.Attrs {
		n += len(k) + len(v)
	}
	return n
}

func (c Typing) apply(r *room, m *member) error {
	needs := Chatting
	if !c.To.IsZero() {
		needs = ChattingPrivately
	}
	if err := r.mayChat(m, needs); err != nil {
		return err
	}
	to, err := r.recipient(c.To)
	if err != nil {
		return err
	}
	e := TypingNow{From: m.ID, To: c.To, On: c.On}
	switch {
	case m.Kind.Hidden():
	case to != nil:
		r.tellOne(to, e)
	default:
		r.tellOthers(m, e)
	}
	return nil
}

func (c Seen) apply(r *room, m *member) error {
	if err := m.may(0); err != nil {
		return err
	}
	if len(c.Scope) > maxScope {
		return Errorf(BadRequest, "that is longer than %d bytes", maxScope)
	}
	var id ParticipantID
	e := SeenBy{By: m.ID, Scope: c.Scope, At: c.At}
	switch {
	case m.Kind.Hidden():
	case c.Scope == "":
		r.tellOthers(m, e)
	case m.in(c.Scope):
		r.tellSome(e, func(o *member) bool { return o != m && o.in(c.Scope) })
	case id.UnmarshalText([]byte(c.Scope)) == nil:
		to, err := r.find(id)
		if err != nil {
			return err
		}
		r.tellOne(to, e)
	default:
		return Errorf(NotFound, "there is no such group or participant")
	}
	return nil
}

func (c ClearChat) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	r.chat, r.chatBytes = nil, 0
	r.archive(func(ctx context.Context, h History) error { return h.Clear(ctx, r.id) })
	r.tell(ChatCleared{By: m.by()})
	return nil
}

func (c Send) apply(r *room, m *member) error {
	if err := m.may(SendingData); err != nil {
		return err
	}
	switch {
	case c.Topic == "" || len(c.Topic) > maxScope || !utf8.ValidString(c.Topic):
		return Errorf(BadRequest, "the message has no proper topic")
	case len(c.Data) > MaxText:
		return Errorf(BadRequest, "the message is longer than %d bytes", MaxText)
	}
	to, err := r.recipient(c.To)
	if err != nil {
		return err
	}
	e := Data{From: m.ID, To: c.To, Topic: c.Topic, Data: slices.Clone(c.Data)}
	if to != nil {
		r.tellOne(to, e)
		return nil
	}
	of, _, _ := strings.Cut(c.Topic, "/")
	own := of == m.Dialect // what only its own dialect understands
	r.tellSome(e, func(o *member) bool {
		return o != m && (!own || o.Dialect == m.Dialect || o.Kind.Hidden())
	})
	return nil
}

func (c PutDoc) apply(r *room, m *member) error {
	if err := m.may(0); err != nil {
		return err
	}
	old, exists := r.docs[c.Key]
	if !m.Can.Has(SendingData) && (!exists || old.Owner != m.ID) {
		return Errorf(Forbidden, "you are not allowed to do that")
	}
	if err := r.checkDoc(c, old); err != nil {
		return err
	}
	n := Doc{Key: c.Key, Value: slices.Clone(c.Value), Version: old.Version + 1, Owner: old.Owner}
	if !exists {
		n.Owner = m.ID
	}
	r.docBytes += n.size() - old.size()
	r.docs[c.Key] = n
	if len(n.Value) == 0 {
		r.docBytes -= n.size()
		delete(r.docs, c.Key)
	}
	r.tell(DocChanged{Doc: n, By: m.by()})
	return nil
}

func (r *room) checkDoc(c PutDoc, old Doc) error {
	switch {
	case c.Key == "" || len(c.Key) > maxScope || !utf8.ValidString(c.Key):
		return Errorf(BadRequest, "the document has no proper name")
	case c.IfVersion == 0 && old.Version != 0:
		return Errorf(Exists, "there is such a document already")
	case c.IfVersion != AnyVersion && c.IfVersion != old.Version:
		return Errorf(Exists, "the document has been changed by somebody else")
	case len(c.Value) == 0 && old.Version == 0:
		return Errorf(NotFound, "there is no such document")
	case old.Version == 0 && len(r.docs) >= maxDocs:
		return Errorf(TooMany, "the room has too many documents")
	case len(c.Value) > 0 && r.docBytes-old.size()+len(c.Key)+len(c.Value) > MaxDocs:
		return Errorf(BadRequest, "the documents of the room are longer than %d bytes", MaxDocs)
	}
	return nil
}

// size is what a document counts for, in bytes; nothing for one that is none.
func (d Doc) size() int { return len(d.Key) + len(d.Value) }
