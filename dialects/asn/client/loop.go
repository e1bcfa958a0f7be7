package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
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
	next    int64 // invokeID
	open    map[int64]*pending
	self    string // party id
	session bridge.Secret
	publish string // publish id
	parties map[string]*rose.ConferenceParty
	legs    map[string]*leg // by publish id or subscription id
	subs    map[sub]*leg    // nil: it is being asked for
	sent    Media           // what is published
	early   map[string][]rose.Value
	listen  []*waiter
	log     []Event
	told    int
	running int
}

// pending is a call that was not answered yet.
type pending struct {
	op     rose.Operation
	result rose.Value
	done   chan error // capacity 1
}

// sub is what one subscription is for.
type sub struct {
	party  string
	screen bool
}

// leg is one connection for media.
type leg struct {
	Negotiator
	id  string
	use Use
}

// waiter waits for an event.
type waiter struct {
	match func(Event) bool
	found chan Event // capacity 1
}

func start(cfg Config, ws *websocket.Conn) *Client {
	after := make(chan struct{})
	c := &Client{
		cfg: cfg, ws: ws, after: after,
		calls: make(chan func()), in: make(chan []byte), fin: make(chan error, 1),
		ended: make(chan struct{}), tasks: make(chan struct{}),
		open: map[int64]*pending{}, parties: map[string]*rose.ConferenceParty{}, legs: map[string]*leg{}, subs: map[sub]*leg{},
		early: map[string][]rose.Value{},
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
	keep := time.NewTicker(10 * time.Second)
	defer keep.Stop()
	var why error
	for why == nil {
		select {
		case f := <-c.calls:
			f()
		case data := <-c.in:
			c.take(data)
		case <-keep.C:
			if c.session != "" {
				c.invoke(rose.OpConferenceKeepAlive, &rose.ConferenceKeepAliveArgument{SessionToken: c.session}, new(rose.ConferenceKeepAliveResult))
			}
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
	for _, p := range c.open {
		p.done <- ErrClosed
	}
	c.note(Event{Name: Disconnected})
	for _, w := range c.listen {
		close(w.found)
	}
	c.listen = nil
	for ; c.running > 0; c.running-- {
		<-c.tasks
	}
	for _, l := range c.legs {
		l.Close()
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

func (c *Client) write(m *rose.Message) {
	kind := websocket.TextMessage
	if c.cfg.Encoding == rose.BER {
		kind = websocket.BinaryMessage
	}
	c.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if err := c.ws.WriteMessage(kind, c.cfg.Encoding.Encode(m)); err != nil {
		c.ws.Close() // the reader finds out
	}
}

// invoke sends a call. It is called in the loop.
func (c *Client) invoke(id int64, argument, result rose.Value) *pending {
	op, _ := rose.Lookup(id, "")
	c.next++
	p := &pending{op: op, result: result, done: make(chan error, 1)}
	c.open[c.next] = p
	c.write(op.Call(c.next, argument))
	return p
}

// send sends an event. It is called in the loop.
func (c *Client) send(id int64, argument rose.Value) {
	op, _ := rose.Lookup(id, "")
	c.write(op.Call(rose.EventID, argument))
}

// Call carries out an operation. The error is a *Refusal where the server has said
// no.
func (c *Client) Call(ctx context.Context, id int64, argument, result rose.Value) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var p *pending
	if err := c.do(ctx, func() { p = c.invoke(id, argument, result) }); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxLog is how many events are kept; older ones are forgotten.
const maxLog = 4096

// note writes an event into the log, and gives it to those who wait.
func (c *Client) note(e Event) {
	c.told++
	e.N = c.told
	if e.Argument != nil {
		e.JSON = rose.JSON.Marshal(e.Argument)
	}
	if len(c.log) >= maxLog {
		c.log = slices.Delete(c.log, 0, maxLog/4)
	}
	c.log = append(c.log, e)
	c.listen = slices.DeleteFunc(c.listen, func(w *waiter) bool {
		if !w.match(e) {
			return false
		}
		w.found <- e
		return true
	})
}

// Wait returns the first event of the log that matches, and waits for one if there is
// none yet. ErrClosed: the connection is over, and there was none.
func (c *Client) Wait(ctx context.Context, match func(Event) bool) (Event, error) {
	w := &waiter{match: match, found: make(chan Event, 1)}
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
		return Event{}, err
	}
	select {
	case e, ok := <-w.found:
		if !ok {
			return e, ErrClosed
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Log returns the events so far.
func (c *Client) Log(ctx context.Context) (all []Event, err error) {
	return all, c.look(ctx, func() { all = slices.Clone(c.log) })
}
