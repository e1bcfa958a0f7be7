package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/asn/client"
	"dragoman/dialects/asn/rose"
	"dragoman/media/mediatest"
)

// asn publishes everything over one leg, and subscribes to camera and screen of a party
// apart (asn.md 11). There is no chat and no lock. Who has a token makes the
// conference and moderates it; so that others than the first one are users, a token
// is only taken where a guest finds no conference. Of secrets there is no word.
func asnDialect() Dialect {
	number := func(n rose.ConferenceError) string { return strconv.Itoa(int(n)) }
	return Dialect{
		Name: "asn", New: newAsn, Moderates: true, NoLock: true, NoChat: true,
		Habits: []Habit{{Name: "ber"}},
		Refusals: map[bridge.Code]string{
			bridge.WrongSecret: number(rose.TokenInvalid), bridge.Unauthenticated: number(rose.TokenInvalid),
			bridge.NotFound: number(rose.ConferenceNotFound), bridge.RoomLocked: number(rose.Forbidden),
			bridge.RoomFull: number(rose.TooMany), bridge.Banned: number(rose.Forbidden),
		},
	}
}

type asn struct {
	o       Options
	devices *mediatest.Client
	seats   *seats // by party

	mu     sync.Mutex
	client *client.Client // nil: not joined
	sent   client.Media
}

func newAsn(o Options) Driver {
	o.Media.Trickle = true
	return &asn{o: o, devices: mediatest.NewClient(o.Media), seats: newSeats()}
}

// Join makes the conference with a token of the user's account, where there is none.
func (a *asn) Join(ctx context.Context, room string, _ bridge.Role) error {
	cfg := client.Config{
		URL: "ws://" + a.o.Addr + a.o.Path + "/ws", Dialer: &websocket.Dialer{NetDialContext: a.o.Dial}, Peers: a.peer,
	}
	if a.o.Habit == "ber" {
		cfg.Encoding = rose.BER
	}
	t := client.Ticket{Conference: room, Name: a.o.Name}
	c, err := client.Join(ctx, cfg, t)
	if r, ok := errors.AsType[*client.Refusal](err); ok && r.Number == int64(rose.ConferenceNotFound) {
		h := &http.Client{Transport: &http.Transport{DialContext: a.o.Dial, DisableKeepAlives: true}}
		if t.Token, err = client.Token(ctx, h, "http://"+a.o.Addr+a.o.Path, a.o.Name, "of "+a.o.Name, ""); err == nil {
			c, err = client.Join(ctx, cfg, t)
		}
	}
	if err != nil {
		return asnRefused(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = c
	return nil
}

func asnRefused(err error) error {
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		return &Refused{Code: strconv.FormatInt(r.Number, 10), Err: err}
	}
	return err
}

// peer makes the client's end of a leg. It implements client.Config.Peers.
func (a *asn) peer(_ context.Context, u client.Use) (client.Negotiator, error) {
	p, err := a.devices.Peer()
	if err != nil {
		return nil, err
	}
	n := &asnPeer{Peer: p, seats: a.seats}
	if !u.Publish {
		n.at = place{u.Party, bridge.Camera}
		if u.Screen {
			n.at.src = bridge.Screen
		}
		a.seats.put(n.at, p)
	}
	return n, nil
}

// asnPeer is one leg. It implements client.Negotiator.
type asnPeer struct {
	*mediatest.Peer
	seats  *seats
	at     place
	camera bool // it is published
	screen bool
}

// Offer implements client.Negotiator. A camera comes before a screen, as m-lines do
// (asn.md 11.2).
func (p *asnPeer) Offer(ctx context.Context, m client.Media) (string, []rose.MediaSection, error) {
	var err error
	if m == (client.Media{}) {
		err = p.Unpublish()
		p.camera, p.screen = false, false
	}
	if m.Video && !p.camera {
		err = p.Publish(m.Audio, true)
		p.camera = true
	}
	if m.Screen && !p.screen {
		err = errors.Join(err, p.PublishScreen())
		p.screen = true
	}
	if err != nil {
		return "", nil, err
	}
	offer, err := p.Peer.Offer(ctx)
	return offer, nil, err
}

// Close implements client.Negotiator.
func (p *asnPeer) Close() {
	p.seats.remove(p.at, p.Peer)
	_ = p.Peer.Close() // it is given up
}

func (a *asn) joined() (*client.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client == nil {
		return nil, ErrClosed
	}
	return a.client, nil
}

// send changes what is published. What is once on the leg stays there, and is
// switched off and on by settings (asn.md 11.3).
func (a *asn) send(ctx context.Context, src bridge.Source, on bool) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	a.mu.Lock()
	known := src == bridge.Camera && a.sent.Video || src == bridge.Screen && a.sent.Screen
	if src == bridge.Camera {
		a.sent.Audio, a.sent.Video = true, true
	} else {
		a.sent.Screen = true
	}
	sent := a.sent
	a.mu.Unlock()
	if known || !on {
		settings := []rose.MediaSetting{{MediaType: rose.MediaScreen, Enabled: &on}}
		if src == bridge.Camera {
			settings = []rose.MediaSetting{{MediaType: rose.MediaAudio, Enabled: &on}, {MediaType: rose.MediaVideo, Enabled: &on}}
		}
		return asnRefused(c.Configure(ctx, "", settings...))
	}
	return asnRefused(c.Publish(ctx, sent))
}

