package spreed_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/cluster/clustertest"
	"dragoman/dialects"
	"dragoman/dialects/spreed"
	"dragoman/e2e/transcript"
)

// world is a node that speaks Spreed over connections in memory, with fake media.
// Transcripts drive everybody who is no Spreed client, and the media engine, by
// requests to /-/, which only this world serves.
type world struct {
	*transcript.Local
	t     *testing.T
	rooms clustertest.Rooms
	media *bridgetest.Media
	gate  *gate
	env   dialects.Env
	cfg   func(*spreed.Config)
	ids   dialects.IDs
	acts  map[string]*actor
	stop  context.CancelFunc
}

// gate lets everybody in, unless it is told otherwise.
type gate struct {
	err    error
	grant  bridge.Grant
	failed int
}

func (g *gate) Admit(context.Context, bridge.Credentials) (bridge.Grant, error) {
	return g.grant, g.err
}

func (g *gate) Failed(bridge.Credentials) { g.failed++ }

// actor is a participant of another dialect, or the operator.
type actor struct {
	*bridge.Session
	streams map[string]bridge.PublicationID
}

func newWorld(t *testing.T) *world { return newWorldOn(t, clustertest.Topologies()["here"]) }

// newWorldOn is newWorld where the rooms run as a topology says.
func newWorldOn(t *testing.T, rooms func(bridge.LocalConfig) (clustertest.Rooms, error)) *world {
	w := &world{
		t: t, media: &bridgetest.Media{Connects: true}, gate: &gate{}, acts: map[string]*actor{},
		ids: dialects.NewIDs([]byte("a key of this test, and no other")),
	}
	var err error
	if w.rooms, err = rooms(bridge.LocalConfig{Media: w.media}); err != nil {
		t.Fatal(err)
	}
	w.env = dialects.Env{
		Host: w.rooms, Gate: w.gate, IDs: w.ids, Log: slog.New(slog.DiscardHandler),
		Tap: newFrames(t), Counts: new(dialects.Counts),
		Config: func(into any) error {
			if w.cfg != nil {
				w.cfg(into.(*spreed.Config))
			}
			return nil
		},
	}
	return w
}

// Dial implements transcript.World. What a script has closed before, the server has
// noticed by then, wherever its rooms run.
func (w *world) Dial(ctx context.Context) (net.Conn, error) {
	synctest.Wait()
	return w.Local.Dial(ctx)
}

// open mounts the dialect. What is to be changed in env and cfg is changed before.
func (w *world) open() *world {
	mux := http.NewServeMux()
	if err := spreed.New().Mount(mux, w.env); err != nil {
		w.t.Fatal(err)
	}
	mux.HandleFunc("POST /-/act", w.act)
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.Local = transcript.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// As in a server that shuts down: requests end when it does.
		inner, done := context.WithCancel(r.Context())
		defer context.AfterFunc(ctx, done)()
		defer done()
		mux.ServeHTTP(rw, r.WithContext(inner))
	}))
	return w
}

// Close stops the node and waits for all that it has started.
func (w *world) Close() error {
	w.stop()
	err := w.Local.Close()
	return errors.Join(err, w.rooms.Close(context.Background()))
}

// participant returns whom a text names: an actor, or the Id of a session.
func (w *world) participant(name string) (id bridge.ParticipantID, err error) {
	if a := w.acts[name]; a != nil {
		return a.At.Self.ID, nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(name, "~"))
	if err != nil {
		return id, err
	}
	for _, scope := range []string{"spreed", "spreed-virtual"} {
		if raw, ok := w.ids.Open(sealed, scope); ok {
			id, _ = bridge.ParticipantIDFrom(raw[:])
			return id, nil
		}
	}
	return id, fmt.Errorf("there is no %q", name)
}

// script is one request to /-/act. Its fields mean what the act makes of them.
type script struct {
	Who, Do            string
	Room, Name, To     string
	Text, Secret, Role string
	Dialect            string
	On                 bool
	Source, Track      string
	Private            bool
	Data               json.RawMessage
	Reason             int
	Attrs              map[string]string
	Spec               *bridge.Spec
}

// An act answers with what is to be compared; nil: nothing.
type act func(w *world, ctx context.Context, s script) (any, error)

