// Package driver has one interface for scripted clients of every dialect, with
// real media behind them, so that a scenario is written once and runs for every
// pair of dialects.
//
// A driver joins the signalling client of a dialect (package
// dialects/<name>/client) with synthetic devices (package media/mediatest). It
// does what that dialect's real clients do; where a dialect cannot do or cannot
// show something, it says so by Unable and Shows.
package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

// ErrUnable is what a driver answers when its dialect has no such thing.
var ErrUnable = errors.New("this dialect has no way to do that")

// ErrClosed is what a driver answers when its connection is over.
var ErrClosed = errors.New("the connection is closed")

// Driver is a scripted client. Its methods may be called from any goroutine;
// those that wait end with their context.
type Driver interface {
	// Join goes into a room, which is made if there is none. as says which of the
	// secrets of Options is given; NoRole: none. Where only those who send or receive
	// are in a room, it may be Publish that is Refused.
	Join(ctx context.Context, room string, as bridge.Role) error
	// Publish begins to send the camera with its microphone, or the screen.
	Publish(ctx context.Context, src bridge.Source) error
	// Unpublish ends what Publish began.
	Unpublish(ctx context.Context, src bridge.Source) error
	// Mute silences the own microphone, the way clients of the dialect do.
	Mute(ctx context.Context, on bool) error
	// Say says something to one, or to everybody: to is empty.
	Say(ctx context.Context, to, text string) error
	// Kick throws somebody out.
	Kick(ctx context.Context, name string) error
	// Lock lets nobody in any more.
	Lock(ctx context.Context, on bool) error
	// Leave goes the way the user of a client goes.
	Leave(ctx context.Context) error

	Senses

	// Close gives up all that is left, without a word if the client is still there.
	// It returns when nothing of the driver runs any more.
	Close()
}

// Limiter is a Driver whose clients can say how much video they may send.
type Limiter interface {
	// Limit bounds the own camera, in bit/s.
	Limit(ctx context.Context, bitrate int) error
}

// Muter is a Driver whose clients can mute others, where they moderate.
type Muter interface {
	// MuteOther silences somebody else's microphone, or lets it go again.
	MuteOther(ctx context.Context, name string, on bool) error
}

// Chooser is a Driver whose clients can say how much of a picture they want.
type Chooser interface {
	// Choose asks for a layer of somebody's camera, 0 for the lowest, 2 for the best; less
	// than 0: no picture at all.
	Choose(ctx context.Context, name string, layer int) error
}

// Senses is what a client perceives.
type Senses interface {
	// Hears waits until sound comes from a participant that is not silence.
	Hears(ctx context.Context, name string) error
	// Deaf waits until no sound has come from a participant for a while.
	Deaf(ctx context.Context, name string) error
	// Sees waits until a few more whole frames have come from a participant's
	// camera or screen, and returns the last one.
	Sees(ctx context.Context, name string, src bridge.Source) (mediatest.Frame, error)
	// Received returns what has come of a participant's microphone and camera so far,
	// over the connection that brings them now.
	Received(ctx context.Context, name string) (audio, video mediatest.Stats, err error)
	// Saw waits until the client has been told something, or returns at once if it
	// was told before.
	Saw(ctx context.Context, s Sight) error
	// Times returns how often it was told.
	Times(ctx context.Context, s Sight) (int, error)
	// Source is the number that the frames of the own camera and screen carry.
	Source() uint32
	// Shows reports whether clients of this dialect are told such things.
	Shows(w What) bool
}

// What is something that clients are told.
type What string

// What clients may be told.
const (
	Came        What = "came"         // Who is in the room
	Left        What = "left"         // Who is not any more
	Said        What = "said"         // Who said Text to all
	Whispered   What = "whispered"    // Who said Text to oneself
	Muted       What = "muted"        // Who muted the microphone, or was muted
	Unmuted     What = "unmuted"      // and no longer
	Talks       What = "talks"        // Who begins to talk
	ScreenOn    What = "screen on"    // Who shares a screen
	ScreenOff   What = "screen off"   // and no longer
	Locked      What = "locked"       // nobody comes in any more
	ThrownOut   What = "thrown out"   // oneself
	Gone        What = "gone"         // the connection to the server
	Renegotiate What = "renegotiated" // the media of Who was set up, once more or for the first time
)

// Sight is something that a client is told: What, about Who by name, and Text.
// Empty Who and Text match any.
type Sight struct {
	What      What
	Who, Text string
}

// String returns the sight in words.
func (s Sight) String() string {
	out := s.Who
	if out == "" {
		out = "somebody"
	}
	out += " " + string(s.What)
	if s.Text != "" {
		out += fmt.Sprintf(" %q", s.Text)
	}
	return out
}

func (s Sight) matches(told Sight) bool {
	return s.What == told.What && (s.Who == "" || s.Who == told.Who) && (s.Text == "" || s.Text == told.Text)
}

// Refused is that the server does not let one in, in the words of the dialect.
type Refused struct {
	Code string // status or error code as it stands on the wire
	Err  error
}

// Error implements error.
func (r *Refused) Error() string { return "refused with " + r.Code }

// Unwrap returns the error of the dialect's client.
func (r *Refused) Unwrap() error { return r.Err }

// Options is what a driver needs to know.
type Options struct {
	Addr    string // host and port of a listener where the dialect is to be reached
	Path    string // before the dialect's own paths: "/ahoy"; empty: the dialect owns the root
	Name    string // of the user
	Secrets map[bridge.Role]string
	// Habit makes a client of another kind, the name of one of Dialect.Habits; empty: the usual.
	Habit string
	// Dial opens connections to Addr for the signalling; nil: over TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Media is what the devices are like. What the dialect's clients do to
	// descriptions and candidates is set by the driver.
	Media mediatest.Config
}

// Dialect makes drivers of one dialect.
type Dialect struct {
	Name string
	New  func(o Options) Driver
	// Refusals are the codes with which the dialect refuses, as Refused.Code has
	// them.
	Refusals map[bridge.Code]string
	// Habits are kinds of clients beside the usual one.
	Habits []Habit
	// Private says whether its clients can write to one alone.
	Private bool
	// Moderates says whether its clients can throw out.
	Moderates bool
	// LocksBySecret says that its clients lock a room by setting a secret.
	LocksBySecret bool
	// NoLock says that its clients cannot lock a room.
	NoLock bool
	// NoChat says that its clients can neither write nor read.
	NoChat bool
	// NoScreen says that its clients cannot share a screen.
	NoScreen bool
	// ByMedia says that its clients are in the room only while they send or receive.
	ByMedia bool
	// LongestMessage is how much of a chat message the dialect passes on, in bytes;
	// 0: any that a frame has room for.
	LongestMessage int
}

// Habit is a kind of client beside the usual one of a dialect.
type Habit struct {
	Name string
	// Foreign says that such a client does not call others of its own dialect by
	// itself.
	Foreign bool
}

// Dialects returns all dialects that there are drivers for, by name.
func Dialects() []Dialect {
	all := []Dialect{ahoyDialect(), asnDialect(), k3kDialect(), nkmediaDialect(), spreedDialect()}
	slices.SortFunc(all, func(a, b Dialect) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// Lookup returns a dialect by name.
func Lookup(name string) (Dialect, bool) {
	all := Dialects()
	i := slices.IndexFunc(all, func(d Dialect) bool { return d.Name == name })
	if i < 0 {
		return Dialect{}, false
	}
	return all[i], true
}
