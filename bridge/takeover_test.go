package bridge_test

import (
	"testing"

	"dragoman/bridge"
)

// TestTakeoverForgetsWhatWasHeard: a peer that takes a publication over listens
// anew and tells only what is different. Who was silent, or talked, on the peer
// before it is not so for ever.
func TestTakeoverForgetsWhatWasHeard(t *testing.T) {
	o := bridge.PeerOptions{DetectMute: true}
	c := connect(t, bridge.Spec{}, o)
	c.upF.Fire(bridge.PeerSilence{Pub: c.cam, Silent: true})
	c.ann.Lost()
	c.sound(t, bridge.Muted)
	next, err := c.ann.Connect(ctx(t), o)
	code(t, err, 0)
	code(t, next.Receive(c.cam, bridge.Camera), 0)
	code(t, c.up.Close(), 0)
	c.ann.Lost()
	c.sound(t, bridge.Muted) // nothing has come on the new one yet
	c.Media.Peer(next.ID()).Fire(bridge.PeerTrack{Pub: c.cam, Track: bridge.Video, Live: true})
	c.ann.Lost()
	c.sound(t, bridge.Muted)
	c.Media.Peer(next.ID()).Fire(bridge.PeerTrack{Pub: c.cam, Track: bridge.Audio, Live: true})
	c.ann.Lost()
	c.sound(t, bridge.Live)
	c.Media.Peer(next.ID()).Fire(bridge.PeerSilence{Pub: c.cam, Silent: true})
	c.ann.Lost()
	c.sound(t, bridge.Muted)
}
