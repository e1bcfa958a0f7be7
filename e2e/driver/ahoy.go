package driver

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/ahoy/client"
	"dragoman/media/mediatest"
)

// Ahoy has no candidates in answers (ahoy.md 7.5), mutes by disabling the track
// (8.2), shares a screen as a second member (9), and knows roles by password.
func ahoyDialect() Dialect {
	return Dialect{
		Name: "ahoy", New: newAhoy, Moderates: true, Habits: []Habit{{Name: "ahoy-js"}, {Name: "ahoykit"}},
		Refusals: map[bridge.Code]string{
			bridge.WrongSecret: "403", bridge.Unauthenticated: "403", bridge.NotFound: "404",
			bridge.RoomLocked: "470", bridge.RoomFull: "486", bridge.Banned: "403",
		},
	}
}

type ahoy struct {
	o       Options
	devices *mediatest.Client
	seats   *seats

	mu     sync.Mutex
	client *client.Client // nil: not joined
	screen *client.Client // the second member; nil: no screen is shared
}

func newAhoy(o Options) Driver {
	o.Media.NoCandidates = true
	return &ahoy{o: o, devices: mediatest.NewClient(o.Media), seats: newSeats()}
}

// Join creates the conference on a first connection, and joins on a second one,
// like all clients.
func (a *ahoy) Join(ctx context.Context, room string, as bridge.Role) error {
	cfg := client.Config{
		URL:    "ws://" + a.o.Addr + a.o.Path + "/",
		Dialer: &websocket.Dialer{NetDialContext: a.o.Dial},
		Peers:  a.peer,
	}
	switch a.o.Habit {
	case "ahoy-js":
		cfg.Quirks = client.AhoyJS()
	case "ahoykit":
		cfg.Quirks = client.AhoyKit()
	}
	password := a.o.Secrets[as]
	if len(a.o.Secrets) > 0 {
		_, err := client.Create(ctx, cfg, client.Conference{
			ID: room, Password: a.o.Secrets[bridge.Speaker],
			ListenerPassword: a.o.Secrets[bridge.Listener], ModeratorPassword: a.o.Secrets[bridge.Moderator],
		})
		if r, ok := errors.AsType[*client.Refusal](err); err != nil && (!ok || r.Status != exists) {
			return err
		}
	}
	c, err := client.Join(ctx, cfg, client.Ticket{Room: room, Name: a.o.Name, Password: password, Create: len(a.o.Secrets) == 0})
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		return &Refused{Code: strconv.Itoa(r.Status), Err: err}
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = c
	return nil
}

const exists = 486

// peer makes the client's side of a connection. It implements
// client.Config.Peers.
func (a *ahoy) peer(_ context.Context, u client.Use) (client.Negotiator, error) {
	p, err := a.devices.Peer()
	if err != nil {
		return nil, err
	}
	n := &ahoyPeer{Peer: p, seats: a.seats, use: u}
	if !u.Publish {
		n.at = place{who: u.Member.ID}
		a.seats.put(n.at, p)
	}
	return n, nil
}

// ahoyPeer implements client.Negotiator.
type ahoyPeer struct {
	*mediatest.Peer
	seats *seats
	use   client.Use
	at    place
}

// Answer implements client.Negotiator.
func (p *ahoyPeer) Answer(ctx context.Context, offer string) (string, error) {
	var err error
	switch {
	case p.use.Publish && p.use.Screen:
		err = p.PublishScreen()
	case p.use.Publish:
		err = p.Publish(p.use.Audio, p.use.Video)
	}
	if err != nil {
		return "", err
	}
	return p.Peer.Answer(ctx, offer)
}

// Close implements client.Negotiator.
func (p *ahoyPeer) Close() {
	p.seats.remove(p.at, p.Peer)
	_ = p.Peer.Close() // it is given up
}

func (a *ahoy) joined() (*client.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client == nil {
		return nil, ErrClosed
	}
	return a.client, nil
}

