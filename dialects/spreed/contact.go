package spreed

import (
	"context"
	"encoding/json"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// contactNote is a chat with a contact request on its way to its receiver.
type contactNote struct {
	Chat wire.Chat
	User string // of the sender
}

// sentNote says that a contact request was delivered.
type sentNote struct{ To, Mid string }

// sendContact handles a chat with a contact request (reference 5.13). The
// receiver's speaker knows its own user, so it does the other half.
func (s *speaker) sendContact(ctx context.Context, to bridge.ParticipantID, c wire.Chat) error {
	r := c.Chat.Status.ContactRequest
	if s.user == "" || !s.cfg.has(moduleContacts) {
		return nil
	}
	if r.Success {
		p, ok := s.tokens.openPair(r.Token)
		if !ok || p.Asked != s.user {
			return nil // only who was asked can accept
		}
	}
	data, err := json.Marshal(contactNote{Chat: c, User: s.user})
	if err != nil {
		return err
	}
	return s.gentle(s.house.Do(ctx, bridge.Send{To: to, Topic: topicContact, Data: data}))
}

// contactAsked does the receiver's half: a request gets its token, an acceptance
// must be of what this user has asked, a refusal loses its token.
func (s *speaker) contactAsked(ctx context.Context, d bridge.Data) error {
	n := read[contactNote](d)
	if n.Chat.Chat == nil || n.Chat.Chat.Status == nil || n.Chat.Chat.Status.ContactRequest == nil {
		return nil
	}
	r := n.Chat.Chat.Status.ContactRequest
	switch {
	case s.user == "" || s.user == n.User:
		return nil
	case r.Success:
		if p, ok := s.tokens.openPair(r.Token); !ok || p.Asker != s.user || p.Asked != n.User {
			return nil
		}
	case r.Token != "":
		r.Token = ""
	default:
		r.Token = s.tokens.sealPair(pair{Asker: n.User, Asked: s.user})
	}
	r.Userid = n.User
	if mid := n.Chat.Chat.Mid; mid != "" {
		data, err := json.Marshal(sentNote{To: s.id, Mid: mid})
		if err != nil {
			return err
		}
		if err := s.gentle(s.house.Do(ctx, bridge.Send{To: d.From, Topic: topicSent, Data: data})); err != nil {
			return err
		}
	}
	return s.unicast(address{id: d.From}, s.forms.session(d.From), n.Chat)
}

func (s *speaker) contactSent(_ context.Context, d bridge.Data) error {
	n := read[sentNote](d)
	return s.sent(n.To, n.Mid)
}

// findContact finds the sessions of a contact, and asks to be told when they end
// (reference 5.6, 5.10).
func (s *speaker) findContact(ctx context.Context, iid string, q wire.Lookup) error {
	if !s.cfg.has(moduleContacts) || !s.cfg.Users.Enabled {
		return s.reply(iid, refused(codeNoContacts, "contacts are switched off"))
	}
	p, ok := s.tokens.openPair(q.Token)
	if !ok {
		return s.reply(iid, refused(codeBadRequest, "the token does not hold"))
	}
	user, ok := p.other(s.user)
	if !ok {
		return s.reply(iid, refused(codeBadRequest, "the token is somebody else's"))
	}
	g := &gathering{s: s, iid: iid, q: q, user: user}
	for n := range maxIndexed {
		err := s.query(ctx, s.forms.seatOf(user, n), topicLookup, question{User: user, Subscribe: true}, g.take, g.late)
		if err == nil {
			g.waits++
		}
	}
	return g.done()
}

// gathering are the answers of the sessions of a user.
type gathering struct {
	s     *speaker
	iid   string
	q     wire.Lookup
	user  string
	waits int
	users []wire.User
}

func (g *gathering) take(_ context.Context, a answer) error {
	var u wire.User
	if json.Unmarshal(a.User, &u) == nil {
		g.users = append(g.users, u)
	}
	g.waits--
	return g.done()
}

func (g *gathering) late(context.Context) error {
	g.waits--
	return g.done()
}

// done replies once nobody is waited for. Of somebody who is not there a session
// is told that nobody has.
func (g *gathering) done() error {
	if g.waits > 0 {
		return nil
	}
	if len(g.users) == 0 {
		id := g.s.forms.session(bridge.NewParticipantID())
		g.users = []wire.User{{ID: id, Userid: g.user, Prio: wire.Prio}}
	}
	return g.s.found(g.iid, g.q, g.users...)
}
