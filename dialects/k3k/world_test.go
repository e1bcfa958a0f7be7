package k3k_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/cluster/clustertest"
	"dragoman/dialects"
	"dragoman/dialects/k3k"
	"dragoman/e2e/transcript"
)

// world is a node that speaks k3k over connections in memory, with media that a
// test scripts. It is a transcript.Stage.
//
// Requests to /-/act are for the test: what somebody of another dialect does.
type world struct {
	*transcript.Local
	t      *testing.T
	rooms  clustertest.Rooms
	media  *bridgetest.Media
	store  *memory
	gate   *gate
	env    dialects.Env
	guests map[string]*guest
	last   map[string]*bridgetest.Peer // by who: the peer whose description came last
	sent   map[string]*bridgetest.Peer // by who and source: what it sends
}

var _ transcript.Stage = (*world)(nil)

// gate lets everybody in, unless it is told otherwise.
type gate struct {
	err    error
	failed int
}

func (g *gate) Admit(context.Context, bridge.Credentials) (bridge.Grant, error) {
	return bridge.Grant{}, g.err
}
func (g *gate) Failed(bridge.Credentials) { g.failed++ }

// issuer believes tokens that are the name of a user; "ann@example.org" has an
// address and names, too.
type issuer struct{}

func (issuer) Issuer() (name, url string) { return "test", "https://login.example.org" }

func (issuer) ByIDToken(_ context.Context, token bridge.Secret) (bridge.Grant, error) {
	name, _, _ := strings.Cut(string(token), "@")
	switch token {
	case "bad", "":
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "the token does not hold")
	case "poor":
		return bridge.Grant{}, bridge.Errorf(bridge.BadRequest, "there is no given_name")
	case "down":
		return bridge.Grant{}, bridge.Errorf(bridge.Unavailable, "the provider cannot be asked")
	}
	first := strings.ToUpper(name[:1]) + name[1:]
	return bridge.Grant{
		User: bridge.UserID("test:" + name), Name: first,
		Profile: &bridge.Profile{
			Mail: name + "@example.org", MailVerified: true, First: first, Last: "Lee", Groups: []string{"/staff"},
		},
	}, nil
}

func (i issuer) ByAccessToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	return i.ByIDToken(ctx, token)
}

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

func newWorld(t *testing.T) *world { return newWorldOn(t, clustertest.Topologies()["here"]) }

// newWorldOn is newWorld where the rooms run as a topology says.
func newWorldOn(t *testing.T, rooms func(bridge.LocalConfig) (clustertest.Rooms, error)) *world {
	w := &world{
		t: t, media: &bridgetest.Media{}, store: newMemory(), gate: &gate{}, guests: map[string]*guest{},
		last: map[string]*bridgetest.Peer{}, sent: map[string]*bridgetest.Peer{},
	}
	var err error
	if w.rooms, err = rooms(bridge.LocalConfig{Media: w.media}); err != nil {
		t.Fatal(err)
	}
	w.env = dialects.Env{
		Host: w.rooms, Gate: w.gate, Store: w.store, Login: issuer{},
		IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
		Log: slog.New(slog.DiscardHandler), Tap: frames{t}, Counts: new(dialects.Counts),
		Config: func(any) error { return nil },
	}
	return w
}

// Dial implements transcript.World. What a script has closed before, the server has
// noticed by then, wherever its rooms run.
func (w *world) Dial(ctx context.Context) (net.Conn, error) {
	synctest.Wait()
	return w.Local.Dial(ctx)
}

// open mounts the dialect. What is to be changed in env is changed before.
func (w *world) open() *world {
	mux := http.NewServeMux()
	if err := k3k.New().Mount(mux, w.env); err != nil {
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

// Describe implements transcript.Stage. It remembers which peer who has answered.
func (w *world) Describe(_ context.Context, who string, wish transcript.Wish, offer string) (string, error) {
	if wish.Type == "offer" {
		return wish.Offer(), nil
	}
	for _, p := range w.media.Peers() {
		if raw := p.ID().Array(); strings.Contains(offer, fmt.Sprintf("a=ice-pwd:%x\r\n", raw)) {
			w.last[who] = p
		}
	}
	return wish.Answer(offer)
}

// Answered implements transcript.Stage: who has heard what the server answers.
func (w *world) Answered(_ context.Context, who, answer string) error {
	for _, p := range w.media.Peers() {
		if raw := p.ID().Array(); strings.Contains(answer, fmt.Sprintf("a=ice-pwd:%x\r\n", raw)) {
			w.last[who] = p
			w.sent[who] = p
			return nil
		}
	}
	return fmt.Errorf("%s has heard the answer of no peer", who)
}

// Media implements transcript.Stage: what the engine finds out about the connection
// that who has negotiated last ("own …": that it sends on).
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
	track := func(t bridge.Track, live bool) {
		for _, pub := range p.Receives() {
			p.Fire(bridge.PeerTrack{Pub: pub, Track: t, Live: live})
		}
	}
	acts := map[string]func(){
		"up":      func() { p.Fire(bridge.PeerChanged{State: bridge.PeerConnected}) },
		"lost":    func() { p.Fire(bridge.PeerChanged{State: bridge.PeerDisconnected}) },
		"failed":  func() { p.Fire(bridge.PeerChanged{State: bridge.PeerFailed}) },
		"audio":   func() { track(bridge.Audio, true) },
		"video":   func() { track(bridge.Video, true) },
		"silence": func() { track(bridge.Audio, false) },
		"talk":    func() { p.Config.Notify(bridge.PeerHeard{Pub: p.Receives()[0], Talking: true}) },
		"hush":    func() { p.Config.Notify(bridge.PeerHeard{Pub: p.Receives()[0]}) },
	}
	if act := acts[what]; act != nil {
		act()
		return nil
	}
	// "wish low" or "wish none": what was preferred.
	if want, ok := strings.CutPrefix(what, "wish "); ok {
		wish, _ := p.Wish(p.Sends()[0])
		got := wish.RID
		switch {
		case wish.NoMore:
			got = "none"
		case got == "":
			got = "best"
		}
		if got != want {
			return fmt.Errorf("%s wants %q, not %q", s.Who, got, want)
		}
		return nil
	}
	if want, ok := strings.CutPrefix(what, "relayed "); ok { // "relayed audio": the gate is open
		for _, pub := range p.Receives() {
			got := []string{}
			for t, name := range []string{"audio", "video"} {
				if w.media.Open(pub, bridge.Track(t)) {
					got = append(got, name)
				}
			}
			if strings.Join(got, "+") != want {
				return fmt.Errorf("of %s %q is relayed, want %q", s.Who, got, want)
			}
		}
		return nil
	}
	if want, ok := strings.CutPrefix(what, "candidates "); ok {
		if got := fmt.Sprint(len(p.Candidates())); got != want {
			return fmt.Errorf("the connection of %s has %s candidates, want %s", s.Who, got, want)
		}
		return nil
	}
	return fmt.Errorf("nothing is known of %q", s.Publish)
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
	return &guest{w: w, s: s, pubs: map[bridge.Source]bridge.PublicationID{}}
}

// events returns what is new.
func (g *guest) events() []bridge.Event {
	synctest.Wait()
	events, _ := g.s.Drain(context.Background())
	g.seen = append(g.seen, events...)
	return events
}

func (g *guest) do(c bridge.Command) error { return g.s.Do(context.Background(), c) }

// configure changes the dialect's section.
func (w *world) configure(change func(*k3k.Config)) {
	w.env.Config = func(into any) error { change(into.(*k3k.Config)); return nil }
}
