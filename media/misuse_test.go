package media_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

func TestMisuse(t *testing.T) {
	id := bridge.NewPublicationID()
	offered := func(ctx context.Context, t *testing.T, s *side) (answer string) {
		t.Helper()
		must(t, s.Receive(id, bridge.Camera))
		offer, err := s.Offer(ctx)
		must(t, err)
		c := newPeer(t, newClient(t, mediatest.Config{}))
		must(t, c.Publish(true, true))
		answer, err = c.Answer(ctx, string(offer))
		must(t, err)
		return answer
	}
	clients := func(ctx context.Context, t *testing.T) string {
		t.Helper()
		c := newPeer(t, newClient(t, mediatest.Config{}))
		must(t, c.Publish(true, true))
		offer, err := c.Offer(ctx)
		must(t, err)
		return offer
	}
	tests := []struct {
		name string
		want bridge.Code
		do   func(context.Context, *testing.T, *side) error
	}{
		{"answer without an offer", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			return s.Accept(ctx, bridge.SDP(clients(ctx, t)))
		}},
		{"second answer", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			answer := offered(ctx, t, s)
			must(t, s.Accept(ctx, bridge.SDP(answer)))
			return s.Accept(ctx, bridge.SDP(answer))
		}},
		{"second offer", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			offered(ctx, t, s)
			_, err := s.Offer(ctx)
			return err
		}},
		{"offer against offer", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			offered(ctx, t, s)
			_, err := s.Answer(ctx, bridge.SDP(clients(ctx, t)))
			return err
		}},
		{"an answer that is none", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			offered(ctx, t, s)
			return s.Accept(ctx, "v=0\r\nwhat?")
		}},
		{"an offer that is none", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			_, err := s.Answer(ctx, "")
			return err
		}},
		{"an offer without credentials", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			_, err := s.Answer(ctx, bridge.SDP(strings.ReplaceAll(clients(ctx, t), "a=ice-", "a=ace-")))
			return err
		}},
		{"an offer without a fingerprint", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			_, err := s.Answer(ctx, bridge.SDP(strings.ReplaceAll(clients(ctx, t), "a=fingerprint", "a=thumbprint")))
			return err
		}},
		{"a candidate that is none", bridge.BadRequest, func(ctx context.Context, t *testing.T, s *side) error {
			return s.AddCandidate(ctx, bridge.Candidate{Text: "candidate:here"})
		}},
		{"candidates without end", bridge.TooMany, func(ctx context.Context, t *testing.T, s *side) error {
			for range 1000 {
				err := s.AddCandidate(ctx, bridge.Candidate{Text: "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"})
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"dropping what is not there", bridge.NotFound, func(_ context.Context, _ *testing.T, s *side) error {
			return s.Drop(id)
		}},
		{"preferring what is not there", bridge.NotFound, func(_ context.Context, _ *testing.T, s *side) error {
			return s.Prefer(id, bridge.LayerWish{})
		}},
		{"receiving nothing", bridge.BadRequest, func(_ context.Context, _ *testing.T, s *side) error {
			return s.Receive(bridge.PublicationID{}, bridge.Camera)
		}},
		{"a stream id with a blank", bridge.BadRequest, func(_ context.Context, _ *testing.T, s *side) error {
			return s.Send(id, bridge.SendOptions{Stream: "my stream"})
		}},
		{"a stream id with a percent sign", bridge.BadRequest, func(_ context.Context, _ *testing.T, s *side) error {
			return s.Send(id, bridge.SendOptions{Stream: "100%"})
		}},
		{"streams without end", bridge.TooMany, func(_ context.Context, _ *testing.T, s *side) error {
			for range 1000 {
				if err := s.Send(bridge.NewPublicationID(), bridge.SendOptions{}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"a message without a channel", bridge.Unavailable, func(_ context.Context, _ *testing.T, s *side) error {
			return s.Message("none", true, nil)
		}},
		{"anything after Close", bridge.Closed, func(ctx context.Context, t *testing.T, s *side) error {
			s.Close()
			for _, err := range []error{
				s.Receive(id, bridge.Camera), s.Send(id, bridge.SendOptions{}), s.Drop(id),
				s.AddCandidate(ctx, bridge.Candidate{}), s.Message("", true, nil),
			} {
				if bridge.CodeOf(err) != bridge.Closed {
					t.Error(err)
				}
			}
			_, err := s.Offer(ctx)
			return err
		}},
	}
	e := newEngine(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{})
			if err := tt.do(limited(t), t, s); bridge.CodeOf(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if n := e.Stats().Publications; n != 0 {
		t.Errorf("%d publications are left", n)
	}
}

// A bad offer costs a live peer nothing.
func TestBadReofferDoesNoHarm(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(p.id, bridge.SendOptions{}))
	must(t, c.Subscribe(1, 1))
	offer, _ := clientOffers(ctx, t, s, c)
	must(t, c.WaitVideo(ctx, "", 5))
	for _, bad := range []string{"", "v=0", strings.ReplaceAll(offer, "a=ice-", "a=ace-"), strings.ReplaceAll(offer, "fingerprint", "thumb")} {
		if _, err := s.Answer(ctx, bridge.SDP(bad)); bridge.CodeOf(err) != bridge.BadRequest {
			t.Errorf("%v", err)
		}
	}
	must(t, c.WaitVideo(ctx, "", 5))
	clientOffers(ctx, t, s, c)
	must(t, c.WaitVideo(ctx, "", 5))
}

func TestCloseDuringNegotiation(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	for step := range 4 {
		p := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Channels: []string{"default"}})
		c := newPeer(t, newClient(t, mediatest.Config{}))
		must(t, c.Publish(true, true))
		must(t, p.Receive(bridge.NewPublicationID(), bridge.Camera))
		var offer bridge.SDP
		var answer string
		var err error
		for i := range step {
			switch i {
			case 0:
				offer, err = p.Offer(ctx)
			case 1:
				answer, err = c.Answer(ctx, string(offer))
			case 2:
				err = p.Accept(ctx, bridge.SDP(answer)) // and the handshake begins
			}
			must(t, err)
		}
		p.Close()
		p.Close()
	}
	if s := e.Stats(); s.Peers != 0 || s.Publications != 0 {
		t.Errorf("left: %+v", s)
	}
}

// Close while another goroutine negotiates.
func TestCloseAgainstOffer(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	for range 20 {
		s := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{})
		must(t, s.Receive(bridge.NewPublicationID(), bridge.Camera))
		done := make(chan error, 1)
		go func() {
			_, err := s.Offer(ctx)
			done <- err
		}()
		s.Close()
		if err := <-done; err != nil && bridge.CodeOf(err) != bridge.Closed {
			t.Logf("offer while closing: %v", err)
		}
	}
}

