package dialects

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"dragoman/bridge"
)

// A Frame is one WebSocket message.
type Frame struct {
	Binary bool
	Data   []byte
}

// A Speaker speaks a dialect on one connection. Its methods are called from one
// goroutine, so it needs no lock. An error ends the connection; see Hangup.
type Speaker interface {
	// Open is called once, before anything else.
	Open(ctx context.Context, c *Conn) error
	// Frame takes what the client says.
	Frame(ctx context.Context, c *Conn, f Frame) error
	// Event takes what one of the connection's sessions is told.
	Event(ctx context.Context, c *Conn, s *bridge.Session, e bridge.Event) error
	// Lost is called when a session has lost its seat, after its last event; the
	// session is no longer the connection's.
	Lost(ctx context.Context, c *Conn, s *bridge.Session, err error) error
	// Close is called once, when the connection is over, with what ended it. What
	// sessions the connection still has leave afterwards, unless they were released.
	// ctx ends soon.
	Close(ctx context.Context, c *Conn, err error)
}

// Hangup is an error that closes the connection with a close frame (RFC 6455,
// 7.4). Code 0 closes without one.
type Hangup struct {
	Code   int
	Reason string // at most 123 bytes
}

// Error implements error.
func (h *Hangup) Error() string { return fmt.Sprintf("hung up: %d %s", h.Code, h.Reason) }

// What ends a connection, besides a Hangup and the speaker's own errors.
var (
	ErrGone     = errors.New("the client is gone")
	ErrTimeout  = errors.New("the client took too long")
	ErrShutdown = errors.New("the node goes down")
)

// Conn is one client's connection. It may be used only from the goroutine that
// calls its speaker.
type Conn struct {
	ID      ConnID
	Request *http.Request // nil on a connection that is no WebSocket
	Remote  netip.Addr
	Log     *slog.Logger
	Env     Env

	wire     wire
	limits   Limits
	wake     chan struct{} // signalled by the outboxes of all sessions
	sessions []*bridge.Session
	joined   bool // had a session once
	spoken   bool // had a frame once
	timers   timers
}

// Wake is the channel to put into JoinRequest.Wake.
func (c *Conn) Wake() chan struct{} { return c.wake }

// Attach makes the events of a session come to this connection's speaker. The
// session must have been joined with Wake.
func (c *Conn) Attach(s *bridge.Session) {
	c.joined = true
	c.sessions = append(c.sessions, s)
	c.poke() // events may have come before
}

// Release takes a session away from the connection, which will not leave for it
// any more.
func (c *Conn) Release(s *bridge.Session) {
	c.sessions = slices.DeleteFunc(c.sessions, func(x *bridge.Session) bool { return x == s })
}

// Join joins a room with this connection as the listener, and attaches the
// session.
func (c *Conn) Join(ctx context.Context, req bridge.JoinRequest) (*bridge.Session, error) {
	req.Wake, req.Remote = c.wake, c.Remote
	s, err := c.Env.Host.Join(ctx, req)
	if err != nil {
		return nil, err
	}
	c.Attach(s)
	return s, nil
}

// Leave leaves a session's room and releases it.
func (c *Conn) Leave(ctx context.Context, s *bridge.Session, r bridge.Reason) error {
	c.Release(s)
	return s.Leave(ctx, r)
}

// Write sends a text frame. It waits for the socket, at most the write deadline;
// meanwhile the room's events pile up in the outbox, which is bounded.
func (c *Conn) Write(data []byte) error { return c.WriteFrame(Frame{Data: data}) }

// WriteFrame is Write for frames of either kind.
func (c *Conn) WriteFrame(f Frame) error {
	if c.Env.Tap != nil {
		c.Env.Tap.Frame(c.ID, Out, f.Data)
	}
	if n := c.Env.Counts; n != nil {
		n.FramesOut.Add(1)
		n.BytesOut.Add(int64(len(f.Data)))
	}
	if err := c.wire.write(f, c.limits.Write); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return nil
}

// After calls f from the speaker's goroutine once d has passed. The returned
// function takes that back; it is idempotent.
func (c *Conn) After(d time.Duration, f func(ctx context.Context) error) (cancel func()) {
	return c.timers.add(time.Now().Add(d), f)
}

// Refused counts a frame that the speaker could not take.
func (c *Conn) Refused() {
	if n := c.Env.Counts; n != nil {
		n.Refused.Add(1)
	}
}

func (c *Conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
