package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/dialects/spreed/client"
	"dragoman/dialects/spreed/wire"
	"dragoman/e2e/transcript"
)

// server is a server that does what a test says.
type server struct {
	t     *testing.T
	world *transcript.Local
	conns chan *websocket.Conn
	token chan string
	ws    *websocket.Conn
	peers []*peer
}

// self is what the server tells its client of itself: "m" is between other ids.
const self = `{"Data":{"Type":"Self","Id":"m","Sid":"s","Token":"tok","Turn":{}},"From":"m"}`

// run runs a test in a bubble with a client that is connected, in a room of a type
// with members a, c (Cleo) and z, and has said its status.
func run(t *testing.T, kind string, cfg client.Config, test func(ctx context.Context, s *server, c *client.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, conns: make(chan *websocket.Conn, 1), token: make(chan string, 9)}
		up := websocket.Upgrader{}
		s.world = transcript.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.token <- r.URL.Query().Get("t")
			ws, err := up.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			s.conns <- ws
		}))
		cfg.URL, cfg.Name = "ws://x/ws", "Max"
		cfg.Dialer = &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.world.Dial(ctx) }}
		if cfg.Peers == nil {
			cfg.Peers = s.peer
		}
		ctx := t.Context()
		accepted := make(chan struct{})
		go func() { s.accept(); close(accepted) }()
		c, err := client.Dial(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		<-accepted
		defer func() {
			s.ws.Close()
			c.Close()
			if err := s.world.Close(); err != nil {
				t.Error(err)
			}
		}()
		joined := make(chan error, 1)
		go func() { joined <- c.Join(ctx, "team", "") }()
		r := s.hear(wire.TypeHello)
		s.say(`{"Data":{"Type":"Welcome","Room":{"Type":"` + kind + `","Name":"team","Credentials":null},"Users":[{"Type":"Online","Id":"m"},{"Type":"Online","Id":"a"},` +
			`{"Type":"Online","Id":"c","Status":{"displayName":"Cleo"}},{"Type":"Online","Id":"z"}]},"From":"m","Iid":"` + r.Iid + `"}`)
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		s.hear(wire.TypeStatus)
		test(ctx, s, c)
	})
}

func (s *server) accept() {
	s.ws = <-s.conns
	s.say(self)
}

func (s *server) say(text string) {
	s.t.Helper()
	if err := s.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.t.Error(err)
	}
}

// from says a document From a session To the client.
func (s *server) from(id, doc string) {
	s.t.Helper()
	s.say(`{"Data":` + doc + `,"From":"` + id + `","To":"m"}`)
}

// hear waits for a request of a type, which must be the next. Signs of life between
// are answered.
func (s *server) hear(kind string) wire.Request {
	s.t.Helper()
	for {
		s.ws.SetReadDeadline(time.Now().Add(time.Minute))
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			s.t.Fatalf("want %s: %v", kind, err)
		}
		r, err := wire.DecodeRequest(data)
		switch {
		case err == nil && r.Type == kind:
			return r
		case err == nil && r.Type == wire.TypeAlive:
			s.say(`{"Data":{"Type":"Alive","Alive":1},"From":"m"}`)
		default:
			s.t.Fatalf("want %s, got %s (%v)", kind, data, err)
		}
	}
}

// quiet fails when the client says anything.
func (s *server) quiet(ctx context.Context, c *client.Client) {
	s.t.Helper()
	synctest.Wait()
	// What was said before a marker has been read before it.
	if err := c.SendRaw(ctx, []byte(`{"Type":"Self"}`)); err != nil {
		s.t.Error(err)
	}
	s.hear(wire.TypeSelf)
}

// peer is a peer connection that is connected as soon as it can be.
type peer struct {
	client.PeerConfig
	offered, answered, accepted, closed bool
	sent, candidates                    []string
}

func (s *server) peer(_ context.Context, cfg client.PeerConfig) (client.Peer, error) {
	p := &peer{PeerConfig: cfg}
	s.peers = append(s.peers, p)
	return p, nil
}