func acts() map[string]act {
	return map[string]act{
		"create": (*world).create, "enter": (*world).enter, "leave": (*world).leave,
		"id": (*world).identify, "heard": (*world).heard,
		"say":     do(func(_ *world, s script) bridge.Command { return bridge.Say{ID: bridge.NewMessageID(), Text: s.Text} }),
		"rename":  do(func(_ *world, s script) bridge.Command { return bridge.Rename{Name: s.Name} }),
		"attrs":   do(func(_ *world, s script) bridge.Command { return bridge.SetAttrs{Attrs: s.Attrs} }),
		"hand":    do(func(_ *world, s script) bridge.Command { return bridge.RaiseHand{Up: s.On} }),
		"talk":    do(func(_ *world, s script) bridge.Command { return bridge.ReportTalking{On: s.On} }),
		"lock":    do(func(_ *world, s script) bridge.Command { return bridge.Lock{On: s.On} }),
		"chat":    do(func(_ *world, s script) bridge.Command { return bridge.AllowChat{On: s.On} }),
		"record":  do(func(_ *world, s script) bridge.Command { return bridge.Record{On: s.On} }),
		"close":   do(func(_ *world, s script) bridge.Command { return bridge.CloseRoom{Reason: bridge.Reason(s.Reason)} }),
		"waiting": do(func(_ *world, s script) bridge.Command { return bridge.SetWaitingRoom{On: s.On} }),
		"secrets": do(func(_ *world, s script) bridge.Command {
			set := map[bridge.Role]bridge.Secret{}
			if s.Secret != "" {
				set[bridge.Speaker], set[bridge.Listener] = bridge.Secret(s.Secret), bridge.Secret(s.Secret)
			}
			return bridge.SetSecrets{Secrets: set}
		}),
		"end": do(func(*world, script) bridge.Command { return bridge.SetEnd{At: time.Now().Add(time.Minute)} }),
		"whisper": to(func(id bridge.ParticipantID, s script) bridge.Command {
			return bridge.Say{ID: bridge.NewMessageID(), To: id, Text: s.Text}
		}),
		"typing": to(func(id bridge.ParticipantID, s script) bridge.Command { return bridge.Typing{To: id, On: s.On} }),
		"seen": to(func(id bridge.ParticipantID, _ script) bridge.Command {
			return bridge.Seen{Scope: id.String(), At: time.Now()}
		}),
		"kick": to(func(id bridge.ParticipantID, s script) bridge.Command {
			return bridge.Kick{Target: id, Ban: s.On, Reason: s.Text}
		}),
		"admit": to(func(id bridge.ParticipantID, s script) bridge.Command { return bridge.Admit{Target: id, OK: s.On} }),
		"role": to(func(id bridge.ParticipantID, s script) bridge.Command {
			return bridge.SetRole{Target: id, Role: roles()[s.Role]}
		}),
		"mute": to(func(id bridge.ParticipantID, s script) bridge.Command {
			return bridge.Mute{Targets: []bridge.ParticipantID{id}, Track: tracks()[s.Track], Force: s.On}
		}),
		"unmute": to(func(id bridge.ParticipantID, s script) bridge.Command {
			return bridge.Mute{Targets: []bridge.ParticipantID{id}, Track: tracks()[s.Track], Off: true}
		}),
		"publish": (*world).publish, "unpublish": (*world).unpublish,
		"peer": (*world).fire, "sent": (*world).sent, "legs": (*world).legs, "streams": (*world).streams,
	}
}

func roles() map[string]bridge.Role {
	return map[string]bridge.Role{"listener": bridge.Listener, "speaker": bridge.Speaker, "moderator": bridge.Moderator}
}

func tracks() map[string]bridge.Track {
	return map[string]bridge.Track{"audio": bridge.Audio, "video": bridge.Video}
}

func (w *world) act(rw http.ResponseWriter, r *http.Request) {
	var s script
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&s)
	var reply any
	if err == nil {
		if f := acts()[s.Do]; f != nil {
			synctest.Wait() // what was sent before has been done
			reply, err = f(w, r.Context(), s)
			synctest.Wait()
		} else {
			err = fmt.Errorf("there is no act %q", s.Do)
		}
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	if err := json.NewEncoder(rw).Encode(map[string]any{"ok": true, "got": reply}); err != nil {
		w.t.Error(err)
	}
}

// do is an act that posts a command.
func do(command func(*world, script) bridge.Command) act {
	return func(w *world, ctx context.Context, s script) (any, error) {
		a := w.acts[s.Who]
		if a == nil {
			return nil, fmt.Errorf("there is no %q", s.Who)
		}
		return nil, a.Do(ctx, command(w, s))
	}
}

// to is an act that posts a command about somebody.
func to(command func(bridge.ParticipantID, script) bridge.Command) act {
	return func(w *world, ctx context.Context, s script) (any, error) {
		id, err := w.participant(s.To)
		if err != nil {
			return nil, err
		}
		return do(func(*world, script) bridge.Command { return command(id, s) })(w, ctx, s)
	}
}

