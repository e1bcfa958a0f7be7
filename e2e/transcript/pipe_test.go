package transcript

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// The pipe does what the standard library wants of every connection.
func TestPipeIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, c2 = pipe(loopback(1), loopback(2))
		return c1, c2, func() {
			_ = c1.Close()
			_ = c2.Close()
		}, nil
	})
}

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(loopback(1), loopback(2))
		if a.LocalAddr().String() != "127.0.0.1:1" || a.RemoteAddr() != b.LocalAddr() {
			t.Error("wrong addresses")
		}
		// A writer waits only when the buffer is full, and gets away at its deadline.
		big := make([]byte, pipeSize)
		if n, err := a.Write(big); n != pipeSize || err != nil {
			t.Fatal(n, err)
		}
		if err := a.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if n, err := a.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Error(n, err, time.Since(start))
		}
		// What was written before the end can be read after it.
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, big) {
			t.Error(len(got), err)
		}
		if _, err := b.Write([]byte("x")); err == nil {
			t.Error("wrote to nobody")
		}
		if _, err := a.Read(nil); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		_ = b.Close()
	})
}

func TestListener(t *testing.T) {
	l := newListener()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.dial(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_ = l.Close()
	_ = l.Close()
	if _, err := l.dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
