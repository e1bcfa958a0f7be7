package livekit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/e2e/driver"
	"dragoman/media/mediatest"
)

// Dialect is what members who use LiveKit's clients have as theirs.
const Dialect = "livekit"

const (
	frames = 5                       // that must come for a picture to be seen
	hush   = 1500 * time.Millisecond // without sound, for silence
)

// Guest is somebody at a LiveKit server, as scenarios know clients. It implements
// driver.Driver and driver.Muter.
type Guest struct {
	server *livekittest.Server
	name   string
	o      livekittest.JoinOptions

	mu     sync.Mutex
	client *livekittest.Client // nil: not joined
}

// New makes a guest who has not joined yet. Its name is its identity, too.
func New(s *livekittest.Server, name string, o livekittest.JoinOptions) *Guest {
	o.Name = name
	return &Guest{server: s, name: name, o: o}
}

// Client is the guest's connection; nil: it has not joined.
func (g *Guest) Client() *livekittest.Client {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.client
}

func (g *Guest) joined() (*livekittest.Client, error) {
	if c := g.Client(); c != nil {
		return c, nil
	}
	return nil, driver.ErrClosed
}

// Join implements driver.Driver. room is one of LiveKit's; it knows no roles.
func (g *Guest) Join(ctx context.Context, room string, _ bridge.Role) error {
	c, err := g.server.Dial(ctx, room, g.name, g.o)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.client = c
	return nil
}

// tracks are what LiveKit has instead of a camera with its sound, and a screen.
func tracks(src bridge.Source) []livekit.TrackSource {
	if src == bridge.Screen {
		return []livekit.TrackSource{livekittest.Screen}
	}
	return []livekit.TrackSource{livekittest.Microphone, livekittest.Camera}
}

// Publish implements driver.Driver. Camera and microphone go on together, as LiveKit's
// clients do it that switch on both.
func (g *Guest) Publish(_ context.Context, src bridge.Source) error {
	c, err := g.joined()
	if err != nil {
		return err
	}
	all := tracks(src)
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { errs[i] = c.Publish(s) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Unpublish implements driver.Driver.
func (g *Guest) Unpublish(_ context.Context, src bridge.Source) error {
	return g.each(src, (*livekittest.Client).Unpublish)
}

func (g *Guest) each(src bridge.Source, do func(*livekittest.Client, livekit.TrackSource) error) error {
	c, err := g.joined()
	if err != nil {
		return err
	}
	for _, s := range tracks(src) {
		if err := do(c, s); err != nil {
			return err
		}
	}
	return nil
}

// Mute implements driver.Driver.
func (g *Guest) Mute(_ context.Context, on bool) error {
	c, err := g.joined()
	if err != nil {
		return err
	}
	return c.Mute(livekittest.Microphone, on)
}

// MuteOther implements driver.Muter, by the server's API: there is no unmuting others.
func (g *Guest) MuteOther(ctx context.Context, name string, on bool) error {
	c, id, err := g.other(ctx, name)
	if err != nil {
		return err
	}
	if !on {
		return driver.ErrUnable
	}
	track := c.Track(id, livekittest.Microphone)
	if track == nil {
		return fmt.Errorf("%s has no microphone", name)
	}
	_, err = g.server.API().MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: c.Room.Name(), Identity: id, TrackSid: track.Sid, Muted: true})
	return err
}

// Say implements driver.Driver.
func (g *Guest) Say(ctx context.Context, to, text string) error {
	if to == "" {
		c, err := g.joined()
		if err == nil {
			c.Say(text)
		}
		return err
	}
	c, id, err := g.other(ctx, to)
	if err == nil {
		c.Say(text, id)
	}
	return err
}

// Kick implements driver.Driver, by the server's API.
func (g *Guest) Kick(ctx context.Context, name string) error {
	c, id, err := g.other(ctx, name)
	if err != nil {
		return err
	}
	_, err = g.server.API().RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: c.Room.Name(), Identity: id})
	return err
}

// Lock implements driver.Driver: LiveKit's rooms have no lock.
func (g *Guest) Lock(context.Context, bool) error { return driver.ErrUnable }

// Leave implements driver.Driver.
func (g *Guest) Leave(context.Context) error {
	c, err := g.joined()
	if err == nil {
		c.Leave()
	}
	return err
}

// Close implements driver.Driver.
func (g *Guest) Close() { _ = g.Leave(context.Background()) } // or it has never joined

// Source implements driver.Senses.
func (g *Guest) Source() uint32 {
	c, err := g.joined()
	if err != nil {
		return 0
	}
	return c.Source()
}

