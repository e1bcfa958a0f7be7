package client

import (
	"encoding/json"
	"strings"

	"dragoman/dialects/ahoy/percent"
)

// handlers is what the client does about indications and requests of the server.
var handlers = map[string]func(*Client, frame){
	"CONFERENCE_JOIN_response":    (*Client).onJoined,
	"CONFERENCE_JOIN_indication":  (*Client).onJoin,
	"CONFERENCE_LEAVE_indication": (*Client).onLeave,
	"CONFERENCE_LOCK_indication":  func(c *Client, f frame) { c.joined.Locked = f.Locked },
	"MEDIA_indication":            (*Client).onMedia,
	"MEDIA_event":                 (*Client).onEvent,
	"MEDIA_RECEIVE_request":       (*Client).onReceive,
	"SDP_request":                 (*Client).onOffer,
}

// take handles one frame.
func (c *Client) take(data []byte) {
	var f frame
	if err := json.Unmarshal(data, &f); err != nil {
		c.log.add(Event{Type: Failed, Text: "not a message: " + err.Error(), Raw: data})
		return
	}
	if h := handlers[f.MessageType]; h != nil && (f.Status == 0 || f.Status == statusOK) {
		if f.MessageType == "CONFERENCE_JOIN_response" {
			c.joined.Raw = data
		}
		h(c, f)
	}
	c.log.add(Event{Type: f.MessageType, Member: c.subject(f), Text: text(f), Raw: data})
	if ch := c.pending[f.TransactionID]; ch != nil && strings.HasSuffix(f.MessageType, "_response") {
		delete(c.pending, f.TransactionID)
		ch <- reply{frame: f, raw: data}
	}
}

// subject returns whom a message is about, as far as this client knows.
func (c *Client) subject(f frame) Member {
	d := f.Member
	if f.From.MemberID != "" {
		d = f.From
	}
	if m, ok := c.members[d.MemberID]; ok {
		return m
	}
	return d.member()
}

func text(f frame) string {
	switch {
	case f.Message.Text != "":
		return unwrap(f.Message.Text)
	case f.Event != "":
		return f.Event
	}
	return f.Description
}

// unwrap takes what the clients of the field show of a chat text (reference 4.8).
func unwrap(s string) string {
	var object struct {
		Chat *string `json:"chat"`
	}
	if json.Unmarshal([]byte(s), &object) == nil && object.Chat != nil {
		return *object.Chat
	}
	var plain string
	if json.Unmarshal([]byte(s), &plain) == nil {
		return plain
	}
	return s
}

func (c *Client) onJoined(f frame) {
	self := Member{ID: f.MemberID, Name: c.ticket.Name, Moderator: f.Moderator, Speaker: f.Speaker, WebRTC: f.WebRTC}
	c.joined = Joined{
		Self: self, SpeakerID: f.SpeakerID, ConferenceID: f.ConferenceID, Name: f.ConferenceName,
		Description: f.Description, Locked: f.Locked, RemainingSeconds: f.Remaining,
		ICEServers: f.ICEServers, Raw: c.joined.Raw,
	}
	var wishes []any
	for _, d := range f.Members {
		m := d.member()
		c.members[m.ID] = m
		c.joined.Members = append(c.joined.Members, m)
		if m.AudioAvailable || m.VideoAvailable {
			wishes = append(wishes, c.wish(m))
		}
	}
	c.ask(f.MemberID, wishes)
}

func (c *Client) onJoin(f frame) { c.members[f.Member.MemberID] = f.Member.member() }

func (c *Client) onLeave(f frame) {
	c.drop(f.Member.MemberID)
	delete(c.members, f.Member.MemberID)
}

// onMedia subscribes anew, whatever has changed: so do all real clients.
func (c *Client) onMedia(f frame) {
	m, ok := c.members[f.Member.MemberID]
	if !ok {
		return
	}
	m = m.with(f.Audio, f.Video)
	c.members[m.ID] = m
	if !m.AudioAvailable && !m.VideoAvailable {
		c.drop(m.ID)
	}
	c.ask(m.ID, []any{c.wish(m)})
}

