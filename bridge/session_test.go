package bridge_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// connected is a scene where Ann's camera comes in on a peer and Bob receives it.
type connected struct {
	*scene
	up, down   bridge.Peer
	upF, downF *bridgetest.Peer // what is behind them
}

func connect(t *testing.T, s bridge.Spec, o bridge.PeerOptions) *connected {
	t.Helper()
	c := &connected{scene: newScene(t, s)}
	var err error
	c.up, err = c.ann.Connect(ctx(t), o)
	code(t, err, 0)
	code(t, c.up.Receive(c.cam, bridge.Camera), 0)
	c.down, err = c.bob.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, 0)
	code(t, c.down.Send(c.cam, bridge.SendOptions{}), 0)
	c.upF, c.downF = c.Media.Peer(c.up.ID()), c.Media.Peer(c.down.ID())
	return c
}

// open asks whether sound and picture of Ann's camera are forwarded.
func (c *connected) open(t *testing.T, audio, video bool) {
	t.Helper()
	c.ann.Lost() // reads, and so enforces
	equal(t, "sound is open", c.Media.Open(c.cam, bridge.Audio), audio)
	equal(t, "picture is open", c.Media.Open(c.cam, bridge.Video), video)
}

func (c *connected) sound(t *testing.T, want bridge.TrackState) {
	t.Helper()
	c.bob.Lost() // reads
	equal(t, "sound", c.bob.View.Publication(c.cam).Audio, want)
}

func TestGates(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
	at := []bridge.ParticipantID{id(c.ann)}
	c.open(t, true, true)
	c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Audio, Muted: true})
	c.open(t, false, true)
	c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Audio})
	c.open(t, true, true)
	c.mo.Does(bridge.Mute{Targets: at, Track: bridge.Video, Force: true})
	c.open(t, true, false)
	c.mo.Does(bridge.Mute{Targets: at, Track: bridge.Video, Off: true})
	c.open(t, true, false) // muted now: its owner may unmute
	c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Video})
	c.open(t, true, true)
	c.mo.Does(bridge.Permit{Target: id(c.ann), Remove: bridge.PublishVideo})
	c.open(t, true, false)
	c.mo.Does(bridge.Permit{Target: id(c.ann), Add: bridge.PublishVideo})
	c.open(t, true, true)
	c.mo.Does(bridge.Unpublish{ID: c.cam})
	c.open(t, false, false)
	c.ann.Does(camera(c.cam, bridge.Live, bridge.Live))
	c.open(t, true, true)
	// A moderator who puts an end to it twice costs media nothing.
	n := len(c.Media.Gates())
	c.ann.Does(bridge.Rename{Name: "x"})
	c.mo.Does(bridge.Permit{Target: id(c.ann), Remove: bridge.RaisingHand})
	c.open(t, true, true)
	equal(t, "calls", len(c.Media.Gates()), n)
	equal(t, "peer is open", c.upF.Closed(), false)
}

// What was published, ended, and is published again opens again, also where no peer of
// the session feeds it: media may know the stream from before, by those who look at it.
func TestGateOpensAgain(t *testing.T) {
	s := newScene(t, bridge.Spec{})
	cam := bridge.NewPublicationID()
	for range 2 {
		s.mo.Does(camera(cam, bridge.Live, bridge.Live))
		s.mo.Lost() // reads, and so enforces
		equal(t, "open", s.Media.Open(cam, bridge.Audio) && s.Media.Open(cam, bridge.Video), true)
		s.mo.Does(bridge.Unpublish{ID: cam})
		s.mo.Lost()
		equal(t, "open after the end", s.Media.Open(cam, bridge.Audio) || s.Media.Open(cam, bridge.Video), false)
	}
}

