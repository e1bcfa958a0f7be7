package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/nkmedia/client"
	"dragoman/media/mediatest"
)

// NkMEDIA has one connection for each stream (nkmedia.md 10.1), and mutes by telling
// the server, which relays no more (8.7). Who has no session is in no conference, so
// it is refused when it publishes (8.2). There is no lock, no kick, no screen and no
// message to one alone.
func nkmediaDialect() Dialect {
	const unauthorized = "100030"
	return Dialect{
		Name: "nkmedia", New: newNkmedia, NoLock: true, NoScreen: true, ByMedia: true, Habits: []Habit{{Name: "web"}},
		Refusals: map[bridge.Code]string{
			bridge.WrongSecret: unauthorized, bridge.Unauthenticated: unauthorized, bridge.NotFound: "304001",
			bridge.RoomLocked: unauthorized, bridge.RoomFull: "100040", bridge.Banned: unauthorized,
		},
	}
}

type nkmedia struct {
	o       Options
	devices *mediatest.Client
	seats   *seats // by the id of the publisher's session

	mu     sync.Mutex
	client *client.Client // nil: not joined
	camera string         // the own session; empty: nothing is published
}

func newNkmedia(o Options) Driver {
	return &nkmedia{o: o, devices: mediatest.NewClient(o.Media), seats: newSeats()}
}

// Join logs in, makes the conference, and listens to its publishers.
func (n *nkmedia) Join(ctx context.Context, room string, as bridge.Role) error {
	c, err := client.Join(ctx, client.Config{
		URL:    "ws://" + n.o.Addr + n.o.Path + "/",
		Dialer: &websocket.Dialer{NetDialContext: n.o.Dial},
		Peers:  n.peer, Web: n.o.Habit == "web",
	}, client.Ticket{
		Conf: room, User: n.o.Name, Pass: "of " + n.o.Name,
		Password: n.o.Secrets[as], Create: len(n.o.Secrets) == 0,
	})
	if err != nil {
		return nkRefused(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.client = c
	return nil
}

func nkRefused(err error) error {
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		return &Refused{Code: strconv.Itoa(r.Code), Err: err}
	}
	return err
}

// peer makes the client's end of a connection. It implements client.Config.Peers.
func (n *nkmedia) peer(_ context.Context, u client.Use) (client.Negotiator, error) {
	p, err := n.devices.Peer()
	if err != nil {
		return nil, err
	}
	if !u.Publish {
		at := place{who: u.Member.ID}
		n.seats.put(at, p)
		return &nkPeer{p, n.seats, at}, nil
	}
	if err := p.Publish(true, true); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// nkPeer is the connection of a session that listens. It implements
// client.Negotiator.
type nkPeer struct {
	*mediatest.Peer
	seats *seats
	at    place
}

// Close implements client.Negotiator.
func (p *nkPeer) Close() error {
	p.seats.remove(p.at, p.Peer)
	return p.Peer.Close()
}

func (n *nkmedia) joined() (*client.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client == nil {
		return nil, ErrClosed
	}
	return n.client, nil
}

func (n *nkmedia) session() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.camera
}

func (n *nkmedia) setSession(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.camera = id
}

func (n *nkmedia) Publish(ctx context.Context, src bridge.Source) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	if src == bridge.Screen {
		return ErrUnable
	}
	id, err := c.Publish(ctx, nil)
	if err != nil {
		return nkRefused(err)
	}
	n.setSession(id)
	return nil
}

func (n *nkmedia) Unpublish(ctx context.Context, src bridge.Source) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	if src == bridge.Screen {
		return ErrUnable
	}
	id := n.session()
	n.setSession("")
	return c.Destroy(ctx, id)
}

// Mute tells the server. The microphone goes on, so that a server that relays all
// the same is heard to.
func (n *nkmedia) Mute(ctx context.Context, on bool) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	return c.Update(ctx, n.session(), &on, nil, nil)
}

// Limit implements Limiter.
func (n *nkmedia) Limit(ctx context.Context, bitrate int) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	return c.Update(ctx, n.session(), nil, nil, &bitrate)
}

func (n *nkmedia) Say(ctx context.Context, to, text string) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	if to != "" {
		return ErrUnable
	}
	return c.Say(ctx, text)
}

func (n *nkmedia) Kick(context.Context, string) error {
	_, err := n.joined()
	return errors.Join(err, ErrUnable)
}

func (n *nkmedia) Lock(context.Context, bool) error {
	_, err := n.joined()
	return errors.Join(err, ErrUnable)
}

func (n *nkmedia) Leave(ctx context.Context) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	return c.Leave(ctx)
}

func (n *nkmedia) Close() {
	n.mu.Lock()
	c := n.client
	n.client = nil
	n.mu.Unlock()
	if c != nil {
		c.Kill()
	}
	n.devices.Close()
}

func (n *nkmedia) Hears(ctx context.Context, name string) error {
	return n.follow(ctx, name, bridge.Camera, n.seats.hears)
}

func (n *nkmedia) Deaf(ctx context.Context, name string) error {
	return n.follow(ctx, name, bridge.Camera, n.seats.deaf)
}

func (n *nkmedia) Sees(ctx context.Context, name string, src bridge.Source) (f mediatest.Frame, err error) {
	err = n.follow(ctx, name, src, func(ctx context.Context, id string) (err error) {
		f, err = n.seats.sees(ctx, id, bridge.Camera) // a screen is a publisher of its own
		return err
	})
	return f, err
}

func (n *nkmedia) Received(ctx context.Context, who string) (audio, video mediatest.Stats, err error) {
	err = n.follow(ctx, who, bridge.Camera, func(_ context.Context, id string) error {
		audio, video = n.seats.received(id)
		return nil
	})
	return audio, video, err
}