// at returns a peer as it is when everything else stands still.
func (s *server) at(i int) *peer {
	synctest.Wait()
	return s.peers[i]
}

func (p *peer) up() {
	p.Notify(client.PeerEvent{What: client.PeerConnected})
	p.Notify(client.PeerEvent{What: client.PeerOpen})
}

func (p *peer) Offer(context.Context) (string, error) {
	p.offered = true
	p.Notify(client.PeerEvent{What: client.PeerCandidate, Candidate: wire.ICE{Candidate: "candidate:1"}})
	return "offer", nil
}

func (p *peer) Answer(_ context.Context, offer string) (string, error) {
	if offer == "bad" {
		return "", errors.New("bad offer")
	}
	p.answered = true
	p.up()
	return "answer", nil
}

func (p *peer) Accept(_ context.Context, answer string) error {
	if answer == "bad" {
		return errors.New("bad answer")
	}
	p.accepted = true
	p.up()
	return nil
}

func (p *peer) AddCandidate(_ context.Context, c wire.ICE) error {
	p.candidates = append(p.candidates, c.Candidate)
	return nil
}

func (p *peer) Message(text []byte) error { p.sent = append(p.sent, string(text)); return nil }
func (p *peer) Close() error              { p.closed = true; return nil }

func (p *peer) hears(text string) {
	p.Notify(client.PeerEvent{What: client.PeerMessage, Data: []byte(text)})
}

const offerDoc = `{"To":"m","Type":"Offer","Offer":{"type":"offer","sdp":"v"}}`

func offerIn(conference string) string {
	return `{"To":"m","Type":"Offer","Offer":{"type":"offer","sdp":"v","_conference":"` + conference + `"}}`
}

func conferenceOf(id string, ids ...string) string {
	return `{"Id":"` + id + `","Type":"Conference","Conference":["` + strings.Join(ids, `","`) + `"]}`
}

func answerDoc(sdp string) string {
	return `{"To":"m","Type":"Answer","Answer":{"type":"answer","sdp":"` + sdp + `"}}`
}

// hearCall hears an offer with its candidate, and answers.
func (s *server) hearCall(to, conference string) {
	s.t.Helper()
	var d wire.Description
	r := s.hear(wire.TypeOffer)
	if err := json.Unmarshal(r.Offer.Offer, &d); err != nil || r.Offer.To != to || d.Conference != conference || d.SDP != "offer" {
		s.t.Fatalf("want a call to %s for %q, got %s %s", to, conference, r.Offer.To, r.Offer.Offer)
	}
	if r := s.hear(wire.TypeCandidate); r.Candidate.To != to {
		s.t.Fatalf("candidate to %s", r.Candidate.To)
	}
	s.from(to, answerDoc("answer"))
}

func (s *server) hearBye(to, reason string) {
	s.t.Helper()
	var why wire.Reason
	r := s.hear(wire.TypeBye)
	if err := json.Unmarshal(r.Bye.Bye, &why); err != nil || r.Bye.To != to || why.Reason != reason {
		s.t.Fatalf("want Bye %q to %s, got %s to %s", reason, to, r.Bye.Bye, r.Bye.To)
	}
}

// TestConferenceRoom follows 12.1: greater ids are called, connected ones skipped,
// matching offers taken.
func TestConferenceRoom(t *testing.T) {
	run(t, "Conference", client.Config{}, func(ctx context.Context, s *server, c *client.Client) {
		doc := `{"Data":` + conferenceOf("Conference:team", "m", "a", "z") + `,"To":"Conference:team"}`
		s.say(doc)
		s.hearCall("z", "Conference:team")
		s.say(doc)
		s.from("a", offerIn("Conference:team"))
		if r := s.hear(wire.TypeAnswer); r.Answer.To != "a" {
			t.Errorf("answer to %s", r.Answer.To)
		}
		s.from("c", offerIn("Conference:other"))
		s.hearBye("c", "busy")
		s.from("c", offerDoc)
		s.hearBye("c", "busy")
		s.from("z", offerIn("Conference:team"))
		s.hearBye("z", "unsupported")
		if ids, err := c.Calls(ctx); err != nil || strings.Join(ids, " ") != "a" {
			t.Errorf("calls with %v, %v", ids, err)
		}
		s.from("a", `{"To":"m","Type":"Bye","Bye":{}}`)
		s.from("z", offerIn("Conference:team"))
		s.hearBye("z", "busy") // the conference was forgotten with the last call
		s.quiet(ctx, c)
	})
}

