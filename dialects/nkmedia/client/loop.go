package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

type object = map[string]any

// Client is one connection to the server. Its methods may be called from any
// goroutine.
type Client struct {
	cfg    Config
	ticket Ticket
	ws     *websocket.Conn
	ctx    context.Context // of everything that the client does by itself
	stop   context.CancelFunc

	calls chan func()     // for the loop
	in    chan []byte     // frames
	fin   chan error      // of the reader
	ended chan struct{}   // the loop is over
	after <-chan struct{} // everything is
	tasks chan struct{}   // one for each task that has ended

	// The loop alone uses what follows.
	members map[string]Member
	own     map[string]bool       // sessions of this client
	links   map[string]Negotiator // by the own session
	listens map[string]string     // own sessions, by whom they listen to; empty: on the way
	early   map[string]bool       // own sessions that had ended before their answer came
	pending map[int]chan reply
	last    int // tid
	running int
	waiters []waiter
	log     []Event
	count   int
}

type waiter struct {
	match func(Event) bool
	found chan Event // capacity 1
}

// reply is what a request gets.
type reply struct {
	data json.RawMessage
	err  error
}

// frame is any message of the server.
type frame struct {
	Class  string          `json:"class"`
	Cmd    string          `json:"cmd"`
	Result string          `json:"result"`
	Data   json.RawMessage `json:"data"`
	TID    int             `json:"tid"`
	ACK    int             `json:"ack"`
}

// The first tid of each real client is one more.
const (
	erlTID = 1000
	webTID = 1001
)

func start(cfg Config, t Ticket, ws *websocket.Conn) *Client {
	after := make(chan struct{})
	c := &Client{
		cfg: cfg, ticket: t, ws: ws, after: after, last: erlTID,
		calls: make(chan func()), in: make(chan []byte), fin: make(chan error, 1),
		ended: make(chan struct{}), tasks: make(chan struct{}),
		members: map[string]Member{}, own: map[string]bool{}, links: map[string]Negotiator{},
		listens: map[string]string{}, early: map[string]bool{}, pending: map[int]chan reply{},
	}
	if cfg.Web {
		c.last = webTID
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
		case why = <-c.fin:
		case <-c.ctx.Done():
			why = ErrClosed
		}
	}
	close(c.ended)
	c.stop()
	c.ws.Close()
	over := Event{Type: Disconnected}
	if e, ok := errors.AsType[*websocket.CloseError](why); ok {
		over.Code = e.Code
	}
	for _, ch := range c.pending {
		ch <- reply{err: ErrClosed}
	}
	c.note(over)
	for _, w := range c.waiters {
		close(w.found)
	}
	c.waiters = nil
	for ; c.running > 0; c.running-- {
		<-c.tasks
	}
	for id := range c.links {
		c.drop(id)
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

// run starts a task. It is called in the loop.
func (c *Client) run(f func(ctx context.Context)) {
	c.running++
	go func() {
		f(c.ctx)
		c.tasks <- struct{}{}
	}()
}

// call is a request that was sent.
type call struct {
	path string
	ch   chan reply // capacity 1
}

// post sends a request: class/subclass/cmd.
func (c *Client) post(ctx context.Context, path string, data object) (call, error) {
	part := strings.Split(path, "/")
	q := call{path, make(chan reply, 1)}
	return q, c.do(ctx, func() {
		c.last++
		c.pending[c.last] = q.ch
		m := object{"class": part[0], "cmd": part[2], "data": data, "tid": c.last}
		if part[1] != "core" {
			m["subclass"] = part[1]
		}
		c.write(m)
	})
}

// wait waits for the answer and decodes its data.
func (q call) wait(ctx context.Context, into any) error {
	select {
	case r := <-q.ch:
		if x, ok := errors.AsType[*Refusal](r.err); ok {
			x.Request = q.path
		}
		if r.err != nil || into == nil || r.data == nil {
			return r.err
		}
		return json.Unmarshal(r.data, into)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", q.path, ctx.Err())
	}
}

// Do sends a request (class/subclass/cmd) and waits for its answer, whose data it
// decodes; into may be nil. What the server refuses is a *Refusal.
func (c *Client) Do(ctx context.Context, path string, data map[string]any, into any) error {
	q, err := c.post(ctx, path, data)
	if err != nil {
		return err
	}
	return q.wait(ctx, into)
}

func (c *Client) write(v any) {
	var data []byte
	var err error
	if c.cfg.Web {
		data, err = json.MarshalIndent(v, "", "\t") // it is pretty
	} else {
		data, err = json.Marshal(v)
	}
	if err == nil {
		c.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
		err = c.ws.WriteMessage(websocket.TextMessage, data)
	}
	if err != nil {
		c.ws.Close() // the reader finds out
	}
}

// maxLog is how many events are kept; older ones are forgotten.
const maxLog = 4096

// note writes an event into the log, and gives it to those who wait.
func (c *Client) note(e Event) {
	c.count++
	e.N = c.count
	if len(c.log) >= maxLog {
		c.log = slices.Delete(c.log, 0, maxLog/4)
	}
	c.log = append(c.log, e)
	c.waiters = slices.DeleteFunc(c.waiters, func(w waiter) bool {
		if !w.match(e) {
			return false
		}
		w.found <- e
		return true
	})
}

// Wait returns the first event of the log that matches, and waits for one if there
// is none yet. ErrClosed: the connection is over, and there was none.
func (c *Client) Wait(ctx context.Context, match func(Event) bool) (Event, error) {
	w := waiter{match, make(chan Event, 1)}
	err := c.look(ctx, func() {
		if i := slices.IndexFunc(c.log, match); i >= 0 {
			w.found <- c.log[i]
			return
		}
		select {
		case <-c.ended:
			close(w.found)
		default:
			c.waiters = append(c.waiters, w)
		}
	})
	if err != nil {
		return Event{}, err
	}
	select {
	case e, ok := <-w.found:
		if !ok {
			return Event{}, ErrClosed
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, fmt.Errorf("wait for an event: %w", ctx.Err())
	}
}

// Log returns the events so far.
func (c *Client) Log(ctx context.Context) (all []Event, err error) {
	err = c.look(ctx, func() { all = slices.Clone(c.log) })
	return all, err
}

// Done is closed once the connection is over and everything that belongs to it
// has ended.
func (c *Client) Done() <-chan struct{} { return c.after }
