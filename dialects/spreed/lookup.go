package spreed

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/spreed/wire"
)

// hear is what is done with what another speaker says.
type hear func(s *speaker, ctx context.Context, d bridge.Data) error

// hearing are the topics of the house.
func hearing() map[string]hear {
	return map[string]hear{
		topicDocument: (*speaker).document,
		topicTakeover: (*speaker).handOver,
		topicNonce:    (*speaker).takeNonce,
		topicLookup:   (*speaker).introduce,
		topicContact:  (*speaker).contactAsked,
		topicSent:     (*speaker).contactSent,
		topicPicture:  (*speaker).showPicture,
		topicAnswer:   (*speaker).answered,
	}
}

// told takes what came to a seat in the house.
func (s *speaker) told(ctx context.Context, d bridge.Data) error {
	if h := s.notes[d.Topic]; h != nil && !s.leaving {
		return h(s, ctx, d)
	}
	return nil
}

// document is a document of another session for this client (reference 3.2).
func (s *speaker) document(_ context.Context, d bridge.Data) error {
	return s.unicast(address{id: d.From}, s.forms.session(d.From), json.RawMessage(d.Data))
}

// unicast writes a document of somebody.
func (s *speaker) unicast(from address, id string, doc any) error {
	return s.write(wire.Envelope{Data: doc, From: id, To: s.id, A: s.tokens.attestation(from, time.Now())})
}

// pass sends a document to the client of a session, wherever it is. Whether it
// arrives nobody is told (reference 3.3).
func (s *speaker) pass(ctx context.Context, to bridge.ParticipantID, doc any) error {
	data, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if to == s.me {
		return s.unicast(address{id: s.me}, s.id, json.RawMessage(data))
	}
	if at := s.at; at != nil && at.members[to] != nil && !at.members[to].Away {
		// In the room that both are in, it keeps its place among the room's events.
		return s.gentle(at.session.Do(ctx, bridge.Send{To: to, Topic: topicDocument, Data: data}))
	}
	return s.gentle(s.house.Do(ctx, bridge.Send{To: to, Topic: topicDocument, Data: data}))
}

// respond answers a question of another speaker, or of an HTTP handler.
func (s *speaker) respond(ctx context.Context, d bridge.Data, a answer) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.gentle(s.house.Do(ctx, bridge.Send{To: d.From, Topic: topicAnswer, Data: data}))
}

func read[T any](d bridge.Data) (v T) {
	_ = json.Unmarshal(d.Data, &v) // only speakers of ours write this
	return v
}

// query asks a session something without waiting. NotFound: there is none.
func (s *speaker) query(ctx context.Context, to bridge.ParticipantID, topic string, q question, took func(context.Context, answer) error, late func(context.Context) error) error {
	s.lastN++
	n := s.lastN
	q.N = n
	data, err := json.Marshal(q)
	if err != nil {
		return err
	}
	if err := s.house.Do(ctx, bridge.Send{To: to, Topic: topic, Data: data}); err != nil {
		return err
	}
	s.asked[n] = &asked{took: took, expire: s.after(askTime, func(ctx context.Context) error {
		delete(s.asked, n)
		return late(ctx)
	})}
	return nil
}

func (s *speaker) answered(ctx context.Context, d bridge.Data) error {
	a := read[answer](d)
	x := s.asked[a.N]
	if x == nil {
		return nil
	}
	x.expire()
	delete(s.asked, a.N)
	return x.took(ctx, a)
}

// introduce tells another session who this is.
func (s *speaker) introduce(ctx context.Context, d bridge.Data) error {
	q := read[question](d)
	if q.User != "" && q.User != s.user {
		return nil
	}
	if q.Subscribe {
		s.addFan(d.From)
	}
	user, err := json.Marshal(s.entry())
	if err != nil {
		return err
	}
	return s.respond(ctx, d, answer{N: q.N, OK: true, User: user})
}

