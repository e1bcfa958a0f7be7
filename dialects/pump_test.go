package dialects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/e2e/transcript"
)

// talker is a Speaker that does what the test says, and notes what it is told.
type talker struct {
	open  func(ctx context.Context, c *dialects.Conn) error
	frame func(ctx context.Context, c *dialects.Conn, f dialects.Frame) error
	event func(ctx context.Context, c *dialects.Conn, x *bridge.Session, e bridge.Event) error
	lost  func(ctx context.Context, c *dialects.Conn, x *bridge.Session, err error) error

	mu     sync.Mutex // tests look while time passes
	frames int
	closes []error
}

// taken returns how many frames came.
func (s *talker) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frames
}

// closed returns what Close was called with.
func (s *talker) closed() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.closes)
}

func (s *talker) Open(ctx context.Context, c *dialects.Conn) error {
	if s.open != nil {
		return s.open(ctx, c)
	}
	return nil
}

func (s *talker) Frame(ctx context.Context, c *dialects.Conn, f dialects.Frame) error {
	s.mu.Lock()
	s.frames++
	s.mu.Unlock()
	if s.frame != nil {
		return s.frame(ctx, c, f)
	}
	return nil
}

func (s *talker) Event(ctx context.Context, c *dialects.Conn, x *bridge.Session, e bridge.Event) error {
	if s.event != nil {
		return s.event(ctx, c, x, e)
	}
	return nil
}

func (s *talker) Lost(ctx context.Context, c *dialects.Conn, x *bridge.Session, err error) error {
	if s.lost != nil {
		return s.lost(ctx, c, x, err)
	}
	return err
}

func (s *talker) Close(_ context.Context, _ *dialects.Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closes = append(s.closes, err)
}

// node serves one talker per connection, in memory and in virtual time.
type node struct {
	t      *testing.T
	w      *transcript.Local
	rooms  *bridge.Local
	env    dialects.Env
	o      dialects.Options
	log    bytes.Buffer
	logMu  sync.Mutex
	next   func() *talker
	base   context.Context
	stop   context.CancelFunc
	served sync.WaitGroup
}

func (n *node) Write(b []byte) (int, error) {
	n.logMu.Lock()
	defer n.logMu.Unlock()
	return n.log.Write(b)
}

// inBubble runs a test of connections that s serves.
func inBubble(t *testing.T, s *talker, f func(t *testing.T, n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &node{t: t, rooms: bridge.NewLocal(bridge.LocalConfig{}), next: func() *talker { return s }}
		n.base, n.stop = context.WithCancel(context.Background())
		defer n.stop()
		n.env = dialects.Env{Host: n.rooms, Log: slog.New(slog.NewTextHandler(n, nil)), Counts: new(dialects.Counts)}
		if err := n.rooms.Create(t.Context(), bridge.Spec{ID: "r"}); err != nil {
			t.Fatal(err)
		}
		n.w = transcript.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(n.base, cancel)()
			n.served.Add(1)
			defer n.served.Done()
			dialects.Serve(w, r.WithContext(ctx), n.env, n.o, n.next())
		}))
		f(t, n)
		synctest.Wait()
		n.stop()
		n.served.Wait()
		if err := n.w.Close(); err != nil {
			t.Error(err)
		}
		if err := n.rooms.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// dial connects a client that reads, and so answers pings.
func (n *node) dial() *peer {
	n.t.Helper()
	p := n.dialDeaf()
	go p.read()
	return p
}

// dialDeaf connects a client that reads nothing.
func (n *node) dialDeaf() *peer {
	n.t.Helper()
	d := websocket.Dialer{
		NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return n.w.Dial(ctx) },
		Subprotocols:   []string{"one", "two"},
	}
	ws, _, err := d.Dial("ws://dragoman.test/", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	p := &peer{t: n.t, ws: ws, done: make(chan struct{})}
	n.t.Cleanup(func() { ws.Close() })
	return p
}

// peer is a client.
type peer struct {
	t    *testing.T
	ws   *websocket.Conn
	got  []string
	err  error
	done chan struct{}
}

func (p *peer) read() {
	defer close(p.done)
	for {
		_, data, err := p.ws.ReadMessage()
		if err != nil {
			p.err = err
			return
		}
		p.got = append(p.got, string(data))
	}
}

func (p *peer) send(text string) {
	if err := p.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Errorf("send: %v", err)
	}
}