// TestRoomByHand calls by hand, is upgraded to a conference, and announces one.
func TestRoomByHand(t *testing.T) {
	run(t, "Room", client.Config{}, func(ctx context.Context, s *server, c *client.Client) {
		s.from("z", conferenceOf("x", "m", "z"))
		s.quiet(ctx, c) // in no call
		if err := c.Call(ctx, "Cleo"); err != nil {
			t.Fatal(err)
		}
		s.hearCall("c", "")
		if _, err := c.Saw(ctx, "call", "Cleo", ""); err != nil {
			t.Fatal(err)
		}
		s.from("z", conferenceOf("x", "m", "z"))
		s.quiet(ctx, c) // not from whom it talks with
		s.from("a", offerDoc)
		s.hearBye("a", "busy")
		s.from("c", conferenceOf("x", "m", "c", "z"))
		s.hearCall("z", "x")
		r := s.hear(wire.TypeConference)
		if r.Conference.ID != "x" || strings.Join(r.Conference.Conference, " ") != "c z m" {
			t.Errorf("announced %+v", r.Conference)
		}
		s.from("c", conferenceOf("y", "m", "c", "zz"))
		s.quiet(ctx, c) // another conference
		if err := c.Hangup(ctx, "Cleo", ""); err != nil {
			t.Fatal(err)
		}
		s.hearBye("c", "")
		if err := c.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		s.hearBye("z", "")
		s.hear(wire.TypeLeave)
		synctest.Wait()
		for _, p := range s.peers {
			if !p.closed {
				t.Errorf("the peer with %s is open", p.Remote)
			}
		}
	})
}

// TestRinging takes a call, lets one ring out, and gives up dialling.
func TestRinging(t *testing.T) {
	run(t, "Room", client.Config{}, func(ctx context.Context, s *server, c *client.Client) {
		s.from("c", offerDoc)
		s.from("c", `{"To":"m","Type":"Candidate","Candidate":{"candidate":"candidate:9"}}`)
		if _, err := c.Saw(ctx, "ringing", "Cleo", ""); err != nil {
			t.Fatal(err)
		}
		if err := c.Take(ctx, "Cleo"); err != nil {
			t.Fatal(err)
		}
		s.hear(wire.TypeAnswer)
		if p := s.at(0); len(p.candidates) != 1 || p.Offers || p.Kind != client.Call {
			t.Errorf("peer %+v", p)
		}
		s.from("c", `{"To":"m","Type":"Bye","Bye":{"Reason":"unload"}}`)
		if e, err := c.Saw(ctx, "bye", "Cleo", "unload"); err != nil {
			t.Fatal(e, err)
		}
		s.from("c", offerDoc)
		start := time.Now()
		s.hearBye("c", "pickuptimeout")
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("rang for %s", d)
		}
		if err := c.Call(ctx, "z"); err != nil {
			t.Fatal(err)
		}
		s.hear(wire.TypeOffer)
		s.hear(wire.TypeCandidate)
		start = time.Now()
		s.hearBye("z", "ringertimeout")
		if d := time.Since(start); d != 35*time.Second {
			t.Errorf("dialled for %s", d)
		}
		s.from("c", `{"To":"m","Type":"Offer","Offer":{"type":"offer","sdp":"bad"}}`)
		if _, err := c.Wait(ctx, func(e client.Entry) bool { return e.Kind == "ringing" }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.Take(ctx, "Cleo"); err != nil {
			t.Fatal(err)
		}
		s.hearBye("c", "error")
		if err := c.Take(ctx, "nobody"); !errors.Is(err, client.ErrNobody) {
			t.Errorf("take from nobody: %v", err)
		}
	})
}

