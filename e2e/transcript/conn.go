package transcript

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	queued    = 1024    // frames that a connection holds until they are asked for
	readLimit = 8 << 20 // bytes of a frame from the server
	kept      = 12      // frames shown in a failure
	handshake = 10 * time.Second
	writing   = 10 * time.Second
	closing   = 2 * time.Second // for the server's half of a close handshake
)

// frame is one message from the server.
type frame struct {
	kind int // websocket.TextMessage or BinaryMessage
	data []byte
	at   time.Time
}

func (f frame) String() string {
	if f.kind == websocket.BinaryMessage {
		return fmt.Sprintf("binary %x", f.data[:min(len(f.data), 40)])
	}
	return shorten(strings.TrimSpace(string(f.data)))
}

// conn is the connection of one name in a script.
type conn struct {
	ws      *websocket.Conn
	gate    *gate
	frames  chan frame // closed when reading ended
	err     error      // why reading ended; to be read when frames is closed
	log     []string
	offer   string   // the last that was heard
	answers []string // heard, and not handed to the stage yet
	ignored bool
	over    bool // closed and seen to be closed
}

// gate is a connection that can stop to read for good.
type gate struct {
	net.Conn
	stalled, closed chan struct{}
	stall, shut     sync.Once
}

func newGate(c net.Conn) *gate {
	return &gate{Conn: c, stalled: make(chan struct{}), closed: make(chan struct{})}
}

func (g *gate) hold() error {
	select {
	case <-g.stalled:
		<-g.closed
		return net.ErrClosed
	default:
		return nil
	}
}

// Read implements net.Conn.
func (g *gate) Read(b []byte) (int, error) {
	if err := g.hold(); err != nil {
		return 0, err
	}
	n, err := g.Conn.Read(b)
	if held := g.hold(); held != nil {
		return 0, held
	}
	return n, err
}

// Close implements net.Conn.
func (g *gate) Close() error {
	g.shut.Do(func() { close(g.closed) })
	return g.Conn.Close()
}

// connect opens a WebSocket. Its read has to be started, and ended by end.
func connect(ctx context.Context, w World, d websocket.Dialer, url string, header map[string][]string) (*conn, int, error) {
	c := &conn{frames: make(chan frame, queued)}
	d.HandshakeTimeout = handshake
	d.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		raw, err := w.Dial(ctx)
		if err != nil {
			return nil, err
		}
		c.gate = newGate(raw)
		return c.gate, nil
	}
	ws, resp, err := d.DialContext(ctx, url, header) //nolint:bodyclose // gorilla has read what there is of it
	if err != nil {
		if resp != nil && errors.Is(err, websocket.ErrBadHandshake) {
			return nil, resp.StatusCode, err
		}
		return nil, 0, err
	}
	ws.SetReadLimit(readLimit)
	c.ws = ws
	return c, resp.StatusCode, nil
}

// read ends when the connection does.
func (c *conn) read() {
	defer close(c.frames)
	for {
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			c.err = err
			return
		}
		c.frames <- frame{kind, data, time.Now()} // end reads all there is
	}
}

// next waits for a frame. It returns false when the connection is closed.
func (c *conn) next(ctx context.Context, within time.Duration) (frame, bool, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case f, ok := <-c.frames:
		if ok {
			c.note("< " + f.String())
		}
		return f, ok, nil
	case <-timer.C:
		return frame{}, true, failf("nothing came within %s", within)
	case <-ctx.Done():
		return frame{}, true, ctx.Err()
	}
}

func (c *conn) note(line string) {
	if len(c.log) == kept {
		c.log = c.log[1:]
	}
	c.log = append(c.log, line)
}

// send writes a frame. A connection that is closed already is noted and no
// error: whether it had to be is for the next step to say.
func (c *conn) send(kind int, data []byte) error {
	line := "> " + (frame{kind: kind, data: data}).String()
	if err := c.ws.SetWriteDeadline(time.Now().Add(writing)); err != nil {
		return err
	}
	err := c.ws.WriteMessage(kind, data)
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		return failf("the server did not read within %s", writing)
	}
	if err != nil {
		line += fmt.Sprintf(" (lost: %v)", err)
	}
	c.note(line)
	return nil
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// closeCode returns the code with which reading ended, 1006 for an end without
// a close frame, and the reason.
func (c *conn) closeCode() (int, string) {
	if e, ok := errors.AsType[*websocket.CloseError](c.err); ok {
		return e.Code, e.Text
	}
	return websocket.CloseAbnormalClosure, fmt.Sprint(c.err)
}

// end closes the connection, with a close frame if there is a code, waits until
// reading ended, and returns the first frames that nobody has asked for.
func (c *conn) end(code int) (unread []string) {
	shut := func() { _ = c.ws.Close() } // what it says does not matter any more
	wait := time.NewTimer(closing)
	defer wait.Stop()
	msg := websocket.FormatCloseMessage(code, "")
	if code == 0 || c.ws.WriteControl(websocket.CloseMessage, msg, time.Now().Add(writing)) != nil {
		shut()
	}
	for {
		select {
		case f, ok := <-c.frames:
			if !ok {
				shut()
				c.over = true
				return unread
			}
			if len(unread) < kept {
				unread = append(unread, "< "+f.String())
			}
		case <-wait.C:
			shut()
		}
	}
}