// entry is this session in the list of a Sessions reply.
func (s *speaker) entry() wire.User {
	return wire.User{ID: s.id, Userid: s.user, Ua: s.ua, Rev: s.rev, Prio: wire.Prio, Status: s.status}
}

// takeNonce keeps a nonce with which the client may become a user, if whoever
// brings it knows the Sid.
func (s *speaker) takeNonce(ctx context.Context, d bridge.Data) error {
	q := read[question](d)
	sid := s.forms.secret(s.me)
	if subtle.ConstantTimeCompare([]byte(q.Sid), []byte(sid)) != 1 || s.user != "" {
		return s.respond(ctx, d, answer{N: q.N})
	}
	s.nonce = newNonce(q.User, time.Now())
	return s.respond(ctx, d, answer{N: q.N, OK: true, Nonce: s.nonce.value})
}

// handOver gives all that this session has to its client's new connection, and
// ends (reference 4.1).
func (s *speaker) handOver(ctx context.Context, d bridge.Data) error {
	a := answer{OK: true, Rev: s.rev, Fans: s.fans}
	switch {
	case s.at != nil:
		at := s.at
		s.at = nil
		a.Room, a.Token = at.key, at.detach(ctx)
	case s.back != nil:
		a.Room, a.Token = s.back.key, s.back.token
		s.back.expire()
		s.back = nil
	}
	s.leaving = true
	if err := s.respond(ctx, d, a); err != nil {
		return err
	}
	return &dialects.Hangup{}
}

// maxIndexed is how many sessions of one user are found.
const maxIndexed = 8

// enlist takes a seat in the house at which the sessions of this user are found.
func (s *speaker) enlist(ctx context.Context) {
	if s.user == "" || s.index != nil || s.gone {
		return
	}
	for n := range maxIndexed {
		id := s.forms.seatOf(s.user, n)
		probe := bridge.Send{To: id, Topic: topicLookup + "?"}
		if bridge.CodeOf(s.house.Do(ctx, probe)) != bridge.NotFound {
			continue // somebody sits there
		}
		x, err := s.c.Join(ctx, s.server.house.seat(id))
		if err == nil {
			s.index = x
		}
		return
	}
}

// onSessions handles Sessions (reference 5.10).
func (s *speaker) onSessions(ctx context.Context, r wire.Request) error {
	if r.Sessions == nil || r.Sessions.Sessions == nil {
		return s.reply(r.Iid, refused(codeBadRequest, "no token was given"))
	}
	q := *r.Sessions.Sessions
	switch q.Type {
	case wire.LookupSession:
		return s.findSession(ctx, r.Iid, q)
	case wire.LookupContact:
		return s.findContact(ctx, r.Iid, q)
	}
	return s.reply(r.Iid, refused(codeBadRequest, "there is no such type of token"))
}

func (s *speaker) found(iid string, q wire.Lookup, users ...wire.User) error {
	return s.reply(iid, wire.Sessions{Type: wire.TypeSessions, Sessions: q, Users: users})
}

func (s *speaker) findSession(ctx context.Context, iid string, q wire.Lookup) error {
	who, ok := s.tokens.openAttestation(q.Token, time.Now())
	if !ok {
		return s.reply(iid, refused(codeBadAttestation, "the attestation does not hold"))
	}
	none := func(context.Context) error { return s.reply(iid, refused(codeNoSession, "there is no such session")) }
	if s.at != nil {
		if x := s.at.members[who.id]; x != nil && x.virtual() == who.virtual {
			u := s.at.user(x)
			u.Type = ""
			return s.found(iid, q, u)
		}
	}
	switch {
	case who.virtual:
		return none(ctx) // those of other rooms are nobody's business
	case who.id == s.me:
		return s.found(iid, q, s.entry())
	}
	took := func(_ context.Context, a answer) error {
		var u wire.User
		if err := json.Unmarshal(a.User, &u); err != nil {
			return err
		}
		return s.found(iid, q, u)
	}
	if err := s.query(ctx, who.id, topicLookup, question{}, took, none); err != nil {
		return none(ctx)
	}
	return nil
}
