package livekittest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/interceptor"

	"dragoman/cluster/livekit/quiet"
	"dragoman/media/mediatest"
)

// patience is for joining.
const patience = 30 * time.Second

// JoinOptions are what a client is like.
type JoinOptions struct {
	Name, Metadata string
	Kind           livekit.ParticipantInfo_Kind
	Attributes     map[string]string
	// Manual lets the client subscribe to nothing by itself; see Client.Subscribe.
	Manual bool
	// Grant changes what the client may do: without it everything that people do.
	Grant func(g *auth.VideoGrant)
	// Media is what the devices are like: Simulcast, Bitrate, FPS and Level count.
	Media mediatest.Config
	// Picture is a key frame of VP8 that is sent instead of synthetic ones, and Sound are
	// packets of Opus: for those who decode what they get. Nil: synthetic.
	Picture []byte
	Sound   [][]byte
	// NoLevels leaves levels out of the sound that is sent.
	NoLevels bool
	// Delay takes how long each synthetic frame that is received has taken from its
	// camera. It is called by the goroutine of the track. Nil: nobody asks.
	Delay func(time.Duration)
}

// Client is somebody in a LiveKit room, by LiveKit's own Go SDK: synthetic devices, and
// a check of all that is received. Its methods may be called from any goroutine.
type Client struct {
	// Room is the connection itself, for what Client has no method for.
	Room *lksdk.Room

	server   *Server
	room     string
	identity string
	o        JoinOptions
	source   uint32
	sent     *counter
	wg       sync.WaitGroup
	once     sync.Once

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	over    bool
	told    []Told
	muted   map[livekit.TrackSource]bool
	sends   map[livekit.TrackSource]*device
	flows   map[place]*Flow
}

// Join lets somebody into a room, and out of it at the end of the test.
func (s *Server) Join(t testing.TB, room, identity string, o JoinOptions) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := s.Dial(ctx, room, identity, o)
	if err != nil {
		t.Fatalf("%s joins the LiveKit room %s: %v", identity, room, err)
	}
	t.Cleanup(c.Leave)
	return c
}

// Dial lets somebody into a room, who has to Leave.
func (s *Server) Dial(ctx context.Context, room, identity string, o JoinOptions) (*Client, error) {
	if o.Name == "" {
		o.Name = identity
	}
	if o.Media.Bitrate == 0 {
		o.Media.Bitrate = 300_000
	}
	if o.Media.FPS == 0 {
		o.Media.FPS = 30
	}
	if o.Media.Level == 0 {
		o.Media.Level = 30
	}
	c := &Client{
		server: s, room: room, identity: identity, o: o, source: rand.Uint32(), sent: newCounter(), changed: make(chan struct{}),
		muted: map[livekit.TrackSource]bool{}, sends: map[livekit.TrackSource]*device{}, flows: map[place]*Flow{},
	}
	token, err := s.Token(room, identity, o)
	if err != nil {
		return nil, err
	}
	c.Room = lksdk.NewRoom(c.callbacks())
	if err := c.Room.RegisterTextStreamHandler(ChatTopic, c.readText); err != nil {
		return nil, err
	}
	options := []lksdk.ConnectOption{
		lksdk.WithAutoSubscribe(!o.Manual), lksdk.WithDisableRegionDiscovery(), lksdk.WithConnectTimeout(5 * time.Second),
		lksdk.WithLogger(quiet.Logger()),
		lksdk.WithInterceptors([]interceptor.Factory{c.sent}), lksdk.WithIncludeDefaultInterceptors(true),
	}
	if reachable() {
		options = append(options, lksdk.WithDisableTURN())
	}
	if err := c.Room.JoinWithContextAndToken(ctx, s.URL(), token, options...); err != nil {
		return nil, err
	}
	for _, p := range c.Room.GetRemoteParticipants() {
		c.came(p)
	}
	return c, nil
}

// reachable reports whether the SDK finds an address of this machine: it takes none of
// loopback, and then has to go by the server's TURN.
func reachable() bool {
	all, err := net.Interfaces()
	return err == nil && slices.ContainsFunc(all, func(i net.Interface) bool {
		return i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0
	})
}

