package clustertest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/cluster/clustertest"
)

// TestCut: what is written across a cut arrives after the heal, and a dial waits.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clustertest.New(1)
		a, b := n.Host(), n.Host()
		l := b.Listen(1)
		defer l.Close()
		near, err := a.Dial(t.Context(), b.At(1))
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		n.Split([]*clustertest.Host{a}, []*clustertest.Host{b})
		if _, err := near.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 8)
		_ = far.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := far.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read across a cut: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, b.At(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialled across a cut: %v", err)
		}
		time.AfterFunc(time.Second, n.Heal)
		_ = far.SetReadDeadline(time.Time{})
		if k, err := far.Read(buf); err != nil || string(buf[:k]) != "late" {
			t.Errorf("read %q, %v", buf[:k], err)
		}
		_ = near.Close()
		if _, err := far.Read(buf); !errors.Is(err, io.EOF) {
			t.Errorf("read after the end: %v", err)
		}
		_ = far.Close()
	})
}

// TestKill: connections of a dead host are reset, and it is reached no more.
func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clustertest.New(1)
		a, b := n.Host(), n.Host()
		b.Listen(1)
		near, err := a.Dial(t.Context(), b.At(1))
		if err != nil {
			t.Fatal(err)
		}
		b.Kill()
		if _, err := near.Read(make([]byte, 1)); err == nil {
			t.Error("read from a dead host")
		}
		_ = near.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, b.At(1)); err == nil {
			t.Error("dialled a dead host")
		}
		if _, err := a.Dial(t.Context(), a.At(9)); err == nil {
			t.Error("dialled a closed port")
		}
	})
}
