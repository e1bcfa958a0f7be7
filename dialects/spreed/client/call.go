package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"dragoman/dialects/spreed/wire"
)

// call is a call with one session.
type call struct {
	remote    string
	peer      Peer // nil while it rings at us
	offer     string
	dialing   bool // we wait for the answer
	manual    bool // dialled by hand: has a timer
	connected bool
	lost      bool // the transport is not up any more
	open      bool // the data channel is
	queued    []wire.ICE
	timer     func()
}

func (x *call) close() {
	if x.timer != nil {
		x.timer()
	}
	if x.peer != nil {
		_ = x.peer.Close() // it is given up
	}
}

// Call calls somebody.
func (c *Client) Call(ctx context.Context, name string) error {
	return c.to(ctx, name, func(id string) error { return c.offer(id, "") })
}

// Hangup ends the call with somebody.
func (c *Client) Hangup(ctx context.Context, name, reason string) error {
	return c.to(ctx, name, func(id string) error { c.hangUp(id, reason); return nil })
}

// Take takes a call that rings.
func (c *Client) Take(ctx context.Context, name string) error {
	return c.to(ctx, name, func(id string) error {
		x := c.calls[id]
		if x == nil || x.peer != nil {
			return fmt.Errorf("%s does not call", name)
		}
		c.answer(x)
		return nil
	})
}

// Cut makes the transport of a call look lost, as a network change does.
func (c *Client) Cut(ctx context.Context, name string) error {
	return c.to(ctx, name, func(id string) error {
		if x := c.calls[id]; x != nil {
			x.peerEvent(c, PeerEvent{What: PeerDisconnected})
		}
		return nil
	})
}

// Calls returns the session ids with which there are calls.
func (c *Client) Calls(ctx context.Context) (ids []string, err error) {
	err = c.do(ctx, func() { ids = slices.Sorted(maps.Keys(c.calls)) })
	return ids, err
}

// offer calls a session: by hand, or for a conference.
func (c *Client) offer(id, conference string) error {
	if c.cfg.Peers == nil {
		return nil
	}
	if old := c.calls[id]; old != nil {
		old.close()
	}
	x := &call{remote: id, dialing: true, manual: conference == ""}
	peer, err := c.newPeer(x, Call, id, true)
	if err != nil {
		return err
	}
	x.peer = peer
	c.calls[id] = x
	sdp, err := peer.Offer(c.ctx)
	if err != nil {
		c.hangUp(id, "failed")
		return err
	}
	c.sendOffer(id, wire.Description{Type: "offer", SDP: sdp, Conference: conference})
	if x.manual {
		x.timer = c.after(dialTime, func() {
			if c.calls[id] == x && x.dialing {
				c.hangUpAll("ringertimeout")
			}
		})
	}
	return nil
}

func (c *Client) onOffer(r wire.Received) {
	var o wire.Offer
	var d wire.Description
	if json.Unmarshal(r.Data, &o) != nil || json.Unmarshal(o.Offer, &d) != nil {
		return
	}
	if d.Token != "" {
		c.onTokenOffer(r.From, d)
		return
	}
	c.note(Entry{Kind: "offer", From: r.From, Text: d.Conference, Doc: r.Data})
	live := c.calls[r.From]
	switch {
	case c.cfg.Peers == nil:
		c.bye(r.From, "usermedia")
	case live != nil && live.connected && !live.lost:
		c.hangUp(r.From, "unsupported") // renegotiation is off
	case c.busy(live, d.Conference):
		c.bye(r.From, "busy")
	default:
		c.ring(r.From, d)
	}
}

// busy reports whether an offer is refused because of other calls. One of another
// conference always is (12.1).
func (c *Client) busy(live *call, conference string) bool {
	if conference == "" {
		return len(c.calls) > 0 && (live == nil || !live.lost)
	}
	if c.room != nil && c.room.conference == conference {
		return false
	}
	return !c.cfg.Idle || len(c.calls) > 0
}