// other waits until somebody of a name is there, and returns its identity.
func (g *Guest) other(ctx context.Context, name string) (*livekittest.Client, string, error) {
	c, err := g.joined()
	if err != nil {
		return nil, "", err
	}
	id, err := c.WaitNamed(ctx, name)
	return c, id, err
}

// Hears implements driver.Senses.
func (g *Guest) Hears(ctx context.Context, name string) error {
	c, id, err := g.other(ctx, name)
	if err != nil {
		return err
	}
	return c.WaitSound(ctx, id, livekittest.Microphone)
}

// Deaf implements driver.Senses.
func (g *Guest) Deaf(ctx context.Context, name string) error {
	c, id, err := g.other(ctx, name)
	if err != nil {
		return err
	}
	return c.WaitQuiet(ctx, id, livekittest.Microphone, hush)
}

// Sees implements driver.Senses.
func (g *Guest) Sees(ctx context.Context, name string, src bridge.Source) (mediatest.Frame, error) {
	c, id, err := g.other(ctx, name)
	if err != nil {
		return mediatest.Frame{}, err
	}
	track := livekittest.Camera
	if src == bridge.Screen {
		track = livekittest.Screen
		if id, err = sharer(ctx, c, name); err != nil {
			return mediatest.Frame{}, err
		}
	}
	err = c.WaitVideo(ctx, id, track, frames)
	return c.Received(id, track).Last, err
}

// screenSuffix is in the name of a second member that only shares a screen (ahoy.md 9).
const screenSuffix = " (screen)"

// sharer waits until somebody of a name shares a screen, or a second member does.
func sharer(ctx context.Context, c *livekittest.Client, name string) (id string, err error) {
	err = c.Wait(ctx, "the screen of "+name, func() bool {
		for _, one := range append(c.Named(name), c.Named(name+screenSuffix)...) {
			if c.Track(one, livekittest.Screen) != nil {
				id = one
			}
		}
		return id != ""
	})
	return id, err
}

// Received implements driver.Senses.
func (g *Guest) Received(ctx context.Context, name string) (audio, video mediatest.Stats, err error) {
	c, id, err := g.other(ctx, name)
	if err != nil {
		return audio, video, err
	}
	return c.Received(id, livekittest.Microphone).Stats, c.Received(id, livekittest.Camera).Stats, nil
}

// sights are what LiveKit's clients are told of what others are: a whisper looks like
// what is said to all.
var sights = map[driver.What]livekittest.Told{
	driver.Came:      {What: livekittest.Came},
	driver.Left:      {What: livekittest.Left},
	driver.Said:      {What: livekittest.Said},
	driver.Muted:     {What: livekittest.Muted, Text: livekittest.Microphone.String()},
	driver.Unmuted:   {What: livekittest.Unmuted, Text: livekittest.Microphone.String()},
	driver.Talks:     {What: livekittest.Talks},
	driver.ScreenOn:  {What: livekittest.Published, Text: livekittest.Screen.String()},
	driver.ScreenOff: {What: livekittest.Unpublished, Text: livekittest.Screen.String()},
	driver.ThrownOut: {What: livekittest.Gone, Text: livekit.DisconnectReason_PARTICIPANT_REMOVED.String()},
	driver.Gone:      {What: livekittest.Gone},
}

// told are what a sight may be on the wire.
func told(s driver.Sight) []livekittest.Told {
	out := sights[s.What]
	out.Name = s.Who
	if s.Text != "" {
		out.Text = s.Text
	}
	all := []livekittest.Told{out}
	if (s.What == driver.ScreenOn || s.What == driver.ScreenOff) && s.Who != "" {
		out.Name += screenSuffix
		all = append(all, out)
	}
	return all
}

// Saw implements driver.Senses.
func (g *Guest) Saw(ctx context.Context, s driver.Sight) error {
	c, err := g.joined()
	if err != nil {
		return err
	}
	return c.Wait(ctx, s.String(), func() bool { return times(c, s) > 0 })
}

// Times implements driver.Senses.
func (g *Guest) Times(_ context.Context, s driver.Sight) (int, error) {
	c, err := g.joined()
	if err != nil {
		return 0, err
	}
	return times(c, s), nil
}

func times(c *livekittest.Client, s driver.Sight) (n int) {
	for _, t := range told(s) {
		n += c.Times(t)
	}
	return n
}

// Shows implements driver.Senses.
func (g *Guest) Shows(w driver.What) bool {
	_, known := sights[w]
	return known
}
