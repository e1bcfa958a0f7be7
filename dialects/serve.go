package dialects

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
)

// Options is what a dialect chooses of its connections.
type Options struct {
	Subprotocols []string // the first that the client offers, too, is selected
	Limits       Limits   // zero fields: DefaultLimits. The operator's go before
	Silent       bool     // a connection that we end is cut, without a close frame
}

var lastConn atomic.Uint64 // makes ConnIDs unique in this process

// Serve upgrades the request and runs the speaker until either side is done. It
// returns when the connection is over and all its sessions have left.
func Serve(w http.ResponseWriter, r *http.Request, env Env, o Options, s Speaker) {
	up := websocket.Upgrader{
		Subprotocols: o.Subprotocols,
		// Pages of other hosts are served everywhere in the field; what protects a
		// room is its secret, not the page (ahoy.md 2, spreed.md 2).
		CheckOrigin: func(*http.Request) bool { return true },
	}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := &Conn{
		ID: ConnID(lastConn.Add(1)), Request: r, Remote: Remote(r), Env: env,
		ws: ws, limits: env.Limits.Or(o.Limits).Or(DefaultLimits),
		wake: make(chan struct{}, 1), timers: newTimers(),
	}
	c.Log = env.Log.With("conn", uint64(c.ID))
	defer ws.Close()
	if n := env.Counts; n != nil {
		n.Accepted.Add(1)
		n.Open.Add(1)
		defer n.Open.Add(-1)
	}
	c.Log.Info("connected", "remote", c.Remote)
	err = c.run(r.Context(), s)
	c.end(err, s, o.Silent)
	c.Log.Info("disconnected", "err", err)
}

// run is the whole life of the connection: one select over what the client says,
// what its rooms say, and time.
func (c *Conn) run(ctx context.Context, s Speaker) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := s.Open(ctx, c); err != nil {
		return err
	}
	frames := make(chan Frame)
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop(c.read(ctx, frames))
	}()
	defer func() {
		stop(nil)
		c.ws.SetReadDeadline(time.Unix(1, 0)) // ends the reader
		<-done
	}()
	c.expect(c.limits.First, func() bool { return c.spoken })
	c.expect(c.limits.Join, func() bool { return c.joined })
	ping := time.NewTicker(c.limits.Ping)
	defer ping.Stop()
	for {
		var err error
		select {
		case f := <-frames:
			c.spoken = true
			err = s.Frame(ctx, c, f)
		case <-c.wake:
			err = c.drain(ctx, s)
		case <-c.timers.clock.C:
			err = c.timers.run(ctx)
		case <-ping.C:
			err = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.limits.Write))
			if err != nil {
				err = fmt.Errorf("%w: %w", ErrGone, err)
			}
		case <-ctx.Done():
			if cause := context.Cause(ctx); errors.Is(cause, ErrGone) {
				return cause
			}
			return ErrShutdown
		}
		if err != nil {
			return err
		}
	}
}

// expect ends the connection unless ok holds when d has passed.
func (c *Conn) expect(d time.Duration, ok func() bool) {
	if d < 0 {
		return
	}
	c.After(d, func(context.Context) error {
		if ok() {
			return nil
		}
		if n := c.Env.Counts; n != nil {
			n.Timeouts.Add(1)
		}
		return ErrTimeout
	})
}

// drain hands the unread events of all sessions to the speaker.
func (c *Conn) drain(ctx context.Context, s Speaker) error {
	for _, x := range append([]*bridge.Session(nil), c.sessions...) {
		events, lost := x.Drain(ctx)
		for _, e := range events {
			if err := s.Event(ctx, c, x, e); err != nil {
				return err
			}
		}
		if lost == nil {
			continue
		}
		if n := c.Env.Counts; n != nil && bridge.CodeOf(lost) == bridge.Lagged {
			n.Lagged.Add(1)
		}
		c.Release(x)
		if err := s.Lost(ctx, c, x, lost); err != nil {
			return err
		}
	}
	return nil
}

// read passes frames on, one at a time: a frame is read only when there is
// somebody to take it, so that pressure reaches the client's socket.
func (c *Conn) read(ctx context.Context, frames chan<- Frame) error {
	c.ws.SetReadLimit(c.limits.Read)
	c.ws.SetReadDeadline(time.Now().Add(c.limits.Pong))
	c.ws.SetPongHandler(func(string) error {
		return c.ws.SetReadDeadline(time.Now().Add(c.limits.Pong))
	})
	tokens := newBucket(c.limits)
	for {
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
		if c.Env.Tap != nil {
			c.Env.Tap.Frame(c.ID, In, data)
		}
		if n := c.Env.Counts; n != nil {
			n.FramesIn.Add(1)
			n.BytesIn.Add(int64(len(data)))
		}
		if wait := tokens.take(time.Now()); wait > 0 && !c.pause(ctx, wait) {
			return ErrGone
		}
		select {
		case frames <- Frame{Binary: kind == websocket.BinaryMessage, Data: data}:
		case <-ctx.Done():
			return ErrGone
		}
	}
}

func (c *Conn) pause(ctx context.Context, d time.Duration) bool {
	if n := c.Env.Counts; n != nil {
		n.Throttled.Add(1)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// endTime is how long saying goodbye to rooms may take, in all.
const endTime = 5 * time.Second

// end tells the client, then the rooms.
func (c *Conn) end(err error, s Speaker, silent bool) {
	if code, reason := closing(err); code != 0 && !silent {
		c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	}
	// The request's context may be over; leaving must not be.
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	s.Close(ctx, c, err)
	why := bridge.ByLoss
	if errors.Is(err, ErrShutdown) {
		why = bridge.ByShutdown
	} else if h, ok := errors.AsType[*Hangup](err); ok && h.Code == websocket.CloseNormalClosure {
		why = bridge.ByWish
	}
	for _, x := range c.sessions {
		if err := x.Leave(ctx, why); err != nil {
			c.Log.Warn("leaving", "err", err)
		}
	}
	c.timers.clock.Stop()
}

// closing returns the close code for what ended a connection; 0: none is sent.
func closing(err error) (code int, reason string) {
	if h, ok := errors.AsType[*Hangup](err); ok {
		return h.Code, h.Reason
	}
	switch {
	case errors.Is(err, ErrGone):
		return 0, ""
	case errors.Is(err, ErrShutdown):
		return websocket.CloseGoingAway, "going away"
	case errors.Is(err, ErrTimeout), bridge.CodeOf(err) == bridge.Lagged:
		return websocket.ClosePolicyViolation, "too slow"
	}
	return websocket.CloseInternalServerErr, "internal error"
}