// closed waits until the server has closed and returns the code, 0 without a
// close frame.
func (p *peer) closed() int {
	<-p.done
	if e, ok := errors.AsType[*websocket.CloseError](p.err); ok && e.Code != websocket.CloseAbnormalClosure {
		return e.Code
	}
	return 0
}

// wait lets virtual time pass.
func wait(d time.Duration) {
	<-time.NewTimer(d).C
	synctest.Wait()
}

func (n *node) join(ctx context.Context, c *dialects.Conn) (*bridge.Session, error) {
	return c.Join(ctx, bridge.JoinRequest{Room: "r", Name: "member"})
}

// member is somebody in the room who sees the others.
func (n *node) member() *watcher {
	n.t.Helper()
	s, err := n.rooms.Join(n.t.Context(), bridge.JoinRequest{Room: "r", Name: "watcher"})
	if err != nil {
		n.t.Fatal(err)
	}
	return &watcher{s}
}

type watcher struct{ *bridge.Session }

// left returns the reasons of those who left since the last call.
func (w *watcher) left() (reasons []bridge.Reason) {
	synctest.Wait()
	events, _ := w.Drain(context.Background())
	for _, e := range events {
		if l, ok := e.(bridge.Left); ok {
			reasons = append(reasons, l.Reason)
		}
	}
	return reasons
}

