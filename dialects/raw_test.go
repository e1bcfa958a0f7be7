package dialects_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// lines is a framer of lines.
type lines struct{}

func (lines) Next(r *bufio.Reader, limit int64) (dialects.Frame, error) {
	line, err := r.ReadSlice('\n')
	if int64(len(line)) > limit {
		return dialects.Frame{}, errors.New("a long line")
	}
	return dialects.Frame{Data: bytes.TrimSpace(slices.Clone(line))}, err
}

func (lines) Pack(f dialects.Frame) []byte {
	if f.Binary {
		return slices.Concat([]byte("binary "), f.Data, []byte("\n"))
	}
	return slices.Concat(f.Data, []byte("\n"))
}

// answering is a talker that joins and says everything again, binary.
func answering(n **node) *talker {
	return &talker{
		open: func(ctx context.Context, c *dialects.Conn) error { _, err := (*n).join(ctx, c); return err },
		frame: func(_ context.Context, c *dialects.Conn, f dialects.Frame) error {
			return errors.Join(c.Write(f.Data), c.WriteFrame(dialects.Frame{Binary: true, Data: f.Data}))
		},
	}
}

// TestRaw: a speaker works over plain TCP as over a WebSocket, but nobody pings.
func TestRaw(t *testing.T) {
	var n *node
	s := answering(&n)
	inBubble(t, s, func(t *testing.T, node *node) {
		n = node
		w := n.member()
		ours, theirs := net.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			dialects.ServeRaw(ctx, ours, n.env, dialects.Options{Limits: dialects.Limits{First: -1}}, lines{}, s)
		}()
		wait(time.Hour) // silent, and still there
		io.WriteString(theirs, "hello\n")
		got := make([]byte, len("hello\nbinary hello\n"))
		if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "hello\nbinary hello\n" {
			t.Errorf("heard %q, %v", got, err)
		}
		synctest.Wait()
		if c := n.env.Counts; c.Open.Load() != 1 || c.FramesIn.Load() != 1 || c.FramesOut.Load() != 2 {
			t.Errorf("counted %d open, %d in, %d out", c.Open.Load(), c.FramesIn.Load(), c.FramesOut.Load())
		}
		theirs.Close()
		<-done
		if got := w.left(); !slices.Equal(got, []bridge.Reason{bridge.ByLoss}) {
			t.Errorf("it left by %v", got)
		}
		if closes := s.closed(); len(closes) != 1 || !errors.Is(closes[0], dialects.ErrGone) {
			t.Errorf("Close was called with %v", closes)
		}
	})
}

// TestRawShutdown: a node that goes down closes the connection.
func TestRawShutdown(t *testing.T) {
	s := &talker{}
	inBubble(t, s, func(t *testing.T, n *node) {
		ours, theirs := net.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			dialects.ServeRaw(ctx, ours, n.env, dialects.Options{}, lines{}, s)
		}()
		synctest.Wait()
		stop()
		if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		<-done
		if closes := s.closed(); len(closes) != 1 || !errors.Is(closes[0], dialects.ErrShutdown) {
			t.Errorf("Close was called with %v", closes)
		}
	})
}

// TestBinary: both kinds of frames go over a WebSocket.
func TestBinary(t *testing.T) {
	var n *node
	inBubble(t, answering(&n), func(t *testing.T, node *node) {
		n = node
		p := n.dialDeaf()
		p.send("x")
		for _, want := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			if kind, data, err := p.ws.ReadMessage(); kind != want || string(data) != "x" || err != nil {
				t.Errorf("heard %d %q, %v", kind, data, err)
			}
		}
		p.ws.Close()
	})
}