// TestHeartbeat asks a silent server, and gives up on a dead one.
func TestHeartbeat(t *testing.T) {
	run(t, "Room", client.Config{}, func(ctx context.Context, s *server, c *client.Client) {
		start := time.Now()
		s.hear(wire.TypeAlive)
		if d := time.Since(start); d < 4*time.Second || d > 7*time.Second {
			t.Errorf("asked after %s", d)
		}
		if _, err := c.Saw(ctx, "closed", "", ""); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < 11*time.Second || d > 14*time.Second {
			t.Errorf("gave up after %s", d)
		}
	})
}

// TestReconnect comes back with the token and keeps its calls.
func TestReconnect(t *testing.T) {
	run(t, "Conference", client.Config{}, func(ctx context.Context, s *server, c *client.Client) {
		s.say(`{"Data":` + conferenceOf("Conference:team", "m", "z") + `,"To":"Conference:team"}`)
		s.hearCall("z", "Conference:team")
		<-s.token
		back := make(chan error, 1)
		go func() { back <- c.Reconnect(ctx) }()
		if token := <-s.token; token != "tok" {
			t.Errorf("token %q", token)
		}
		s.accept()
		r := s.hear(wire.TypeHello)
		s.say(`{"Data":{"Type":"Welcome","Room":{"Type":"Conference","Name":"team"},"Users":[{"Type":"Online","Id":"m"},{"Type":"Online","Id":"z"}]},"Iid":"` + r.Iid + `"}`)
		if err := <-back; err != nil {
			t.Fatal(err)
		}
		s.hear(wire.TypeStatus)
		s.say(`{"Data":` + conferenceOf("Conference:team", "m", "z") + `,"To":"Conference:team"}`)
		s.quiet(ctx, c) // z is connected
		if s.at(0).closed {
			t.Error("the call was closed")
		}
	})
}

// TestRefused tells what the server refuses, and tries again without a PIN.
func TestRefused(t *testing.T) {
	run(t, "Room", client.Config{}, func(ctx context.Context, s *server, c *client.Client) {
		done := make(chan error, 1)
		go func() { done <- c.Join(ctx, "other", "7") }()
		r := s.hear(wire.TypeHello)
		if r.Hello.Credentials == nil || r.Hello.Credentials.PIN != "7" {
			t.Errorf("hello %+v", r.Hello)
		}
		s.say(`{"Data":{"Type":"Error","Code":"authorization_not_required","Message":"x"},"Iid":"` + r.Iid + `"}`)
		if r = s.hear(wire.TypeHello); r.Hello.Credentials != nil {
			t.Error("the PIN was given again")
		}
		s.say(`{"Data":{"Type":"Error","Code":"authorization_required","Message":"x"},"Iid":"` + r.Iid + `"}`)
		if e, ok := errors.AsType[*client.Refused](<-done); !ok || e.Code != "authorization_required" || e.Error() == "" {
			t.Errorf("refused: %v", e)
		}
		go func() { done <- c.Lock(ctx, "9") }()
		r = s.hear(wire.TypeRoom)
		s.say(`{"Data":{"Type":"Room","Name":"team","Credentials":{"PIN":"9"}},"From":"m","Iid":"` + r.Iid + `"}`)
		if err := <-done; err != nil {
			t.Error(err)
		}
		go func() { _, err := c.Users(ctx); done <- err }()
		s.hear(wire.TypeUsers)
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no answer: %v", err)
		}
	})
}

