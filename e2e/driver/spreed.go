package driver

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/dialects/spreed/client"
	"dragoman/dialects/spreed/wire"
	"dragoman/media/mediatest"
)

// Spreed has the camera in every call from the start and mutes it unheard
// (spreed.md 14.10), trickles candidates, mangles its descriptions (12.1), locks
// with a PIN, and cannot throw out.
func spreedDialect() Dialect {
	return Dialect{
		Name: "spreed", New: newSpreed, Private: true, LocksBySecret: true, Habits: []Habit{{Name: "ios", Foreign: true}},
		Refusals: map[bridge.Code]string{
			bridge.WrongSecret: "invalid_credentials", bridge.Unauthenticated: "authorization_required",
			bridge.RoomLocked: "authorization_required", bridge.RoomFull: "unknown", bridge.Banned: "invalid_credentials",
		},
	}
}

// spreedPIN is what Lock sets.
const spreedPIN = "4711"

type spreed struct {
	o       Options
	devices *mediatest.Client
	seats   *seats // by session id

	mu     sync.Mutex
	client *client.Client // nil: not connected
}

func newSpreed(o Options) Driver {
	o.Media.Trickle = true
	o.Media.Munge = mediatest.MungeSpreed
	s := &spreed{o: o, devices: mediatest.NewClient(o.Media), seats: newSeats()}
	s.devices.Silence(true)
	s.devices.Dark(true)
	return s
}

