package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/k3k/client"
	"dragoman/media/mediatest"
)

// k3k comes in with a ticket for an invite (k3k.md 4.5, 5.1), has one connection
// for each stream (12.1), and mutes by telling the server, which relays no more
// (8.3). There is no lock.
func k3kDialect() Dialect {
	return Dialect{
		Name: "k3k", New: newK3k, Private: true, Moderates: true, NoLock: true, LongestMessage: 4096,
		Habits: []Habit{{Name: "mustang"}},
		Refusals: map[bridge.Code]string{
			bridge.WrongSecret: "wrong_room_password", bridge.Unauthenticated: "wrong_room_password", bridge.NotFound: "not_found",
			bridge.RoomLocked: "1000", bridge.RoomFull: "join_blocked", bridge.Banned: "banned_from_room",
		},
	}
}

type k3k struct {
	o       Options
	devices *mediatest.Client
	seats   *seats // by participant

	mu     sync.Mutex
	client *client.Client // nil: not joined
}

func newK3k(o Options) Driver {
	return &k3k{o: o, devices: mediatest.NewClient(o.Media), seats: newSeats()}
}

// Join comes in as a guest by the invite of the room that has the name.
func (k *k3k) Join(ctx context.Context, room string, as bridge.Role) error {
	transport := &http.Transport{DialContext: k.o.Dial, DisableKeepAlives: true}
	rest := client.REST{Base: "http://" + k.o.Addr + k.o.Path, HTTP: &http.Client{Transport: transport}}
	c, err := k.join(ctx, rest, room, k.o.Secrets[as])
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		return &Refused{Code: r.Code, Err: err}
	}
	if r, ok := errors.AsType[*client.Blocked](err); ok {
		code := "join_blocked"
		if r.Close != 0 {
			code = strconv.Itoa(r.Close)
		}
		return &Refused{Code: code, Err: err}
	}
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.client = c
	return nil
}

func (k *k3k) join(ctx context.Context, rest client.REST, room, secret string) (*client.Client, error) {
	at, err := rest.Named(ctx, room)
	if err != nil {
		return nil, err
	}
	pass, err := rest.StartInvited(ctx, at.Invite, secret, "")
	if err != nil {
		return nil, err
	}
	return client.Join(ctx, client.Config{
		URL:    "ws://" + k.o.Addr + k.o.Path + "/signaling",
		Dialer: &websocket.Dialer{NetDialContext: k.o.Dial},
		Name:   k.o.Name, Peers: k.peer, Web: k.o.Habit != "mustang",
	}, pass)
}

// peer makes the client's end of a connection. It implements client.Config.Peers.
func (k *k3k) peer(_ context.Context, s client.Session, publish bool) (client.Negotiator, error) {
	p, err := k.devices.Peer()
	if err != nil {
		return nil, err
	}
	n := &k3kPeer{Peer: p, seats: k.seats}
	switch {
	case !publish:
		n.at = place{s.Who, k3kSources[s.Sort]}
		k.seats.put(n.at, p)
	case s.Sort == "screen":
		err = p.PublishScreen()
	default:
		err = p.Publish(true, true)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return n, nil
}

var k3kSources = map[string]bridge.Source{"video": bridge.Camera, "screen": bridge.Screen}

// k3kPeer implements client.Negotiator.
type k3kPeer struct {
	*mediatest.Peer
	seats *seats
	at    place
}

// Close implements client.Negotiator.
func (p *k3kPeer) Close() error {
	p.seats.remove(p.at, p.Peer)
	return p.Peer.Close()
}

func (k *k3k) joined() (*client.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil {
		return nil, ErrClosed
	}
	return k.client, nil
}

func k3kSort(src bridge.Source) string {
	if src == bridge.Screen {
		return "screen"
	}
	return "video"
}

func (k *k3k) Publish(ctx context.Context, src bridge.Source) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	return c.Publish(ctx, k3kSort(src), client.State{Audio: src == bridge.Camera, Video: true})
}

func (k *k3k) Unpublish(ctx context.Context, src bridge.Source) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	return c.Unpublish(ctx, k3kSort(src))
}

