package nkmedia

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// hall is a room in which connections meet that have to know of each other, on
// whatever node they are. No client can name it, or come in: part of its name is
// secret, and so is what it asks for.
type hall struct {
	room   bridge.RoomID
	spec   bridge.Spec
	secret bridge.Secret
	key    []byte
}

// halls are the three that there are.
//
// In the house every connection that has logged in has a hidden seat, under an id
// that is made of its API session's. Whoever is first has it (JoinRequest.New), so
// that ids are unique; and posting to that seat is how the session is reached.
//
// At the desk every media session has one in the same way.
//
// On the stage are those who want to know of sessions of others. It is there as
// long as there is one.
type halls struct{ house, desk, stage hall }

func newHalls(ids dialects.IDs) halls {
	key := ids.Key(Name)
	mac := func(text string) string {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}
	make := func(name string) hall {
		secret := bridge.Secret(mac("secret/" + name))
		return hall{
			room: bridge.RoomID("nkmedia*" + name + "*" + mac("name/"+name)), key: key, secret: secret,
			spec: bridge.Spec{
				Keep: true, Unlisted: true, // hidden participants do not count: it is always empty
				Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: secret, bridge.Speaker: secret, bridge.Listener: secret},
			},
		}
	}
	h := halls{make("house"), make("desk"), make("stage")}
	h.stage.spec.Keep = false
	return h
}

// id is the id of the seat of a session, by the id that clients know.
func (h hall) id(session string) bridge.ParticipantID {
	m := hmac.New(sha256.New, h.key)
	m.Write([]byte("seat/" + string(h.room) + "/" + session))
	id, _ := bridge.ParticipantIDFrom(m.Sum(nil)[:16])
	return id
}

// seat is the request for a hidden seat that nobody else has; the zero id is a
// random one.
func (h hall) seat(id bridge.ParticipantID) bridge.JoinRequest {
	return bridge.JoinRequest{
		Room: h.room, Create: &h.spec, ID: id, New: true,
		Kind: bridge.Service, AtMost: bridge.Speaker, Dialect: Name,
	}
}

// What connections tell each other, by topic.
const (
	topicEvent   = Name + "/event"   // deliver an event: told
	topicCreated = Name + "/created" // a conference was made: made
	topicGone    = Name + "/gone"    // a client has ended a conference: made
	topicWho     = Name + "/who"     // who are you: who
	topicHere    = Name + "/here"    // the answer: here
	topicStop    = Name + "/stop"    // hang up: asking
	topicAsk     = Name + "/ask"     // do something with a media session: asking
	topicAnswer  = Name + "/answer"  // the answer: answering
)

type (
	told struct {
		From  string // the API session of the connection that tells it; it has delivered it already
		Topic topic
		Body  json.RawMessage `json:",omitempty"`
	}
	made struct {
		Room bridge.RoomID
		Body json.RawMessage `json:",omitempty"` // of the event
	}
	who struct {
		N    uint64
		User string `json:",omitempty"` // only this one
	}
	here struct {
		N                  uint64
		User, API, Address string
	}
	asking struct {
		N    uint64
		Cmd  string          `json:",omitempty"`
		Data json.RawMessage `json:",omitempty"`
	}
	answering struct {
		N     uint64
		Data  json.RawMessage `json:",omitempty"`
		Fault *fault          `json:",omitempty"`
	}
)

// send posts something to a seat in the same hall, or with the zero id to all.
func send(ctx context.Context, x *bridge.Session, to bridge.ParticipantID, topic string, v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return x.Do(ctx, bridge.Send{To: to, Topic: topic, Data: data})
}

// houseSeat is the seat of the API session.
type houseSeat struct{ *speaker }