// A publication is gated again when media hears of it only after its state was
// known, and when another peer takes it over.
func TestGateIsRepeatedForEachPeer(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Audio, Muted: true})
	c.ann.Lost()
	n := len(c.Media.Gates())
	for range 2 {
		p, err := c.ann.Connect(ctx(t), bridge.PeerOptions{})
		code(t, err, 0)
		code(t, p.Receive(c.cam, bridge.Camera), 0)
		n += 2
		equal(t, "calls", len(c.Media.Gates()), n)
		equal(t, "open", c.Media.Open(c.cam, bridge.Audio), false)
	}
	peers := c.ann.Peers()
	equal(t, "peers", len(peers), 2)
	first, _ := c.ann.Carries(peers[0].ID())
	second, _ := c.ann.Carries(peers[1].ID())
	equal(t, "first receives", len(first), 0)
	equal(t, "second receives", slices.Contains(second, c.cam), true)
	code(t, peers[0].Close(), 0)
	equal(t, "published", len(c.ann.Published()), 1)
	equal(t, "state", c.ann.Published()[0].Audio, bridge.Muted)
}

func TestPeersAndPermissions(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	p, err := c.lis.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, 0)
	fresh := bridge.NewPublicationID()
	code(t, p.Receive(fresh, bridge.Camera), bridge.Forbidden)
	code(t, p.Receive(fresh, bridge.Screen), bridge.Forbidden)
	code(t, p.Send(fresh, bridge.SendOptions{}), bridge.NotFound)
	code(t, p.Send(c.cam, bridge.SendOptions{}), 0)
	c.mo.Does(bridge.Permit{Target: id(c.lis), Remove: bridge.Subscribing})
	code(t, p.Send(c.cam, bridge.SendOptions{}), bridge.Forbidden)
	f := c.Media.Peer(p.ID())
	equal(t, "sends", len(f.Sends()), 1)
	c.lis.Lost() // enforces
	equal(t, "sends", len(f.Sends()), 0)
	equal(t, "is open", f.Closed(), false)

	// One who may only speak shows nothing, whatever the client sends.
	c.mo.Does(bridge.Permit{Target: id(c.bob), Remove: bridge.PublishVideo})
	c.bob.Lost()
	p, err = c.bob.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, 0)
	code(t, p.Receive(fresh, bridge.Camera), 0)
	equal(t, "sound before the room knows", c.Media.Open(fresh, bridge.Audio), false)
	c.bob.Does(bridge.Publish{Publication: bridge.Publication{ID: fresh, Audio: bridge.Live}})
	c.bob.Lost()
	equal(t, "sound", c.Media.Open(fresh, bridge.Audio), true)
	equal(t, "picture", c.Media.Open(fresh, bridge.Video), false)
}

func TestPeersAreCounted(t *testing.T) {
	media := &bridgetest.Media{}
	l := newLocal(t, bridge.LocalConfig{Media: media, Peers: 2})
	s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
	code(t, err, 0)
	var peers []bridge.Peer
	for range 2 {
		p, err := s.Connect(ctx(t), bridge.PeerOptions{})
		code(t, err, 0)
		peers = append(peers, p)
	}
	_, err = s.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, bridge.TooMany)
	code(t, peers[0].Close(), 0)
	code(t, peers[0].Close(), 0)
	media.Refuse = bridge.Errorf(bridge.Unavailable, "no ports")
	_, err = s.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, bridge.Unavailable)
	media.Refuse = nil
	p, err := s.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, 0)
	equal(t, "peers", l.Stats().Peers, 2)
	for range 2 * bridge.MaxPublications {
		code(t, p.Receive(bridge.NewPublicationID(), bridge.Camera), 0)
	}
	code(t, p.Receive(bridge.NewPublicationID(), bridge.Camera), bridge.TooMany)
	code(t, s.Leave(ctx(t), bridge.ByWish), 0)
	equal(t, "peers", l.Stats().Peers, 0)
	code(t, p.Receive(bridge.NewPublicationID(), bridge.Camera), bridge.Closed)
	code(t, p.Send(bridge.NewPublicationID(), bridge.SendOptions{}), bridge.Closed)
	_, err = s.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, bridge.Closed)
}

func TestRoomLimitsTheBitrate(t *testing.T) {
	c := newScene(t, bridge.Spec{MaxBitrate: 1000})
	for asked, want := range map[int]int{0: 1000, 500: 500, 2000: 1000} {
		p, err := c.ann.Connect(ctx(t), bridge.PeerOptions{MaxBitrate: asked})
		code(t, err, 0)
		equal(t, "bitrate", c.Media.Peer(p.ID()).Config.MaxBitrate, want)
	}
}