// Mute tells the server. The microphone goes on, so that a server that relays all
// the same is heard to.
func (k *k3k) Mute(ctx context.Context, on bool) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	return c.SetState(ctx, "video", client.State{Audio: !on, Video: true})
}

func (k *k3k) Say(ctx context.Context, to, text string) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	if to != "" {
		if to, err = k.id(ctx, to); err != nil {
			return err
		}
	}
	return c.Say(ctx, to, text)
}

func (k *k3k) Kick(ctx context.Context, name string) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	id, err := k.id(ctx, name)
	if err != nil {
		return err
	}
	return c.Kick(ctx, id)
}

// Choose implements Chooser (k3k.md 8.4).
func (k *k3k) Choose(ctx context.Context, name string, layer int) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	id, err := k.id(ctx, name)
	if err != nil {
		return err
	}
	wish := map[string]any{"video": layer >= 0}
	if layer >= 0 {
		wish["substream"] = layer
	}
	return c.Act(ctx, "media", "configure", map[string]any{"target": id, "media_session_type": "video", "configuration": wish})
}

func (k *k3k) Lock(context.Context, bool) error {
	_, err := k.joined()
	return errors.Join(err, ErrUnable)
}

func (k *k3k) Leave(ctx context.Context) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	return c.Leave(ctx)
}

func (k *k3k) Close() {
	k.mu.Lock()
	c := k.client
	k.client = nil
	k.mu.Unlock()
	if c != nil {
		c.Close()
	}
	k.devices.Close()
}

func (k *k3k) Hears(ctx context.Context, name string) error {
	id, err := k.id(ctx, name)
	if err != nil {
		return err
	}
	return k.seats.hears(ctx, id)
}

func (k *k3k) Deaf(ctx context.Context, name string) error {
	id, err := k.id(ctx, name)
	if err != nil {
		return err
	}
	return k.seats.deaf(ctx, id)
}

// Sees finds a screen with its owner, or with a second member that only shares it
// (ahoy.md 9): the one of whom a screen was told.
func (k *k3k) Sees(ctx context.Context, name string, src bridge.Source) (mediatest.Frame, error) {
	id, err := k.id(ctx, name)
	if err == nil && src == bridge.Screen {
		id, err = k.whose(ctx, func(p k3kPerson) bool {
			return p.Media.Screen != nil && (p.ID == id || p.Control.Name == name+screenSuffix)
		})
	}
	if err != nil {
		return mediatest.Frame{}, err
	}
	return k.seats.sees(ctx, id, src)
}

func (k *k3k) Received(ctx context.Context, who string) (audio, video mediatest.Stats, err error) {
	id, err := k.id(ctx, who)
	if err == nil {
		audio, video = k.seats.received(id)
	}
	return audio, video, err
}

func (k *k3k) Source() uint32 { return k.devices.Source() }

func (k *k3k) Shows(w What) bool { return w != Locked }

func (k *k3k) Saw(ctx context.Context, want Sight) error {
	c, err := k.joined()
	if err != nil {
		return err
	}
	return saw(ctx, k3kStory{c, k.o.Name}, want)
}

func (k *k3k) Times(ctx context.Context, want Sight) (int, error) {
	c, err := k.joined()
	if err != nil {
		return 0, err
	}
	return times(ctx, k3kStory{c, k.o.Name}, want)
}

// id waits until somebody of that name is known, and returns the last one.
func (k *k3k) id(ctx context.Context, name string) (string, error) {
	return k.whose(ctx, func(p k3kPerson) bool { return p.Control.Name == name })
}

func (k *k3k) whose(ctx context.Context, match func(k3kPerson) bool) (string, error) {
	c, err := k.joined()
	if err != nil {
		return "", err
	}
	for {
		log, err := c.Log(ctx)
		if err != nil {
			return "", err
		}
		id := ""
		for _, m := range log {
			for _, p := range k3kPeople(m) {
				if match(p) {
					id = p.ID
				}
			}
		}
		if id != "" {
			return id, nil
		}
		if err := (k3kStory{c, ""}).more(ctx, len(log)); err != nil {
			return "", fmt.Errorf("nobody is known who is meant: %w", err)
		}
	}
}

// k3kPerson is somebody as messages describe them.
type k3kPerson = client.Person

