package spreed

import (
	"context"
	"encoding/json"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// house is a room in which every Spreed connection of all nodes has a hidden
// seat, under the participant id that its public Id carries. Posting to that seat
// is how a session is reached from anywhere: nobody keeps a list, and hidden
// participants tell nobody that they come and go.
//
// No client can name the room: part of its name is secret. It has a secret of its
// own besides, which nobody is ever told.
type house struct {
	host bridge.Host
	id   bridge.RoomID
	spec bridge.Spec
}

func newHouse(env dialects.Env) house {
	f := forms{env.IDs}
	secret := bridge.Secret(f.mac("spreed-house", []byte("secret")))
	return house{
		host: env.Host,
		id:   bridge.RoomID("spreed*" + f.mac("spreed-house", []byte("name"))),
		spec: bridge.Spec{
			Keep: true, Unlisted: true, // hidden participants do not count: it is always empty
			Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: secret, bridge.Speaker: secret, bridge.Listener: secret},
		},
	}
}

// seat is the request for a seat; the zero id is a random one.
func (h house) seat(id bridge.ParticipantID) bridge.JoinRequest {
	return bridge.JoinRequest{
		Room: h.id, Create: &h.spec, ID: id,
		Kind: bridge.Service, AtMost: bridge.Speaker, Dialect: Name,
	}
}

// What speakers tell each other. Those of the first group go through the house,
// to a session wherever it is; those of the second group through the room that
// both are in, so that they keep their place among its events.
const (
	topicDocument = "spreed/document" // a document for the client of the receiver, From the sender
	topicTakeover = "spreed/takeover" // give me your seat: I am the same client
	topicNonce    = "spreed/nonce"    // does this Sid belong to you, and take this nonce
	topicLookup   = "spreed/lookup"   // who are you
	topicContact  = "spreed/contact"  // a chat with a contact request
	topicSent     = "spreed/sent"     // the contact request was delivered
	topicPicture  = "spreed/picture"  // your picture
	topicAnswer   = "spreed/answer"   // to one of these questions

	topicJoined  = "spreed/joined"  // the sender said Hello again
	topicRoom    = "spreed/room"    // the sender changed the room; sealed
	topicShout   = "spreed/shout"   // a document for everybody's client
	topicCall    = "spreed/call"    // the sender's client calls the receiver's
	topicAccept  = "spreed/accept"  // the receiver's client has taken the call
	topicBye     = "spreed/bye"     // the call is over
	topicChannel = "spreed/channel" // a document for the data channel
)

// question is what is asked of a session. Which fields mean something depends on
// the topic.
type question struct {
	N         uint64 `json:",omitempty"` // echoed in the answer
	Sid       string `json:",omitempty"`
	User      string `json:",omitempty"`
	Subscribe bool   `json:",omitempty"` // wants to be told when the session ends
}

// answer is what a session answers.
type answer struct {
	N     uint64                 `json:",omitempty"`
	OK    bool                   `json:",omitempty"`
	Token bridge.ResumeToken     `json:",omitempty"`
	Room  roomKey                `json:",omitzero"`
	Rev   uint64                 `json:",omitempty"`
	Fans  []bridge.ParticipantID `json:",omitempty"`
	Nonce string                 `json:",omitempty"`
	User  json.RawMessage        `json:",omitempty"`

	// Pictures come in parts.
	MIME  string    `json:",omitempty"`
	Tag   string    `json:",omitempty"`
	Made  time.Time `json:",omitzero"`
	Part  []byte    `json:",omitempty"`
	Parts int       `json:",omitempty"` // how many there are
}

// ask sends a question to a session and waits for so many answers as the first
// one announces, at least one. NotFound: there is no such session.
func (h house) ask(ctx context.Context, to bridge.ParticipantID, topic string, q question) ([]answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	s, err := h.host.Join(ctx, h.seat(bridge.ParticipantID{}))
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Leave(ctx, bridge.ByWish) }() // it leaves nothing behind
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if err := s.Do(ctx, bridge.Send{To: to, Topic: topic, Data: data}); err != nil {
		return nil, err
	}
	var all []answer
	for {
		select {
		case <-s.Ready():
		case <-ctx.Done():
			return nil, bridge.Errorf(bridge.Unavailable, "the session does not answer")
		}
		events, err := s.Drain(ctx)
		for _, e := range events {
			d, ok := e.(bridge.Data)
			if !ok || d.Topic != topicAnswer || d.From != to {
				continue
			}
			var a answer
			if err := json.Unmarshal(d.Data, &a); err != nil {
				return nil, err
			}
			if all = append(all, a); len(all) >= max(1, all[0].Parts) {
				return all, nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
}
