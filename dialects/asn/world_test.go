package asn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/bridge/store"
	"dragoman/dialects"
	"dragoman/dialects/asn"
	"dragoman/dialects/asn/rose"
	"dragoman/e2e/transcript"
)

// world is a node that speaks asn over connections in memory, with media that a test
// scripts and a real store. It is a transcript.Stage.
//
// Requests to /-/act are for the test: what somebody of another dialect does.
type world struct {
	*transcript.Local
	t      *testing.T
	rooms  *bridge.Local
	media  *bridgetest.Media
	db     *store.DB
	gate   *gate
	mail   *mailbox
	env    dialects.Env
	d      *asn.Dialect
	guests map[string]*guest
	last   map[string]*bridgetest.Peer // by who: the peer whose description came last
	sent   map[string]*bridgetest.Peer // by who: what it sends on
}

var _ transcript.Stage = (*world)(nil)

// gate knows users whose password is "pass": alice, bob, eve …; it lets guests in.
type gate struct {
	err error

	mu     sync.Mutex
	failed int
}

func (g *gate) Admit(_ context.Context, c bridge.Credentials) (bridge.Grant, error) {
	switch {
	case g.err != nil:
		return bridge.Grant{}, g.err
	case c.User == "":
		return bridge.Grant{}, nil
	case c.User == "braked":
		return bridge.Grant{}, bridge.Errorf(bridge.TooMany, "there were too many attempts")
	case c.Secret != "pass":
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "the password is wrong")
	}
	return bridge.Grant{
		User: bridge.UserID("test:" + c.User), Name: strings.ToUpper(c.User[:1]) + c.User[1:],
		Profile: &bridge.Profile{Mail: c.User + "@example.org"},
	}, nil
}

func (g *gate) Failed(bridge.Credentials) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed++
}

func (g *gate) failures() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// issuer believes the token "oidc", and no other.
type issuer struct{}

func (issuer) Issuer() (name, url string) { return "test", "https://login.example.org" }

func (issuer) ByIDToken(_ context.Context, token bridge.Secret) (bridge.Grant, error) {
	if token != "oidc" {
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "the token does not hold")
	}
	return bridge.Grant{User: "test:olga", Name: "Olga", Profile: &bridge.Profile{Mail: "olga@example.org"}}, nil
}

func (i issuer) ByAccessToken(ctx context.Context, token bridge.Secret) (bridge.Grant, error) {
	return i.ByIDToken(ctx, token)
}

// mailbox takes mail. It does not exist for those of nowhere.example, and takes for
// ever for those of slow.example.
type mailbox struct {
	mu  sync.Mutex
	got []bridge.Mail
}

func (b *mailbox) Post(ctx context.Context, mails []bridge.Mail) []error {
	errs := make([]error, len(mails))
	for i, m := range mails {
		switch {
		case strings.HasSuffix(m.To.Mail, "@nowhere.example"):
			errs[i] = bridge.Errorf(bridge.Unavailable, "there is no such address")
			continue
		case strings.HasSuffix(m.To.Mail, "@slow.example"):
			<-ctx.Done()
		}
		b.mu.Lock()
		b.got = append(b.got, m)
		b.mu.Unlock()
	}
	return errs
}

// take returns what came since it was last asked.
func (b *mailbox) take() []bridge.Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

// frames is a tap that checks all that we send: it is what the module says, every
// object names its type, and no secret is in it but where it is given out.
type frames struct{ t *testing.T }

func (f frames) Frame(_ dialects.ConnID, dir dialects.Direction, data []byte) {
	if dir != dialects.Out {
		return
	}
	if err := wellMade(data); err != nil {
		f.t.Errorf("a message that is not as it should be: %v\n%q", err, data)
	}
}