func (c *Client) onEvent(f frame) {
	m, ok := c.members[f.Member.MemberID]
	if !ok {
		return
	}
	switch f.Event {
	case "start_speaking":
		m.Speaking = true
	case "stop_speaking":
		m.Speaking = false
	case "audio_muted":
		m.AudioMuted = true
	case "audio_unmuted":
		m.AudioMuted = false
	}
	c.members[m.ID] = m
}

func (c *Client) wish(m Member) map[string]any {
	q := c.cfg.Quirks
	return map[string]any{"memberID": m.ID, "audio": q.flag(m.AudioAvailable), "video": q.flag(m.VideoAvailable)}
}

// ask asks for the media of members. Its response is for the log only.
func (c *Client) ask(id string, wishes []any) {
	if c.cfg.Blind || c.cfg.Peers == nil || len(wishes) == 0 {
		return
	}
	if !c.cfg.Quirks.MemberIDs {
		id = "media-" + id
	}
	c.write(map[string]any{"messageType": "MEDIA_request", "transactionID": id, "members": wishes})
}

// drop closes what is received of a member.
func (c *Client) drop(id string) {
	if l := c.receivers[id]; l != nil && l.peer != nil {
		l.peer.Close()
	}
	delete(c.receivers, id)
}

// onReceive: the server wants to receive.
func (c *Client) onReceive(f frame) {
	l := c.publisher
	if l == nil {
		l = new(link)
		c.publisher = l
	}
	u := c.wanted
	u.Publish, u.Member = true, c.joined.Self
	c.negotiate(l, offered{f: f, use: u, kind: "MEDIA_RECEIVE_response"})
}

// onOffer: the server wants to send.
func (c *Client) onOffer(f frame) {
	m, ok := c.members[f.Member.MemberID]
	if !ok {
		m = f.Member.member()
	}
	l := c.receivers[m.ID]
	if l == nil {
		l = new(link)
		c.receivers[m.ID] = l
	}
	u := Use{Member: m, Audio: strings.Contains(f.SDP, "m=audio"), Video: strings.Contains(f.SDP, "m=video")}
	c.negotiate(l, offered{f: f, use: u, kind: "SDP_response"})
}

// offered is an offer that is to be answered.
type offered struct {
	f    frame
	use  Use
	kind string // of the response
	turn int
}

// answered is the outcome.
type answered struct {
	offered
	link *link
	peer Negotiator // nil: there is none
	sdp  string
	err  error
}

// negotiate makes an answer, beside the loop.
func (c *Client) negotiate(l *link, o offered) {
	l.turn++
	o.turn = l.turn
	offer := percent.Unescape(o.f.SDP) // all clients of the field do, so a server must not send a "%"
	c.running++
	go func() {
		a := answered{offered: o, link: l, err: errNoMedia}
		if c.cfg.Peers != nil {
			a.peer, a.err = c.cfg.Peers(c.ctx, o.use)
		}
		if a.err == nil {
			a.sdp, a.err = a.peer.Answer(c.ctx, offer)
		}
		c.answers <- a
	}()
}

// answer sends an answer and replaces the connection that was there.
func (c *Client) answer(a answered) {
	m := map[string]any{"messageType": a.kind, "transactionID": a.f.TransactionID}
	if a.err != nil {
		if a.peer != nil {
			a.peer.Close()
		}
		m["status"], m["reason"] = statusFailed, "no answer"
		c.write(m)
		c.log.add(Event{Type: Failed, Text: a.err.Error(), Member: a.use.Member, Use: a.use})
		return
	}
	if c.stale(a) {
		a.peer.Close() // a newer offer came, or the member left
	} else {
		if a.link.peer != nil && !c.cfg.Quirks.LeakPeers {
			a.link.peer.Close()
		}
		a.link.peer = a.peer
	}
	if c.cfg.Quirks.EscapeSDP {
		a.sdp = percent.Escape(a.sdp)
	}
	m["sdp"] = a.sdp
	if !c.cfg.Quirks.NoStatus {
		m["status"], m["reason"] = statusOK, "OK"
	}
	c.write(m)
	c.log.add(Event{Type: Answered, Member: a.use.Member, Use: a.use})
}

func (c *Client) stale(a answered) bool {
	current := c.publisher
	if !a.use.Publish {
		current = c.receivers[a.use.Member.ID]
	}
	return current != a.link || a.turn != a.link.turn
}