func TestNoMedia(t *testing.T) {
	l := newLocal(t, bridge.LocalConfig{})
	s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
	code(t, err, 0)
	code(t, s.Do(ctx(t), camera(bridge.NewPublicationID(), bridge.Muted, bridge.Live)), 0)
	_, err = s.Drain(ctx(t))
	code(t, err, 0)
	_, err = s.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, bridge.NotSupported)
}

// The room knows of a subscription as long as one of the session's peers sends it.
func TestSubscriptions(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	c.ann.Does(camera(c.cam, bridge.Live, bridge.Live, "q", "f"))
	var peers []bridge.Peer
	for range 2 {
		p, err := c.bob.Connect(ctx(t), bridge.PeerOptions{})
		code(t, err, 0)
		code(t, p.Send(c.cam, bridge.SendOptions{}), 0)
		code(t, p.Send(c.cam, bridge.SendOptions{NoVideo: true}), 0)
		peers = append(peers, p)
	}
	c.bob.Does(bridge.Want{ID: c.cam, Layer: "f"})
	wanted := func(want string) {
		t.Helper()
		equal(t, "wanted", bridgetest.Told[bridge.Wanted](c.ann, nil).Layer, want)
	}
	wanted("f")
	_, sends := c.bob.Carries(peers[0].ID())
	equal(t, "sends", len(sends), 1)
	code(t, peers[0].Drop(c.cam), 0)
	equal(t, "ann", told(c.ann), "")
	code(t, peers[1].Close(), 0)
	wanted("")
	code(t, peers[1].Drop(c.cam), bridge.Closed)
	code(t, peers[0].Drop(c.cam), 0)

	// What media refuses is not subscribed to.
	stuck := refusingMedia{c.Media}
	l := newLocal(t, bridge.LocalConfig{Media: stuck})
	s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
	code(t, err, 0)
	code(t, s.Do(ctx(t), camera(c.cam, bridge.Live, bridge.Live)), 0)
	p, err := s.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, 0)
	code(t, p.Send(c.cam, bridge.SendOptions{}), bridge.NotSupported)
	code(t, p.Receive(c.cam, bridge.Camera), bridge.NotSupported)
	receives, sends := s.Carries(p.ID())
	equal(t, "carries", len(receives)+len(sends), 0)
	receives, sends = s.Carries(bridge.NewPeerID())
	equal(t, "carries", len(receives)+len(sends), 0)
}

// refusingMedia makes peers that carry nothing.
type refusingMedia struct{ *bridgetest.Media }

func (m refusingMedia) NewPeer(ctx context.Context, cfg bridge.PeerConfig) (bridge.Peer, error) {
	p, err := m.Media.NewPeer(ctx, cfg)
	return refusingPeer{p}, err
}

type refusingPeer struct{ bridge.Peer }

func (refusingPeer) Receive(bridge.PublicationID, bridge.Source, ...string) error {
	return bridge.Errorf(bridge.NotSupported, "no")
}

func (refusingPeer) Send(bridge.PublicationID, bridge.SendOptions) error {
	return bridge.Errorf(bridge.NotSupported, "no")
}

func TestPeersEndWithTheSeat(t *testing.T) {
	ends := map[string]func(*connected){
		"leave": func(c *connected) { c.bob.Leaves() },
		"kick":  func(c *connected) { c.mo.Does(bridge.Kick{Target: id(c.bob)}) },
		"end":   func(c *connected) { c.mo.Does(bridge.CloseRoom{}) },
		"wait":  func(c *connected) { c.mo.Does(bridge.SendToWaiting{Target: id(c.bob)}) },
		"replaced": func(c *connected) {
			c.Join(bridge.JoinRequest{ID: id(c.bob), AtMost: bridge.Speaker, Name: "Bob"})
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
			end(c)
			c.bob.Lost() // enforces
			equal(t, "closed", c.downF.Closed(), true)
			equal(t, "peers", len(c.bob.Peers()), 0)
			equal(t, "others are closed", c.upF.Closed(), false)
		})
	}
}

