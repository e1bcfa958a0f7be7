package media_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// leg is a Spreed client's connection to another member: both directions on each
// m-line, offered by the client.
func leg(t *testing.T, e *media.Engine, c *mediatest.Client, owner bridge.ParticipantID, o bridge.PeerOptions) (*side, *mediatest.Peer) {
	t.Helper()
	s, p := newSide(t, e, owner, o), newPeer(t, c)
	must(t, p.Publish(true, true))
	return s, p
}

func TestClientOffersBothWays(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	o := bridge.PeerOptions{Codecs: []string{"opus", "VP8"}}
	cfg := mediatest.Config{Munge: mediatest.MungeSpreed}
	var (
		ids     = [2]bridge.PublicationID{bridge.NewPublicationID(), bridge.NewPublicationID()}
		clients [2]*mediatest.Client
		peers   [2]*mediatest.Peer
	)
	for i := range 2 {
		clients[i] = newClient(t, cfg)
		var s *side
		s, peers[i] = leg(t, e, clients[i], bridge.NewParticipantID(), o)
		must(t, peers[i].OpenChannel("default"))
		must(t, s.Receive(ids[i], bridge.Camera))
		must(t, s.Send(ids[1-i], bridge.SendOptions{Stream: "member"}))
		_, answer := clientOffers(ctx, t, s, peers[i])
		if n := strings.Count(answer, "a=sendrecv"); n != 3 {
			t.Errorf("%d of 3 m-lines sendrecv:\n%s", n, answer)
		}
		if !strings.Contains(answer, "m=application 9") {
			t.Errorf("no data channels:\n%s", answer)
		}
		must(t, peers[i].WaitConnected(ctx))
	}
	for i, p := range peers {
		must(t, p.WaitVideo(ctx, "member", 30))
		must(t, p.WaitAudio(ctx, "member"))
		v := p.Stats()["member/video"]
		if v.Last.Source != clients[1-i].Source() {
			t.Errorf("peer %d sees %d", i, v.Last.Source)
		}
		clean(t, "video", v)
	}
}

func TestTrickle(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	c := newClient(t, mediatest.Config{Trickle: true})
	id := bridge.NewPublicationID()
	s, p := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{Trickle: true}), newPeer(t, c)
	must(t, p.Publish(true, true))
	type candidate struct {
		text, mid string
		index     int
	}
	theirs := make(chan candidate, 64)
	p.OnCandidate(func(text, mid string, index int) { theirs <- candidate{text, mid, index} })
	must(t, s.Receive(id, bridge.Camera))
	offer, err := p.Offer(ctx)
	must(t, err)
	// The first candidate of a client may come before its offer.
	early := <-theirs
	must(t, s.AddCandidate(ctx, bridge.Candidate{Text: early.text, Mid: early.mid, Index: early.index}))
	answer, err := s.Answer(ctx, bridge.SDP(offer))
	must(t, err)
	if strings.Contains(string(answer), "candidate") {
		t.Errorf("candidates in the answer:\n%s", answer)
	}
	must(t, p.Accept(ctx, string(answer)))
	s.await(ctx, "end of candidates", func(e bridge.Event) bool {
		c, ok := e.(bridge.PeerCandidate)
		return ok && c.Candidate.Text == ""
	})
	n := 0
	for _, e := range s.told() {
		if c, ok := e.(bridge.PeerCandidate); ok && c.Candidate.Text != "" {
			must(t, p.AddCandidate(c.Candidate.Text, c.Candidate.Mid, 0))
			n++
		}
	}
	if n == 0 {
		t.Error("no candidates")
	}
	s.awaitState(ctx, bridge.PeerConnected)
	s.awaitTrack(ctx, id, bridge.Video, true)
}