func (a *asn) Publish(ctx context.Context, src bridge.Source) error { return a.send(ctx, src, true) }

func (a *asn) Unpublish(ctx context.Context, src bridge.Source) error { return a.send(ctx, src, false) }

// Mute tells the server. The microphone goes on.
func (a *asn) Mute(ctx context.Context, on bool) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	return c.Mute(ctx, "", rose.MediaAudio, on)
}

// MuteOther implements Muter.
func (a *asn) MuteOther(ctx context.Context, name string, on bool) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	id, err := asnStory{c}.id(ctx, name)
	if err != nil {
		return err
	}
	return asnRefused(c.Mute(ctx, id, rose.MediaAudio, on))
}

func (a *asn) Say(context.Context, string, string) error {
	_, err := a.joined()
	return cmp.Or(err, ErrUnable)
}

func (a *asn) Kick(ctx context.Context, name string) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	id, err := asnStory{c}.id(ctx, name)
	if err != nil {
		return err
	}
	return asnRefused(c.Remove(ctx, id, ""))
}

func (a *asn) Lock(context.Context, bool) error {
	_, err := a.joined()
	return cmp.Or(err, ErrUnable)
}

func (a *asn) Leave(ctx context.Context) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	return c.Leave(ctx)
}

func (a *asn) Close() {
	a.mu.Lock()
	c := a.client
	a.client = nil
	a.mu.Unlock()
	if c != nil {
		c.Kill()
	}
	a.devices.Close()
}

// id returns the party of somebody, once the client has been told of it.
func (a *asn) id(ctx context.Context, name string) (string, error) {
	c, err := a.joined()
	if err != nil {
		return "", err
	}
	return asnStory{c}.id(ctx, name)
}

func (a *asn) Hears(ctx context.Context, name string) error {
	id, err := a.id(ctx, name)
	if err != nil {
		return err
	}
	return a.seats.hears(ctx, id)
}

func (a *asn) Deaf(ctx context.Context, name string) error {
	id, err := a.id(ctx, name)
	if err != nil {
		return err
	}
	return a.seats.deaf(ctx, id)
}

func (a *asn) Sees(ctx context.Context, name string, src bridge.Source) (mediatest.Frame, error) {
	c, err := a.joined()
	if err != nil {
		return mediatest.Frame{}, err
	}
	at, err := asnStory{c}.find(ctx, name, src)
	if err != nil {
		return mediatest.Frame{}, err
	}
	return a.seats.sees(ctx, at.who, at.src)
}

func (a *asn) Received(ctx context.Context, name string) (audio, video mediatest.Stats, err error) {
	id, err := a.id(ctx, name)
	if err == nil {
		audio, video = a.seats.received(id)
	}
	return audio, video, err
}

func (a *asn) Source() uint32 { return a.devices.Source() }

func (a *asn) Shows(w What) bool { return !slices.Contains([]What{Said, Whispered, Locked}, w) }

func (a *asn) Saw(ctx context.Context, want Sight) error {
	c, err := a.joined()
	if err != nil {
		return err
	}
	return saw(ctx, asnStory{c}, want)
}

func (a *asn) Times(ctx context.Context, want Sight) (int, error) {
	c, err := a.joined()
	if err != nil {
		return 0, err
	}
	return times(ctx, asnStory{c}, want)
}

type asnStory struct{ *client.Client }

// asnPeople are the parties of the room, as a client was told last, by id.
type asnPeople map[string]rose.ConferenceParty

func (s asnStory) told(ctx context.Context) ([][]Sight, error) {
	all, _, err := s.replay(ctx)
	return all, err
}