func (s *spreed) Join(ctx context.Context, room string, as bridge.Role) error {
	// The client lives until Close, not until ctx ends.
	c, err := client.Dial(context.WithoutCancel(ctx), client.Config{
		URL:    "ws://" + s.o.Addr + s.o.Path + "/ws",
		Dialer: &websocket.Dialer{NetDialContext: s.o.Dial},
		Name:   s.o.Name, Peers: s.peer, Pickup: true, Idle: s.o.Habit == "ios",
	})
	if err != nil {
		return err
	}
	err = c.Join(ctx, room, s.o.Secrets[as])
	if err != nil {
		c.Close()
		if r, ok := errors.AsType[*client.Refused](err); ok {
			return &Refused{Code: r.Code, Err: err}
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = c
	return nil
}

// peer makes the client's end of a connection. It implements client.Peers.
func (s *spreed) peer(_ context.Context, cfg client.PeerConfig) (client.Peer, error) {
	raw, err := s.devices.Peer()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &spreedPeer{Peer: raw, cfg: cfg, seats: s.seats, stop: stop}
	switch cfg.Kind {
	case client.Call:
		err = raw.Publish(true, true)
		p.at = place{cfg.Remote, bridge.Camera}
	case client.View:
		err = raw.Subscribe(0, 1)
		p.at = place{cfg.Remote, bridge.Screen}
	case client.Share:
		err = raw.PublishScreen()
	}
	if err == nil && cfg.Offers {
		err = raw.OpenChannel(wire.Channel)
	}
	if err != nil {
		stop()
		return nil, errors.Join(err, raw.Close())
	}
	p.watch(ctx)
	if p.at.who != "" {
		s.seats.put(p.at, raw)
	}
	return p, nil
}

// spreedPeer implements client.Peer.
type spreedPeer struct {
	*mediatest.Peer
	cfg     client.PeerConfig
	seats   *seats
	at      place
	stop    context.CancelFunc
	watches sync.WaitGroup

	mu     sync.Mutex
	remote bool // the description of the other side is there
	early  []wire.ICE
}

// watch tells the client what happens to the peer.
func (p *spreedPeer) watch(ctx context.Context) {
	tell := func(wait func() error, what client.What) {
		p.watches.Go(func() {
			if wait() == nil {
				p.cfg.Notify(client.PeerEvent{What: what})
			}
		})
	}
	tell(func() error { return p.WaitConnected(ctx) }, client.PeerConnected)
	tell(func() error { return p.WaitState(ctx, webrtc.PeerConnectionStateFailed) }, client.PeerFailed)
	tell(func() error { return p.WaitChannel(ctx, wire.Channel) }, client.PeerOpen)
	tell(func() error { return p.WaitChannelClosed(ctx, wire.Channel) }, client.PeerShut)
	p.OnMessage(func(_ string, _ bool, data []byte) {
		p.cfg.Notify(client.PeerEvent{What: client.PeerMessage, Data: data})
	})
	p.OnCandidate(func(text, mid string, index int) {
		if text != "" { // there is no end of candidates in Spreed (5.11)
			p.cfg.Notify(client.PeerEvent{What: client.PeerCandidate, Candidate: wire.ICE{Candidate: text, SDPMid: mid, SDPMLineIndex: &index}})
		}
	})
}

// Answer implements client.Peer.
func (p *spreedPeer) Answer(ctx context.Context, offer string) (string, error) {
	sdp, err := p.Peer.Answer(ctx, offer)
	if err == nil {
		err = p.described()
	}
	return sdp, err
}

// Accept implements client.Peer.
func (p *spreedPeer) Accept(ctx context.Context, answer string) error {
	if err := p.Peer.Accept(ctx, answer); err != nil {
		return err
	}
	return p.described()
}

// described adds the candidates that came too early.
func (p *spreedPeer) described() error {
	p.mu.Lock()
	early := p.early
	p.early, p.remote = nil, true
	p.mu.Unlock()
	for _, c := range early {
		if err := p.add(c); err != nil {
			return err
		}
	}
	return nil
}

// AddCandidate implements client.Peer.
func (p *spreedPeer) AddCandidate(_ context.Context, c wire.ICE) error {
	p.mu.Lock()
	if !p.remote {
		p.early = append(p.early, c)
		p.mu.Unlock()
		return nil
	}
	p.mu.Unlock()
	return p.add(c)
}

func (p *spreedPeer) add(c wire.ICE) error {
	index := -1
	if c.SDPMLineIndex != nil {
		index = *c.SDPMLineIndex
	}
	text := strings.TrimSpace(strings.TrimPrefix(c.Candidate, "a="))
	return p.Peer.AddCandidate(text, c.SDPMid, index)
}

// Message implements client.Peer.
func (p *spreedPeer) Message(text []byte) error { return p.Send(wire.Channel, true, text) }

// Close implements client.Peer.
func (p *spreedPeer) Close() error {
	p.seats.remove(p.at, p.Peer)
	p.stop()
	p.watches.Wait()
	return p.Peer.Close()
}

func (s *spreed) joined() (*client.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil, ErrClosed
	}
	return s.client, nil
}

func (s *spreed) Publish(ctx context.Context, src bridge.Source) error { return s.send(ctx, src, true) }

func (s *spreed) Unpublish(ctx context.Context, src bridge.Source) error {
	return s.send(ctx, src, false)
}

func (s *spreed) send(ctx context.Context, src bridge.Source, on bool) error {
	if src == bridge.Camera {
		s.devices.Silence(!on)
		s.devices.Dark(!on)
		return nil
	}
	c, err := s.joined()
	if err != nil {
		return err
	}
	return c.ShareScreen(ctx, on)
}

func (s *spreed) Mute(_ context.Context, on bool) error {
	s.devices.Silence(on)
	return nil
}

func (s *spreed) Say(ctx context.Context, to, text string) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	if to == "" {
		return c.Say(ctx, text)
	}
	_, err = c.Whisper(ctx, to, text)
	return err
}

func (s *spreed) Kick(context.Context, string) error { return ErrUnable }

func (s *spreed) Lock(ctx context.Context, on bool) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	if on {
		return c.Lock(ctx, spreedPIN)
	}
	return c.Lock(ctx, "")
}

func (s *spreed) Leave(ctx context.Context) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	return c.Unload(ctx)
}

func (s *spreed) Close() {
	s.mu.Lock()
	c := s.client
	s.client = nil
	s.mu.Unlock()
	if c != nil {
		c.Close()
	}
	s.devices.Close()
}

func (s *spreed) Hears(ctx context.Context, name string) error {
	id, err := s.id(ctx, name)
	if err != nil {
		return err
	}
	return s.seats.hears(ctx, id)
}

func (s *spreed) Deaf(ctx context.Context, name string) error {
	id, err := s.id(ctx, name)
	if err != nil {
		return err
	}
	return s.seats.deaf(ctx, id)
}