// k3kPeople returns those whom a message describes.
func k3kPeople(m client.Message) []k3kPerson {
	if m.Namespace != "control" || m.Raw == nil {
		return nil
	}
	switch m.Name {
	case "join_success":
		var all struct{ Participants []k3kPerson }
		if json.Unmarshal(m.Raw, &all) == nil {
			return all.Participants
		}
	case "joined", "update":
		var p k3kPerson
		if json.Unmarshal(m.Raw, &p) == nil {
			return []k3kPerson{p}
		}
	}
	return nil
}

type k3kStory struct {
	*client.Client
	own string // name
}

func (s k3kStory) told(ctx context.Context) ([][]Sight, error) {
	log, err := s.Log(ctx)
	self, _ := s.Self(ctx)
	all := make([][]Sight, len(log))
	known := map[string]k3kPerson{} // as told last
	for i, m := range log {
		for _, p := range k3kPeople(m) {
			all[i] = append(all[i], k3kChanges(known[p.ID], p)...)
			known[p.ID] = p
		}
		if f := k3kSights[m.Name]; f != nil {
			all[i] = append(all[i], f(k3kTeller{m, self.ID, s.own, func(id string) string { return known[id].Control.Name }})...)
		}
	}
	return all, err
}

// k3kChanges says what is new about somebody.
func k3kChanges(old, p k3kPerson) (all []Sight) {
	who := p.Control.Name
	if who != "" && old.Control.Name == "" && p.Control.LeftAt == nil { // some get a name only after they came
		all = append(all, Sight{What: Came, Who: who})
	}
	if v, before := p.Media.Video, old.Media.Video; v != nil && before != nil && v.Audio != before.Audio {
		what := Muted
		if v.Audio {
			what = Unmuted
		}
		all = append(all, Sight{What: what, Who: who})
	}
	if on := p.Media.Screen != nil; on != (old.Media.Screen != nil) {
		what := ScreenOff
		if on {
			what = ScreenOn
		}
		all = append(all, Sight{What: what, Who: k3kOwner(who)})
	}
	return all
}

// k3kOwner is whose screen a member of that name shares.
func k3kOwner(name string) string {
	return strings.TrimSuffix(name, screenSuffix)
}

// k3kTeller tells what a message means.
type k3kTeller struct {
	client.Message
	self, own string              // id and name
	name      func(string) string // of somebody, by id
}

// k3kSights says what each message tells.
var k3kSights = map[string]func(m k3kTeller) []Sight{
	"left": func(m k3kTeller) []Sight {
		var p struct{ ID string }
		if json.Unmarshal(m.Raw, &p) != nil || m.Namespace != "control" {
			return nil
		}
		return []Sight{{What: Left, Who: m.name(p.ID)}, {What: ScreenOff, Who: k3kOwner(m.name(p.ID))}}
	},
	"message_sent": func(m k3kTeller) []Sight {
		switch {
		case m.Source == m.self: // the own copy
			return nil
		case m.Scope == "private":
			return []Sight{{What: Whispered, Who: m.name(m.Source), Text: m.Content}}
		}
		return []Sight{{What: Said, Who: m.name(m.Source), Text: m.Content}}
	},
	"focus_update": func(m k3kTeller) []Sight {
		if m.name(m.Focus) == "" {
			return nil
		}
		return []Sight{{What: Talks, Who: m.name(m.Focus)}}
	},
	"sdp_offer":         func(m k3kTeller) []Sight { return []Sight{{What: Renegotiate, Who: m.name(m.Source)}} },
	"request_mute":      func(m k3kTeller) []Sight { return []Sight{{What: Muted, Who: m.own}} },
	"kicked":            func(k3kTeller) []Sight { return []Sight{{What: ThrownOut}} },
	"banned":            func(k3kTeller) []Sight { return []Sight{{What: ThrownOut}} },
	client.Disconnected: func(k3kTeller) []Sight { return []Sight{{What: Gone}} },
}

func (s k3kStory) more(ctx context.Context, n int) error {
	seen := 0
	_, err := s.Wait(ctx, func(client.Message) bool {
		seen++
		return seen > n
	})
	return err
}
