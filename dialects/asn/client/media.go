package client

import (
	"context"

	"dragoman/dialects/asn/rose"
)

// take takes a message of the server's.
func (c *Client) take(data []byte) {
	m, err := c.cfg.Encoding.Decode(data)
	if err != nil {
		return // a generated client throws it away, too
	}
	switch {
	case m.Invoke != nil:
		c.event(m.Invoke)
	case m.Result != nil:
		c.settle(m.Result.InvokeID, func(p *pending) error {
			if m.Result.Result == nil {
				return &Refusal{Text: "there is no result"}
			}
			err := m.Result.Result.Result.Into(p.result)
			if err == nil {
				c.learn(p.result)
			}
			return err
		})
	case m.Error != nil:
		c.settle(m.Error.InvokedID, func(*pending) error {
			var e rose.RequestError
			if err := m.Error.Error.Into(&e); err != nil {
				return err
			}
			return &Refusal{Number: e.ErrorDetail, Text: e.ErrorString}
		})
	case m.Reject.InvokedID.InvokedID != nil:
		c.settle(*m.Reject.InvokedID.InvokedID, func(*pending) error {
			r := &Refusal{}
			if p := m.Reject.Reject; p != nil && p.InvokeProblem != nil {
				r.Problem = *p.InvokeProblem
			}
			if m.Reject.Details != nil {
				r.Text = *m.Reject.Details
			}
			return r
		})
	}
}

// settle ends a call.
func (c *Client) settle(id int64, how func(*pending) error) {
	if p := c.open[id]; p != nil {
		delete(c.open, id)
		p.done <- how(p)
	}
}

// learn does what follows from a result.
func (c *Client) learn(v rose.Value) {
	switch r := v.(type) {
	case *rose.JoinConferenceResult:
		c.self, c.session = r.PartyID, r.SessionToken
		if r.PublishID != nil {
			c.publish = *r.PublishID
		}
		for i := range r.Parties {
			c.know(&r.Parties[i])
		}
		c.note(Event{Name: Joined, Argument: r})
	case *rose.LeaveConferenceResult:
		c.session = ""
	}
}

// event does what follows from an event.
func (c *Client) event(m *rose.Invoke) {
	if m.OperationID == nil {
		return
	}
	op, ok := rose.Lookup(*m.OperationID, "")
	if !ok {
		return
	}
	v := op.Argument()
	if m.Argument.Into(v) != nil {
		return
	}
	switch a := v.(type) {
	case *rose.PartyAddedArgument:
		c.know(&a.Party)
	case *rose.PartyChangedArgument:
		c.know(&a.Party)
	case *rose.PartyRemovedArgument:
		delete(c.parties, a.PartyID)
		c.drop(sub{a.PartyID, false})
		c.drop(sub{a.PartyID, true})
	case *rose.SDPOfferArgument:
		c.offered(a)
	case *rose.SDPAnswerArgument:
		c.forLeg(a.SubscriptionID, a)
	case *rose.TrickleIceArgument:
		c.forLeg(a.SubscriptionID, a)
	}
	c.note(Event{Name: op.Name, Argument: v})
}

// media returns what a party publishes.
func media(p *rose.ConferenceParty) (m Media) {
	for _, x := range p.Media {
		m.Audio = m.Audio || x.MediaType == rose.MediaAudio
		m.Video = m.Video || x.MediaType == rose.MediaVideo
		m.Screen = m.Screen || x.MediaType == rose.MediaScreen
	}
	return m
}

// know notes a party anew, and subscribes to what is new.
func (c *Client) know(p *rose.ConferenceParty) {
	c.parties[p.PartyID] = p
	if p.PartyID == c.self || c.cfg.Peers == nil {
		return
	}
	m := media(p)
	c.want(sub{p.PartyID, false}, m.Audio || m.Video)
	c.want(sub{p.PartyID, true}, m.Screen)
}

// want subscribes, if it is not done yet, or forgets a subscription that the server
// has closed.
func (c *Client) want(s sub, on bool) {
	l, known := c.subs[s]
	switch {
	case on && !known:
		c.subs[s] = nil
		c.run(func(ctx context.Context) { c.subscribe(ctx, s) })
	case on && !s.screen && l != nil:
		c.run(func(ctx context.Context) { c.extend(ctx, s, l) })
	case !on && l != nil:
		c.drop(s)
	}
}

// drop forgets a subscription.
func (c *Client) drop(s sub) {
	if l := c.subs[s]; l != nil {
		c.close(l)
		delete(c.legs, l.id)
	}
	delete(c.subs, s)
}

// close closes a leg beside the loop: it may wait for a candidate of its own to be
// told, which the loop does.
func (c *Client) close(l *leg) {
	c.run(func(context.Context) { l.Close() })
}

// settings are what is asked for of a party.
func (c *Client) settings(s sub) (all []rose.MediaSetting) {
	p := c.parties[s.party]
	if p == nil {
		return nil
	}
	for _, m := range p.Media {
		if (m.MediaType == rose.MediaScreen) == s.screen {
			all = append(all, rose.MediaSetting{MediaType: m.MediaType})
		}
	}
	return all
}