func (w *world) create(ctx context.Context, s script) (any, error) {
	spec := bridge.Spec{ID: bridge.RoomID(s.Room), WaitingRoom: s.Text == "waiting", NoChat: s.Text == "quiet"}
	switch {
	case s.Role == "moderator":
		spec.Secrets = map[bridge.Role]bridge.Secret{bridge.Moderator: bridge.Secret(s.Secret)}
	case s.Secret != "":
		spec.Secrets = map[bridge.Role]bridge.Secret{
			bridge.Moderator: "boss", bridge.Speaker: bridge.Secret(s.Secret), bridge.Listener: bridge.Secret(s.Secret),
		}
	case s.Text == "full":
		spec.Max = 1
	case s.Text == "keeps":
		spec.KeepChat = 10
	case s.Role == "listener":
		spec.Default = bridge.Listener
		spec.Secrets = map[bridge.Role]bridge.Secret{bridge.Moderator: "boss"}
	}
	return nil, w.rooms.Create(ctx, spec)
}

// enter seats an actor, and answers with the Id under which Spreed clients see it.
func (w *world) enter(ctx context.Context, s script) (any, error) {
	req := bridge.JoinRequest{
		Room: bridge.RoomID(s.Room), Name: s.Name, Dialect: s.Dialect, Shows: ^bridge.Features(0),
		Secret: bridge.Secret(s.Secret), Create: &bridge.Spec{}, Attrs: s.Attrs,
	}
	if s.Dialect == "" {
		req.Dialect = "ahoy"
	}
	if s.Text == "plain" {
		req.Shows = 0
	}
	if s.Role == "operator" {
		req.Kind, req.AtMost = bridge.Service, bridge.Moderator
	}
	x, err := w.rooms.Join(ctx, req)
	if err != nil {
		return nil, err
	}
	w.acts[s.Who] = &actor{Session: x, streams: map[string]bridge.PublicationID{}}
	return w.identify(ctx, s)
}

func (w *world) identify(_ context.Context, s script) (any, error) {
	id := w.acts[s.Who].At.Self.ID
	sealed := w.ids.Seal(id.Array(), "spreed-virtual")
	return "~" + base64.RawURLEncoding.EncodeToString(sealed[:]), nil
}

func (w *world) leave(ctx context.Context, s script) (any, error) {
	return nil, w.acts[s.Who].Leave(ctx, bridge.ByWish)
}

// heard answers with what an actor has been told since the last time, in words.
func (w *world) heard(ctx context.Context, s script) (any, error) {
	a := w.acts[s.Who]
	events, _ := a.Drain(ctx)
	words := []string{}
	for _, e := range events {
		if t := w.tell(a, e); t != "" {
			words = append(words, t)
		}
	}
	return words, nil
}

func (w *world) tell(a *actor, e bridge.Event) string {
	switch e := e.(type) {
	case bridge.Joined:
		return "joined " + e.P.Name
	case bridge.Left:
		return fmt.Sprintf("left %s %d", e.P.Name, e.Reason)
	case bridge.Said:
		to := ""
		if !e.To.IsZero() {
			to = "privately "
		}
		if e.From == a.At.Self.ID {
			return ""
		}
		return to + "said " + e.Text
	case bridge.TypingNow:
		return fmt.Sprintf("typing %t", e.On)
	case bridge.SeenBy:
		return "seen"
	case bridge.Changed:
		return strings.TrimSpace(fmt.Sprintf("changed %s %s", e.P.Name, e.P.Attrs["status"]))
	case bridge.Published:
		return fmt.Sprintf("published %d", e.Pub.Source)
	case bridge.Unpublished:
		return fmt.Sprintf("unpublished %d", e.Pub.Source)
	case bridge.PublicationChanged:
		return fmt.Sprintf("stream %d audio %d video %d", e.Pub.Source, e.Pub.Audio, e.Pub.Video)
	}
	return ""
}

func source(s string) bridge.Source {
	if s == "screen" {
		return bridge.Screen
	}
	return bridge.Camera
}

func (w *world) publish(ctx context.Context, s script) (any, error) {
	a := w.acts[s.Who]
	id := bridge.NewPublicationID()
	a.streams[s.Source] = id
	p := bridge.Publication{ID: id, Source: source(s.Source), Audio: bridge.Live, Video: bridge.Live}
	return nil, a.Do(ctx, bridge.Publish{Publication: p})
}

func (w *world) unpublish(ctx context.Context, s script) (any, error) {
	a := w.acts[s.Who]
	return nil, a.Do(ctx, bridge.Unpublish{ID: a.streams[s.Source]})
}