func TestTCP(t *testing.T) {
	ctx := testContext(t)
	e := newEngine(t, func(c *media.Config) { c.TCP = "127.0.0.1:0" })
	cfg := mediatest.Config{TCP: true}
	p := publish(ctx, t, e, cfg, bridge.PeerOptions{})
	_, c := subscribe(ctx, t, e, p.id, cfg, bridge.PeerOptions{})
	must(t, c.WaitVideo(ctx, "", 30))
	must(t, c.WaitAudio(ctx, ""))
}

func TestLite(t *testing.T) {
	ctx := testContext(t)
	e := newEngine(t, func(c *media.Config) { c.ICELite = true })
	p := publish(ctx, t, e, mediatest.Config{NoCandidates: true}, bridge.PeerOptions{})
	s, c := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
	s.awaitState(ctx, bridge.PeerConnected)
	must(t, c.WaitVideo(ctx, "", 10))
}

// Ahoy's clients send no candidates; that may not cost time.
func TestConnectsAtOnce(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	begin := time.Now()
	p := publish(ctx, t, e, mediatest.Config{NoCandidates: true}, bridge.PeerOptions{})
	p.awaitState(ctx, bridge.PeerConnected)
	t.Logf("connected after %s", time.Since(begin))
}

func TestAudioOnly(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	s := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{})
	id := bridge.NewPublicationID()
	must(t, s.Receive(id, bridge.Camera, "audio"))
	c := newPeer(t, newClient(t, mediatest.Config{}))
	offer, err := s.Offer(ctx)
	must(t, err)
	if strings.Contains(string(offer), "m=video") {
		t.Errorf("video was not asked for:\n%s", offer)
	}
	must(t, c.Publish(true, false))
	answer, err := c.Answer(ctx, string(offer))
	must(t, err)
	must(t, s.Accept(ctx, bridge.SDP(answer)))
	s.awaitTrack(ctx, id, bridge.Audio, true)

	s2, c2 := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s2.Send(id, bridge.SendOptions{NoVideo: true}))
	offer2, _ := serverOffers(ctx, t, s2, c2)
	if strings.Contains(offer2, "m=video") {
		t.Errorf("video was not asked for:\n%s", offer2)
	}
	must(t, c2.WaitAudio(ctx, ""))
}

// A subscription may come before the publication, which then begins on it.
func TestSendBeforeReceive(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	client, owner, id := newClient(t, mediatest.Config{}), bridge.NewParticipantID(), bridge.NewPublicationID()
	s, c := subscribe(ctx, t, e, id, mediatest.Config{}, bridge.PeerOptions{})
	s.awaitState(ctx, bridge.PeerConnected)
	up, p := newSide(t, e, owner, bridge.PeerOptions{}), newPeer(t, client)
	must(t, p.Publish(true, true))
	clientOffers(ctx, t, up, p)
	up.awaitState(ctx, bridge.PeerConnected)
	// Nobody has claimed what the client sends until now.
	must(t, up.Receive(id, bridge.Camera))
	must(t, c.WaitVideo(ctx, id.String(), 30))
	must(t, c.WaitAudio(ctx, id.String()))
	up.awaitTrack(ctx, id, bridge.Video, true)
}

// A live peer is negotiated again by either side.
func TestRenegotiation(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	a := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	b := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := subscribe(ctx, t, e, a.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitVideo(ctx, a.id.String(), 10))

	must(t, s.Send(b.id, bridge.SendOptions{}))
	s.await(ctx, "PeerNegotiate", func(e bridge.Event) bool { _, ok := e.(bridge.PeerNegotiate); return ok })
	serverOffers(ctx, t, s, c)
	must(t, c.WaitVideo(ctx, b.id.String(), 10))
	must(t, c.WaitVideo(ctx, a.id.String(), 10))

	// The client adds its own camera.
	id := bridge.NewPublicationID()
	must(t, c.Publish(true, true))
	clientOffers(ctx, t, s, c)
	must(t, s.Receive(id, bridge.Camera))
	s.awaitTrack(ctx, id, bridge.Video, true)
	_, c2 := subscribe(ctx, t, e, id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c2.WaitVideo(ctx, id.String(), 10))

	// It takes it away again.
	must(t, c.Unpublish())
	clientOffers(ctx, t, s, c)
	s.awaitTrack(ctx, id, bridge.Video, false)

	// What was dropped is not in the next offer.
	must(t, s.Drop(a.id))
	offer, _ := serverOffers(ctx, t, s, c)
	if strings.Contains(offer, a.id.String()) || !strings.Contains(offer, b.id.String()) {
		t.Errorf("offer:\n%s", offer)
	}
	must(t, c.WaitVideo(ctx, b.id.String(), 10))
}