func TestNobodyComes(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	s := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Timeout: 300 * time.Millisecond})
	must(t, s.Receive(bridge.NewPublicationID(), bridge.Camera))
	offer, err := s.Offer(ctx)
	must(t, err)
	c := newPeer(t, newClient(t, mediatest.Config{NoCandidates: true}))
	must(t, c.Publish(true, true))
	answer, err := c.Answer(ctx, string(offer))
	must(t, err)
	_ = c.Close()
	must(t, s.Accept(ctx, bridge.SDP(answer)))
	s.awaitState(ctx, bridge.PeerFailed)
}

func TestEngineCloses(t *testing.T) {
	e, err := media.New(media.Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0"})
	must(t, err)
	if _, err := e.NewPeer(t.Context(), bridge.PeerConfig{ID: bridge.NewPeerID(), Notify: func(bridge.Event) {}}); err != nil {
		t.Fatal(err)
	}
	must(t, e.Close())
	must(t, e.Close())
	_, err = e.NewPeer(t.Context(), bridge.PeerConfig{ID: bridge.NewPeerID(), Notify: func(bridge.Event) {}})
	if bridge.CodeOf(err) != bridge.Unavailable {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.NewPeer(ctx, bridge.PeerConfig{}); err == nil {
		t.Error("a peer for somebody who does not wait any more")
	}
}

func TestNothingIsLeft(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitVideo(ctx, "", 5))
	if n := e.Stats(); n.Peers != 2 || n.Publications != 1 || n.Subscriptions != 1 || n.PacketsIn == 0 || n.PacketsOut == 0 {
		t.Errorf("%+v", n)
	}
	p.Close()
	if n := e.Stats(); n.Peers != 1 || n.Publications != 1 {
		t.Errorf("without the publisher: %+v", n)
	}
	s.Close()
	after := e.Stats()
	if after.Peers != 0 || after.Publications != 0 || after.Subscriptions != 0 || len(e.PeerStats()) != 0 {
		t.Errorf("after all have gone: %+v", after)
	}
	if after.PacketsIn == 0 || after.PacketsOut == 0 {
		t.Errorf("counters are gone: %+v", after)
	}
}
