package asn

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/asn/rose"
)

// house is a room in which every party of all nodes has a hidden seat, its box,
// under its own participant id. A message to the box reaches the party wherever its
// connection is: nobody keeps a list, and hidden participants tell nobody that they
// come and go. So a call with a session token works over HTTP, or on any
// connection, and a client that comes back finds its party.
//
// No client can name the room: part of its name is secret. It has a secret of its
// own besides, which nobody is ever told.
type house struct {
	host bridge.Host
	id   bridge.RoomID
	spec bridge.Spec
}

func newHouse(env dialects.Env) house {
	secret := func(use string) string { return hex.EncodeToString(env.IDs.Key("asn-house-" + use)[:16]) }
	s := bridge.Secret(secret("secret"))
	return house{
		host: env.Host,
		id:   bridge.RoomID("asn*" + secret("name")),
		spec: bridge.Spec{
			Keep: true, Unlisted: true, // hidden participants do not count: it is always empty
			Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: s, bridge.Speaker: s, bridge.Listener: s},
		},
	}
}

// seat is the request for a seat; the zero id is a random one.
func (h house) seat(id bridge.ParticipantID) bridge.JoinRequest {
	return bridge.JoinRequest{Room: h.id, Create: &h.spec, ID: id, Kind: bridge.Service, AtMost: bridge.Speaker, Dialect: Name}
}

// What is said in the house, and in rooms among parties of this dialect.
const (
	topicCall     = Name + "/call"     // an operation of the receiver's party
	topicTakeover = Name + "/takeover" // give me your party: I am the same client
	topicAnswer   = Name + "/answer"   // to one of these
	topicProbe    = Name + "/probe"    // are you still there? Nobody answers

	topicSettings = Name + "/settings" // in a room: a moderator changes what a party sends
)

// call is what a box is told: an operation, or with none the id of the room that
// the party has to be in to be taken over.
type call struct {
	Op       int64         `json:",omitempty"`
	Argument []byte        `json:",omitempty"` // in JSON
	Room     bridge.RoomID `json:",omitempty"`
}

// reply is what comes back: a result, or an error.
type reply struct {
	Result []byte               `json:",omitempty"` // in JSON
	Number rose.ConferenceError `json:",omitempty"`
	Text   string               `json:",omitempty"`
	Token  string               `json:",omitempty"` // takes the seat
}

// piece is a part of a call or a reply: messages of the room are bounded.
type piece struct {
	N     string // the same for all parts
	Part  int
	Parts int
	Data  []byte
}

// Bounds of what goes through the house.
const (
	pieceSize = 128 << 10
	maxPieces = 3 * maxMessage / 2 / pieceSize // JSON in base64
	maxCalls  = 16                             // that a box collects at a time
	probeTime = 100 * time.Millisecond         // between looks whether who was asked is there
	callTime  = 4 * time.Second                // so that every call is answered within 5 (reference 2.3)
)

// send sends a message in pieces.
func send(ctx context.Context, s *bridge.Session, to bridge.ParticipantID, topic, n string, v any) error {
	data := marshal(v)
	parts := max(1, (len(data)+pieceSize-1)/pieceSize)
	if parts > maxPieces {
		return fail(rose.TooLarge, "the message is too large")
	}
	for i := range parts {
		p := piece{n, i, parts, data[i*pieceSize : min(len(data), (i+1)*pieceSize)]}
		if err := s.Do(ctx, bridge.Send{To: to, Topic: topic, Data: marshal(p)}); err != nil {
			return err
		}
	}
	return nil
}

// pieces collects messages.
type pieces map[string][]byte

// add takes a piece, and returns a message that is complete by now; nil: none.
func (m pieces) add(e bridge.Data) (n string, message []byte) {
	var p piece
	if json.Unmarshal(e.Data, &p) != nil || p.Part >= p.Parts || p.Parts > maxPieces {
		return "", nil
	}
	key := e.From.String() + p.N
	if _, known := m[key]; !known && len(m) >= maxCalls {
		clear(m) // of those who have gone in the middle of it
	}
	m[key] = append(m[key], p.Data...)
	if p.Part < p.Parts-1 {
		return "", nil
	}
	message = m[key]
	delete(m, key)
	return p.N, message
}

// ask says something to the box of a party and waits for the reply. Unauthenticated:
// there is no such party.
func (h house) ask(ctx context.Context, to bridge.ParticipantID, topic string, c call) (r reply, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	s, err := h.host.Join(ctx, h.seat(bridge.ParticipantID{}))
	if err != nil {
		return r, err
	}
	defer func() { _ = s.Leave(ctx, bridge.ByWish) }() // it leaves nothing behind
	if err := send(ctx, s, to, topic, rand.Text(), c); err != nil {
		if bridge.CodeOf(err) == bridge.NotFound {
			err = errNoParty()
		}
		return r, err
	}
	got, gone := pieces{}, false
	probe := time.NewTicker(probeTime)
	defer probe.Stop()
	for {
		select {
		case <-s.Ready():
		case <-probe.C: // it may have left with our call unread
			gone = bridge.CodeOf(s.Do(ctx, bridge.Send{To: to, Topic: topicProbe})) == bridge.NotFound
		case <-ctx.Done():
			return r, bridge.Errorf(bridge.Unavailable, "the party does not answer")
		}
		events, lost := s.Drain(ctx)
		for _, e := range events {
			d, ok := e.(bridge.Data)
			if !ok || d.Topic != topicAnswer || d.From != to {
				continue
			}
			if _, message := got.add(d); message != nil {
				return r, json.Unmarshal(message, &r)
			}
		}
		switch {
		case lost != nil:
			return r, lost
		case gone:
			return r, errNoParty()
		}
	}
}

// errNoParty says that a session token is not good.
func errNoParty() error {
	return fail(rose.TokenInvalid, "the session token is not good, or not any more")
}

// forward carries out an operation of a party that is elsewhere.
func (h house) forward(ctx context.Context, id bridge.ParticipantID, op rose.Operation, argument rose.Value) (rose.Value, error) {
	r, err := h.ask(ctx, id, topicCall, call{Op: op.ID, Argument: rose.JSON.Marshal(argument)})
	if err != nil || op.Event() {
		return nil, err
	}
	if r.Number != 0 {
		return nil, &failure{number: r.Number, text: r.Text}
	}
	v := op.Result()
	return v, rose.JSON.Unmarshal(r.Result, v)
}