// Who waits has no peers; let in again, it may have.
func TestPeersAndTheWaitingRoom(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
	c.mo.Does(bridge.SendToWaiting{Target: id(c.ann)})
	c.ann.Lost()
	equal(t, "closed", c.upF.Closed(), true)
	_, err := c.ann.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, bridge.Forbidden)
	c.mo.Does(bridge.Admit{Target: id(c.ann), OK: true})
	c.ann.Does(bridge.Enter{})
	c.ann.Lost()
	p, err := c.ann.Connect(ctx(t), bridge.PeerOptions{})
	code(t, err, 0)
	code(t, p.Receive(c.cam, bridge.Camera), 0)
	c.ann.Does(camera(c.cam, bridge.Live, bridge.Live))
	c.ann.Lost()
	equal(t, "open", c.Media.Open(c.cam, bridge.Audio), true)
}

func TestPeerEvents(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
	c.quiet()
	fire := func() {
		c.upF.Fire(bridge.PeerChanged{State: bridge.PeerConnected})
		c.upF.Fire(bridge.PeerTrack{Pub: c.cam, Live: true})
		c.upF.Fire(bridge.PeerChannel{Label: "default", Open: true})
		c.upF.Fire(bridge.PeerMessage{Label: "default"})
		c.upF.Fire(bridge.PeerCandidate{})
		c.upF.Fire(bridge.PeerNegotiate{})
	}
	fire()
	equal(t, "ann", told(c.ann), "PeerChanged PeerTrack PeerChannel PeerMessage PeerCandidate PeerNegotiate")
	equal(t, "bob", told(c.bob), "")
	fire()
	code(t, c.up.Close(), 0) // unread events of a closed peer are not told
	equal(t, "ann", told(c.ann), "")
}

// What a peer has to tell is bounded like everything else.
func TestPeerThatFloodsCostsTheSeat(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
	c.quiet()
	for range bridge.DefaultOutbox + 1 {
		c.upF.Fire(bridge.PeerMessage{Label: "default"})
	}
	code(t, c.ann.Lost(), bridge.Lagged)
	equal(t, "closed", c.upF.Closed(), true)
	equal(t, "why", bridgetest.Told[bridge.Left](c.bob, nil).Reason, bridge.TooSlow)
}

func TestTalkingIsReported(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
	talks := func(want string) {
		t.Helper()
		c.ann.Lost() // reads what the engine has heard
		equal(t, "bob", told(c.bob), want)
		c.ann.Unread()
	}
	hear := func(on bool) { c.upF.Fire(bridge.PeerHeard{Pub: c.cam, Talking: on}) }
	hear(true)
	talks("Talking")
	hear(true)
	talks("")
	c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Audio, Muted: true})
	talks("PublicationChanged Talking")
	hear(false)
	talks("")
	hear(true) // still muted
	talks("")
	c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Audio})
	talks("PublicationChanged Talking")
	hear(false)
	talks("Talking")
	c.upF.Fire(bridge.PeerHeard{Pub: bridge.NewPublicationID(), Talking: true}) // of nothing
	talks("")
}

// What the room could not be told is told with the next event.
func TestTalkingIsReportedLater(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{})
	c.quiet()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	c.upF.Fire(bridge.PeerHeard{Pub: c.cam, Talking: true})
	_, err := c.ann.Drain(ended)
	code(t, err, 0)
	equal(t, "bob", told(c.bob), "")
	c.ann.Unread()
	equal(t, "bob", told(c.bob), "Talking")
}

// A client that mutes without saying so is muted by what the engine hears, and that
// does not close the gate, or nobody would hear the end of it (ahoy.md 8.2).
func TestMuteIsFoundOut(t *testing.T) {
	c := connect(t, bridge.Spec{}, bridge.PeerOptions{DetectMute: true})
	silent := func(on bool) {
		c.upF.Fire(bridge.PeerSilence{Pub: c.cam, Silent: on})
		if s := told(c.ann); s != "" && s != "PublicationChanged" {
			t.Errorf("the dialect is told %s", s)
		}
	}
	mute := func(m bridge.Mute) {
		m.Targets = []bridge.ParticipantID{id(c.ann)}
		c.mo.Does(m)
		c.ann.Unread()
	}
	c.ann.Unread()
	silent(true)
	c.sound(t, bridge.Muted)
	c.open(t, true, true)
	silent(false)
	c.sound(t, bridge.Live)
	c.open(t, true, true)

	// A moderator's silence is stronger.
	mute(bridge.Mute{Force: true})
	silent(true)
	silent(false)
	c.sound(t, bridge.Silenced)
	c.open(t, false, true)
	// Lifted, the track is as the client has it: it has no way to say so.
	mute(bridge.Mute{Off: true})
	c.open(t, true, true)
	c.sound(t, bridge.Live)
	mute(bridge.Mute{Force: true})
	silent(true)
	mute(bridge.Mute{Off: true})
	c.sound(t, bridge.Muted)
	c.open(t, true, true)
	silent(false)
	c.sound(t, bridge.Live)

	// A mute that was said is not ended by what is heard.
	c.ann.Does(bridge.SetTrack{ID: c.cam, Track: bridge.Audio, Muted: true})
	c.open(t, false, true)
	silent(true)
	silent(false)
	c.sound(t, bridge.Muted)
	c.open(t, false, true)
}