// replay returns what the log says, and who is in the room in the end.
func (s asnStory) replay(ctx context.Context) ([][]Sight, asnPeople, error) {
	log, err := s.Log(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, people, self := make([][]Sight, len(log)), asnPeople{}, ""
	for i, e := range log {
		if r, ok := e.Argument.(*rose.JoinConferenceResult); ok {
			self = r.PartyID
		}
		all[i] = people.take(e, self)
	}
	return all, people, nil
}

func (s asnStory) more(ctx context.Context, n int) error {
	_, err := s.Wait(ctx, func(e client.Event) bool { return e.N > n })
	return err
}

// id waits until a party of a name is there.
func (s asnStory) id(ctx context.Context, name string) (string, error) {
	at, err := s.find(ctx, name, bridge.Camera)
	return at.who, err
}

// find waits until somebody is there, or for a screen until it is shared: by the same
// party, or by a second one that only does that (ahoy.md 9).
func (s asnStory) find(ctx context.Context, name string, src bridge.Source) (place, error) {
	for {
		told, people, err := s.replay(ctx)
		if err != nil {
			return place{}, err
		}
		if at, ok := people.find(name, src); ok {
			return at, nil
		}
		if err := s.more(ctx, len(told)); err != nil {
			return place{}, fmt.Errorf("wait for a party called %s: %w", name, err)
		}
	}
}

func (l asnPeople) find(name string, src bridge.Source) (place, bool) {
	for id, p := range l {
		_, shares := asnMedia(p, rose.MediaScreen)
		called := p.Contact.DisplayName
		if called == name && (src == bridge.Camera || shares) || called == name+screenSuffix && src == bridge.Screen && shares {
			return place{id, src}, true
		}
	}
	return place{}, false
}

// take takes in what a client was told, and returns what that means.
func (l asnPeople) take(e client.Event, self string) []Sight {
	switch a := e.Argument.(type) {
	case *rose.JoinConferenceResult:
		return l.all(a.Parties, self)
	case *rose.PartyAddedArgument:
		return l.changed(a.Party, self)
	case *rose.PartyChangedArgument:
		return l.changed(a.Party, self)
	case *rose.PartyRemovedArgument:
		old := l[a.PartyID]
		delete(l, a.PartyID)
		if a.PartyID == self {
			return []Sight{{What: ThrownOut}}
		}
		return asnGone(old)
	case *rose.PartyTalkingArgument:
		return l.talking(a.PartyIDs)
	}
	switch e.Name {
	case client.Negotiated:
		return []Sight{{What: Renegotiate, Who: l[e.Use.Party].Contact.DisplayName}}
	case client.Disconnected:
		return []Sight{{What: Gone}}
	}
	return nil
}

func (l asnPeople) talking(ids []string) (all []Sight) {
	for _, id := range ids {
		all = append(all, Sight{What: Talks, Who: l[id].Contact.DisplayName})
	}
	return all
}

func (l asnPeople) all(parties []rose.ConferenceParty, self string) (all []Sight) {
	for _, p := range parties {
		all = append(all, l.changed(p, self)...)
	}
	return all
}

// changed says what is new about a party.
func (l asnPeople) changed(p rose.ConferenceParty, self string) (all []Sight) {
	old, known := l[p.PartyID]
	l[p.PartyID] = p
	who, alone := strings.CutSuffix(p.Contact.DisplayName, screenSuffix)
	unnamed := !known || old.Contact.DisplayName == asnNobody // some get a name only after they came
	if unnamed && p.Contact.DisplayName != asnNobody && p.PartyID != self && !alone {
		all = append(all, Sight{What: Came, Who: who})
	}
	was, sound := asnMedia(old, rose.MediaAudio)
	now, sounds := asnMedia(p, rose.MediaAudio)
	if sounds && now != was && (sound || now) {
		what := Unmuted
		if now {
			what = Muted
		}
		all = append(all, Sight{What: what, Who: who})
	}
	_, before := asnMedia(old, rose.MediaScreen)
	_, after := asnMedia(p, rose.MediaScreen)
	switch {
	case after && !before:
		all = append(all, Sight{What: ScreenOn, Who: who})
	case before && !after:
		all = append(all, Sight{What: ScreenOff, Who: who})
	}
	return all
}

// asnNobody is what a party is called that has no name yet.
const asnNobody = "Guest"

// asnGone says what it means that a party is removed.
func asnGone(p rose.ConferenceParty) (all []Sight) {
	who, alone := strings.CutSuffix(p.Contact.DisplayName, screenSuffix)
	if _, shared := asnMedia(p, rose.MediaScreen); shared {
		all = append(all, Sight{What: ScreenOff, Who: who})
	}
	if !alone && who != "" {
		all = append(all, Sight{What: Left, Who: who})
	}
	return all
}

// asnMedia reports whether a party publishes a media, and whether that is muted.
func asnMedia(p rose.ConferenceParty, t rose.ConferenceMediaType) (muted, on bool) {
	for _, m := range p.Media {
		if m.MediaType == t {
			return m.Muted, true
		}
	}
	return false, false
}
