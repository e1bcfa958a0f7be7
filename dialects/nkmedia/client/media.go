package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// take handles one frame.
func (c *Client) take(data []byte) {
	var f frame
	if err := json.Unmarshal(data, &f); err != nil {
		c.note(Event{Type: Failed, Text: "not a message: " + err.Error()})
		return
	}
	switch {
	case f.Result != "":
		c.answered(f)
	case f.Class == "core" && f.Cmd == "event":
		c.happened(f)
	case f.Class != "":
		c.reply(f.TID, true)
	}
}

// answered gives an answer to whoever waits for it.
func (c *Client) answered(f frame) {
	ch := c.pending[f.TID]
	delete(c.pending, f.TID)
	if ch == nil {
		return
	}
	r := reply{data: f.Data}
	if f.Result != "ok" {
		x := new(Refusal)
		if err := json.Unmarshal(f.Data, x); err != nil {
			x.Text = err.Error()
		}
		r.err = x
	}
	ch <- r
}

// reply answers a request of the server. The browser client knows one event only
// (reference 14).
func (c *Client) reply(tid int, known bool) {
	switch {
	case c.cfg.Mute:
	case known && c.cfg.Web:
		c.write(object{"result": "ok", "ping": true, "tid": tid})
	case known || !c.cfg.Web:
		c.write(object{"result": "ok", "tid": tid})
	default:
		c.write(object{"result": "error", "data": object{"code": 333, "error": "unknown event"}, "tid": tid})
	}
}

// body is what a client looks at of the body of an event.
type body struct {
	Member
	Code int    `json:"code"`
	Text string `json:"text"`
}

// happened takes an event.
func (c *Client) happened(f frame) {
	var d struct {
		Subclass string          `json:"subclass"`
		Type     string          `json:"type"`
		Obj      string          `json:"obj_id"`
		Body     json.RawMessage `json:"body"`
	}
	var b body
	if err := json.Unmarshal(f.Data, &d); err != nil {
		c.note(Event{Type: Failed, Text: "not an event: " + err.Error()})
		return
	}
	if d.Body != nil {
		_ = json.Unmarshal(d.Body, &b) // of messages of any form only what there is
	}
	e := Event{Subclass: d.Subclass, Type: d.Type, Obj: d.Obj, Member: b.Member, Text: b.Text, Code: b.Code, Body: d.Body}
	if e.Subclass == "room" {
		e.Subclass = "conf"
	}
	c.reply(f.TID, false)
	switch e.Type {
	case "started_member":
		c.meet(e.Member, "")
	case "stopped_member":
		delete(c.members, e.Member.ID)
	case "destroyed":
		c.over(e)
	}
	c.note(e)
}

// over takes in the end of an own session.
func (c *Client) over(e Event) {
	if e.Subclass != "session" {
		clear(c.members)
		return
	}
	if !c.own[e.Obj] {
		c.early[e.Obj] = true
	}
	c.forget(e.Obj)
}

// forget gives up an own session.
func (c *Client) forget(id string) {
	c.drop(id)
	delete(c.own, id)
	for of, session := range c.listens {
		if session == id {
			delete(c.listens, of)
		}
	}
}

// drop closes a connection.
func (c *Client) drop(id string) {
	if n := c.links[id]; n != nil {
		_ = n.Close() // it is over in any case
		delete(c.links, id)
	}
}

// meet notes a member, and listens to it if it is a publisher that is not one's own.
func (c *Client) meet(m Member, kind string) {
	if kind != "" {
		c.note(Event{Type: kind, Obj: c.ticket.Conf, Member: m})
	}
	c.members[m.ID] = m
	_, listens := c.listens[m.ID]
	if m.Role != Publisher || c.own[m.ID] || listens || c.cfg.Blind || c.cfg.Peers == nil || m.User == c.ticket.User {
		return
	}
	c.listens[m.ID] = ""
	c.run(func(ctx context.Context) {
		if err := c.listen(ctx, m); err != nil {
			_ = c.do(ctx, func() { // it is over, or it is told
				delete(c.listens, m.ID)
				c.note(Event{Type: Failed, Member: m, Text: err.Error()})
			})
		}
	})
}

// description is an offer or an answer.
type description struct {
	SDP string `json:"sdp"`
}

// session is what create answers.
type session struct {
	ID     string      `json:"session_id"`
	Offer  description `json:"offer"`
	Answer description `json:"answer"`
}

// create makes a session.
func (c *Client) create(ctx context.Context, data object) (s session, err error) {
	if !c.cfg.Web {
		data["wait_reply"] = true
	}
	cmd := "media/session/create"
	return s, c.Do(ctx, cmd, data, &s)
}

