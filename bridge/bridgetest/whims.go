package bridgetest

import (
	"fmt"
	"time"

	"dragoman/bridge"
)

func (c *crowd) command(h *head) bridge.Command {
	on := c.IntN(2) == 0
	id, pub := pick(c, c.ids), pick(c, c.pubs)
	var some []bridge.ParticipantID
	for range c.IntN(3) {
		some = append(some, pick(c, c.heads).At.Self.ID)
	}
	if c.IntN(2) == 0 {
		id = pick(c, c.heads).At.Self.ID
	}
	to := pick(c, []bridge.ParticipantID{{}, id})
	text := fmt.Sprint(c.IntN(5))
	role, permissions := bridge.Role(c.IntN(5)), bridge.Permissions(1)<<c.IntN(12)
	track := bridge.Track(c.IntN(2))
	return pick(c, []bridge.Command{
		bridge.Enter{},
		bridge.Rename{Name: text},
		bridge.SetAttrs{Attrs: map[string]string{"a": pick(c, []string{"", text})}},
		bridge.RaiseHand{Up: on},
		bridge.ReportTalking{On: on},
		bridge.ReportQuality{Score: c.IntN(7)},
		c.publish(h), c.publish(h),
		bridge.SetTrack{ID: pub, Track: track, Muted: on},
		bridge.Unpublish{ID: pub},
		bridge.Subscribe{ID: pub},
		bridge.Unsubscribe{ID: pub},
		bridge.Want{ID: pub, Layer: pick(c, []string{"", "q", "h", "x"})},
		bridge.Mute{Targets: some, Track: track, Force: on, Off: c.IntN(2) == 0},
		bridge.SetRole{Target: id, Role: role},
		bridge.Permit{Target: id, Add: permissions},
		bridge.Permit{Target: id, Remove: permissions},
		bridge.LowerHands{Targets: some},
		bridge.Kick{Target: id, Ban: c.IntN(9) == 0},
		bridge.Admit{Target: id, OK: c.IntN(4) > 0},
		bridge.SendToWaiting{Target: id},
		bridge.MoveTo{Target: id, Room: "other"},
		bridge.Say{ID: bridge.NewMessageID(), To: to, Text: text},
		bridge.Say{ID: bridge.NewMessageID(), Group: pick(c, []string{"", "g", "h"}), Text: text},
		bridge.Typing{To: to, On: on},
		bridge.Seen{Scope: pick(c, []string{"", "g", id.String()}), At: time.Now()},
		bridge.ClearChat{},
		bridge.Send{To: to, Topic: pick(c, []string{"ahoy/x", "poll/x"})},
		bridge.PutDoc{Key: pick(c, []string{"a", "b"}), Value: []byte(pick(c, []string{"", text})), IfVersion: pick(c, []uint64{0, 1, 2, bridge.AnyVersion})},
		bridge.Lock{On: on},
		bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{role: "a"}},
		bridge.Describe{Title: &text},
		bridge.SetEnd{At: pick(c, []time.Time{{}, time.Now().Add(90 * time.Hour)})},
		bridge.SetWaitingRoom{On: on},
		bridge.AllowHands{On: on},
		bridge.AllowChat{On: c.IntN(4) > 0},
		bridge.SetMax{Max: c.IntN(3) * 6},
		bridge.Record{On: on},
	})
}

func (c *crowd) publish(h *head) bridge.Publish {
	p := bridge.Publication{
		ID: c.own(h), Source: bridge.Source(c.IntN(2)),
		Audio: bridge.TrackState(c.IntN(4)), Video: bridge.TrackState(c.IntN(3)),
	}
	if c.IntN(2) == 0 {
		p.Layers = []bridge.Layer{{RID: "q"}, {RID: "h"}}
	}
	return bridge.Publish{Publication: p}
}

// own is the id of a stream that somebody has, had, or will have.
func (c *crowd) own(h *head) bridge.PublicationID {
	if len(h.pubs) == 0 || c.IntN(3) == 0 {
		h.pubs = append(h.pubs, bridge.NewPublicationID())
		c.pubs = append(c.pubs, h.pubs[len(h.pubs)-1])
	}
	return pick(c, h.pubs)
}

// favours is what the room's program does, so that not everybody is soon out.
func (c *crowd) favours() []bridge.Command {
	id := pick(c, c.ids)
	return []bridge.Command{
		bridge.Admit{Target: id, OK: true},
		bridge.Admit{Target: pick(c, c.heads).At.Self.ID, OK: true},
		bridge.SetSecrets{},
		bridge.Lock{},
		bridge.SetMax{},
		bridge.SetWaitingRoom{},
		bridge.AllowChat{On: true},
		bridge.AllowHands{On: true},
		bridge.SetRole{Target: id, Role: bridge.Moderator},
		bridge.Permit{Target: id, Add: bridge.Permissions(c.Uint32()) & bridge.Moderator.Permissions()},
		bridge.Mute{Off: true},
		bridge.Mute{Track: bridge.Video, Off: true},
	}
}