func (s houseSeat) event(ctx context.Context, e bridge.Event) error {
	if end, over := e.(bridge.Ended); over && end.Reason == bridge.ByShutdown {
		return &dialects.Hangup{Code: websocket.CloseGoingAway, Reason: "going away"} // clients come back
	}
	d, ok := e.(bridge.Data)
	if !ok {
		return nil
	}
	switch d.Topic {
	case topicEvent:
		return s.overheard(d.Data)
	case topicCreated:
		return s.created(ctx, d.Data)
	case topicGone:
		return s.gone(d.Data)
	case topicWho:
		return s.introduce(ctx, d)
	case topicAnswer:
		return s.settle(ctx, d.Data)
	case topicStop:
		var q asking
		if json.Unmarshal(d.Data, &q) != nil {
			return nil
		}
		data, err := encode(object{"user": s.user})
		if err == nil {
			err = send(ctx, s.house, d.From, topicAnswer, answering{N: q.N, Data: data})
		}
		return orHangup(err)
	}
	return nil
}

func orHangup(err error) error {
	if err != nil {
		return err
	}
	return hangup("stopped")
}

// lost ends the connection: without its seat nobody reaches it.
func (s houseSeat) lost(context.Context, error) error { return hangup("the server ends") }

// overheard delivers what another connection tells.
func (s *speaker) overheard(data []byte) error {
	var t told
	if json.Unmarshal(data, &t) != nil || t.From == s.api {
		return nil
	}
	return s.deliver(t.Topic, t.Body)
}

// shout tells all connections of an event, this one included.
func (s *speaker) shout(ctx context.Context, t topic, body json.RawMessage) error {
	if err := s.deliver(t, body); err != nil {
		return err
	}
	return send(ctx, s.house, bridge.ParticipantID{}, topicEvent, told{s.api, t, body})
}

// emit tells of an event of a session: this client, and whoever is on the stage.
func (s *speaker) emit(ctx context.Context, t topic, body object) error {
	raw, err := rawOf(body)
	if err != nil {
		return err
	}
	if err := s.deliver(t, raw); err != nil {
		return err
	}
	return s.gentle(s.stage(ctx, told{s.api, t, raw}))
}

// stage tells those on the stage, if there is anybody but oneself.
func (s *speaker) stage(ctx context.Context, t told) error {
	h := s.d.halls.stage
	info, err := s.d.env.Host.Lookup(ctx, h.room)
	alone := 0
	if s.watcher != nil {
		alone = 1
	}
	if err != nil || info.Members <= alone {
		return nil
	}
	if s.watcher != nil {
		return send(ctx, s.watcher, bridge.ParticipantID{}, topicEvent, t)
	}
	x, err := s.d.env.Host.Join(ctx, h.seat(bridge.ParticipantID{}))
	if err != nil {
		return err
	}
	defer func() { _ = x.Leave(ctx, bridge.ByWish) }() // hidden: nobody notices
	return send(ctx, x, bridge.ParticipantID{}, topicEvent, t)
}

// stageSeat is a seat on the stage.
type stageSeat struct{ *speaker }

func (s stageSeat) event(_ context.Context, e bridge.Event) error {
	if d, ok := e.(bridge.Data); ok && d.Topic == topicEvent {
		return s.overheard(d.Data)
	}
	return nil
}

func (s stageSeat) lost(ctx context.Context, _ error) error {
	s.watcher = nil
	return s.attend(ctx)
}

// attend goes on the stage or off it, as the subscriptions want.
func (s *speaker) attend(ctx context.Context) error {
	wanted := false
	for _, sub := range s.subs {
		wanted = wanted || !sub.auto && sub.Class == mediaClass && (sub.Subclass == sessionClass || sub.Subclass == anything)
	}
	switch {
	case wanted && s.watcher == nil:
		h := s.d.halls.stage
		x, err := s.join(ctx, bridge.JoinRequest{Room: h.room, Create: &h.spec, Secret: h.secret}, stageSeat{s})
		if err != nil {
			return err
		}
		s.watcher = x
	case !wanted && s.watcher != nil:
		s.leave(ctx, s.watcher)
		s.watcher = nil
	}
	return nil
}
