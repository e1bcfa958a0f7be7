package media

import (
	"fmt"
	"slices"
	"sync"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
)

const (
	// maxMessage is the longest message that is taken from a client, in bytes.
	maxMessage = 1<<16 - 1
	// maxBuffered is how many bytes may wait for a client that does not read.
	maxBuffered = 1 << 20
	// maxChannels is how many data channels a peer has at most.
	maxChannels = 16
)

// channels are the data channels of a peer, by label. Of two with the same label
// the newer one that is open is used.
type channels struct {
	mu   sync.Mutex
	list []*webrtc.DataChannel
}

// openChannels opens what the dialect wants; they come up with the transport.
func (p *peer) openChannels() error {
	p.pc.OnDataChannel(p.addChannel)
	for _, label := range p.cfg.Channels {
		d, err := p.pc.CreateDataChannel(label, nil)
		if err != nil {
			return fmt.Errorf("open data channel %q: %w", label, err)
		}
		p.addChannel(d)
	}
	return nil
}

func (p *peer) addChannel(d *webrtc.DataChannel) {
	c := &p.channels
	c.mu.Lock()
	full := len(c.list) >= maxChannels
	if !full {
		c.list = append(c.list, d)
	}
	c.mu.Unlock()
	if full {
		p.log.Debug("too many data channels", "label", d.Label())
		d.OnOpen(func() { _ = d.Close() })
		return
	}
	d.OnOpen(func() { p.post.post(bridge.PeerChannel{Peer: p.cfg.ID, Label: d.Label(), Open: true}) })
	d.OnClose(func() {
		c.mu.Lock()
		c.list = slices.DeleteFunc(c.list, func(o *webrtc.DataChannel) bool { return o == d })
		c.mu.Unlock()
		p.post.post(bridge.PeerChannel{Peer: p.cfg.ID, Label: d.Label()})
	})
	d.OnMessage(func(m webrtc.DataChannelMessage) {
		p.post.post(bridge.PeerMessage{Peer: p.cfg.ID, Label: d.Label(), Text: m.IsString, Data: m.Data})
	})
}

// Message implements bridge.Peer.
func (p *peer) Message(label string, text bool, data []byte) error {
	return p.do(func() error {
		d := p.channels.find(label)
		switch {
		case d == nil:
			return bridge.Errorf(bridge.Unavailable, "the data channel is not open")
		case d.BufferedAmount()+uint64(len(data)) > maxBuffered:
			return bridge.Errorf(bridge.Unavailable, "the client does not read its data channel")
		}
		var err error
		if text {
			err = d.SendText(string(data))
		} else {
			err = d.Send(data)
		}
		if err != nil {
			return &bridge.Error{Code: bridge.Unavailable, Msg: "the data channel does not take the message", Err: err}
		}
		return nil
	})
}

func (c *channels) find(label string) *webrtc.DataChannel {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range slices.Backward(c.list) {
		if d.Label() == label && d.ReadyState() == webrtc.DataChannelStateOpen {
			return d
		}
	}
	return nil
}