// TestChat says, whispers, confirms, types and reads.
func TestChat(t *testing.T) {
	run(t, "Room", client.Config{Pickup: true}, func(ctx context.Context, s *server, c *client.Client) {
		if err := c.Say(ctx, "hello"); err != nil {
			t.Fatal(err)
		}
		if r := s.hear(wire.TypeChat); r.Chat.To != "" || r.Chat.Chat.Message != "hello" || !r.Chat.Chat.NoEcho || r.Chat.Chat.Mid == "" {
			t.Errorf("said %+v", r.Chat)
		}
		mid, err := c.Whisper(ctx, "Cleo", "psst")
		if r := s.hear(wire.TypeChat); err != nil || r.Chat.To != "c" || r.Chat.Chat.Mid != mid {
			t.Errorf("whispered %+v, %v", r.Chat, err)
		}
		s.from("m", `{"To":"c","Type":"Chat","Chat":{"Message":"","Time":"","Mid":"`+mid+`","Status":{"State":"sent"}}}`)
		s.from("c", `{"To":"m","Type":"Chat","Chat":{"Message":"","Time":"","Status":{"State":"delivered","Mid":"`+mid+`"}}}`)
		s.from("c", `{"To":"m","Type":"Chat","Chat":{"Message":"","Time":"","Status":{"SeenMids":["`+mid+`"]}}}`)
		s.from("c", `{"To":"m","Type":"Chat","Chat":{"Message":"","Time":"","Status":{"Typing":"start"}}}`)
		for _, kind := range []string{"sent", "delivered", "seen"} {
			if _, err := c.Saw(ctx, kind, "", mid); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Saw(ctx, "typing", "Cleo", "start"); err != nil {
			t.Error(err)
		}
		s.from("c", `{"To":"m","Type":"Chat","Chat":{"Message":"yes?","Time":"","Mid":"m9","Status":null}}`)
		if r := s.hear(wire.TypeChat); r.Chat.Chat.Status == nil || r.Chat.Chat.Status.Mid != "m9" || r.Chat.Chat.Status.State != wire.StateDelivered {
			t.Errorf("confirmed %+v", r.Chat)
		}
		s.say(`{"Data":{"To":"","Type":"Chat","Chat":{"Message":"all","Time":"","Status":null}},"From":"c"}`)
		if _, err := c.Saw(ctx, "chat", "Cleo", "all"); err != nil {
			t.Error(err)
		}
		if err := errors.Join(c.Type(ctx, "Cleo", true), c.Read(ctx, "Cleo", "m9")); err != nil {
			t.Error(err)
		}
		s.hear(wire.TypeChat)
		s.hear(wire.TypeChat)

		// In a call it goes over the data channel, both ways.
		s.from("c", offerDoc)
		s.hear(wire.TypeAnswer)
		if _, err := c.Saw(ctx, "call", "Cleo", ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := c.Whisper(ctx, "Cleo", "quietly"); err != nil {
			t.Fatal(err)
		}
		s.at(0).hears(`{"Type":"Chat","To":"m","Chat":{"Message":"back","Mid":"m10"}}`)
		s.at(0).hears(`{"Type":"Talking","Talking":true}`)
		s.at(0).hears(`{"Type":"Presentation","Presentation":{}}`)
		for kind, text := range map[string]string{"whisper": "back", "talking": "true", "channel": "Presentation"} {
			if _, err := c.Saw(ctx, kind, "Cleo", text); err != nil {
				t.Error(err)
			}
		}
		if sent := s.at(0).sent; len(sent) != 2 || !strings.Contains(sent[0], "quietly") || !strings.Contains(sent[1], "m10") {
			t.Errorf("on the channel: %q", sent)
		}
	})
}

// TestScreens looks at a screen and shows one.
func TestScreens(t *testing.T) {
	run(t, "Room", client.Config{Pickup: true}, func(ctx context.Context, s *server, c *client.Client) {
		s.from("c", offerDoc)
		s.hear(wire.TypeAnswer)
		if _, err := c.Saw(ctx, "call", "Cleo", ""); err != nil {
			t.Fatal(err)
		}
		s.at(0).hears(`{"Type":"Screenshare","Id":null,"Screenshare":{"id":"tok1"}}`)
		r := s.hear(wire.TypeOffer)
		var d wire.Description
		if err := json.Unmarshal(r.Offer.Offer, &d); err != nil || d.Token != "tok1" || string(d.ID) != "0" {
			t.Fatalf("offer %s", r.Offer.Offer)
		}
		if r := s.hear(wire.TypeCandidate); !strings.Contains(string(r.Candidate.Candidate), `"_token":"tok1","_id":0`) {
			t.Errorf("candidate %s", r.Candidate.Candidate)
		}
		s.from("c", `{"To":"m","Type":"Answer","Answer":{"type":"answer","sdp":"a","_token":"tok1","_id":0}}`)
		s.from("c", `{"To":"m","Type":"Candidate","Candidate":{"candidate":"candidate:7","_token":"tok1","_id":0}}`)
		synctest.Wait()
		if p := s.at(1); p.Kind != client.View || !p.accepted || len(p.candidates) != 1 {
			t.Errorf("view %+v", p)
		}
		s.at(1).hears(`{"m":"bye"}`)
		if _, err := c.Saw(ctx, "screen-gone", "Cleo", "tok1"); err != nil {
			t.Error(err)
		}
		if err := c.ShareScreen(ctx, true); err != nil {
			t.Fatal(err)
		}
		sent := s.at(0).sent
		token := strings.Split(sent[len(sent)-1], `"id":"`)[1]
		token = token[:strings.Index(token, `"`)]
		s.from("z", `{"To":"m","Type":"Offer","Offer":{"type":"offer","sdp":"o","_token":"wrong","_id":0}}`)
		s.from("z", `{"To":"m","Type":"Offer","Offer":{"type":"offer","sdp":"o","_token":"`+token+`","_id":"x"}}`)
		if r := s.hear(wire.TypeAnswer); r.Answer.To != "z" || !strings.Contains(string(r.Answer.Answer), `"_id":"x"`) {
			t.Errorf("answer %+v", r.Answer)
		}
		if p := s.at(2); p.Kind != client.Share || !p.answered {
			t.Errorf("share %+v", p)
		}
		if err := c.ShareScreen(ctx, false); err != nil {
			t.Fatal(err)
		}
		if p := s.at(2); !p.closed || len(p.sent) != 1 || p.sent[0] != `{"m":"bye"}` {
			t.Errorf("share %+v", p)
		}
	})
}

// TestLost calls again when a transport was lost.
func TestLost(t *testing.T) {
	run(t, "Conference", client.Config{}, func(ctx context.Context, s *server, c *client.Client) {
		doc := `{"Data":` + conferenceOf("Conference:team", "m", "z") + `,"To":"Conference:team"}`
		s.say(doc)
		s.hearCall("z", "Conference:team")
		if _, err := c.Saw(ctx, "call", "", ""); err != nil {
			t.Fatal(err)
		}
		if err := c.Cut(ctx, "z"); err != nil {
			t.Fatal(err)
		}
		s.say(doc)
		s.hearCall("z", "Conference:team")
		synctest.Wait()
		s.at(1).Notify(client.PeerEvent{What: client.PeerFailed})
		s.hearBye("z", "failed")
		if err := c.Unload(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Log(ctx); !errors.Is(err, client.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestIdle ignores conferences until it is in a call, as the iOS client does.
func TestIdle(t *testing.T) {
	run(t, "Conference", client.Config{Idle: true, Pickup: true}, func(ctx context.Context, s *server, c *client.Client) {
		doc := `{"Data":` + conferenceOf("Conference:team", "m", "a", "z") + `,"To":"Conference:team"}`
		s.say(doc)
		s.quiet(ctx, c)
		s.from("a", offerIn("Conference:team"))
		s.hear(wire.TypeAnswer)
		s.say(doc)
		s.hearCall("z", "Conference:team")
	})
}

// TestNoMedia has no peers.
func TestNoMedia(t *testing.T) {
	none := func(context.Context, client.PeerConfig) (client.Peer, error) { return nil, errors.New("no camera") }
	run(t, "Room", client.Config{Peers: none, Pickup: true}, func(ctx context.Context, s *server, c *client.Client) {
		if err := c.Call(ctx, "Cleo"); err == nil {
			t.Error("a call without media")
		}
		s.from("c", offerDoc)
		s.hearBye("c", "failed")
	})
}