// wellMade reads a message of ours strictly.
func wellMade(data []byte) error {
	e, ok := rose.Detect(data)
	if !ok {
		return errors.New("of no encoding")
	}
	m, err := e.Decode(data)
	if err != nil {
		return err
	}
	if e == rose.JSON {
		var text json.RawMessage = data
		if data[0] == '[' {
			text = data[1 : len(data)-1]
		}
		if err := typed(text); err != nil {
			return err
		}
	}
	if m.Invoke == nil {
		return nil
	}
	op, ok := rose.Lookup(*m.Invoke.OperationID, "")
	if !ok || op.Name != *m.Invoke.OperationName || m.Invoke.InvokeID != rose.EventID || !op.Event() {
		return fmt.Errorf("the event %d %q", *m.Invoke.OperationID, *m.Invoke.OperationName)
	}
	v := op.Argument()
	if err := m.Invoke.Argument.Into(v); err != nil {
		return err
	}
	if err := rose.Check(v); err != nil {
		return err
	}
	if e == rose.JSON && !bytes.Contains(data, bytes.TrimPrefix(rose.JSON.Marshal(v), []byte("{"))) {
		return errors.New("the argument has something else in it")
	}
	return nil
}

// typed reports an object without a type.
func typed(text json.RawMessage) error {
	var object map[string]json.RawMessage
	var list []json.RawMessage
	switch {
	case json.Unmarshal(text, &object) == nil && object != nil:
		if object["_type"] == nil {
			return fmt.Errorf("an object has no _type: %s", text)
		}
		for _, v := range object {
			list = append(list, v)
		}
	case json.Unmarshal(text, &list) != nil:
		return nil
	}
	for _, v := range list {
		if err := typed(v); err != nil {
			return err
		}
	}
	return nil
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, media: &bridgetest.Media{}, gate: &gate{}, mail: &mailbox{}, guests: map[string]*guest{},
		last: map[string]*bridgetest.Peer{}, sent: map[string]*bridgetest.Peer{}, d: asn.New(),
	}
	var err error
	w.db, err = store.Open(t.Context(), store.Config{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db"), Key: "a key of this test, and no other",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.rooms = bridge.NewLocal(bridge.LocalConfig{Media: w.media})
	w.env = dialects.Env{
		Host: w.rooms, Gate: w.gate, Dev: true, Store: w.db, Login: issuer{}, Mail: w.mail,
		IDs: dialects.NewIDs([]byte("a key of this test, and no other")),
		Log: slog.New(slog.DiscardHandler), Tap: frames{t}, Counts: new(dialects.Counts),
		Config: func(any) error { return nil },
	}
	return w
}

// open mounts the dialect. What is to be changed in env is changed before.
func (w *world) open() *world {
	mux := http.NewServeMux()
	if err := w.d.Mount(mux, w.env); err != nil {
		w.t.Fatal(err)
	}
	mux.HandleFunc("POST /-/act", w.acts)
	mux.HandleFunc("GET /-/mail", w.posted)
	w.Local = transcript.Handler(mux)
	return w
}

// Close stops the node and waits for all that it has started.
func (w *world) Close() error {
	err := errors.Join(w.Local.Close(), w.rooms.Close(context.Background()))
	synctest.Wait()
	return errors.Join(err, w.db.Close())
}

// configure changes the dialect's section.
func (w *world) configure(change func(*asn.Config)) {
	w.env.Config = func(into any) error { change(into.(*asn.Config)); return nil }
}

// posted answers with the mails since it was last asked: to whom, the method of the
// calendar object, its sequence and how many attendees it has, and the subject.
func (w *world) posted(rw http.ResponseWriter, _ *http.Request) {
	all := [][]any{}
	for _, m := range w.mail.take() {
		n := -1
		for line := range strings.SplitSeq(m.Calendar, "\r\n") {
			if s, ok := strings.CutPrefix(line, "SEQUENCE:"); ok {
				fmt.Sscan(s, &n)
			}
		}
		all = append(all, []any{m.To.Mail, m.Method, n, strings.Count(m.Calendar, "\r\nATTENDEE"), m.Subject})
	}
	if err := json.NewEncoder(rw).Encode(all); err != nil {
		w.t.Error(err)
	}
}

// peerOf returns the peer that has made a description.
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
		return fmt.Errorf("%s has heard the answer of no peer", who)
	}
	w.last[who], w.sent[who] = p, p
	return nil
}