// A screen comes on the connection of a camera of several layers, whose packets say
// no more what they are.
func TestScreenBesideLayers(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	client, owner := newClient(t, mediatest.Config{Simulcast: true, Munge: mediatest.MungeLayers}), bridge.NewParticipantID()
	camera, screen := bridge.NewPublicationID(), bridge.NewPublicationID()
	s, p := newSide(t, e, owner, bridge.PeerOptions{Simulcast: true}), newPeer(t, client)
	must(t, s.Receive(camera, bridge.Camera))
	must(t, p.Publish(true, true))
	clientOffers(ctx, t, s, p)
	_, c := subscribe(ctx, t, e, camera, mediatest.Config{}, bridge.PeerOptions{})
	must(t, waitLayer(ctx, c, camera.String(), 2))
	must(t, p.WaitReported(ctx))

	must(t, p.PublishScreen())
	must(t, s.Receive(screen, bridge.Screen, "video"))
	clientOffers(ctx, t, s, p)
	_, c2 := subscribe(ctx, t, e, screen, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c2.WaitVideo(ctx, screen.String(), 10))
	must(t, c.WaitVideo(ctx, camera.String(), 10))
	must(t, s.Drop(screen))
	must(t, c.WaitVideo(ctx, camera.String(), 30))
	clean(t, "camera", c.Stats()[camera.String()+"/video"])
}

// A client may restart ICE, as it does when its network changes.
func TestICERestart(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	a := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(a.id, bridge.SendOptions{}))
	must(t, c.Subscribe(1, 1))
	_, first := clientOffers(ctx, t, s, c)
	must(t, c.WaitVideo(ctx, "", 10))
	offer, err := c.Restart(ctx)
	must(t, err)
	answer, err := s.Answer(ctx, bridge.SDP(offer))
	must(t, err)
	must(t, c.Accept(ctx, string(answer)))
	if ufrag(first) == ufrag(string(answer)) {
		t.Errorf("the same credentials:\n%s", answer)
	}
	if !strings.Contains(string(answer), "a=candidate:") {
		t.Errorf("no candidates:\n%s", answer)
	}
	must(t, c.WaitVideo(ctx, "", 30))
}

// The engine may, too, when the client says that nothing comes any more.
func TestICERestartByUs(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	a := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	s, c := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, mediatest.Config{}))
	must(t, s.Send(a.id, bridge.SendOptions{}))
	first, _ := serverOffers(ctx, t, s, c)
	must(t, c.WaitVideo(ctx, a.id.String(), 10))
	r, ok := s.Peer.(bridge.Restarter)
	if !ok {
		t.Fatal("the engine's peers cannot restart")
	}
	offer, err := r.Restart(ctx)
	must(t, err)
	if _, err := s.Offer(ctx); bridge.CodeOf(err) != bridge.BadRequest {
		t.Errorf("an offer while one waits for its answer: %v", err)
	}
	answer, err := c.Answer(ctx, string(offer))
	must(t, err)
	must(t, s.Accept(ctx, bridge.SDP(answer)))
	if ufrag(first) == ufrag(string(offer)) || !strings.Contains(string(offer), "a=candidate:") {
		t.Errorf("no fresh credentials, or no candidates:\n%s", offer)
	}
	must(t, c.WaitVideo(ctx, a.id.String(), 30))
}

