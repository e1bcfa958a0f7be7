package livekit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
	"dragoman/media/mediatest"
)

// simulcast makes a client send three layers.
func simulcast(o *driver.Options) { o.Media = mediatest.Config{Simulcast: true, Bitrate: highRate} }

// Of the layers of a camera in these tests, in bit/s.
const (
	highRate = 480_000
	lowRate  = highRate / 16
)

// atMost is how many bytes per second go where only the lowest layer does, with sound
// and all that is around them: a third of what the best would need.
const atMost = highRate / 8 / 3

// TestSimulcastOut (recipe 1): who sends three layers here is one simulcast track there:
// a viewer gets each one that it asks for within a second or so, its requests for key
// frames arrive, and what nobody looks at does not leave the node.
func TestSimulcastOut(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	kim := s.at(n, "k3k", "r", "Kim", simulcast)
	_, lara := s.guest(lk, "r", "Lara", livekittest.JoinOptions{})
	var id string
	s.do("Kim comes there", func(ctx context.Context) (err error) {
		id, err = lara.WaitNamed(ctx, "Kim")
		return errors.Join(err, lara.WaitLayer(ctx, id, livekittest.Camera, 2), lara.WaitSound(ctx, id, livekittest.Microphone))
	})
	track := lara.Track(id, livekittest.Camera)
	if len(track.Codecs) == 0 || len(track.Codecs[0].Layers) != 3 {
		t.Errorf("the track is %v", track)
	}
	for _, q := range []livekit.VideoQuality{livekit.VideoQuality_LOW, livekit.VideoQuality_MEDIUM, livekit.VideoQuality_HIGH, livekit.VideoQuality_LOW} {
		took := s.within(10*time.Second, fmt.Sprint("switch to ", q), func(ctx context.Context) error {
			return errors.Join(lara.SetQuality(id, livekittest.Camera, q), lara.WaitLayer(ctx, id, livekittest.Camera, uint8(q)))
		})
		t.Logf("%v after %s", q, took.Round(time.Millisecond))
	}
	s.keyed(lara, id)
	// The server cuts off the last frame of a layer that it switches away from.
	if f := lara.Received(id, livekittest.Camera); f.Broken > f.Switches || f.Undecodable+f.Lost > 0 || f.Last.Source != kim.Source() {
		t.Errorf("Lara received %+v", f)
	}
	if f := lara.Received(id, livekittest.Microphone); f.Wrong+f.Lost > 0 || f.Level != 30 {
		t.Errorf("Lara heard %+v", f)
	}
	s.below(15*time.Second, "only the lowest layer leaves", atMost, s.bytes(n.Admin(), "r", "lk", true))
	s.do("the best again", func(ctx context.Context) error {
		return errors.Join(lara.SetQuality(id, livekittest.Camera, livekit.VideoQuality_HIGH), lara.WaitLayer(ctx, id, livekittest.Camera, 2))
	})
	if rate := s.rate(s.bytes(n.Admin(), "r", "lk", true)); rate < atMost {
		t.Errorf("with the best layer only %d bytes a second leave", rate)
	}
}

// keyed waits until a request for a key frame has brought one. The server drops those that
// come too soon after another one.
func (s *stage) keyed(c *livekittest.Client, id string) {
	s.Helper()
	keys := c.Received(id, livekittest.Camera).KeyFrames
	s.within(5*time.Second, "a key frame that was asked for", func(ctx context.Context) error {
		for {
			if err := c.WritePLI(id, livekittest.Camera); err != nil {
				return err
			}
			short, cancel := context.WithTimeout(ctx, time.Second)
			err := c.Wait(short, "a key frame", func() bool { return c.Received(id, livekittest.Camera).KeyFrames > keys })
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
	})
}

// bytes are those of media that have gone out to a server, or come in from it, as a node
// counts them.
func (s *stage) bytes(root, room, server string, out bool) func() uint64 {
	return func() uint64 {
		p, err := s.show(root, room, server)
		if err != nil {
			s.Fatal(err)
		}
		if out {
			return p.BytesOut
		}
		return p.BytesIn
	}
}

// TestSimulcastIn (recipe 2): who sends three layers there can be watched here in each of
// them. What nobody here wants is not taken, and then not even sent by who publishes it.
func TestSimulcastIn(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	_, lara := s.guest(lk, "r", "Lara", livekittest.JoinOptions{Media: mediatest.Config{Simulcast: true, Bitrate: highRate}})
	kim := s.at(n, "k3k", "r", "Kim")
	s.layer(kim, "Lara", 2)
	if rate := s.rate(s.bytes(n.Admin(), "r", "lk", false)); rate < atMost {
		t.Errorf("with the best layer only %d bytes a second come", rate)
	}
	sent := func(rid string) func() uint64 {
		return func() uint64 { return uint64(lara.SentBytes(livekittest.Camera, rid)) }
	}
	for _, layer := range []int{0, 1, 2, 0} {
		took := s.layer(kim, "Lara", layer)
		t.Logf("layer %d after %s", layer, took.Round(time.Millisecond))
	}
	if _, video, err := kim.Received(s.ctx, "Lara"); err != nil || video.Broken > video.Switches || video.Undecodable+video.Lost > 0 || video.Last.Source != lara.Source() {
		t.Errorf("Kim received %+v, %v", video, err)
	}
	s.below(15*time.Second, "only the lowest layer comes", atMost, s.bytes(n.Admin(), "r", "lk", false))
	s.below(15*time.Second, "nobody sends the best layer", lowRate/8, sent("f"))
	if rate := s.rate(sent("q")); rate < lowRate/8/2 {
		t.Errorf("the lowest layer is sent with %d bytes a second", rate)
	}
	s.do("no picture", func(ctx context.Context) error { return kim.Driver.(driver.Chooser).Choose(ctx, "Lara", -1) })
	s.below(15*time.Second, "nobody sends any layer", lowRate/8/4, sent("q"))
	s.do("and again", func(ctx context.Context) error {
		return errors.Join(kim.Driver.(driver.Chooser).Choose(ctx, "Lara", 2), kim.Hears(ctx, "Lara"))
	})
	s.layer(kim, "Lara", 2)
	s.do("leave", kim.Leave)
	s.below(15*time.Second, "nothing is sent to a node where nobody is", 1, sent("f"))
}

// layer lets somebody ask for a layer, and waits until it comes.
func (s *stage) layer(m driver.Member, of string, layer int) time.Duration {
	s.Helper()
	return s.within(patience, fmt.Sprint("layer ", layer), func(ctx context.Context) error {
		if err := m.Driver.(driver.Chooser).Choose(ctx, of, layer); err != nil {
			return err
		}
		for {
			f, err := m.Sees(ctx, of, bridge.Camera)
			if err != nil || int(f.Layer) == layer {
				return err
			}
		}
	})
}