// peer returns the peer of a session, the latest one that sends the stream of
// somebody; "screen of X" is that over which the screen of X is seen, "own screen"
// that over which the session's own is got.
func (w *world) peer(of, with string) (*bridgetest.Peer, error) {
	id, err := w.participant(of)
	if err != nil {
		return nil, err
	}
	stream := with
	if x, ok := strings.CutPrefix(with, "screen of "); ok {
		stream = x + "-screen"
	}
	for _, p := range slices.Backward(w.media.Of(id)) {
		sends := p.Sends()
		if with == "own screen" && len(sends) == 0 {
			return p, nil
		}
		for _, pub := range sends {
			if p.Options(pub).Stream == stream {
				return p, nil
			}
		}
	}
	return nil, fmt.Errorf("%s has no peer for %s", of, with)
}

// fire makes the engine tell something of a peer.
func (w *world) fire(_ context.Context, s script) (any, error) {
	p, err := w.peer(s.Who, s.To)
	if err != nil {
		return nil, err
	}
	switch s.Text {
	case "connected":
		p.Fire(bridge.PeerChanged{State: bridge.PeerConnected})
	case "disconnected":
		p.Fire(bridge.PeerChanged{State: bridge.PeerDisconnected})
	case "failed":
		p.Fire(bridge.PeerChanged{State: bridge.PeerFailed})
	case "open", "shut":
		p.Fire(bridge.PeerChannel{Label: "default", Open: s.Text == "open"})
	case "negotiate":
		p.Fire(bridge.PeerNegotiate{})
	case "message":
		data := []byte(s.Data)
		if len(data) > 0 && data[0] == '"' {
			var text string
			if err := json.Unmarshal(data, &text); err != nil {
				return nil, err
			}
			data = []byte(text)
		}
		p.Fire(bridge.PeerMessage{Label: "default", Text: !s.Private, Data: data})
	case "track":
		receives := p.Receives()
		if len(receives) == 0 {
			return nil, errors.New("nothing is received there")
		}
		p.Fire(bridge.PeerTrack{Pub: receives[0], Track: tracks()[s.Track], Live: s.On})
	default:
		return nil, fmt.Errorf("nothing like %q happens to peers", s.Text)
	}
	return nil, nil
}

// sent answers with what was sent on the data channel of a peer, as documents.
func (w *world) sent(_ context.Context, s script) (any, error) {
	p, err := w.peer(s.Who, s.To)
	if err != nil {
		return nil, err
	}
	docs := []json.RawMessage{}
	for _, m := range p.Messages() {
		docs = append(docs, m.Data)
	}
	return docs, nil
}

// leg is what the world tells of a peer.
type leg struct {
	Stream   string // what is sent
	Known    bool   // whether that is somebody's publication
	Receives bool   // whether the client sends on it
	Takes    bool   // whether what it sends is published
}

// legs answers with the open peers of a session.
func (w *world) legs(_ context.Context, s script) (any, error) {
	id, err := w.participant(s.Who)
	if err != nil {
		return nil, err
	}
	legs := []leg{}
	for _, p := range w.media.Of(id) {
		l := leg{Receives: len(p.Receives()) > 0}
		for _, pub := range p.Sends() {
			l.Stream, l.Known = p.Options(pub).Stream, !pub.IsZero()
		}
		for _, pub := range p.Receives() {
			l.Takes = l.Takes || w.published(pub)
		}
		legs = append(legs, l)
	}
	return legs, nil
}

// published reports whether any actor knows a publication.
func (w *world) published(pub bridge.PublicationID) bool {
	for _, a := range w.acts {
		x, err := w.rooms.Join(context.Background(), bridge.JoinRequest{Room: a.At.Room.ID, Kind: bridge.Service, AtMost: bridge.Listener})
		if err != nil {
			continue
		}
		found := slices.ContainsFunc(x.At.Publications, func(p bridge.Publication) bool { return p.ID == pub })
		_ = x.Leave(context.Background(), bridge.ByWish)
		if found {
			return true
		}
	}
	return false
}

// streams answers with what is published in the room of an actor, in words.
func (w *world) streams(ctx context.Context, s script) (any, error) {
	x, err := w.rooms.Join(ctx, bridge.JoinRequest{Room: bridge.RoomID(s.Room), Kind: bridge.Service, AtMost: bridge.Listener})
	if err != nil {
		return nil, err
	}
	defer x.Leave(ctx, bridge.ByWish)
	words := []string{}
	for _, p := range x.At.Publications {
		words = append(words, fmt.Sprintf("%d audio %d video %d", p.Source, p.Audio, p.Video))
	}
	return words, nil
}
