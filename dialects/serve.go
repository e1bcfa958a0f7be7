package dialects

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
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

const readBuffer = 4 << 10 // bytes

var lastConn atomic.Uint64 // makes ConnIDs unique in this process

// Serve upgrades the request and runs the speaker until either side is done. It
// returns when the connection is over and all its sessions have left.
func Serve(w http.ResponseWriter, r *http.Request, env Env, o Options, s Speaker) {
	up := websocket.Upgrader{
		Subprotocols: o.Subprotocols,
		// A size makes the upgrader read the connection itself. What it reads through
		// net/http ends the request's context when the client goes, which would look
		// like the end of the node.
		ReadBufferSize: readBuffer,
		// Pages of other hosts are served everywhere in the field; what protects a
		// room is its secret, not the page (ahoy.md 2, spreed.md 2).
		CheckOrigin: func(*http.Request) bool { return true },
	}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	serve(r.Context(), &Conn{Request: r, Remote: Remote(r), Env: env, wire: socket{ws}}, o, s)
}

// ServeRaw runs the speaker on a connection of plain TCP until either side is done,
// or ctx has ended. It returns when the connection is over and all its sessions
// have left.
func ServeRaw(ctx context.Context, nc net.Conn, env Env, o Options, f Framer, s Speaker) {
	remote := Remote(&http.Request{RemoteAddr: nc.RemoteAddr().String()})
	serve(ctx, &Conn{Remote: remote, Env: env, wire: stream{nc, f, bufio.NewReaderSize(nc, readBuffer)}}, o, s)
}

func serve(ctx context.Context, c *Conn, o Options, s Speaker) {
	c.ID = ConnID(lastConn.Add(1))
	c.limits = c.Env.Limits.Or(o.Limits).Or(DefaultLimits)
	c.wake, c.timers = make(chan struct{}, 1), newTimers()
	c.Log = c.Env.Log.With("conn", uint64(c.ID))
	defer c.wire.net().Close()
	if n := c.Env.Counts; n != nil {
		n.Accepted.Add(1)
		n.Open.Add(1)
		defer n.Open.Add(-1)
	}
	c.Log.Info("connected", "remote", c.Remote)
	err := errBroken
	defer func() { // also when the speaker panics: its seats must not stay taken
		if told := c.end(err, s, o.Silent); told {
			c.linger()
		}
		c.Log.Info("disconnected", "err", err)
	}()
	err = c.run(ctx, s)
}

var errBroken = errors.New("the speaker has panicked")

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
		c.wire.interrupt(time.Unix(1, 0)) // ends the reader
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
			if err = c.wire.ping(c.limits.Write); err != nil {
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

// drain hands the unread events of all sessions to the speaker. A session that it
// releases meanwhile has nothing more to say.
func (c *Conn) drain(ctx context.Context, s Speaker) error {
	for _, x := range slices.Clone(c.sessions) {
		if !c.has(x) {
			continue
		}
		events, lost := x.Drain(ctx)
		for _, e := range events {
			if !c.has(x) {
				break
			}
			if err := s.Event(ctx, c, x, e); err != nil {
				return err
			}
		}
		if lost == nil || !c.has(x) {
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

func (c *Conn) has(x *bridge.Session) bool { return slices.Contains(c.sessions, x) }

// read passes frames on, one at a time: a frame is read only when there is
// somebody to take it, so that pressure reaches the client's socket.
func (c *Conn) read(ctx context.Context, frames chan<- Frame) error {
	tokens, renew := newBucket(c.limits), true
	for {
		if renew {
			c.wire.expect(c.limits.Pong)
		}
		if ctx.Err() != nil {
			return ErrGone // or else the deadline that ends us might just have been lost
		}
		f, err := c.wire.read(c.limits.Read, c.limits.Pong)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
		if c.Env.Tap != nil {
			c.Env.Tap.Frame(c.ID, In, f.Data)
		}
		if n := c.Env.Counts; n != nil {
			n.FramesIn.Add(1)
			n.BytesIn.Add(int64(len(f.Data)))
		}
		wait := tokens.take(time.Now())
		if wait > 0 && !c.pause(ctx, wait) {
			return ErrGone
		}
		begin := time.Now()
		select {
		case frames <- f:
		case <-ctx.Done():
			return ErrGone
		}
		// Its pongs wait behind the frames that we leave in the socket. Otherwise,
		// who sends but answers no ping is one that does not read.
		renew = c.limits.Talks || wait > 0 || time.Since(begin) > time.Second
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

// How much of what the client still sends is read before the connection is
// closed, and for how long.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// linger reads on until the client has closed its side. A TCP connection that is
// closed with unread data is reset, and then what was written last (why the client
// has to go, the close frame) may never arrive.
func (c *Conn) linger() {
	c.wire.interrupt(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c.wire.net(), lingerBytes) // it ends with an error in any case
}

// endTime is how long saying goodbye to rooms may take, in all.
const endTime = 5 * time.Second

// end tells the client, then the rooms. It reports whether the client was told.
func (c *Conn) end(err error, s Speaker, silent bool) (told bool) {
	told = errors.Is(err, websocket.ErrReadLimit) // by the WebSocket library: 1009
	if code, reason := closing(err); code != 0 && !silent {
		told = true
		c.wire.goodbye(code, reason)
	}
	// The request's context may be over; leaving must not be.
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	s.Close(ctx, c, err)
	for _, x := range c.sessions {
		if failed := x.Leave(ctx, leaving(err)); failed != nil {
			c.Log.Warn("leaving", "err", failed)
		}
	}
	c.timers.clock.Stop()
	return told
}

// leaving returns why the sessions leave, for what ended a connection. A client
// that says goodbye, or whose page goes away, wishes so.
func leaving(err error) bridge.Reason {
	if errors.Is(err, ErrShutdown) {
		return bridge.ByShutdown
	}
	code := 0
	if h, ok := errors.AsType[*Hangup](err); ok {
		code = h.Code
	} else if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		code = e.Code
	}
	if code == websocket.CloseNormalClosure || code == websocket.CloseGoingAway {
		return bridge.ByWish
	}
	return bridge.ByLoss
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
