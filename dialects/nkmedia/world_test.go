package nkmedia_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/dialects"
	"dragoman/dialects/nkmedia"
	"dragoman/e2e/transcript"
)

// world is a node that speaks NkMEDIA over connections in memory, with media that a
// test scripts. It is a transcript.Stage.
//
// Requests to /-/act are for the test: what somebody of another dialect does.
type world struct {
	*transcript.Local
	t      *testing.T
	rooms  *bridge.Local
	media  *bridgetest.Media
	gate   *gate
	env    dialects.Env
	guests map[string]*guest
	last   map[string]*bridgetest.Peer // by who: the peer whose description came last
	sent   map[string]*bridgetest.Peer // by who: what it sends on
}

var _ transcript.Stage = (*world)(nil)

// gate lets everybody in but eve, and those who give "wrong". Rita may only listen.
type gate struct{ failed int }

func (g *gate) Admit(_ context.Context, c bridge.Credentials) (bridge.Grant, error) {
	switch {
	case c.User == "eve" || c.Secret == "wrong":
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "no")
	case c.User == "busy":
		return bridge.Grant{}, bridge.Errorf(bridge.TooMany, "later")
	case c.User == "rita":
		return bridge.Grant{User: "test:rita", Role: bridge.Listener}, nil
	}
	return bridge.Grant{User: bridge.UserID("test:" + c.User)}, nil
}
func (g *gate) Failed(bridge.Credentials) { g.failed++ }

// frames is a tap that checks all that we send against the schema.
type frames struct{ t *testing.T }

func (f frames) Frame(_ dialects.ConnID, dir dialects.Direction, data []byte) {
	if dir != dialects.Out {
		return
	}
	if err := checkSchema(data); err != nil {
		f.t.Errorf("a frame that the schema does not allow: %v\n%s", err, data)
	}
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, media: &bridgetest.Media{}, gate: &gate{}, guests: map[string]*guest{},
		last: map[string]*bridgetest.Peer{}, sent: map[string]*bridgetest.Peer{},
	}
	w.rooms = bridge.NewLocal(bridge.LocalConfig{Media: w.media})
	w.env = dialects.Env{
		Host: w.rooms, Gate: w.gate, Dev: true, IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
		Log: slog.New(slog.DiscardHandler), Tap: frames{t}, Counts: new(dialects.Counts),
		Config: func(any) error { return nil },
	}
	return w
}

// configure changes the dialect's section.
func (w *world) configure(change func(*nkmedia.Config)) {
	w.env.Config = func(into any) error { change(into.(*nkmedia.Config)); return nil }
}

// open mounts the dialect. What is to be changed in env is changed before.
func (w *world) open() *world {
	mux := http.NewServeMux()
	if err := nkmedia.New().Mount(mux, w.env); err != nil {
		w.t.Fatal(err)
	}
	mux.HandleFunc("POST /-/act", w.acts)
	w.Local = transcript.Handler(mux)
	return w
}

// Close stops the node and waits for all that it has started.
func (w *world) Close() error {
	return errors.Join(w.Local.Close(), w.rooms.Close(context.Background()))
}

// peerOf returns the peer that made a description.
func (w *world) peerOf(sdp string) *bridgetest.Peer {
	for _, p := range w.media.Peers() {
		if raw := p.ID().Array(); strings.Contains(sdp, fmt.Sprintf("a=ice-pwd:%x\r\n", raw)) {
			return p
		}
	}
	return nil
}

// Describe implements transcript.Stage. It remembers which peer who has answered.
func (w *world) Describe(_ context.Context, who string, wish transcript.Wish, offer string) (string, error) {
	if wish.Type == "offer" {
		return wish.Offer(), nil
	}
	if p := w.peerOf(offer); p != nil {
		w.last[who] = p
	}
	return wish.Answer(offer)
}

// Answered implements transcript.Stage: who has heard what the server answers.
func (w *world) Answered(_ context.Context, who, answer string) error {
	p := w.peerOf(answer)
	if p == nil {
		return nil // an event that repeats the client's own
	}
	w.last[who] = p
	if len(p.Receives()) > 0 {
		w.sent[who] = p
	}
	return nil
}

// states are what the engine finds out about a connection.
var states = map[string]bridge.PeerState{
	"up": bridge.PeerConnected, "lost": bridge.PeerDisconnected, "failed": bridge.PeerFailed, "closed": bridge.PeerClosed,
}

// Media implements transcript.Stage: what the engine finds out about the connection
// that who has negotiated last ("own …": that it sends on), or what it was told.
func (w *world) Media(_ context.Context, s transcript.Step) error {
	synctest.Wait()
	what, own := strings.CutPrefix(s.Publish, "own ")
	p := w.last[s.Who]
	if own {
		p = w.sent[s.Who]
	}
	if p == nil {
		return fmt.Errorf("%s has no connection", s.Who)
	}
	if state, ok := states[what]; ok {
		p.Fire(bridge.PeerChanged{State: state})
		return nil
	}
	verb, want, _ := strings.Cut(what, " ")
	switch verb {
	case "unfit": // it cannot carry what it was told to send
		p.Fire(bridge.PeerNegotiate{})
		return nil
	case "talk":
		p.Config.Notify(bridge.PeerHeard{Pub: p.Receives()[0], Talking: true})
		return nil
	}
	got, err := w.seen(verb, p)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("of %s's connection %s is %q, want %q", s.Who, verb, got, want)
	}
	return nil
}

// seen is what the engine was told of a connection.
func (w *world) seen(what string, p *bridgetest.Peer) (string, error) {
	switch what {
	case "relayed":
		var open []string
		for t, name := range []string{"audio", "video"} {
			if w.media.Open(p.Receives()[0], bridge.Track(t)) {
				open = append(open, name)
			}
		}
		return strings.Join(open, "+"), nil
	case "wish":
		wish, _ := p.Wish(p.Sends()[0])
		return fmt.Sprintf("audio=%v video=%v", !wish.Silent, !wish.NoMore), nil
	case "limit":
		return fmt.Sprint(p.MaxBitrate()), nil
	case "codecs":
		return strings.Join(p.Config.Codecs, "+"), nil
	case "candidates":
		return fmt.Sprint(len(p.Candidates())), nil
	case "is":
		return map[bool]string{true: "closed", false: "open"}[p.Closed()], nil
	case "sends":
		for name, g := range w.guests {
			for _, pub := range g.pubs {
				if len(p.Sends()) == 1 && p.Sends()[0] == pub {
					return name, nil
				}
			}
		}
		return "", nil
	}
	return "", fmt.Errorf("nothing is known of %q", what)
}

// guest is a member of another dialect.
type guest struct {
	w    *world
	s    *bridge.Session
	seen []bridge.Event // all that it was told
	pubs map[bridge.Source]bridge.PublicationID
}

// join joins as a member of another dialect does.
func (w *world) join(req bridge.JoinRequest) *guest {
	w.t.Helper()
	if req.Dialect == "" {
		req.Dialect = "other"
	}
	s, err := w.rooms.Join(context.Background(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	g := &guest{w: w, s: s, pubs: map[bridge.Source]bridge.PublicationID{}}
	return g
}

// events returns what is new.
func (g *guest) events() []bridge.Event {
	synctest.Wait()
	events, _ := g.s.Drain(context.Background())
	g.seen = append(g.seen, events...)
	return events
}

func (g *guest) do(c bridge.Command) error { return g.s.Do(context.Background(), c) }