// subscribe gets media of a party. The offer may come before this knows the id that
// it is for; then it is kept.
func (c *Client) subscribe(ctx context.Context, s sub) {
	a := &rose.SubscribeMediaArgument{PartyID: s.party}
	if c.do(ctx, func() { a.SessionToken, a.Media = c.session, c.settings(s) }) != nil {
		return
	}
	var r rose.SubscribeMediaResult
	err := c.Call(ctx, rose.OpSubscribeMedia, a, &r)
	var l *leg
	if err == nil {
		l, err = c.leg(ctx, r.SubscriptionID, Use{Party: s.party, Screen: s.screen})
	}
	_ = c.do(ctx, func() {
		if err != nil {
			delete(c.subs, s) // it is asked for again when something changes
			return
		}
		if _, wanted := c.subs[s]; !wanted {
			c.close(l) // the party is gone
			return
		}
		c.subs[s] = l
		c.enter(l)
		if !s.screen && len(c.settings(s)) > len(a.Media) { // more has come meanwhile
			c.run(func(ctx context.Context) { c.extend(ctx, s, l) })
		}
	})
}

// extend asks for what a party publishes besides.
func (c *Client) extend(ctx context.Context, s sub, l *leg) {
	a := &rose.ConfigureMediaArgument{SubscriptionID: l.id}
	if c.do(ctx, func() { a.SessionToken, a.Media = c.session, c.settings(s) }) != nil || len(a.Media) == 0 {
		return
	}
	for i := range a.Media {
		a.Media[i].Enabled = new(true)
	}
	_ = c.Call(ctx, rose.OpConfigureMedia, a, new(rose.ConfigureMediaResult)) // what is there goes on
}

// leg makes the client's side of a leg.
func (c *Client) leg(ctx context.Context, id string, u Use) (*leg, error) {
	n, err := c.cfg.Peers(ctx, u)
	if err != nil {
		return nil, err
	}
	l := &leg{n, id, u}
	n.OnCandidate(func(text, mid string, index int) {
		_ = c.do(c.ctx, func() { c.candidate(l, text, mid, index) })
	})
	return l, nil
}

// candidate sends a candidate of one's own. It is called in the loop.
func (c *Client) candidate(l *leg, text, mid string, index int) {
	if text == "" {
		c.send(rose.OpGatheringIceCompleted, &rose.GatheringIceCompletedArgument{SubscriptionID: l.id, SessionToken: &c.session})
		return
	}
	c.send(rose.OpTrickleIce, &rose.TrickleIceArgument{
		SubscriptionID: l.id, SessionToken: &c.session,
		ICECandidate: rose.ConferenceIceCandidate{Candidate: text, SDPMid: mid, SDPMLineIndex: int64(index)},
	})
}

// enter makes a leg known, with what has come for it already.
func (c *Client) enter(l *leg) {
	c.legs[l.id] = l
	early := c.early[l.id]
	delete(c.early, l.id)
	for _, v := range early {
		if o, ok := v.(*rose.SDPOfferArgument); ok {
			c.offered(o)
		} else {
			c.forLeg(l.id, v)
		}
	}
}

// offered answers an offer for a subscription.
func (c *Client) offered(a *rose.SDPOfferArgument) {
	l := c.legs[a.SubscriptionID]
	if l == nil {
		c.early[a.SubscriptionID] = append(c.early[a.SubscriptionID], a)
		return
	}
	c.run(func(ctx context.Context) {
		answer, err := l.Answer(ctx, a.SDP)
		if err != nil {
			answer = "" // refuses it
		}
		_ = c.do(ctx, func() {
			c.send(rose.OpSDPAnswer, &rose.SDPAnswerArgument{SubscriptionID: l.id, SDP: answer, SessionToken: &c.session})
			c.note(Event{Name: Negotiated, Use: l.use})
		})
	})
}

// forLeg gives a leg an answer or a candidate.
func (c *Client) forLeg(id string, v rose.Value) {
	l := c.legs[id]
	if l == nil {
		if len(c.early[id]) < 64 {
			c.early[id] = append(c.early[id], v)
		}
		return
	}
	if x, ok := v.(*rose.TrickleIceArgument); ok {
		_ = l.AddCandidate(x.ICECandidate.Candidate, x.ICECandidate.SDPMid, int(x.ICECandidate.SDPMLineIndex)) // others will do
	}
}

// Publish sends m from now on; nothing of it ends what is sent. It returns when the
// server has answered.
func (c *Client) Publish(ctx context.Context, m Media) error {
	var id string
	var l *leg
	var told int
	if err := c.do(ctx, func() { id, l, told = c.publish, c.legs[c.publish], c.told }); err != nil {
		return err
	}
	if l == nil {
		made, err := c.leg(ctx, id, Use{Publish: true})
		if err != nil {
			return err
		}
		l = made
		if err := c.do(ctx, func() { c.enter(l) }); err != nil {
			return err
		}
	}
	offer, sections, err := l.Offer(ctx, m)
	if err != nil {
		return err
	}
	err = c.do(ctx, func() {
		c.sent = m
		c.send(rose.OpSDPOffer, &rose.SDPOfferArgument{SubscriptionID: id, SDP: offer, SessionToken: &c.session, Sections: sections})
	})
	if err != nil {
		return err
	}
	e, err := c.Wait(ctx, func(e Event) bool {
		a, ok := e.Argument.(*rose.SDPAnswerArgument)
		return ok && e.N > told && a.SubscriptionID == id
	})
	if err != nil {
		return err
	}
	answer, _ := e.Argument.(*rose.SDPAnswerArgument)
	if answer.SDP == "" {
		return &Refusal{Text: "the offer is refused"}
	}
	return l.Accept(ctx, answer.SDP)
}

// Published returns what is sent.
func (c *Client) Published(ctx context.Context) (m Media, err error) {
	return m, c.look(ctx, func() { m = c.sent })
}