func TestEchoAndEnd(t *testing.T) {
	s := &talker{frame: func(_ context.Context, c *dialects.Conn, f dialects.Frame) error {
		return c.Write(fmt.Appendf(nil, "%v %s", f.Binary, f.Data))
	}}
	inBubble(t, s, func(t *testing.T, n *node) {
		n.o.Subprotocols = []string{"two", "three"}
		tap := &tap{}
		n.env.Tap = tap
		p := n.dial()
		if got := p.ws.Subprotocol(); got != "two" {
			t.Errorf("the subprotocol is %q", got)
		}
		p.send("a")
		synctest.Wait()
		if err := p.ws.WriteMessage(websocket.BinaryMessage, []byte("b")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if want := []string{"false a", "true b"}; !slices.Equal(p.got, want) {
			t.Errorf("got %q, want %q", p.got, want)
		}
		if want := []string{"in a", "out false a", "in b", "out true b"}; !slices.Equal(tap.seen, want) {
			t.Errorf("the tap has seen %q, want %q", tap.seen, want)
		}
		k := n.env.Counts
		if k.Open.Load() != 1 || k.Accepted.Load() != 1 || k.FramesIn.Load() != 2 || k.FramesOut.Load() != 2 || k.BytesIn.Load() != 2 || k.BytesOut.Load() != 13 {
			t.Errorf("the counts are wrong: %d open, %d bytes out", k.Open.Load(), k.BytesOut.Load())
		}
		p.ws.Close()
		wait(2 * time.Second)
		if len(s.closed()) != 1 || !errors.Is(s.closed()[0], dialects.ErrGone) || k.Open.Load() != 0 {
			t.Errorf("closed with %v, %d are open", s.closed(), k.Open.Load())
		}
		for _, want := range []string{"connected", "disconnected", "remote=127.0.0.1", "conn="} {
			if !strings.Contains(n.log.String(), want) {
				t.Errorf("the log has no %q: %s", want, n.log.String())
			}
		}
	})
}

// tap notes what it sees.
type tap struct{ seen []string }

func (p *tap) Frame(_ dialects.ConnID, d dialects.Direction, data []byte) {
	p.seen = append(p.seen, map[dialects.Direction]string{dialects.In: "in ", dialects.Out: "out "}[d]+string(data))
}

func TestReadLimit(t *testing.T) {
	s := &talker{}
	inBubble(t, s, func(t *testing.T, n *node) {
		n.o.Limits.Read = 1000
		p := n.dial()
		p.send(strings.Repeat("x", 1000))
		synctest.Wait()
		if s.taken() != 1 {
			t.Errorf("%d frames were taken", s.taken())
		}
		p.send(strings.Repeat("x", 1001))
		if code := p.closed(); code != websocket.CloseMessageTooBig {
			t.Errorf("closed with %d", code)
		}
		if s.taken() != 1 {
			t.Errorf("%d frames were taken", s.taken())
		}
	})
}

// TestThrottling: what comes too fast waits, and nothing of it is lost, however
// long that takes.
func TestThrottling(t *testing.T) {
	s := &talker{}
	inBubble(t, s, func(t *testing.T, n *node) {
		n.o.Limits = dialects.Limits{Rate: 10, Burst: 20, Join: -1}
		p := n.dial()
		const frames = 1020
		go func() {
			for range frames {
				p.send("x")
			}
		}()
		wait(50 * time.Millisecond)
		if got := s.taken(); got != 20 {
			t.Errorf("%d frames at once, want a burst of 20", got)
		}
		wait(10 * time.Second)
		if got := s.taken(); got < 119 || got > 121 {
			t.Errorf("%d frames after ten seconds, want 120", got)
		}
		wait(95 * time.Second) // much longer than a pong may take
		if got := s.taken(); got != frames {
			t.Errorf("%d frames, want %d", got, frames)
		}
		if k := n.env.Counts.Throttled.Load(); k != frames-20 {
			t.Errorf("%d frames were counted as throttled, want %d", k, frames-20)
		}
	})
}

// TestThrottledClientGoes: one who waits for its turn is not waited for.
func TestThrottledClientGoes(t *testing.T) {
	s := &talker{}
	inBubble(t, s, func(t *testing.T, n *node) {
		n.o.Limits = dialects.Limits{Rate: 0.01, Burst: 1}
		p := n.dial()
		p.send("x")
		p.send("x")
		synctest.Wait()
		n.stop()
		start := time.Now()
		if code := p.closed(); code != websocket.CloseGoingAway || time.Since(start) > time.Second {
			t.Errorf("closed with %d after %s", code, time.Since(start))
		}
	})
}

// TestPong: a client that answers pings stays, one that does not is gone when
// Pong has passed.
func TestPong(t *testing.T) {
	s := &talker{}
	inBubble(t, s, func(t *testing.T, n *node) {
		n.o.Limits = dialects.Limits{First: -1, Join: -1}
		p := n.dial()
		wait(time.Hour)
		if len(s.closed()) != 0 {
			t.Fatalf("closed with %v", s.closed())
		}
		p.ws.Close()
		wait(2 * time.Second)
		n.dialDeaf()
		wait(44 * time.Second)
		if len(s.closed()) != 1 {
			t.Errorf("a client without pongs was closed too early: %v", s.closed())
		}
		wait(3 * time.Second)
		if len(s.closed()) != 2 || !errors.Is(s.closed()[1], dialects.ErrGone) {
			t.Errorf("a client without pongs: %v", s.closed())
		}
	})
}

// TestPongOfATalker: who sends, but answers no ping, does not read, and is gone as
// well. Where any frame will do, it stays.
func TestPongOfATalker(t *testing.T) {
	for name, l := range map[string]struct {
		limits dialects.Limits
		gone   int
	}{
		"does not read": {dialects.Limits{First: -1, Join: -1}, 1},
		"any frame":     {dialects.Limits{First: -1, Join: -1, Talks: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &talker{}
			inBubble(t, s, func(t *testing.T, n *node) {
				n.o.Limits = l.limits
				p := n.dialDeaf()
				for range 6 {
					p.send("here")
					wait(8 * time.Second)
				}
				if len(s.closed()) != l.gone {
					t.Errorf("closed: %v", s.closed())
				}
			})
		})
	}
}

func TestDeadlines(t *testing.T) {
	for name, c := range map[string]struct {
		limits dialects.Limits
		speak  time.Duration // when it says something; 0: never
		joins  bool
		want   time.Duration // when it is closed; 0: never
	}{
		"silent":              {dialects.Limits{}, 0, false, 5 * time.Second},
		"does not join":       {dialects.Limits{}, time.Second, false, 30 * time.Second},
		"joins":               {dialects.Limits{}, time.Second, true, 0},
		"other limits":        {dialects.Limits{First: time.Minute, Join: time.Minute}, 50 * time.Second, false, time.Minute},
		"no first deadline":   {dialects.Limits{First: -1}, 0, false, 30 * time.Second},
		"no deadlines":        {dialects.Limits{First: -1, Join: -1}, 0, false, 0},
		"speaks just in time": {dialects.Limits{Join: -1}, 4999 * time.Millisecond, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var n *node
			s := &talker{frame: func(ctx context.Context, conn *dialects.Conn, _ dialects.Frame) error {
				if !c.joins {
					return nil
				}
				_, err := n.join(ctx, conn)
				return err
			}}
			inBubble(t, s, func(t *testing.T, node *node) {
				n = node
				n.o.Limits = c.limits
				start := time.Now()
				p := n.dial()
				if c.speak > 0 {
					wait(c.speak)
					p.send("x")
				}
				if c.want == 0 {
					wait(time.Hour)
					if len(s.closed()) != 0 {
						t.Errorf("closed with %v", s.closed())
					}
					return
				}
				code := p.closed()
				if took := time.Since(start); code != websocket.ClosePolicyViolation || took < c.want || took > c.want+time.Second {
					t.Errorf("closed with %d after %s, want %s", code, took, c.want)
				}
				synctest.Wait()
				if n.env.Counts.Timeouts.Load() != 1 || !errors.Is(s.closed()[0], dialects.ErrTimeout) {
					t.Errorf("%d timeouts are counted, closed with %v", n.env.Counts.Timeouts.Load(), s.closed())
				}
			})
		})
	}
}