// listen gets what a publisher sends.
func (c *Client) listen(ctx context.Context, m Member) error {
	data := object{"type": "listen", "publisher_id": m.ID}
	if c.ticket.Password != "" {
		data["password"] = c.ticket.Password
	}
	s, err := c.create(ctx, data)
	if err != nil {
		return err
	}
	n, err := c.cfg.Peers(ctx, Use{Member: m})
	if err != nil {
		return err
	}
	if err := c.link(ctx, s.ID, n, func() { c.listens[m.ID] = s.ID }); err != nil {
		return err
	}
	answer, err := n.Answer(ctx, s.Offer.SDP)
	if err != nil {
		return err
	}
	err = c.Do(ctx, "media/session/set_answer", object{"session_id": s.ID, "answer": object{"sdp": answer}}, nil)
	if err != nil {
		return err
	}
	return c.do(ctx, func() { c.note(Event{Type: Listening, Member: m, Session: s.ID}) })
}

var errEnded = errors.New("the session has ended")

// link keeps the connection of an own session until the session ends.
func (c *Client) link(ctx context.Context, id string, n Negotiator, then func()) error {
	ended := false
	err := c.do(ctx, func() {
		if ended = c.early[id]; ended {
			return
		}
		c.own[id], c.links[id] = true, n
		then()
	})
	if err == nil && ended {
		err = errEnded
	}
	if err != nil {
		_ = n.Close() // the first error says more
	}
	return err
}

// Publish sends microphone and camera, and returns the id of the session when the
// answer was taken. more are further fields of session/create.
func (c *Client) Publish(ctx context.Context, more map[string]any) (id string, err error) {
	if c.cfg.Peers == nil {
		return "", errors.New("the client has no media")
	}
	n, err := c.cfg.Peers(ctx, Use{Publish: true})
	if err != nil {
		return "", err
	}
	offer, err := n.Offer(ctx)
	if err != nil {
		_ = n.Close() // the first error says more
		return "", err
	}
	data := c.named(object{"type": "publish", "offer": object{"sdp": offer}})
	for k, v := range more {
		data[k] = v
	}
	s, err := c.create(ctx, data)
	if err != nil {
		_ = n.Close() // the first error says more
		return "", err
	}
	if err := c.link(ctx, s.ID, n, func() {}); err != nil {
		return s.ID, err
	}
	if err := n.Accept(ctx, s.Answer.SDP); err != nil {
		return s.ID, err
	}
	return s.ID, c.do(ctx, func() { c.note(Event{Type: Publishing, Session: s.ID}) })
}

// Update changes mute states and the bitrate of an own session; nil leaves one as it
// is.
func (c *Client) Update(ctx context.Context, id string, audio, video *bool, bitrate *int) error {
	data := object{"session_id": id}
	if audio != nil {
		data["mute_audio"] = *audio
	}
	if video != nil {
		data["mute_video"] = *video
	}
	if bitrate != nil {
		data["bitrate"] = *bitrate
	}
	return c.Do(ctx, "media/session/update_media", data, nil)
}

// Destroy ends a session.
func (c *Client) Destroy(ctx context.Context, id string) error {
	cmd, data := "media/session/destroy", object{"session_id": id}
	if c.cfg.Web {
		cmd, data = "media/session/stop", object{"session_id": id, "code": 0, "reason": "user stop"}
	}
	err := c.Do(ctx, cmd, data, nil)
	return cmp.Or(err, c.do(ctx, func() { c.forget(id) }))
}

// Say writes a text into the message log.
func (c *Client) Say(ctx context.Context, text string) error {
	return c.Do(ctx, c.conf("msglog_send"), c.named(object{"msg": object{"type": "text", "text": text}}), nil)
}

// EndConf ends the conference for everybody.
func (c *Client) EndConf(ctx context.Context) error {
	return c.Do(ctx, c.conf("destroy"), c.named(object{}), nil)
}

// Members returns all members of the conference, one's own sessions included, by
// user and id.
func (c *Client) Members(ctx context.Context) (all []Member, err error) {
	err = c.look(ctx, func() {
		for _, m := range c.members {
			all = append(all, m)
		}
	})
	slices.SortFunc(all, func(a, b Member) int {
		return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.ID, b.ID))
	})
	return all, err
}

// Leave ends the own sessions, as the user of a real client does, and closes the
// connection.
func (c *Client) Leave(ctx context.Context) error {
	var own []string
	err := c.do(ctx, func() {
		for id := range c.own {
			own = append(own, id)
		}
	})
	slices.Sort(own)
	for _, id := range own {
		err = cmp.Or(err, c.Destroy(ctx, id))
	}
	c.Close()
	return err
}

// Close closes the connection, with all that belongs to it, and returns when that
// is done.
func (c *Client) Close() {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = c.do(c.ctx, func() { c.ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second)) }) // it is closed in any case
	c.Kill()
}

// Kill drops the connection without a word, as a crash does, and returns when
// everything that belongs to it has ended.
func (c *Client) Kill() {
	c.stop()
	<-c.after
}
