package bridgetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
)

// Stage is where a crowd acts.
type Stage struct {
	Host   bridge.Host          // by which people come
	Owner  func() *bridge.Local // where the room runs
	Counts func() bridge.Stats  // of both
	// Disturb, if not nil, is called now and then: after three seconds nobody may
	// notice what it did.
	Disturb func()
}

// Crowd has people do whatever comes to their minds, as often as steps says, and
// demands that everybody is told what happens, and nothing else: that a view of the
// events is always what a fresh snapshot says, that media does what the room says,
// that nobody may more than was granted, and that in the end nothing remains. It
// runs in a synctest bubble. The room is made at a stage that open makes.
func Crowd(t testing.TB, seed uint64, steps int, open func(bridge.LocalConfig) Stage) {
	t.Helper()
	c := newCrowd(t, seed, open)
	for range steps {
		if c.stage.Disturb != nil && c.IntN(40) == 0 {
			c.stage.Disturb()
		}
		c.step()
	}
	c.check()
	c.leave()
}

// crowd is a room with people who act at random.
type crowd struct {
	*rand.Rand
	t      testing.TB
	stage  Stage
	media  *Media
	spec   bridge.Spec
	boss   *head
	heads  []*head
	hidden map[bridge.ParticipantID]bool
	grants map[bridge.ParticipantID]bridge.JoinRequest
	ids    []bridge.ParticipantID // of everybody who was ever there
	pubs   []bridge.PublicationID // that were ever made
	away   map[bridge.ResumeToken]*head
}

// head is one of them.
type head struct {
	*bridge.Session
	view *View
	pubs []bridge.PublicationID // that it ever made: nobody else knows them before they are published
}

func newCrowd(t testing.TB, seed uint64, open func(bridge.LocalConfig) Stage) *crowd {
	c := &crowd{
		Rand: rand.New(rand.NewPCG(seed, 1)), t: t, media: &Media{},
		hidden: map[bridge.ParticipantID]bool{}, grants: map[bridge.ParticipantID]bridge.JoinRequest{},
		away: map[bridge.ResumeToken]*head{}, ids: []bridge.ParticipantID{bridge.NewParticipantID()},
		pubs: []bridge.PublicationID{bridge.NewPublicationID()},
	}
	c.stage = open(bridge.LocalConfig{Media: c.media, Outbox: 8 + c.IntN(200), Mailbox: 1 + c.IntN(9)})
	c.spec = bridge.Spec{
		ID: "r", KeepChat: c.IntN(4), WaitingRoom: c.IntN(2) == 0, Max: c.IntN(3) * 6, NoHands: c.IntN(4) == 0,
		Default: bridge.Role(c.IntN(4)), Limit: 100 * time.Hour, Keep: true,
	}
	if err := c.stage.Host.Create(t.Context(), c.spec); err != nil {
		t.Fatal(err)
	}
	c.hire()
	return c
}

// hire has the room's program come, who does nothing by chance.
func (c *crowd) hire() {
	c.boss = c.drop(c.join(bridge.JoinRequest{Kind: bridge.Service, AtMost: bridge.Moderator, Shows: bridge.ShowsPrivateChat}))
}

func (c *crowd) join(req bridge.JoinRequest) *head {
	req.Room = "r"
	s, err := c.stage.Host.Join(c.t.Context(), req)
	if err != nil {
		switch bridge.CodeOf(err) {
		case bridge.Banned, bridge.RoomLocked, bridge.RoomFull, bridge.WrongSecret, bridge.Unauthenticated:
			return nil
		}
		c.t.Fatalf("join: %v", err)
	}
	id := s.At.Self.ID
	c.ids = append(c.ids, id)
	c.grants[id] = req
	c.hidden[id] = c.hidden[id] || req.Kind.Hidden()
	h := &head{Session: s}
	c.seen(h)
	c.heads = append(c.heads, h)
	return h
}

// seen begins a view from the session's snapshot.
func (c *crowd) seen(h *head) {
	h.view = NewView(h.At)
	h.view.Publications = append(h.view.Publications, h.Published()...)
	h.view.KeepChat = c.spec.KeepChat
	h.view.Hidden = func(id bridge.ParticipantID) bool { return c.hidden[id] }
}

func pick[T any](c *crowd, from []T) T { return from[c.IntN(len(from))] }

