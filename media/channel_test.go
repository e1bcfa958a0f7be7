package media_test

import (
	"bytes"
	"context"
	"testing"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

func (s *side) awaitChannel(ctx context.Context, label string, open bool) {
	s.t.Helper()
	s.await(ctx, "data channel", func(e bridge.Event) bool {
		c, ok := e.(bridge.PeerChannel)
		return ok && c.Label == label && c.Open == open
	})
}

func TestDataChannels(t *testing.T) {
	tests := []struct {
		name string
		o    bridge.PeerOptions
		open bool // the client opens it
	}{
		{"the client opens", bridge.PeerOptions{}, true},
		{"we open", bridge.PeerOptions{Channels: []string{"default"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, e := testContext(t), newEngine(t)
			s, c := newSide(t, e, bridge.NewParticipantID(), tt.o), newPeer(t, newClient(t, mediatest.Config{}))
			got := make(chan mediatestMessage, 8)
			c.OnMessage(func(label string, text bool, data []byte) {
				got <- mediatestMessage{label, text, string(data)}
			})
			must(t, s.Send(bridge.PublicationID{}, bridge.SendOptions{}))
			if code := bridge.CodeOf(s.Message("default", true, []byte("too early"))); code != bridge.Unavailable {
				t.Errorf("message on a channel that is not open: %v", code)
			}
			if tt.open {
				must(t, c.OpenChannel("default"))
				must(t, c.Subscribe(1, 1))
				clientOffers(ctx, t, s, c)
			} else {
				serverOffers(ctx, t, s, c)
			}
			s.awaitChannel(ctx, "default", true)
			must(t, c.WaitChannel(ctx, "default"))
			for _, m := range []mediatestMessage{{"default", true, "text"}, {"default", false, "\x00binary"}} {
				must(t, s.Message(m.label, m.text, []byte(m.data)))
				if r := <-got; r != m {
					t.Errorf("client got %+v, want %+v", r, m)
				}
				must(t, c.Send(m.label, m.text, []byte(m.data)))
				s.await(ctx, "message", func(e bridge.Event) bool {
					r, ok := e.(bridge.PeerMessage)
					return ok && r.Label == m.label && r.Text == m.text && string(r.Data) == m.data
				})
			}
		})
	}
}

type mediatestMessage struct {
	label string
	text  bool
	data  string
}

// What a client sends may not be endless, and what it does not read neither.
func TestDataChannelBounds(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, c.OpenChannel("big"))
	must(t, c.OpenChannel("slow"))
	must(t, c.Subscribe(1, 0))
	unblock := make(chan struct{})
	c.OnMessage(func(string, bool, []byte) { <-unblock })
	defer close(unblock)
	clientOffers(ctx, t, s, c)
	must(t, c.WaitChannel(ctx, "big"))
	must(t, c.WaitChannel(ctx, "slow"))
	s.awaitChannel(ctx, "slow", true)
	must(t, c.Send("big", false, bytes.Repeat([]byte{1}, 60_000)))
	s.await(ctx, "large message", func(e bridge.Event) bool { m, ok := e.(bridge.PeerMessage); return ok && len(m.Data) == 60_000 })

	chunk := bytes.Repeat([]byte{2}, 50_000)
	for n := 0; ; n++ {
		if err := s.Message("slow", false, chunk); err != nil {
			if code := bridge.CodeOf(err); code != bridge.Unavailable {
				t.Errorf("a full channel: %v", err)
			}
			break
		}
		if n > 200 {
			t.Fatal("10 MB are buffered for a client that does not read")
		}
	}
}
