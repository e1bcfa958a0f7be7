package client

import (
	"context"
	"encoding/json"
)

// take takes a frame.
func (c *Client) take(data []byte) {
	var f struct {
		Namespace string          `json:"namespace"`
		Payload   json.RawMessage `json:"payload"`
	}
	var p payload
	if json.Unmarshal(data, &f) != nil || json.Unmarshal(f.Payload, &p) != nil {
		return
	}
	c.apply(p, f.Payload)
	c.note(Message{
		Namespace: f.Namespace, Name: p.Message, ID: p.ID, Source: p.Source, Sort: p.Sort, Error: p.Error, SDP: p.SDP, Kind: p.Kind,
		Receiving: p.Receiving, Content: p.Content, Scope: p.Scope, Target: p.Target, Focus: p.Focus, Raw: f.Payload,
	})
}

// apply does what follows from a message.
func (c *Client) apply(p payload, raw json.RawMessage) {
	switch p.Message {
	case "join_success":
		c.self.ID, c.self.Control.Role = p.ID, p.Role
		c.self.Control.Name = c.cfg.Name
		for i := range p.Participants {
			c.know(&p.Participants[i])
		}
	case "joined", "update":
		who := new(Person)
		if json.Unmarshal(raw, who) == nil && who.ID != "" {
			c.know(who)
		}
	case "left":
		delete(c.people, p.ID)
		for _, sort := range sorts() {
			c.down(Session{p.ID, sort})
			delete(c.flags, Session{p.ID, sort})
		}
	case "role_updated":
		c.self.Control.Role = p.NewRole
	case "webrtc_down":
		c.down(Session{p.Source, p.Sort})
	}
}

func sorts() [2]string { return [...]string{"video", "screen"} }

// know notes somebody anew, and subscribes to what is new. The Mustang client keeps
// flags that are not told any more (reference 13.2).
func (c *Client) know(p *Person) {
	c.people[p.ID] = p
	for _, sort := range sorts() {
		s := Session{p.ID, sort}
		told := p.session(sort)
		if told != nil {
			c.flags[s] = *told
		} else if c.cfg.Web {
			delete(c.flags, s)
		}
		wanted := told != nil
		if !c.cfg.Web {
			wanted = c.flags[s].Audio || c.flags[s].Video
		}
		if wanted && c.tiles[s] == nil && c.cfg.Peers != nil {
			ctx, stop := context.WithCancel(c.ctx)
			c.tiles[s] = stop
			c.run(func() { c.subscribe(ctx, s) })
		}
	}
}

// down forgets a session that is over. The Mustang client goes on to wait for what it
// has asked for (reference 13.2).
func (c *Client) down(s Session) {
	c.drop(s)
	if stop := c.tiles[s]; stop != nil && c.cfg.Web {
		stop()
	}
	delete(c.tiles, s)
}

// drop closes a connection.
func (c *Client) drop(s Session) {
	if n := c.links[s]; n != nil {
		_ = n.Close() // it is over in any case
		delete(c.links, s)
	}
}

// about makes a waiter for a message about a session.
func (c *Client) about(name string, s Session) *waiter {
	w := &waiter{found: make(chan Message, 1), match: func(m Message) bool {
		return m.Name == name && m.Source == s.Who && m.Sort == s.Sort
	}}
	if !c.cfg.Web {
		w.name = name
	}
	return w
}

// expect sends a command and waits for what it brings about.
func (c *Client) expect(ctx context.Context, w *waiter, action string, fields map[string]any) (Message, error) {
	err := c.act(ctx, func() {
		c.listen = append(c.listen, w)
		c.command(action, fields)
	})
	if err != nil {
		return Message{}, err
	}
	return w.wait(ctx)
}

// link makes the client's side of a connection.
func (c *Client) link(ctx context.Context, s Session, publish bool) (Negotiator, error) {
	n, err := c.cfg.Peers(ctx, s, publish)
	if err != nil {
		return nil, err
	}
	if err := c.act(ctx, func() { c.drop(s); c.links[s] = n }); err != nil {
		_ = n.Close()
		return nil, err
	}
	return n, nil
}

// of are the fields that name a session.
func (s Session) of() map[string]any {
	return map[string]any{"target": s.Who, "media_session_type": s.Sort}
}

func (s Session) with(key string, v any) map[string]any {
	m := s.of()
	m[key] = v
	return m
}

// subscribe gets a session of somebody. A real client does not tell anybody when
// it cannot, either.
func (c *Client) subscribe(ctx context.Context, s Session) {
	offer, err := c.expect(ctx, c.about("sdp_offer", s), "subscribe", s.of())
	if err != nil {
		return
	}
	n, err := c.link(ctx, s, false)
	if err != nil {
		return
	}
	answer, err := n.Answer(ctx, offer.SDP)
	if err != nil {
		return
	}
	if _, err = c.expect(ctx, c.about("webrtc_up", s), "sdp_answer", s.with("sdp", answer)); err != nil {
		return
	}
	_ = c.Act(ctx, "media", "configure", s.with("configuration", map[string]any{"video": true}))
}

// Publish sends the camera with its microphone ("video"), or the screen. The
// Mustang client first waits until all that it has subscribed to is up.
func (c *Client) Publish(ctx context.Context, sort string, st State) error {
	if !c.cfg.Web {
		if err := c.settled(ctx); err != nil {
			return err
		}
	}
	var s Session
	if err := c.do(ctx, func() { s = Session{c.self.ID, sort} }); err != nil {
		return err
	}
	n, err := c.link(ctx, s, true)
	if err != nil {
		return err
	}
	offer, err := n.Offer(ctx)
	if err != nil {
		return err
	}
	answered, up, receiving := c.about("sdp_answer", s), c.about("webrtc_up", s), c.about("media_status", s)
	answered.next = up
	if c.cfg.Web {
		err = c.do(ctx, func() { c.listen = append(c.listen, receiving) })
	} else { // it listens for the second only when it has the first
		up.next = receiving
	}
	var answer Message
	if err == nil {
		answer, err = c.expect(ctx, answered, "publish", s.with("sdp", offer))
	}
	if err == nil {
		err = n.Accept(ctx, answer.SDP)
	}
	if err == nil {
		_, err = up.wait(ctx)
	}
	if err == nil {
		_, err = receiving.wait(ctx)
	}
	if err != nil {
		return err
	}
	return c.Act(ctx, "media", "publish_complete", state(sort, st))
}

// settled waits until no subscription is under way.
func (c *Client) settled(ctx context.Context) error {
	idle := make(chan struct{})
	if err := c.do(ctx, func() { c.idle = append(c.idle, idle); c.rest() }); err != nil {
		return err
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