// step is one thing that somebody does.
func (c *crowd) step() {
	switch n := c.IntN(100); {
	case n < 10 || len(c.heads) == 0:
		c.come()
	case n < 13:
		_ = c.drop(pick(c, c.heads)).Leave(c.t.Context(), bridge.ByWish)
	case n < 16:
		h := c.drop(pick(c, c.heads))
		if token := h.Detach(c.t.Context(), time.Duration(1+c.IntN(60))*time.Second); token != "" {
			c.away[token] = h
		}
	case n < 20:
		c.comeBack()
	case n < 23:
		<-time.After(time.Duration(c.IntN(20)) * time.Second)
	case n < 45:
		c.read(pick(c, c.heads))
	case n < 47:
		c.check()
	case n < 55:
		c.connect(pick(c, c.heads))
	case n < 60:
		_ = c.boss.Do(c.t.Context(), pick(c, c.favours())) // refused or not
	default:
		h := pick(c, c.heads)
		err := h.Do(c.t.Context(), c.command(h))
		if code := bridge.CodeOf(err); code == bridge.Internal || code == bridge.Unavailable {
			c.t.Fatalf("command: %v", err)
		}
	}
}

func (c *crowd) come() {
	req := bridge.JoinRequest{
		Name: fmt.Sprint(c.IntN(1000)), Kind: pick(c, []bridge.Kind{0, 0, 0, 0, 1, 2, 3, 4, 5}),
		AtMost: bridge.Role(c.IntN(4)), Dialect: pick(c, []string{"ahoy", "spreed"}), Secret: pick(c, []bridge.Secret{"", "a", "b"}),
		Shows: pick(c, []bridge.Features{0, bridge.ShowsPrivateChat}), User: pick(c, []bridge.UserID{"", "u", "v", "w"}),
		Attrs: map[string]string{bridge.AttrGroups: pick(c, []string{"", "g", "g\nh"})},
	}
	if c.IntN(8) == 0 {
		req.Add = bridge.Permissions(c.Uint32()) & bridge.Moderator.Permissions()
	}
	if c.IntN(5) == 0 && len(c.heads) > 0 {
		req.ID = pick(c, c.heads).At.Self.ID // comes again
	}
	c.join(req)
}

func (c *crowd) comeBack() {
	for token, h := range c.away {
		delete(c.away, token)
		s, err := c.stage.Host.Resume(c.t.Context(), token)
		if err == nil {
			h.Session = s
			c.seen(h)
			c.heads = append(c.heads, h)
		} else if bridge.CodeOf(err) != bridge.NotFound {
			c.t.Fatalf("resume: %v", err)
		}
		return
	}
}

// drop takes somebody out of those who act.
func (c *crowd) drop(h *head) *head {
	c.heads = slices.DeleteFunc(c.heads, func(o *head) bool { return o == h })
	return h
}

// connect has somebody's media come and go.
func (c *crowd) connect(h *head) {
	peers := c.media.Of(h.At.Self.ID)
	if len(peers) == 0 || c.IntN(4) == 0 {
		_, _ = h.Connect(c.t.Context(), bridge.PeerOptions{DetectMute: c.IntN(2) == 0}) // refused or not
		return
	}
	for _, p := range h.Peers() {
		pub := c.own(h)
		switch c.IntN(8) {
		case 0, 1:
			_ = p.Send(pick(c, c.pubs), bridge.SendOptions{})
		case 2, 3:
			_ = p.Receive(pub, bridge.Camera)
		case 4:
			_ = p.Drop(pick(c, c.pubs))
		case 5:
			_ = p.Close()
		default:
			f := c.media.Peer(p.ID())
			f.Fire(bridge.PeerSilence{Pub: pub, Silent: c.IntN(2) == 0})
			f.Fire(bridge.PeerHeard{Pub: pub, Talking: c.IntN(2) == 0})
			f.Fire(bridge.PeerTrack{Pub: pub, Live: c.IntN(2) == 0})
		}
	}
}

