package client

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"dragoman/dialects/spreed/wire"
)

// onConference follows "Processing a Conference document" of 12.1.
func (c *Client) onConference(r wire.Received) {
	var d wire.Conference
	if c.room == nil || json.Unmarshal(r.Data, &d) != nil {
		return
	}
	c.note(Entry{Kind: "conference", From: r.From, Text: d.ID, Doc: r.Data})
	if c.cfg.Idle && len(c.calls) == 0 || !c.adopt(r.From, d) {
		return
	}
	for _, id := range d.Conference {
		if x := c.calls[id]; id > c.self.ID && (x == nil || x.lost) {
			_ = c.offer(id, c.room.conference) // what fails is called again with the next document
		}
	}
}

// adopt decides whether the document concerns us, and remembers its conference.
func (c *Client) adopt(from string, d wire.Conference) bool {
	automatic := c.room.kind == wire.TypeConference
	switch len(c.calls) {
	case 0:
		if !automatic {
			return false
		}
	case 1:
		for id := range c.calls {
			if !automatic && (from != id || !slices.Contains(d.Conference, id)) {
				return false
			}
		}
		c.room.conference = d.ID
		return true
	default:
		if c.room.conference != "" && c.room.conference != d.ID {
			return false
		}
	}
	if c.room.conference == "" && !automatic {
		return false
	}
	c.room.conference = d.ID
	return true
}

// peerEvent takes what happens to the peer of a call.
func (x *call) peerEvent(c *Client, e PeerEvent) {
	if c.calls[x.remote] != x {
		return
	}
	switch e.What {
	case PeerCandidate:
		c.sendCandidate(x.remote, e.Candidate)
	case PeerConnected:
		x.connected, x.lost = true, false
		c.note(Entry{Kind: "call", From: x.remote})
		c.announceConference()
	case PeerDisconnected, PeerFailed:
		x.lost = true
		c.note(Entry{Kind: "lost", From: x.remote})
		if e.What == PeerFailed {
			c.hangUp(x.remote, "failed")
		}
	case PeerOpen:
		x.open = true
		if c.screen != "" {
			c.announceScreen(x)
		}
	case PeerShut:
		x.open = false
	case PeerMessage:
		c.channel(x, e.Data)
	}
}

// announceConference tells the others of a conference that came about by
// calls by hand.
func (c *Client) announceConference() {
	if c.room == nil || c.room.kind == wire.TypeConference {
		return
	}
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(c.calls)) {
		if c.calls[id].connected {
			ids = append(ids, id)
		}
	}
	if len(ids) < 2 {
		return
	}
	if c.room.conference == "" {
		c.lastCall++
		c.room.conference = fmt.Sprintf("%s_%d_%s", c.self.ID, c.lastCall, rand.Text())
	}
	c.send(wire.Request{Type: wire.TypeConference, Conference: &wire.Conference{
		ID: c.room.conference, Type: wire.TypeConference, Conference: append(ids, c.self.ID),
	}})
}

func (c *Client) sendCandidate(to string, ice wire.ICE) {
	ice.Type = "candidate"
	c.send(wire.Request{Type: wire.TypeCandidate, Candidate: &wire.Candidate{
		To: to, Type: wire.TypeCandidate, Candidate: json.RawMessage(object(ice)),
	}})
}

// channel takes a document from the data channel of a call.
func (c *Client) channel(x *call, data []byte) {
	d, err := wire.DecodeChannel(data)
	if err != nil {
		return
	}
	switch d.Type {
	case wire.TypeTalking:
		c.note(Entry{Kind: "talking", From: x.remote, Text: fmt.Sprint(d.Talking), Doc: data})
	case wire.TypeChat:
		if d.Chat != nil {
			c.chatFrom(x.remote, c.self.ID, *d.Chat, data)
		}
	case wire.TypeScreenshare:
		if d.Screenshare != nil {
			c.view(x.remote, d.Screenshare.ID)
		}
	default:
		c.note(Entry{Kind: "channel", From: x.remote, Text: d.Type, Doc: data})
	}
}
