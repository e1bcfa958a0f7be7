package bridgetest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// lines parses a description as Pion does and returns kind, mid and direction of
// each m-line.
func lines(t *testing.T, text bridge.SDP) (all []string) {
	t.Helper()
	var d sdp.SessionDescription
	if err := d.UnmarshalString(string(text)); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, m := range d.MediaDescriptions {
		mid, _ := m.Attribute("mid")
		if _, ok := m.Attribute("fingerprint"); !ok {
			t.Errorf("no fingerprint in\n%s", text)
		}
		direction := ""
		for _, name := range []string{"sendrecv", "sendonly", "recvonly", "inactive"} {
			if _, ok := m.Attribute(name); ok {
				direction = name
			}
		}
		all = append(all, strings.TrimSpace(m.MediaName.Media+" "+mid+" "+direction))
	}
	return all
}

func same(t *testing.T, what string, have []string, want ...string) {
	t.Helper()
	if !slices.Equal(have, want) {
		t.Errorf("%s: %q, want %q", what, have, want)
	}
}

// peer makes a peer whose events go into the slice.
func peer(t *testing.T, m *bridgetest.Media, o bridge.PeerOptions) (*bridgetest.Peer, *[]bridge.Event) {
	t.Helper()
	var events []bridge.Event
	p, err := m.NewPeer(t.Context(), bridge.PeerConfig{
		ID: bridge.NewPeerID(), Owner: bridge.NewParticipantID(),
		Notify: func(e bridge.Event) { events = append(events, e) }, PeerOptions: o,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*bridgetest.Peer), &events
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReceiveAgain: other m-lines replace those that were claimed before.
func TestReceiveAgain(t *testing.T) {
	var m bridgetest.Media
	made, err := m.NewPeer(t.Context(), bridge.PeerConfig{ID: bridge.NewPeerID(), Notify: func(bridge.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	const offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=sendonly\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=sendonly\r\n"
	pub := bridge.NewPublicationID()
	for _, c := range []struct {
		mids []string
		want int
	}{{[]string{"a"}, 1}, {[]string{"a", "v"}, 2}, {nil, 2}, {[]string{"v"}, 1}} {
		if err := made.Receive(pub, bridge.Camera, c.mids...); err != nil {
			t.Fatal(err)
		}
		answer, err := made.Answer(t.Context(), offer)
		if n := strings.Count(string(answer), "a=recvonly"); err != nil || n != c.want {
			t.Errorf("%v: %d m-lines are received, want %d (%v)", c.mids, n, c.want, err)
		}
	}
}

func TestOfferAndAccept(t *testing.T) {
	m := &bridgetest.Media{Connects: true}
	p, events := peer(t, m, bridge.PeerOptions{Channels: []string{"default"}})
	own, theirs := bridge.NewPublicationID(), bridge.NewPublicationID()
	must(t, p.Receive(own, bridge.Camera))
	must(t, p.Send(theirs, bridge.SendOptions{NoVideo: true, Stream: "theirs"}))
	offer, err := p.Offer(t.Context())
	must(t, err)
	same(t, "offer", lines(t, offer), "audio 0 sendrecv", "video 1 recvonly", "application 2")
	if !strings.Contains(string(offer), "a=msid:theirs ") || !strings.Contains(string(offer), "a=candidate:") {
		t.Errorf("no stream or no candidate in\n%s", offer)
	}
	if _, err := p.Offer(t.Context()); bridge.CodeOf(err) != bridge.BadRequest {
		t.Errorf("a second offer: %v", err)
	}
	if _, err := p.Answer(t.Context(), offer); bridge.CodeOf(err) != bridge.BadRequest {
		t.Errorf("an answer while offering: %v", err)
	}
	client, _ := peer(t, m, bridge.PeerOptions{})
	must(t, client.Receive(theirs, bridge.Camera))
	must(t, client.Send(own, bridge.SendOptions{}))
	answer, err := client.Answer(t.Context(), offer)
	must(t, err)
	same(t, "answer", lines(t, answer), "audio 0 sendrecv", "video 1 sendonly", "application 2")
	for _, bad := range []bridge.SDP{"", "hello", "v=0\r\n", "v=0\r\nm=audio\r\n", "v=0\r\nm=smell 9 RTP 0\r\n", "v=0\r\nm=audio 9 RTP/AVP 0\r\n"} {
		if err := p.Accept(t.Context(), bad); bridge.CodeOf(err) != bridge.BadRequest {
			t.Errorf("accepted %q: %v", bad, err)
		}
	}
	must(t, p.Accept(t.Context(), answer))
	if bridge.CodeOf(p.Accept(t.Context(), answer)) != bridge.BadRequest {
		t.Error("accepted twice")
	}
	if p.Remote() != answer || m.Receiving(own) != p || len(m.Sending(theirs)) != 1 || len(m.Of(p.Config.Owner)) != 1 || m.Peer(p.ID()) != p {
		t.Error("the peer is not found")
	}
	want := []bridge.Event{
		bridge.PeerChanged{Peer: p.ID(), State: bridge.PeerConnected},
		bridge.PeerChannel{Peer: p.ID(), Label: "default", Open: true},
	}
	if !slices.Equal(*events, want) {
		t.Errorf("told %+v", *events)
	}
	// Negotiated again, what was there stays where it was.
	third := bridge.NewPublicationID()
	must(t, p.Drop(theirs))
	must(t, p.Send(third, bridge.SendOptions{}))
	offer, err = p.Offer(t.Context())
	must(t, err)
	same(t, "second offer", lines(t, offer), "audio 0 sendrecv", "video 1 sendrecv", "application 2")
	answer, err = client.Answer(t.Context(), offer)
	must(t, err)
	must(t, p.Accept(t.Context(), answer))
	if len(*events) != len(want) {
		t.Errorf("connected again: %+v", *events)
	}
}

func TestAnswer(t *testing.T) {
	m := &bridgetest.Media{}
	p, events := peer(t, m, bridge.PeerOptions{Trickle: true})
	own, theirs := bridge.NewPublicationID(), bridge.NewPublicationID()
	must(t, p.Receive(own, bridge.Camera, "v"))
	must(t, p.Send(theirs, bridge.SendOptions{}))
	must(t, p.Send(theirs, bridge.SendOptions{}))
	const offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=sendonly\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0 109\r\na=mid:a\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:109 opus/48000/2\r\na=recvonly\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 120\r\na=mid:v\r\na=rtpmap:120 H264/90000\r\n" +
		"m=video 0 UDP/TLS/RTP/SAVPF 120\r\na=mid:x\r\n"
	answer, err := p.Answer(t.Context(), offer)
	must(t, err)
	same(t, "answer", lines(t, answer), "audio a sendonly", "video v recvonly", "video x inactive")
	if s := string(answer); !strings.Contains(s, "a=rtpmap:109 opus/48000/2") || strings.Contains(s, "a=candidate") || !strings.Contains(s, "a=setup:active") {
		t.Errorf("the answer is\n%s", answer)
	}
	if len(*events) != 2 || (*events)[1].(bridge.PeerCandidate).Candidate.Text != "" {
		t.Errorf("told %+v", *events)
	}
	// A client that sends on a peer that expects nothing is answered inactive.
	q, _ := peer(t, m, bridge.PeerOptions{})
	answer, err = q.Answer(t.Context(), offer)
	must(t, err)
	same(t, "answer", lines(t, answer), "audio a inactive", "video v inactive", "video x inactive")
	if _, err := q.Answer(t.Context(), "x"); bridge.CodeOf(err) != bridge.BadRequest {
		t.Errorf("answered: %v", err)
	}
}

func TestPeerRemembers(t *testing.T) {
	m := &bridgetest.Media{}
	p, events := peer(t, m, bridge.PeerOptions{})
	pub := bridge.NewPublicationID()
	must(t, p.Prefer(pub, bridge.LayerWish{RID: "q"}))
	must(t, p.AddCandidate(t.Context(), bridge.Candidate{Text: "c"}))
	must(t, p.Message("default", true, []byte("x")))
	must(t, p.Send(pub, bridge.SendOptions{NoAudio: true}))
	if w, ok := p.Wish(pub); !ok || w.RID != "q" {
		t.Errorf("wish %+v", w)
	}
	if !p.Options(pub).NoAudio || len(p.Candidates()) != 1 || len(p.Messages()) != 1 {
		t.Error("something is forgotten")
	}
	for _, e := range []bridge.Event{
		bridge.PeerCandidate{},
		bridge.PeerChanged{},
		bridge.PeerNegotiate{},
		bridge.PeerTrack{},
		bridge.PeerChannel{},
		bridge.PeerMessage{},
		bridge.PeerHeard{Pub: pub},
		bridge.PeerSilence{Pub: pub},
	} {
		p.Fire(e)
	}
	if len(*events) != 8 || (*events)[2] != (bridge.PeerNegotiate{Peer: p.ID()}) {
		t.Errorf("told %+v", *events)
	}
	must(t, p.Close())
	p.Fire(bridge.PeerHeard{})
	if len(*events) != 8 {
		t.Error("an event came after Close")
	}
	for name, err := range map[string]error{
		"receive": p.Receive(pub, bridge.Camera), "send": p.Send(pub, bridge.SendOptions{}), "drop": p.Drop(pub),
		"prefer": p.Prefer(pub, bridge.LayerWish{}), "candidate": p.AddCandidate(t.Context(), bridge.Candidate{}),
		"message": p.Message("", true, nil), "accept": p.Accept(t.Context(), ""), "offer": second(p.Offer(t.Context())),
		"answer": second(p.Answer(context.Background(), "")),
	} {
		if bridge.CodeOf(err) != bridge.Closed {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if m.Receiving(pub) != nil || len(m.Sending(pub)) != 0 || m.Peer(bridge.NewPeerID()) != nil {
		t.Error("a closed peer is found")
	}
}

func second[T any](_ T, err error) error { return err }