// Media implements transcript.Stage: what the engine finds out about the connection
// that who has negotiated last ("own …": that it sends on), or what was asked of it.
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
	acts := map[string]func(){
		"up":     func() { p.Fire(bridge.PeerChanged{State: bridge.PeerConnected}) },
		"failed": func() { p.Fire(bridge.PeerChanged{State: bridge.PeerFailed}) },
		"talk":   func() { p.Config.Notify(bridge.PeerHeard{Pub: p.Receives()[0], Talking: true}) },
		"hush":   func() { p.Config.Notify(bridge.PeerHeard{Pub: p.Receives()[0]}) },
	}
	if act := acts[what]; act != nil {
		act()
		return nil
	}
	name, want, _ := strings.Cut(what, " ")
	asked := map[string]func() string{
		"relayed":    func() string { return w.relayed(p) },
		"wish":       func() string { return wishes(p) },
		"candidates": func() string { return fmt.Sprint(len(p.Candidates())) },
		"closed":     func() string { return fmt.Sprint(p.Closed()) },
	}
	if ask := asked[name]; ask != nil {
		if got := ask(); got != want {
			return fmt.Errorf("%s of %s is %q, want %q", name, s.Who, got, want)
		}
		return nil
	}
	return fmt.Errorf("nothing is known of %q", s.Publish)
}

// relayed says which tracks of what a peer receives are forwarded.
func (w *world) relayed(p *bridgetest.Peer) string {
	var got []string
	for _, pub := range p.Receives() {
		for t, name := range []string{"audio", "video"} {
			if w.media.Open(pub, bridge.Track(t)) {
				got = append(got, name)
			}
		}
	}
	return strings.Join(got, "+")
}

// wishes says what is preferred of each stream that a peer sends.
func wishes(p *bridgetest.Peer) string {
	var all []string
	for _, pub := range p.Sends() {
		w, _ := p.Wish(pub)
		words := w.RID
		if w.NoMore {
			words += "-video"
		}
		if w.Silent {
			words += "-audio"
		}
		if words == "" {
			words = "best"
		}
		all = append(all, words)
	}
	return strings.Join(all, ",")
}

// binary is a world whose clients speak BER.
type binary struct {
	*world
	calls map[string]rose.Operation // by who and invokeID
}

var (
	_ transcript.Coder = (*binary)(nil)
	_ transcript.Stage = (*binary)(nil)
)

// Encode implements transcript.Coder.
func (b *binary) Encode(who string, msg any) ([]byte, error) {
	text, err := json.Marshal(msg)
	if err != nil {
		return nil, err
	}
	m, err := rose.JSON.Decode(text)
	if err != nil {
		return nil, err
	}
	if m.Invoke != nil {
		op, ok := rose.Lookup(number(m.Invoke.OperationID), name(m.Invoke.OperationName))
		if ok {
			b.calls[who+fmt.Sprint(m.Invoke.InvokeID)] = op
		}
		if ok && m.Invoke.Argument.Present() {
			v := op.Argument()
			if err := m.Invoke.Argument.Into(v); err != nil {
				return nil, err
			}
			m.Invoke.Argument = rose.Any{Value: v}
		} else {
			m.Invoke.Argument = rose.Any{}
		}
		if m.Invoke.OperationID == nil {
			m.Invoke.OperationID = new(int64)
		}
	}
	return rose.BER.Encode(m), nil
}

// Decode implements transcript.Coder.
func (b *binary) Decode(who string, data []byte) (any, error) {
	m, err := rose.BER.Decode(data)
	if err != nil {
		return nil, err
	}
	var any *rose.Any
	var v rose.Value
	switch {
	case m.Invoke != nil:
		op, _ := rose.Lookup(*m.Invoke.OperationID, "")
		any, v = &m.Invoke.Argument, op.Argument()
	case m.Result != nil:
		any, v = &m.Result.Result.Result, b.calls[who+fmt.Sprint(m.Result.InvokeID)].Result()
	case m.Error != nil:
		any, v = &m.Error.Error, new(rose.RequestError)
	}
	if any != nil {
		if err := any.Into(v); err != nil {
			return nil, err
		}
		*any = rose.Any{Value: v}
	}
	d := json.NewDecoder(bytes.NewReader(rose.JSON.Encode(m)))
	d.UseNumber()
	var out interface{}
	err = d.Decode(&out)
	return out, err
}

func number(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func name(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