// TestOperatorLimits: what the operator says goes before what the dialect says.
func TestOperatorLimits(t *testing.T) {
	s := &talker{}
	inBubble(t, s, func(t *testing.T, n *node) {
		n.o.Limits = dialects.Limits{First: time.Minute}
		n.env.Limits = dialects.Limits{First: time.Second}
		start := time.Now()
		n.dial().closed()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("closed after %s", took)
		}
	})
}

// TestWriteDeadline: a client that stops reading is given up, its seat is left
// once, and what it has not read stays bounded.
func TestWriteDeadline(t *testing.T) {
	var n *node
	s := &talker{frame: func(ctx context.Context, c *dialects.Conn, _ dialects.Frame) error {
		if _, err := n.join(ctx, c); err != nil {
			return err
		}
		for {
			if err := c.Write(bytes.Repeat([]byte("x"), 10_000)); err != nil {
				return err
			}
		}
	}}
	inBubble(t, s, func(t *testing.T, node *node) {
		n = node
		w := n.member()
		p := n.dialDeaf()
		p.send("x")
		wait(9 * time.Second)
		if len(w.left()) != 0 {
			t.Error("it was given up too early")
		}
		wait(3 * time.Second)
		if got := w.left(); !slices.Equal(got, []bridge.Reason{bridge.ByLoss}) {
			t.Errorf("it left by %v", got)
		}
		if len(s.closed()) != 1 || !errors.Is(s.closed()[0], dialects.ErrGone) {
			t.Errorf("closed with %v", s.closed())
		}
	})
}

// TestShutdown: when the node goes, clients are told, and their seats are left.
func TestShutdown(t *testing.T) {
	var n *node
	s := &talker{open: func(ctx context.Context, c *dialects.Conn) error {
		_, err := n.join(ctx, c)
		return err
	}}
	inBubble(t, s, func(t *testing.T, node *node) {
		n = node
		w := n.member()
		p := n.dial()
		synctest.Wait()
		n.stop()
		if code := p.closed(); code != websocket.CloseGoingAway {
			t.Errorf("closed with %d", code)
		}
		if got := w.left(); !slices.Equal(got, []bridge.Reason{bridge.ByShutdown}) {
			t.Errorf("it left by %v", got)
		}
		if !errors.Is(s.closed()[0], dialects.ErrShutdown) {
			t.Errorf("closed with %v", s.closed())
		}
	})
}