// What was heard before the stream was published counts when it is.
func TestSilenceBeforePublishing(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	pub := bridge.NewPublicationID()
	p, err := c.bob.Connect(ctx(t), bridge.PeerOptions{DetectMute: true})
	code(t, err, 0)
	code(t, p.Receive(pub, bridge.Camera), 0)
	c.Media.Peer(p.ID()).Fire(bridge.PeerSilence{Pub: pub, Silent: true})
	c.bob.Lost()
	c.bob.Does(camera(pub, bridge.Live, bridge.Live))
	c.bob.Lost()
	c.bob.Lost()
	equal(t, "sound", c.bob.View.Publication(pub).Audio, bridge.Muted)
	equal(t, "open", c.Media.Open(pub, bridge.Audio), true)
	// Dropped and ended, nothing of it is left.
	code(t, p.Drop(pub), 0)
	c.bob.Does(bridge.Unpublish{ID: pub})
	c.bob.Lost()
	equal(t, "published", len(c.bob.Published()), 0)
}

func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, bridge.Spec{})
		wake := make(chan struct{}, 1)
		x := c.Join(bridge.JoinRequest{Name: "x", Wake: wake})
		y := c.Join(bridge.JoinRequest{Name: "y", Wake: wake})
		<-wake // y came
		_, _ = x.Drain(ctx(t))
		c.ann.Says("hello")
		select {
		case <-wake:
		case <-time.After(time.Second):
			t.Fatal("not woken")
		}
		equal(t, "x", told(x), "Said")
		equal(t, "y", told(y), "Said")
		other := make(chan struct{}, 1)
		y.WakeBy(other)
		c.ann.Says("hello")
		<-other
		<-wake
	})
}

// The answer to a command is there before any event that it caused, and a session
// sees nothing older than its snapshot.
func TestOrder(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	before, _ := c.ann.Fresh(ctx(t))
	c.ann.Does(bridge.Rename{Name: "1"}, bridge.Rename{Name: "2"})
	late := c.Join(bridge.JoinRequest{Name: "late"})
	if late.At.Version <= before.Version {
		t.Errorf("version %d after %d", late.At.Version, before.Version)
	}
	equal(t, "late was told", told(late), "")
	c.ann.Does(bridge.Rename{Name: "3"})
	equal(t, "late was told", told(late), "Changed")
}

func TestConnectWhileTheSeatIsLost(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	slow := slowMedia{c.Media, make(chan struct{}), make(chan struct{})}
	l := newLocal(t, bridge.LocalConfig{Media: slow})
	s, err := l.Join(ctx(t), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}})
	code(t, err, 0)
	answer := make(chan error, 1)
	go func() {
		_, err := s.Connect(context.Background(), bridge.PeerOptions{})
		answer <- err
	}()
	<-slow.asked
	code(t, s.Leave(ctx(t), bridge.ByWish), 0)
	close(slow.answer)
	code(t, <-answer, bridge.Closed)
	equal(t, "closed", c.Media.Peers()[0].Closed(), true)
}

// slowMedia takes its time to make a peer.
type slowMedia struct {
	*bridgetest.Media
	asked, answer chan struct{}
}

func (m slowMedia) NewPeer(ctx context.Context, cfg bridge.PeerConfig) (bridge.Peer, error) {
	close(m.asked)
	<-m.answer
	return m.Media.NewPeer(ctx, cfg)
}
