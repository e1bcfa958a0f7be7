package livekittest

import (
	"context"
	"fmt"
	"slices"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
)

// What is something that a client is told.
type What string

// What clients are told.
const (
	Came         What = "came"
	Left         What = "left"
	Said         What = "said"         // Text
	Sent         What = "sent"         // data: topic, slash, payload
	Muted        What = "muted"        // Text: a source as LiveKit spells it
	Unmuted      What = "unmuted"      // the same
	Published    What = "published"    // the same
	Unpublished  What = "unpublished"  // the same
	Talks        What = "talks"        // begins to
	Attributes   What = "attributes"   // changed
	Reconnecting What = "reconnecting" // oneself
	Reconnected  What = "reconnected"  // oneself
	Gone         What = "gone"         // oneself; Text: the reason, as the protocol spells it
)

// Told is one thing that a client was told: of whom, by identity and by name.
type Told struct {
	What      What
	Who, Name string
	Text      string
}

// matches reports whether told is of this kind; what is empty here matches any.
func (s Told) matches(told Told) bool {
	return s.What == told.What && (s.Who == "" || s.Who == told.Who) && (s.Name == "" || s.Name == told.Name) && (s.Text == "" || s.Text == told.Text)
}

// Times returns how often the client was told something; empty fields match any.
func (c *Client) Times(s Told) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, told := range c.told {
		if s.matches(told) {
			n++
		}
	}
	return n
}

// WaitTold waits until the client was told something, or returns at once if it was told
// before; empty fields match any.
func (c *Client) WaitTold(ctx context.Context, s Told) error {
	return c.Wait(ctx, fmt.Sprintf("%+v", s), func() bool { return c.Times(s) > 0 })
}

// lately is what was told last.
func (c *Client) lately() []Told {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told[max(0, len(c.told)-20):])
}

func (c *Client) tell(what What, p lksdk.Participant, text string) {
	told := Told{What: what, Text: text}
	if p != nil {
		told.Who, told.Name = p.Identity(), p.Name()
	}
	c.update(func() { c.told = append(c.told, told) })
}

// came tells of somebody, once: those who are there at first may be told of twice.
func (c *Client) came(p *lksdk.RemoteParticipant) {
	c.update(func() {
		in := 0
		for _, told := range c.told {
			if told.Who == p.Identity() && told.What == Came {
				in++
			}
			if told.Who == p.Identity() && told.What == Left {
				in--
			}
		}
		if in == 0 {
			c.told = append(c.told, Told{What: Came, Who: p.Identity(), Name: p.Name()})
		}
	})
}

func (c *Client) callbacks() *lksdk.RoomCallback {
	cb := lksdk.NewRoomCallback()
	cb.OnParticipantConnected = c.came
	cb.OnParticipantDisconnected = func(p *lksdk.RemoteParticipant) { c.tell(Left, p, "") }
	cb.OnReconnecting = func() { c.tell(Reconnecting, nil, "") }
	cb.OnReconnected = c.reconnected
	cb.OnDisconnectedWithReason = func(lksdk.DisconnectionReason) { c.tell(Gone, nil, c.Room.DisconnectReason().String()) }
	cb.OnActiveSpeakersChanged = c.speakers
	cb.OnTrackMuted = func(pub lksdk.TrackPublication, p lksdk.Participant) { c.tell(Muted, p, pub.Source().String()) }
	cb.OnTrackUnmuted = func(pub lksdk.TrackPublication, p lksdk.Participant) { c.tell(Unmuted, p, pub.Source().String()) }
	cb.OnTrackPublished = func(pub *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) { c.published(pub, p) }
	cb.OnTrackUnpublished = func(pub *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
		c.tell(Unpublished, p, pub.Source().String())
	}
	cb.OnAttributesChanged = func(map[string]string, lksdk.Participant) { c.tell(Attributes, nil, "") }
	cb.OnMetadataChanged = func(string, lksdk.Participant) { c.tell(Attributes, nil, "") }
	cb.OnTrackSubscribed = c.receive
	cb.OnDataPacket = c.readData
	return cb
}

// published tells of a track, and that it is muted, if it came so.
func (c *Client) published(pub *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
	c.tell(Published, p, pub.Source().String())
	if pub.IsMuted() {
		c.tell(Muted, p, pub.Source().String())
	}
}

func (c *Client) speakers(all []lksdk.Participant) {
	for _, p := range all {
		c.tell(Talks, p, "")
	}
}

func (c *Client) readData(packet lksdk.DataPacket, from lksdk.DataReceiveParams) {
	told := Told{Who: from.SenderIdentity}
	if from.Sender != nil {
		told.Name = from.Sender.Name()
	}
	switch p := packet.(type) {
	case *livekit.ChatMessage:
		told.What, told.Text = Said, p.Message
	case *lksdk.UserDataPacket:
		told.What, told.Text = Sent, p.Topic+"/"+string(p.Payload)
	default:
		return
	}
	c.update(func() { c.told = append(c.told, told) })
}

func (c *Client) readText(r *lksdk.TextStreamReader, from string) {
	text := r.ReadAll()
	told := Told{What: Said, Who: from, Text: text}
	if p := c.Room.GetParticipantByIdentity(from); p != nil {
		told.Name = p.Name()
	}
	c.update(func() { c.told = append(c.told, told) })
}

// reconnected mutes again what was muted: the SDK forgets it when it publishes anew.
func (c *Client) reconnected() {
	c.mu.Lock()
	var muted []livekit.TrackSource
	for src, on := range c.muted {
		if on {
			muted = append(muted, src)
		}
	}
	c.mu.Unlock()
	for _, src := range muted {
		if pub, ok := c.Room.LocalParticipant.GetTrackPublication(src).(*lksdk.LocalTrackPublication); ok && pub != nil {
			pub.SetMuted(true)
		}
	}
	c.tell(Reconnected, nil, "")
}
