package client

import (
	"crypto/rand"
	"encoding/json"

	"dragoman/dialects/spreed/wire"
)

// handle is what the client does with a type of document.
type handle func(c *Client, r wire.Received)

func handlers() map[string]handle {
	return map[string]handle{
		wire.TypeSelf:       (*Client).onSelf,
		wire.TypeWelcome:    func(c *Client, r wire.Received) { c.welcomed(r.Data) },
		wire.TypeError:      (*Client).onError,
		wire.TypeUsers:      func(*Client, wire.Received) {},
		wire.TypeSessions:   func(*Client, wire.Received) {},
		wire.TypeAlive:      func(*Client, wire.Received) {},
		wire.TypeRoom:       (*Client).onRoom,
		wire.TypeJoined:     (*Client).onJoined,
		wire.TypeLeft:       (*Client).onLeft,
		wire.TypeStatus:     (*Client).onStatus,
		wire.TypeChat:       (*Client).onChat,
		wire.TypeConference: (*Client).onConference,
		wire.TypeOffer:      (*Client).onOffer,
		wire.TypeAnswer:     (*Client).onAnswer,
		wire.TypeCandidate:  (*Client).onCandidate,
		wire.TypeBye:        (*Client).onBye,
	}
}

// frame takes what the server says. What has an Iid goes to the request that
// waits for it, besides.
func (c *Client) frame(data []byte) {
	var r wire.Received
	if json.Unmarshal(data, &r) != nil {
		return
	}
	kind := wire.TypeOf(r.Data)
	if isRoom(r.Data) {
		kind = wire.TypeRoom
	}
	if h := handlers()[kind]; h != nil {
		h(c, r)
	}
	if ch := c.replies[r.Iid]; r.Iid != "" && ch != nil {
		delete(c.replies, r.Iid)
		ch <- replyOf(r.Data)
	}
}

// isRoom reports whether a document is a Room: its Type is the type of the room, so
// that in a room of type Conference it says Conference. The web client takes it for
// an empty one of those (5.4).
func isRoom(doc []byte) bool {
	var d struct{ Name *string }
	return json.Unmarshal(doc, &d) == nil && d.Name != nil
}

func replyOf(doc []byte) reply {
	if wire.TypeOf(doc) != wire.TypeError {
		return reply{doc: doc}
	}
	var e wire.Error
	if err := json.Unmarshal(doc, &e); err != nil {
		return reply{err: err}
	}
	return reply{err: &Refused{Code: e.Code, Message: e.Message}}
}

func (c *Client) onSelf(r wire.Received) {
	if json.Unmarshal(r.Data, &c.self) != nil {
		return
	}
	c.note(Entry{Kind: "self", Text: c.self.ID, Doc: r.Data})
	if c.selfSeen != nil {
		close(c.selfSeen)
		c.selfSeen = nil
	}
}

func (c *Client) onError(r wire.Received) {
	var e wire.Error
	_ = json.Unmarshal(r.Data, &e)
	c.note(Entry{Kind: "error", Text: e.Code, Doc: r.Data})
}

func (c *Client) onRoom(r wire.Received) {
	var at wire.Room
	if c.room == nil || json.Unmarshal(r.Data, &at) != nil {
		return
	}
	c.room.pin = ""
	if at.Credentials != nil {
		c.room.pin = at.Credentials.PIN
	}
	c.note(Entry{Kind: "room", From: r.From, Text: c.room.pin, Doc: r.Data})
}

func (c *Client) onJoined(r wire.Received) {
	var j wire.Joined
	if c.room == nil || json.Unmarshal(r.Data, &j) != nil {
		return
	}
	c.room.users[j.ID] = wire.User{Type: wire.Online, ID: j.ID, Userid: j.Userid, Ua: j.Ua, Prio: j.Prio, Status: j.Status}
	c.note(Entry{Kind: "joined", From: j.ID, Text: j.Ua, Doc: r.Data})
}

func (c *Client) onLeft(r wire.Received) {
	var l wire.Left
	if json.Unmarshal(r.Data, &l) != nil {
		return
	}
	c.note(Entry{Kind: "left", From: l.ID, Text: l.Status, Doc: r.Data})
	if c.room != nil {
		delete(c.room.users, l.ID)
	}
}

func (c *Client) onStatus(r wire.Received) {
	var s wire.Status
	if c.room == nil || json.Unmarshal(r.Data, &s) != nil {
		return
	}
	u, known := c.room.users[s.ID]
	if known && s.Rev < u.Rev {
		return // an older one, as the iOS client takes it
	}
	u.ID, u.Userid, u.Rev, u.Prio, u.Status = s.ID, s.Userid, s.Rev, s.Prio, s.Status
	c.room.users[s.ID] = u
	c.note(Entry{Kind: "status", From: s.ID, Text: nameIn(s.Status), Doc: r.Data})
}

func (c *Client) onChat(r wire.Received) {
	var x wire.Chat
	if json.Unmarshal(r.Data, &x) == nil && x.Chat != nil {
		c.chatFrom(r.From, x.To, *x.Chat, r.Data)
	}
}

// chatFrom takes a chat document, wherever it came from. A private one is
// addressed to us; it is confirmed when it wants to be.
func (c *Client) chatFrom(from, to string, m wire.Message, doc []byte) {
	if m.Status != nil {
		c.chatState(from, *m.Status, doc)
	}
	if m.Mid != "" && m.Status != nil && m.Status.State == wire.StateSent {
		c.note(Entry{Kind: "sent", Text: m.Mid, Doc: doc})
		return
	}
	if m.Message == "" {
		return
	}
	kind := "chat"
	if to == c.self.ID && to != "" {
		kind = "whisper"
	} else if to != "" {
		return // "invalid room"
	}
	c.note(Entry{Kind: kind, From: from, Text: m.Message, Doc: doc})
	if kind == "whisper" && m.Mid != "" && from != c.self.ID {
		c.message(from, &wire.Message{NoEcho: true, Status: &wire.ChatStatus{State: wire.StateDelivered, Mid: m.Mid}})
	}
}

func (c *Client) chatState(from string, s wire.ChatStatus, doc []byte) {
	if s.Typing != "" {
		c.note(Entry{Kind: "typing", From: from, Text: s.Typing, Doc: doc})
	}
	if s.State == wire.StateDelivered {
		c.note(Entry{Kind: "delivered", From: from, Text: s.Mid, Doc: doc})
	}
	for _, mid := range s.SeenMids {
		c.note(Entry{Kind: "seen", From: from, Text: mid, Doc: doc})
	}
}

// chat sends a message.
func (c *Client) chat(to, text, mid string) {
	c.message(to, &wire.Message{Message: text, Mid: mid, NoEcho: true})
}

// message sends a private message over the data channel of the call with its
// receiver, if there is one, and everything else over the socket.
func (c *Client) message(to string, m *wire.Message) {
	if x := c.calls[to]; to != "" && x != nil && x.open {
		data, err := json.Marshal(wire.ChannelDocument{Type: wire.TypeChat, To: to, Chat: m})
		if err == nil && x.peer.Message(data) == nil {
			return
		}
	}
	c.send(wire.Request{Type: wire.TypeChat, Chat: &wire.Chat{Type: wire.TypeChat, To: to, Chat: m}})
}

func (c *Client) newMid() string { return rand.Text() }