// Sees finds a screen with its owner, or with a second member that only shares it
// (ahoy.md 9).
func (s *spreed) Sees(ctx context.Context, name string, src bridge.Source) (mediatest.Frame, error) {
	names := []string{name}
	if src == bridge.Screen {
		names = append(names, name+screenSuffix)
	}
	id, err := s.id(ctx, names...)
	if err != nil {
		return mediatest.Frame{}, err
	}
	return s.seats.sees(ctx, id, src)
}

// screenSuffix ends the name of a member that shares a screen for somebody.
const screenSuffix = " (screen)"

func (s *spreed) Received(ctx context.Context, who string) (audio, video mediatest.Stats, err error) {
	id, err := s.id(ctx, who)
	if err == nil {
		audio, video = s.seats.received(id)
	}
	return audio, video, err
}

func (s *spreed) Source() uint32 { return s.devices.Source() }

func (s *spreed) Shows(w What) bool { return w != Muted && w != Unmuted }

func (s *spreed) Saw(ctx context.Context, want Sight) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	return saw(ctx, spreedStory{c}, want)
}

func (s *spreed) Times(ctx context.Context, want Sight) (int, error) {
	c, err := s.joined()
	if err != nil {
		return 0, err
	}
	return times(ctx, spreedStory{c}, want)
}

// id waits until the session of somebody with one of the names is known, and
// returns the last one.
func (s *spreed) id(ctx context.Context, names ...string) (string, error) {
	c, err := s.joined()
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
			for who, session := range spreedNames(e) {
				if slices.Contains(names, who) {
					id = session
				}
			}
		}
		if id != "" {
			return id, nil
		}
		if err := (spreedStory{c}).more(ctx, len(log)); err != nil {
			return "", err
		}
	}
}

// spreedNames returns the sessions that an entry names.
func spreedNames(e client.Entry) map[string]string {
	names := map[string]string{}
	type status struct{ DisplayName string }
	switch e.Kind {
	case "welcome":
		var w struct {
			Users []struct {
				ID     string `json:"Id"`
				Status status
			}
		}
		if json.Unmarshal(e.Doc, &w) == nil {
			for _, u := range w.Users {
				names[u.Status.DisplayName] = u.ID
			}
		}
	case "joined", "status":
		names[e.Name] = e.From
	}
	delete(names, "")
	return names
}

type spreedStory struct{ *client.Client }

func (s spreedStory) told(ctx context.Context) ([][]Sight, error) {
	log, err := s.Log(ctx)
	all := make([][]Sight, len(log))
	known := map[string]string{} // names by session, also of those who left
	for i, e := range log {
		for who, id := range spreedNames(e) {
			known[id] = who
			all[i] = append(all[i], Sight{What: Came, Who: who})
		}
		if e.Name == "" {
			e.Name = known[e.From]
		}
		if what, ok := spreedSights[e.Kind]; ok {
			who := e.Name
			if what == ScreenOn || what == ScreenOff {
				who = strings.TrimSuffix(who, screenSuffix)
			}
			all[i] = append(all[i], Sight{What: what, Who: who, Text: e.Text})
		}
		switch {
		case e.Kind == "chat" && strings.HasSuffix(e.Text, " removed you from the room"): // there is no message for it
			all[i] = append(all[i], Sight{What: ThrownOut})
		case e.Kind == "talking" && e.Text == "true":
			all[i] = append(all[i], Sight{What: Talks, Who: e.Name})
		case e.Kind == "room" && e.Text != "":
			all[i] = append(all[i], Sight{What: Locked})
		}
	}
	return all, err
}

func (s spreedStory) more(ctx context.Context, n int) error {
	seen := 0
	_, err := s.Wait(ctx, func(client.Entry) bool {
		seen++
		return seen > n
	})
	return err
}

// spreedSights says what the entries of the log are.
var spreedSights = map[string]What{
	"left": Left, "chat": Said, "whisper": Whispered, "screen": ScreenOn, "screen-gone": ScreenOff,
	"call": Renegotiate, "closed": Gone,
}
