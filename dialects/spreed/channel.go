package spreed

import (
	"context"
	"encoding/json"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// changed takes in how the transport of a leg does.
func (k *calls) changed(ctx context.Context, e bridge.PeerChanged) error {
	l := k.of(e.Peer)
	if l == nil {
		return nil
	}
	switch e.State {
	case bridge.PeerConnected:
		l.connected = true
		delete(k.tried, l.who.ID)
		k.up.feed(ctx)
	case bridge.PeerDisconnected:
		l.connected = false // it may come back; meanwhile another leg has the upload
		k.up.feed(ctx)
	case bridge.PeerFailed, bridge.PeerClosed:
		return k.failed(ctx, l, "failed")
	}
	return nil
}

func (k *calls) track(ctx context.Context, e bridge.PeerTrack) error {
	l := k.of(e.Peer)
	if l == nil {
		return nil
	}
	return k.up.heard(ctx, l, e)
}

// channel takes in that a data channel opened or closed.
func (k *calls) channel(ctx context.Context, e bridge.PeerChannel) error {
	l := k.of(e.Peer)
	if l == nil || e.Label != wire.Channel {
		return nil
	}
	l.open = e.Open
	if e.Open {
		k.m.screens.tell(ctx, l) // also to those who come late (reference 14.12)
		if l.who.virtual() && l.who.Talking {
			k.talk(l, true)
		}
	}
	return nil
}

// message takes a document from the data channel of a leg (reference 10). What is
// only for Spreed clients is copied to the other side as it is.
func (k *calls) message(ctx context.Context, e bridge.PeerMessage) error {
	l := k.of(e.Peer)
	if l == nil || e.Label != wire.Channel || !e.Text {
		return nil
	}
	d, err := wire.DecodeChannel(e.Data)
	if err != nil {
		k.s().c.Refused()
		return nil
	}
	switch d.Type {
	case wire.TypeChat:
		if d.Chat == nil {
			return nil
		}
		k.s().counts.unicastChats.Add(1)
		return k.m.whisper(ctx, l.who, wire.Chat{To: l.who.id, Type: wire.TypeChat, Chat: d.Chat}, e.Data)
	case wire.TypeScreenshare:
		if d.Screenshare != nil && d.Screenshare.ID != "" {
			k.m.screens.shared(ctx, d.Screenshare.ID)
		}
	case wire.TypeTalking, wire.TypePresentation, wire.TypeYouTubeVideo:
	default:
		return nil
	}
	if l.who.virtual() {
		return nil
	}
	return k.s().gentle(k.m.session.Do(ctx, bridge.Send{To: l.who.ID, Topic: topicChannel, Data: e.Data}))
}

// pass writes a document of a member on the data channel of the leg with it. It
// reports whether there is one that is open.
func (k *calls) pass(x *member, doc []byte) bool {
	l := k.legs[x.ID]
	return l != nil && l.open && l.peer.Message(wire.Channel, true, doc) == nil
}

// talking tells that somebody whom the bridge speaks for talks or stops to. Spreed
// clients say so themselves.
func (k *calls) talking(e bridge.Talking) error {
	x := k.m.members[e.ID]
	if x == nil {
		return nil
	}
	x.Talking = e.On
	if l := k.legs[e.ID]; l != nil && l.open && x.virtual() {
		k.talk(l, e.On)
	}
	return nil
}

func (k *calls) talk(l *leg, on bool) {
	doc, err := json.Marshal(wire.Talking{Type: wire.TypeTalking, Talking: on})
	if err == nil {
		_ = k.s().gentle(l.peer.Message(wire.Channel, true, doc))
	}
}