// enforced demands that media does what the room says.
func (c *crowd) enforced(h *head, at bridge.Snapshot) {
	c.t.Helper()
	peers := c.media.Of(at.Self.ID)
	if at.Waiting && len(peers) > 0 {
		c.t.Fatalf("%s waits, and has peers", at.Self.ID)
	}
	for _, p := range peers {
		if sends := p.Sends(); len(sends) > 0 && !at.Self.Can.Has(bridge.Subscribing) {
			c.t.Fatalf("%s receives what it may not", at.Self.ID)
		}
	}
	for _, p := range h.Published() {
		for track, state := range map[bridge.Track]bridge.TrackState{bridge.Audio: p.Audio, bridge.Video: p.Video} {
			open := c.media.Open(p.ID, track)
			shut := state == bridge.Silenced || state == bridge.Muted && track == bridge.Video
			if shut && open || state == bridge.Live && !open {
				c.t.Fatalf("track %d of %+v is open: %v", track, p, open)
			}
		}
	}
}

// read drains a session and replays what it was told. It reports whether nothing
// was unread, and so nothing followed from it.
func (c *crowd) read(h *head) bool {
	events, err := h.Drain(c.t.Context())
	for _, e := range events {
		if err := h.view.Apply(e); err != nil {
			c.t.Fatalf("%s was told %T%+v: %v", h.At.Self.ID, e, e, err)
		}
	}
	if err != nil {
		c.drop(h)
	}
	return err == nil && len(events) == 0
}

// check compares what everybody was told with what is.
func (c *crowd) check() {
	c.t.Helper()
	if c.stage.Disturb != nil {
		<-time.After(3 * time.Second)
	}
	synctest.Wait()
	for settled := false; !settled; { // who is lost tells others so
		settled = true
		synctest.Wait()
		for _, h := range slices.Clone(c.heads) {
			settled = c.read(h) && settled
		}
		settled = c.read(c.boss) && settled
		if _, err := c.fresh(c.boss); err != nil {
			c.hire()
			settled = false
		}
	}
	for _, h := range append(slices.Clone(c.heads), c.boss) {
		fresh, err := c.fresh(h)
		if err != nil {
			c.t.Fatalf("%s has lost its seat and was not told: %v", h.At.Self.ID, err)
		}
		if err := h.view.Diff(fresh); err != nil {
			c.t.Fatalf("%s: %v", h.At.Self.ID, err)
		}
		c.allowed(fresh)
		c.enforced(h, fresh)
	}
}

// allowed demands that nobody may, or publishes, more than was granted.
func (c *crowd) allowed(at bridge.Snapshot) {
	can := map[bridge.ParticipantID]bridge.Permissions{}
	for _, p := range append(slices.Clone(at.Participants), at.Self) {
		can[p.ID] = p.Can
		g := c.grants[p.ID]
		if g.AtMost != bridge.NoRole && (p.Role > g.AtMost || !(g.AtMost.Permissions() | g.Add).Has(p.Can)) {
			c.t.Fatalf("%+v has more than %+v grants", p, g)
		}
	}
	for _, p := range at.Publications {
		owner, known := can[p.Owner]
		audio, video := bridge.PublishAudio, bridge.PublishVideo
		if p.Source == bridge.Screen {
			audio, video = bridge.PublishScreen, bridge.PublishScreen
		}
		if known && (p.Audio != bridge.Absent && !owner.Has(audio) || p.Video != bridge.Absent && !owner.Has(video)) {
			c.t.Fatalf("%+v is not permitted by %b", p, owner)
		}
	}
}

// fresh is the room as a session would see it if it joined now.
func (c *crowd) fresh(h *head) (bridge.Snapshot, error) {
	s, _, err := c.stage.Owner().Take(c.t.Context(), "r", bridge.NewTrunk(0), nil)
	if err != nil {
		return bridge.Snapshot{}, err
	}
	at, ok := s.As(h.At.Self.ID)
	if !ok {
		return at, errors.New("is not in the room")
	}
	return at, nil
}

// leave has everybody go and demands that nothing is left.
func (c *crowd) leave() {
	ctx := context.Background()
	for _, h := range append(c.heads, c.boss) {
		if err := h.Leave(ctx, bridge.ByWish); err != nil {
			c.t.Fatal(err)
		}
	}
	<-time.After(2 * time.Minute) // those who are away are given up
	synctest.Wait()
	s, _, err := c.stage.Owner().Take(ctx, "r", bridge.NewTrunk(0), nil)
	if err != nil || len(s.Members)+len(s.Publications) != 0 || s.Room.Recording || !s.Room.Speaker.IsZero() {
		c.t.Errorf("there is left: %+v, %v", s, err)
	}
	if n := c.stage.Counts(); n.Sessions+n.Participants+n.Detached+n.Peers != 0 {
		c.t.Errorf("counted: %+v", n)
	}
}
