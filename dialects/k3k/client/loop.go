package client

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// Client is one connection to the server. Its methods may be called from any
// goroutine.
type Client struct {
	cfg  Config
	ws   *websocket.Conn
	ctx  context.Context // of everything that the client does by itself
	stop context.CancelFunc

	calls chan func()     // for the loop
	in    chan []byte     // frames
	fin   chan error      // of the reader
	ended chan struct{}   // the loop is over
	after <-chan struct{} // everything is
	tasks chan struct{}   // one for each task that has ended

	// The loop alone uses what follows.
	self    Person
	people  map[string]*Person
	flags   map[Session]State  // as told last; the Mustang client does not clear them
	tiles   map[Session]func() // ends what gets it: subscribed to, and not told to be down
	links   map[Session]Negotiator
	listen  []*waiter
	running int
	idle    []chan struct{} // closed when nothing runs any more
	log     []Message
}

// waiter waits for a message. Those of the log look at what came before, too.
type waiter struct {
	name  string // one-shot: the first message of that name takes it away; empty: it stays until it matches
	match func(Message) bool
	found chan Message // capacity 1
	next  *waiter      // waits from the moment on that this one has found something; may be nil
}

func start(cfg Config, ws *websocket.Conn) *Client {
	after := make(chan struct{})
	c := &Client{
		cfg: cfg, ws: ws, after: after,
		calls: make(chan func()), in: make(chan []byte), fin: make(chan error, 1),
		ended: make(chan struct{}), tasks: make(chan struct{}),
		people: map[string]*Person{}, flags: map[Session]State{}, tiles: map[Session]func(){}, links: map[Session]Negotiator{},
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	go c.read()
	go func() {
		defer close(after)
		c.loop()
	}()
	return c
}

func (c *Client) read() {
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			c.fin <- err
			return
		}
		select {
		case c.in <- data:
		case <-c.ended:
			c.fin <- ErrClosed
			return
		}
	}
}

// loop owns the client's state until the connection is over, and then waits for
// everything that was started.
func (c *Client) loop() {
	var why error
	for why == nil {
		select {
		case f := <-c.calls:
			f()
		case data := <-c.in:
			c.take(data)
		case <-c.tasks:
			c.running--
			c.rest()
		case why = <-c.fin:
		case <-c.ctx.Done():
			why = ErrClosed
		}
	}
	close(c.ended)
	c.stop()
	c.ws.Close()
	over := Message{Name: Disconnected}
	if e, ok := errors.AsType[*websocket.CloseError](why); ok {
		over.Code = e.Code
	}
	c.note(over)
	for _, w := range c.listen {
		close(w.found)
	}
	c.listen = nil
	for ; c.running > 0; c.running-- {
		<-c.tasks
	}
	c.rest()
	for s := range c.links {
		c.drop(s)
	}
	if errors.Is(why, ErrClosed) {
		<-c.fin // the socket is closed, so the reader ends
	}
}

// do runs f in the loop and waits for it.
func (c *Client) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case c.calls <- func() { f(); close(done) }:
		<-done
		return nil
	case <-c.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look reads the client's state in the loop, or after it.
func (c *Client) look(ctx context.Context, f func()) error {
	if err := c.do(ctx, f); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		<-c.after
		f()
	}
	return nil
}

// act is do, but nothing once ctx is over, which may have been ended in the loop.
func (c *Client) act(ctx context.Context, f func()) error {
	err := context.Canceled
	if lost := c.do(ctx, func() {
		if err = ctx.Err(); err == nil {
			f()
		}
	}); lost != nil {
		return lost
	}
	return err
}

// run starts a task. It is called in the loop.
func (c *Client) run(f func()) {
	c.running++
	go func() {
		f()
		c.tasks <- struct{}{}
	}()
}

// rest tells those who wait for it that nothing runs.
func (c *Client) rest() {
	if c.running > 0 {
		return
	}
	for _, ch := range c.idle {
		close(ch)
	}
	c.idle = nil
}

func (c *Client) write(v any) {
	data, err := json.Marshal(v)
	if err == nil {
		c.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
		err = c.ws.WriteMessage(websocket.TextMessage, data)
	}
	if err != nil {
		c.ws.Close() // the reader finds out
	}
}

// command sends a command of the namespace media. It is called in the loop.
func (c *Client) command(action string, fields map[string]any) {
	fields["action"] = action
	c.write(map[string]any{"namespace": "media", "payload": fields})
}

// maxLog is how many messages are kept; older ones are forgotten.
const maxLog = 4096

// note writes a message into the log, and gives it to those who wait.
func (c *Client) note(m Message) {
	if len(c.log) >= maxLog {
		c.log = slices.Delete(c.log, 0, maxLog/4)
	}
	c.log = append(c.log, m)
	var next []*waiter
	c.listen = slices.DeleteFunc(c.listen, func(w *waiter) bool {
		if w.name != "" && w.name != m.Name {
			return false
		}
		match := w.match(m)
		if match {
			w.found <- m
			if w.next != nil {
				next = append(next, w.next)
			}
		}
		return match || w.name != "" // a one-shot waiter that got another's message hears nothing any more
	})
	c.listen = append(c.listen, next...)
}

// Wait returns the first message of the log that matches, and waits for one if
// there is none yet. ErrClosed: the connection is over, and there was none.
func (c *Client) Wait(ctx context.Context, match func(Message) bool) (Message, error) {
	w := &waiter{match: match, found: make(chan Message, 1)}
	err := c.look(ctx, func() {
		if i := slices.IndexFunc(c.log, match); i >= 0 {
			w.found <- c.log[i]
			return
		}
		select {
		case <-c.ended:
			close(w.found)
		default:
			c.listen = append(c.listen, w)
		}
	})
	if err != nil {
		return Message{}, err
	}
	return w.wait(ctx)
}

func (w *waiter) wait(ctx context.Context) (Message, error) {
	select {
	case m, ok := <-w.found:
		if !ok {
			return m, ErrClosed
		}
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
}

// Log returns the messages so far.
func (c *Client) Log(ctx context.Context) (all []Message, err error) {
	err = c.look(ctx, func() { all = slices.Clone(c.log) })
	return all, err
}