func (a *ahoy) Publish(ctx context.Context, src bridge.Source) error {
	c, err := a.joined()
	if err != nil || src == bridge.Camera {
		return errors.Join(err, ifJoined(c, func() error { return c.Publish(ctx, true, true) }))
	}
	screen, err := c.ShareScreen(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.screen = screen
	return err
}

func ifJoined(c *client.Client, f func() error) error {
	if c == nil {
		return nil
	}
	return f()
}

func (a *ahoy) Unpublish(ctx context.Context, src bridge.Source) error {
	c, err := a.joined()
	if err != nil || src == bridge.Camera {
		return errors.Join(err, ifJoined(c, func() error { return c.Publish(ctx, false, false) }))
	}
	a.mu.Lock()
	screen := a.screen
	a.screen = nil
	a.mu.Unlock()
	return ifJoined(screen, func() error { return screen.Leave(ctx) })
}

func (a *ahoy) Mute(_ context.Context, on bool) error {
	a.devices.Silence(on)
	return nil
}

func (a *ahoy) Say(ctx context.Context, to, text string) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	if to != "" {
		return ErrUnable
	}
	return c.Say(ctx, text)
}

func (a *ahoy) Kick(ctx context.Context, name string) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	id, err := a.id(ctx, name)
	if err != nil {
		return err
	}
	return c.Kick(ctx, id)
}

func (a *ahoy) Lock(ctx context.Context, on bool) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	return c.Lock(ctx, on)
}

func (a *ahoy) Leave(ctx context.Context) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	return errors.Join(a.Unpublish(ctx, bridge.Screen), c.Leave(ctx))
}

func (a *ahoy) Close() {
	a.mu.Lock()
	screen, c := a.screen, a.client
	a.screen, a.client = nil, nil
	a.mu.Unlock()
	if screen != nil {
		screen.Kill()
	}
	if c != nil {
		c.Kill()
	}
	a.devices.Close()
}

func (a *ahoy) Hears(ctx context.Context, name string) error {
	id, err := a.id(ctx, name)
	if err != nil {
		return err
	}
	return a.seats.hears(ctx, id)
}

func (a *ahoy) Deaf(ctx context.Context, name string) error {
	id, err := a.id(ctx, name)
	if err != nil {
		return err
	}
	return a.seats.deaf(ctx, id)
}

func (a *ahoy) Sees(ctx context.Context, name string, src bridge.Source) (mediatest.Frame, error) {
	if src == bridge.Screen {
		name += client.ScreenSuffix
	}
	id, err := a.id(ctx, name)
	if err != nil {
		return mediatest.Frame{}, err
	}
	return a.seats.sees(ctx, id, bridge.Camera) // a screen is a member of its own
}

// id waits until a member of that name is known, and returns the last one.
func (a *ahoy) id(ctx context.Context, name string) (string, error) {
	c, err := a.joined()
	if err != nil {
		return "", err
	}
	for {
		log, err := c.Log(ctx)
		if err != nil {
			return "", err
		}
		id := ""
		for _, e := range log {
			for _, m := range ahoyNames(e) {
				if m.Name == name {
					id = m.MemberID
				}
			}
		}
		if id != "" {
			return id, nil
		}
		if err := (ahoyStory{c}).more(ctx, len(log)); err != nil {
			return "", err
		}
	}
}

func (a *ahoy) Received(ctx context.Context, who string) (audio, video mediatest.Stats, err error) {
	id, err := a.id(ctx, who)
	if err == nil {
		audio, video = a.seats.received(id)
	}
	return audio, video, err
}

func (a *ahoy) Source() uint32 { return a.devices.Source() }

func (a *ahoy) Shows(w What) bool { return w != Whispered }

func (a *ahoy) Saw(ctx context.Context, s Sight) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	return saw(ctx, ahoyStory{c}, s)
}

func (a *ahoy) Times(ctx context.Context, s Sight) (int, error) {
	c, err := a.joined()
	if err != nil {
		return 0, err
	}
	return times(ctx, ahoyStory{c}, s)
}