func (n *nkmedia) Source() uint32 { return n.devices.Source() }

func (n *nkmedia) Shows(w What) bool {
	return !slices.Contains([]What{Muted, Unmuted, Talks, Locked, Whispered}, w)
}

func (n *nkmedia) Saw(ctx context.Context, want Sight) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	return saw(ctx, nkStory{c}, want)
}

func (n *nkmedia) Times(ctx context.Context, want Sight) (int, error) {
	c, err := n.joined()
	if err != nil {
		return 0, err
	}
	return times(ctx, nkStory{c}, want)
}

// follow calls f with the session that publishes somebody's camera or screen, once
// it is there, and anew when another one takes its place.
func (n *nkmedia) follow(ctx context.Context, name string, src bridge.Source, f func(ctx context.Context, id string) error) error {
	c, err := n.joined()
	if err != nil {
		return err
	}
	s := nkStory{c}
	for {
		id, err := s.publisher(ctx, name, src, "")
		if err != nil {
			return err
		}
		try, cancel := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() {
			if _, err := s.publisher(try, name, src, id); err == nil {
				cancel()
			}
		})
		err = f(try, id)
		replaced := try.Err() != nil && ctx.Err() == nil
		cancel()
		watch.Wait()
		if err == nil || !replaced {
			return err
		}
	}
}

type nkStory struct{ *client.Client }

func (s nkStory) told(ctx context.Context) ([][]Sight, error) {
	log, err := s.Log(ctx)
	all := make([][]Sight, len(log))
	var r nkRoster
	for i, e := range log {
		all[i] = r.take(e)
	}
	return all, err
}

func (s nkStory) more(ctx context.Context, n int) error {
	_, err := s.Wait(ctx, func(e client.Event) bool { return e.N > n })
	return err
}

// publisher waits until the session that publishes somebody's camera or screen is
// another one than before.
func (s nkStory) publisher(ctx context.Context, name string, src bridge.Source, before string) (string, error) {
	for {
		log, err := s.Log(ctx)
		if err != nil {
			return "", err
		}
		var r nkRoster
		for _, e := range log {
			r.take(e)
		}
		if id := r.publisher(name, src); id != "" && id != before {
			return id, nil
		}
		if err := s.more(ctx, len(log)); err != nil {
			return "", fmt.Errorf("%w; in the conference are %+v", err, r.members)
		}
	}
}

// nkRoster is who is in the conference, as a client has been told, in the order in
// which they came.
type nkRoster struct {
	members []nkMember
	own     []string // sessions that publish
}

type nkMember struct {
	client.Member
	screen bool // its user had a publisher already
}

// publisher returns the session of a camera or a screen; empty: there is none.
func (r *nkRoster) publisher(name string, src bridge.Source) string {
	for _, m := range r.members {
		if m.Role != client.Publisher {
			continue
		}
		camera := m.User == name && !m.screen
		screen := m.User == name && m.screen || m.User == name+screenSuffix
		if src == bridge.Camera && camera || src == bridge.Screen && screen {
			return m.ID
		}
	}
	return ""
}

// take takes in what a client has been told, and returns what that means.
func (r *nkRoster) take(e client.Event) []Sight {
	switch e.Type {
	case client.Present, "started_member":
		return r.started(e.Member)
	case "stopped_member":
		return r.stopped(e.Member.ID)
	case "msglog_new_msg":
		return []Sight{{What: Said, Who: e.Member.User, Text: e.Text}}
	case client.Publishing:
		r.own = append(r.own, e.Session)
	case client.Listening:
		return []Sight{{What: Renegotiate, Who: e.Member.User}}
	case "destroyed":
		if e.Subclass == "session" && e.Code == nkUserStop && slices.Contains(r.own, e.Obj) {
			return []Sight{{What: ThrownOut}}
		}
	case client.Disconnected:
		return []Sight{{What: Gone}}
	}
	return nil
}

// nkUserStop is how a session ends that somebody else has ended (nkmedia.md 12).
const nkUserStop = 100011

func (r *nkRoster) started(m client.Member) []Sight {
	if i := r.index(m.ID); i >= 0 {
		if r.members[i].User == m.User {
			return nil // it was there when the client came, and is told once more
		}
		r.members = slices.Delete(r.members, i, i+1) // it has got a name
	}
	first, publishes := !r.has(m.User), r.publisher(m.User, bridge.Camera) != ""
	n := nkMember{m, publishes && m.Role == client.Publisher}
	r.members = append(r.members, n)
	who, alone := strings.CutSuffix(m.User, screenSuffix) // a second member that only shares it (ahoy.md 9)
	switch {
	case n.screen || alone && first:
		return []Sight{{What: ScreenOn, Who: who}}
	case first:
		return []Sight{{What: Came, Who: who}}
	}
	return nil
}

func (r *nkRoster) stopped(id string) (all []Sight) {
	i := r.index(id)
	if i < 0 {
		return nil
	}
	m := r.members[i]
	r.members = slices.Delete(r.members, i, i+1)
	who, alone := strings.CutSuffix(m.User, screenSuffix)
	last := !r.has(m.User)
	if m.screen || alone && last {
		all = append(all, Sight{What: ScreenOff, Who: who})
	}
	if last && !alone {
		all = append(all, Sight{What: Left, Who: who})
	}
	return all
}

func (r *nkRoster) index(id string) int {
	return slices.IndexFunc(r.members, func(m nkMember) bool { return m.ID == id })
}

func (r *nkRoster) has(user string) bool {
	return slices.ContainsFunc(r.members, func(m nkMember) bool { return m.User == user })
}
