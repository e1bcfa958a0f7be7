package livekittest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"dragoman/media/mediatest"
)

// place is where something comes from.
type place struct {
	identity string
	source   livekit.TrackSource
}

// Flow is what came of one source of somebody.
type Flow struct {
	mediatest.Stats        // since the track was subscribed to last
	Subscriptions   int    // so far, of whatever track
	SID             string // of the track
	Ended           bool   // nothing comes any more
}

// keyGap is the time between two requests for a key frame.
const keyGap = 500 * time.Millisecond

// receive reads a track until it ends.
func (c *Client) receive(t *webrtc.TrackRemote, pub *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
	at := place{p.Identity(), pub.Source()}
	var nth int
	begun := false
	c.update(func() {
		if c.over {
			return
		}
		begun = true
		c.wg.Add(1)
		f := c.flows[at]
		if f == nil {
			f = &Flow{}
			c.flows[at] = f
		}
		f.Subscriptions++
		nth = f.Subscriptions
		f.Stats, f.SID, f.Ended = mediatest.Stats{Level: 127}, pub.SID(), false
	})
	if !begun {
		return
	}
	go func() {
		defer c.wg.Done()
		c.read(t, pub, p, func(change func(f *Flow)) {
			c.update(func() {
				if f := c.flows[at]; f.Subscriptions == nth { // else there is another one since
					change(f)
				}
			})
		})
	}()
}

func (c *Client) read(t *webrtc.TrackRemote, pub *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant, update func(func(*Flow))) {
	defer update(func(f *Flow) { f.Ended = true })
	_, codec, _ := strings.Cut(t.Codec().MimeType, "/")
	in := mediatest.NewReceiver(pub.SID(), t.Kind().String(), codec, levelID(pub.Receiver()))
	if t.Kind() == webrtc.RTPCodecTypeVideo {
		p.WritePLI(t.SSRC())
	}
	buf, asked := make([]byte, 1600), time.Now()
	for {
		n, _, err := t.Read(buf)
		if err != nil {
			return
		}
		packet := &rtp.Packet{}
		if packet.Unmarshal(append([]byte(nil), buf[:n]...)) != nil {
			continue
		}
		frames := in.Stats().Frames
		in.Push(packet, time.Now())
		if now := in.Stats(); c.o.Delay != nil && now.Frames > frames {
			c.o.Delay(time.Since(now.Last.Sent))
		}
		update(func(f *Flow) { f.Stats = in.Stats() })
		if now := time.Now(); in.Stuck() && now.Sub(asked) > keyGap { // like a decoder that cannot go on
			asked = now
			p.WritePLI(t.SSRC())
		}
	}
}

// levelID is the number of the header extension of audio levels; 0: there is none.
func levelID(r *webrtc.RTPReceiver) uint8 {
	if r == nil {
		return 0
	}
	for _, x := range r.GetParameters().HeaderExtensions {
		if x.URI == sdp.AudioLevelURI {
			return uint8(x.ID)
		}
	}
	return 0
}

// Received returns what has come of a source of somebody.
func (c *Client) Received(identity string, src livekit.TrackSource) Flow {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flows[place{identity, src}]; f != nil {
		return *f
	}
	return Flow{}
}

// Track returns somebody's track as the server tells of it, or nil.
func (c *Client) Track(identity string, src livekit.TrackSource) *livekit.TrackInfo {
	if pub := c.publication(identity, src); pub != nil {
		return pub.TrackInfo()
	}
	return nil
}

func (c *Client) publication(identity string, src livekit.TrackSource) *lksdk.RemoteTrackPublication {
	p := c.Room.GetParticipantByIdentity(identity)
	if p == nil {
		return nil
	}
	pub, ok := p.GetTrackPublication(src).(*lksdk.RemoteTrackPublication)
	if !ok {
		return nil
	}
	return pub
}

// Subscribe asks for somebody's source, or ends that.
func (c *Client) Subscribe(identity string, src livekit.TrackSource, on bool) error {
	pub := c.publication(identity, src)
	if pub == nil {
		return fmt.Errorf("%s does not publish %v", identity, src)
	}
	return pub.SetSubscribed(on)
}

// SetQuality asks for a layer of somebody's video.
func (c *Client) SetQuality(identity string, src livekit.TrackSource, q livekit.VideoQuality) error {
	pub := c.publication(identity, src)
	if pub == nil {
		return fmt.Errorf("%s does not publish %v", identity, src)
	}
	return pub.SetVideoQuality(q)
}

// WritePLI asks for a key frame of somebody's video.
func (c *Client) WritePLI(identity string, src livekit.TrackSource) error {
	pub := c.publication(identity, src)
	if pub == nil || pub.TrackRemote() == nil {
		return fmt.Errorf("%v of %s is not received", src, identity)
	}
	c.Room.GetParticipantByIdentity(identity).WritePLI(pub.TrackRemote().SSRC())
	return nil
}

// since returns how much of a count is new: it begins anew with each subscription.
func since(before, now Flow, count func(Flow) int) int {
	if before.Subscriptions != now.Subscriptions {
		return count(now)
	}
	return count(now) - count(before)
}

// WaitVideo waits until n more frames than now have come of somebody's video.
func (c *Client) WaitVideo(ctx context.Context, identity string, src livekit.TrackSource, n int) error {
	before := c.Received(identity, src)
	return c.waitFlow(ctx, fmt.Sprintf("%d frames of %v of %s", n, src, identity), identity, src, func(f Flow) bool {
		return since(before, f, func(f Flow) int { return f.Frames }) >= n
	})
}

// WaitLayer waits until frames of a layer come of somebody's video, 0 for the lowest.
func (c *Client) WaitLayer(ctx context.Context, identity string, src livekit.TrackSource, layer uint8) error {
	return c.waitFlow(ctx, fmt.Sprintf("layer %d of %s", layer, identity), identity, src, func(f Flow) bool {
		return f.Frames > 0 && f.Last.Layer == layer
	})
}

// WaitSound waits until sound comes of somebody that is not silence.
func (c *Client) WaitSound(ctx context.Context, identity string, src livekit.TrackSource) error {
	before := c.Received(identity, src)
	return c.waitFlow(ctx, fmt.Sprintf("sound of %v of %s", src, identity), identity, src, func(f Flow) bool {
		return since(before, f, func(f Flow) int { return f.Loud }) >= 5
	})
}

func (c *Client) waitFlow(ctx context.Context, what, identity string, src livekit.TrackSource, met func(f Flow) bool) error {
	err := c.Wait(ctx, what, func() bool { return met(c.Received(identity, src)) })
	if err != nil {
		return fmt.Errorf("%w; got %+v", err, c.Received(identity, src))
	}
	return nil
}

// WaitQuiet waits until nothing but silence has come of a source of somebody for d: of
// video nothing that is a picture.
func (c *Client) WaitQuiet(ctx context.Context, identity string, src livekit.TrackSource, d time.Duration) error {
	loud := func(f Flow) int { return f.Loud + f.Frames }
	last := c.Received(identity, src)
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if now := c.Received(identity, src); since(last, now, loud) != 0 {
			last = now
			timer.Reset(d)
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for silence of %s: %w", identity, ctx.Err())
		}
	}
}