type ahoyStory struct{ *client.Client }

func (s ahoyStory) told(ctx context.Context) ([][]Sight, error) {
	log, err := s.Log(ctx)
	all := make([][]Sight, len(log))
	known := map[string]string{} // names by memberID: some get one only after they came
	for i, e := range log {
		for _, m := range ahoyNames(e) {
			if m.Name != "" && known[m.MemberID] != m.Name {
				known[m.MemberID] = m.Name
				all[i] = append(all[i], ahoyMember(m.Name, Came, ScreenOn))
			}
		}
		if e.Member.Name == "" {
			e.Member.Name = known[e.Member.ID]
		}
		if f := ahoySights[e.Type]; f != nil {
			all[i] = append(all[i], f(e)...)
		}
	}
	return all, err
}

// ahoyNamed is how messages name members.
type ahoyNamed struct {
	Name, MemberID string
	Audio          struct{ Available, Muted bool }
}

// ahoyNames returns the members that a message names.
func ahoyNames(e client.Event) []ahoyNamed {
	var m struct {
		Member, From ahoyNamed
		Members      []ahoyNamed
	}
	if e.Raw == nil || e.Type == "CONFERENCE_LEAVE_indication" || json.Unmarshal(e.Raw, &m) != nil {
		return nil
	}
	var all []ahoyNamed
	for _, n := range append(m.Members, m.Member, m.From) {
		if n.MemberID != "" {
			all = append(all, n)
		}
	}
	return all
}

func (s ahoyStory) more(ctx context.Context, n int) error {
	_, err := s.Wait(ctx, func(e client.Event) bool { return e.N > n })
	return err
}

// ahoySights says what each message tells.
var ahoySights = map[string]func(e client.Event) []Sight{
	"CONFERENCE_JOIN_response": func(e client.Event) (all []Sight) {
		for _, m := range ahoyNames(e) {
			if m.Audio.Available && m.Audio.Muted {
				all = append(all, Sight{What: Muted, Who: m.Name})
			}
		}
		var r struct{ Locked bool }
		if json.Unmarshal(e.Raw, &r) == nil && r.Locked {
			all = append(all, Sight{What: Locked})
		}
		return all
	},
	"CONFERENCE_LEAVE_indication": func(e client.Event) []Sight { return []Sight{ahoyMember(e.Member.Name, Left, ScreenOff)} },
	"CHAT_MESSAGE_indication":     func(e client.Event) []Sight { return []Sight{{Said, e.Member.Name, e.Text}} },
	"MEDIA_event": func(e client.Event) []Sight {
		what := map[string]What{"audio_muted": Muted, "audio_unmuted": Unmuted, "start_speaking": Talks}[e.Text]
		return []Sight{{What: what, Who: e.Member.Name}}
	},
	"MEDIA_indication": func(e client.Event) []Sight {
		if e.Member.AudioAvailable && e.Member.AudioMuted {
			return []Sight{{What: Muted, Who: e.Member.Name}}
		}
		return nil
	},
	"CONFERENCE_LOCK_indication": func(e client.Event) []Sight {
		var r struct{ Locked bool }
		if json.Unmarshal(e.Raw, &r) != nil || !r.Locked {
			return nil
		}
		return []Sight{{What: Locked}}
	},
	"CONFERENCE_KICK_indication": func(client.Event) []Sight { return []Sight{{What: ThrownOut}} },
	client.Answered:              func(e client.Event) []Sight { return []Sight{{What: Renegotiate, Who: e.Member.Name}} },
	client.Disconnected:          func(client.Event) []Sight { return []Sight{{What: Gone}} },
}

// ahoyMember tells of a member, or of a screen that is one (ahoy.md 10.4).
func ahoyMember(name string, member, screen What) Sight {
	if who, ok := strings.CutSuffix(name, client.ScreenSuffix); ok {
		return Sight{What: screen, Who: who}
	}
	return Sight{What: member, Who: name}
}