// Token returns what lets somebody into a room, for clients that are not of this package.
func (s *Server) Token(room, identity string, o JoinOptions) (string, error) {
	grant := &auth.VideoGrant{RoomJoin: true, Room: room}
	grant.SetCanPublish(true)
	grant.SetCanPublishData(true)
	grant.SetCanSubscribe(true)
	grant.SetCanUpdateOwnMetadata(true)
	if o.Grant != nil {
		o.Grant(grant)
	}
	return auth.NewAccessToken(Key, secret).SetIdentity(identity).SetName(o.Name).SetKind(o.Kind).SetMetadata(o.Metadata).
		SetAttributes(o.Attributes).SetVideoGrant(grant).SetValidFor(time.Hour).ToJWT()
}

// Identity is who the client is.
func (c *Client) Identity() string { return c.identity }

// Source is the number that all frames of this client carry.
func (c *Client) Source() uint32 { return c.source }

// Leave goes out of the room. It is idempotent.
func (c *Client) Leave() {
	c.once.Do(func() {
		c.update(func() { c.over = true })
		c.Room.Disconnect()
	})
	c.wg.Wait()
}

// ChatTopic is where LiveKit's clients chat.
const ChatTopic = "lk.chat"

// Say says something to all, or to the identities that are named.
func (c *Client) Say(text string, to ...string) {
	c.Room.LocalParticipant.SendText(text, lksdk.StreamTextOptions{Topic: ChatTopic, DestinationIdentities: to})
}

// SayOld says something to all the way clients did before there were text streams.
func (c *Client) SayOld(text string) error {
	return c.Room.LocalParticipant.PublishDataPacket(lksdk.ChatMessage(time.Now(), text), lksdk.WithDataPublishReliable(true))
}

// Packet sends a packet as it is to all, also one that no client of LiveKit's would send.
func (c *Client) Packet(p *livekit.DataPacket) error {
	return c.Room.LocalParticipant.PublishDataPacket(packet{p}, lksdk.WithDataPublishReliable(true))
}

// packet implements lksdk.DataPacket.
type packet struct{ *livekit.DataPacket }

func (p packet) ToProto() *livekit.DataPacket { return p.DataPacket }

// Data sends data of a topic to all, or to the identities that are named.
func (c *Client) Data(topic string, payload []byte, to ...string) error {
	return c.Room.LocalParticipant.PublishDataPacket(&lksdk.UserDataPacket{Topic: topic, Payload: payload},
		lksdk.WithDataPublishReliable(true), lksdk.WithDataPublishDestination(to))
}

// SetAttributes changes the own attributes.
func (c *Client) SetAttributes(attributes map[string]string) {
	c.Room.LocalParticipant.SetAttributes(attributes)
}

// update changes what waiters look at.
func (c *Client) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Wait waits until met returns true, and looks whenever anything has come or changed.
func (c *Client) Wait(ctx context.Context, what string, met func() bool) error {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if met() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s waits for %s: %w; there are %v; told last: %v", c.identity, what, ctx.Err(), c.People(), c.lately())
		}
	}
}

// People are the identities of the others that the server has told of, in order.
func (c *Client) People() []string {
	var all []string
	for _, p := range c.Room.GetRemoteParticipants() {
		all = append(all, p.Identity())
	}
	slices.Sort(all)
	return all
}

// WaitPeople waits until exactly these are the others.
func (c *Client) WaitPeople(ctx context.Context, identities ...string) error {
	want := slices.Sorted(slices.Values(identities))
	return c.Wait(ctx, fmt.Sprint("only ", want), func() bool { return slices.Equal(c.People(), want) })
}

// Named returns the identities of those who have a name, in order.
func (c *Client) Named(name string) []string {
	var all []string
	for _, p := range c.Room.GetRemoteParticipants() {
		if p.Name() == name {
			all = append(all, p.Identity())
		}
	}
	slices.Sort(all)
	return all
}

// WaitNamed waits until somebody of a name is there, and returns its identity.
func (c *Client) WaitNamed(ctx context.Context, name string) (identity string, err error) {
	err = c.Wait(ctx, "somebody named "+name, func() bool {
		all := c.Named(name)
		if len(all) > 0 {
			identity = all[0]
		}
		return len(all) > 0
	})
	return identity, err
}