// TestEnds: what ends a connection decides the close code, and why seats are
// left.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		silent bool
		code   int
		why    bridge.Reason
	}{
		"a good bye":            {&dialects.Hangup{Code: 1000, Reason: "bye"}, false, 1000, bridge.ByWish},
		"a refusal":             {&dialects.Hangup{Code: 1008, Reason: "no"}, false, 1008, bridge.ByLoss},
		"wrapped":               {fmt.Errorf("x: %w", &dialects.Hangup{Code: 4001}), false, 4001, bridge.ByLoss},
		"without a close frame": {&dialects.Hangup{}, false, 0, bridge.ByLoss},
		"cut":                   {&dialects.Hangup{Code: 1008}, true, 0, bridge.ByLoss},
		"a plain error":         {errors.New("x"), false, 1011, bridge.ByLoss},
		"too slow":              {bridge.Errorf(bridge.Lagged, "x"), false, 1008, bridge.ByLoss},
		"too late":              {dialects.ErrTimeout, false, 1008, bridge.ByLoss},
		"shutdown":              {dialects.ErrShutdown, false, 1001, bridge.ByShutdown},
		"gone":                  {dialects.ErrGone, false, 0, bridge.ByLoss},
	} {
		t.Run(name, func(t *testing.T) {
			var n *node
			s := &talker{frame: func(ctx context.Context, conn *dialects.Conn, _ dialects.Frame) error {
				if _, err := n.join(ctx, conn); err != nil {
					return err
				}
				if err := conn.Write([]byte("last words")); err != nil {
					return err
				}
				return c.err
			}}
			inBubble(t, s, func(t *testing.T, node *node) {
				n = node
				n.o.Silent = c.silent
				w := n.member()
				p := n.dial()
				p.send("x")
				if code := p.closed(); code != c.code {
					t.Errorf("closed with %d, want %d", code, c.code)
				}
				if !slices.Equal(p.got, []string{"last words"}) {
					t.Errorf("it read %q", p.got)
				}
				if got := w.left(); !slices.Equal(got, []bridge.Reason{c.why}) {
					t.Errorf("it left by %v, want %v", got, c.why)
				}
				if got := s.closed(); len(got) != 1 || !errors.Is(got[0], c.err) {
					t.Errorf("Close was called with %v", got)
				}
			})
		})
	}
}

// TestClientGoes: a client that says goodbye wishes to leave, one that is just
// gone does not.
func TestClientGoes(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		why  bridge.Reason
	}{"normal": {1000, bridge.ByWish}, "the page goes": {1001, bridge.ByWish}, "an error": {1002, bridge.ByLoss}, "gone": {0, bridge.ByLoss}} {
		t.Run(name, func(t *testing.T) {
			var n *node
			s := &talker{open: func(ctx context.Context, conn *dialects.Conn) error {
				_, err := n.join(ctx, conn)
				return err
			}}
			inBubble(t, s, func(t *testing.T, node *node) {
				n = node
				w := n.member()
				p := n.dial()
				synctest.Wait()
				if c.code != 0 {
					if err := p.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(c.code, "")); err != nil {
						t.Error(err)
					}
				} else {
					p.ws.Close()
				}
				if got := w.left(); !slices.Equal(got, []bridge.Reason{c.why}) {
					t.Errorf("it left by %v, want %v", got, c.why)
				}
			})
		})
	}
}

// TestPanic: a speaker that panics costs its own client only.
func TestPanic(t *testing.T) {
	var n *node
	s := &talker{frame: func(ctx context.Context, conn *dialects.Conn, _ dialects.Frame) error {
		if _, err := n.join(ctx, conn); err != nil {
			return err
		}
		panic(http.ErrAbortHandler) //nolint:forbidigo // the one that net/http does not print
	}}
	inBubble(t, s, func(t *testing.T, node *node) {
		n = node
		w := n.member()
		p := n.dial()
		p.send("x")
		if code := p.closed(); code != 1011 {
			t.Errorf("closed with %d", code)
		}
		if got := w.left(); !slices.Equal(got, []bridge.Reason{bridge.ByLoss}) {
			t.Errorf("it left by %v", got)
		}
		if len(s.closed()) != 1 {
			t.Errorf("Close was called with %v", s.closed())
		}
	})
}

// TestLinger: what was written last arrives, although the client goes on sending.
func TestLinger(t *testing.T) {
	s := &talker{frame: func(_ context.Context, c *dialects.Conn, _ dialects.Frame) error {
		if err := c.Write([]byte("go")); err != nil {
			return err
		}
		return &dialects.Hangup{Code: 1000}
	}}
	inBubble(t, s, func(t *testing.T, n *node) {
		start := time.Now()
		p := n.dialDeaf()
		for range 50 {
			p.send("more")
		}
		go p.read()
		if code := p.closed(); code != 1000 || !slices.Equal(p.got, []string{"go"}) {
			t.Errorf("closed with %d after %q", code, p.got)
		}
		p.ws.Close()
		synctest.Wait()
		if n.env.Counts.Open.Load() != 0 || time.Since(start) > 2*time.Second {
			t.Errorf("it lingers: %d are open after %s", n.env.Counts.Open.Load(), time.Since(start))
		}
		n.dialDeaf().send("x") // never closes its side
		wait(3 * time.Second)
		if n.env.Counts.Open.Load() != 0 {
			t.Error("a client that does not close is waited for")
		}
	})
}