// ring takes a call, at once or when the user does.
func (c *Client) ring(from string, d wire.Description) {
	if old := c.calls[from]; old != nil {
		old.close()
	}
	x := &call{remote: from, offer: d.SDP}
	c.calls[from] = x
	known := c.room != nil && d.Conference != "" && c.room.conference == d.Conference
	if known || c.cfg.Pickup {
		if c.room != nil && d.Conference != "" {
			c.room.conference = d.Conference
		}
		c.answer(x)
		return
	}
	c.note(Entry{Kind: "ringing", From: from})
	x.timer = c.after(pickupTime, func() {
		if c.calls[from] == x && x.peer == nil {
			c.hangUp(from, "pickuptimeout")
		}
	})
}

func (c *Client) answer(x *call) {
	peer, err := c.newPeer(x, Call, x.remote, false)
	if err != nil {
		c.hangUp(x.remote, "failed")
		return
	}
	x.peer = peer
	sdp, err := peer.Answer(c.ctx, x.offer)
	if err != nil {
		c.hangUp(x.remote, "error")
		return
	}
	c.send(wire.Request{Type: wire.TypeAnswer, Answer: &wire.Answer{
		To: x.remote, Type: wire.TypeAnswer, Answer: object(wire.Description{Type: "answer", SDP: sdp}),
	}})
	for _, ice := range x.queued {
		_ = peer.AddCandidate(c.ctx, ice)
	}
	x.queued = nil
}

func (c *Client) onAnswer(r wire.Received) {
	var a wire.Answer
	var d wire.Description
	if json.Unmarshal(r.Data, &a) != nil || json.Unmarshal(a.Answer, &d) != nil {
		return
	}
	if d.Token != "" {
		c.onTokenAnswer(r.From, d)
		return
	}
	c.note(Entry{Kind: "answer", From: r.From, Doc: r.Data})
	x := c.calls[r.From]
	if x == nil || !x.dialing {
		return
	}
	x.dialing = false
	if err := x.peer.Accept(c.ctx, d.SDP); err != nil {
		c.hangUp(r.From, "error")
	}
}

func (c *Client) onCandidate(r wire.Received) {
	var d wire.Candidate
	var ice wire.ICE
	if json.Unmarshal(r.Data, &d) != nil || json.Unmarshal(d.Candidate, &ice) != nil {
		return
	}
	if ice.Token != "" {
		if t := c.tokenPeer(tokenKey{r.From, ice.Token, string(ice.ID)}); t != nil {
			_ = t.peer.AddCandidate(c.ctx, ice)
		}
		return
	}
	switch x := c.calls[r.From]; {
	case x == nil:
	case x.peer == nil:
		x.queued = append(x.queued, ice)
	default:
		_ = x.peer.AddCandidate(c.ctx, ice)
	}
}

func (c *Client) onBye(r wire.Received) {
	var b wire.Bye
	var why wire.Reason
	if json.Unmarshal(r.Data, &b) != nil {
		return
	}
	_ = json.Unmarshal(b.Bye, &why)
	c.note(Entry{Kind: "bye", From: r.From, Text: why.Reason, Doc: r.Data})
	c.drop(r.From)
}

// drop ends a call on this side. The conference is forgotten with the last but
// one (12.1).
func (c *Client) drop(id string) {
	x := c.calls[id]
	if x == nil {
		return
	}
	x.close()
	delete(c.calls, id)
	if len(c.calls) <= 1 && c.room != nil {
		c.room.conference = ""
	}
	if len(c.calls) == 0 {
		c.endScreens()
	}
}

func (c *Client) hangUp(id, reason string) {
	c.bye(id, reason)
	c.drop(id)
}

func (c *Client) hangUpAll(reason string) {
	for _, id := range slices.Sorted(maps.Keys(c.calls)) {
		c.hangUp(id, reason)
	}
}

func (c *Client) bye(id, reason string) {
	c.send(wire.Request{Type: wire.TypeBye, Bye: &wire.Bye{
		To: id, Type: wire.TypeBye, Bye: object(wire.Reason{Reason: reason}),
	}})
}

func (c *Client) sendOffer(to string, d wire.Description) {
	c.send(wire.Request{Type: wire.TypeOffer, Offer: &wire.Offer{To: to, Type: wire.TypeOffer, Offer: object(d)}})
}

func object(v any) wire.Object {
	data, err := json.Marshal(v)
	if err != nil {
		return nil // structs of texts always encode
	}
	return data
}