func ufrag(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "a=ice-ufrag:") {
			return line
		}
	}
	return ""
}

func TestClientCloses(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	p.awaitState(ctx, bridge.PeerConnected)
	must(t, p.peer.WaitConnected(ctx))
	must(t, p.peer.Close())
	p.awaitState(ctx, bridge.PeerClosed)
}

// Old candidates of a peer that has lost its publication to another change
// nothing.
func TestOldFeederStaysOut(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	owner, id := bridge.NewParticipantID(), bridge.NewPublicationID()
	one, two := newClient(t, mediatest.Config{}), newClient(t, mediatest.Config{})
	first, p1 := leg(t, e, one, owner, bridge.PeerOptions{})
	second, p2 := leg(t, e, two, owner, bridge.PeerOptions{})
	must(t, first.Receive(id, bridge.Camera))
	clientOffers(ctx, t, first, p1)
	_, c := subscribe(ctx, t, e, id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, waitSource(ctx, c, id.String(), one.Source()))
	must(t, second.Receive(id, bridge.Camera))
	clientOffers(ctx, t, second, p2)
	must(t, waitSource(ctx, c, id.String(), two.Source()))
	must(t, p1.WaitBitrate(ctx, 60_000)) // the old upload is not wanted any more

	clientOffers(ctx, t, first, p1)
	must(t, c.WaitVideo(ctx, "", 30))
	must(t, first.Drop(id))
	must(t, c.WaitVideo(ctx, "", 30))
	if s := c.Stats()[id.String()+"/video"]; s.Last.Source != two.Source() || s.Switches != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAdvertisedAddresses(t *testing.T) {
	ctx := testContext(t)
	e := newEngine(t, func(c *media.Config) {
		c.TCP = "127.0.0.1:0"
		c.Advertise = []string{"203.0.113.7:17000", "198.51.100.1/127.0.0.1", "192.0.2.1/10.0.0.1", "2001:db8::1"}
	})
	s := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{})
	must(t, s.Receive(bridge.NewPublicationID(), bridge.Camera))
	offer, err := s.Offer(ctx)
	must(t, err)
	udp, tcp := e.Addrs()
	var got []string
	for line := range strings.Lines(string(offer)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "a=candidate:") {
			got = append(got, f[2]+" "+f[4]+":"+f[5])
		}
	}
	slices.Sort(got)
	port := func(a net.Addr) string { _, p, _ := net.SplitHostPort(a.String()); return p }
	want := []string{
		"tcp 198.51.100.1:" + port(tcp), "tcp 203.0.113.7:17000",
		"udp 198.51.100.1:" + port(udp), "udp 203.0.113.7:17000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("candidates %q, want %q", got, want)
	}
}

// Who is the DTLS server chooses the cipher. We want to, but do not insist.
func TestDTLSRoles(t *testing.T) {
	for _, tt := range []struct{ offered, answered string }{{"actpass", "passive"}, {"passive", "active"}, {"active", "passive"}} {
		t.Run(tt.offered, func(t *testing.T) {
			ctx, e := testContext(t), newEngine(t)
			setup := func(text string) string { return strings.ReplaceAll(text, "a=setup:actpass", "a=setup:"+tt.offered) }
			c := newPeer(t, newClient(t, mediatest.Config{Munge: setup}))
			s := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{})
			must(t, c.Publish(true, true))
			must(t, c.OpenChannel("default"))
			for range 2 { // and so it stays
				_, answer := clientOffers(ctx, t, s, c)
				if n := strings.Count(answer, "a=setup:"+tt.answered); n != 3 {
					t.Errorf("answer:\n%s", answer)
				}
				s.awaitState(ctx, bridge.PeerConnected)
				must(t, c.WaitConnected(ctx))
			}
		})
	}
}
