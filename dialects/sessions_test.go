package dialects_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// TestTimers: calls come in order of their time, those of one time in the order in
// which they were asked for; what was taken back does not come.
func TestTimers(t *testing.T) {
	var got []string
	note := func(s string) func(context.Context) error {
		return func(context.Context) error {
			got = append(got, s)
			return nil
		}
	}
	s := &talker{open: func(_ context.Context, c *dialects.Conn) error {
		c.After(3*time.Second, note("3"))
		c.After(time.Second, note("1a"))
		c.After(time.Second, note("1b"))
		never := c.After(2*time.Second, note("never"))
		c.After(2*time.Second, func(context.Context) error {
			got = append(got, "2")
			c.After(0, note("2 and at once"))
			c.After(-time.Hour, note("2 and before"))
			return nil
		})
		never()
		never()
		var late func()
		late = c.After(4*time.Second, func(context.Context) error {
			late() // to take back what runs is nothing
			got = append(got, "4")
			return &dialects.Hangup{Code: 4000}
		})
		c.After(4*time.Second, note("not reached"))
		return nil
	}}
	inBubble(t, s, func(t *testing.T, n *node) {
		n.o.Limits = dialects.Limits{First: -1, Join: -1}
		start := time.Now()
		if code := n.dial().closed(); code != 4000 || time.Since(start) != 4*time.Second {
			t.Errorf("closed with %d after %s", code, time.Since(start))
		}
		if want := []string{"1a", "1b", "2", "2 and before", "2 and at once", "3", "4"}; !slices.Equal(got, want) {
			t.Errorf("called %q, want %q", got, want)
		}
	})
}

// TestEvents: the events of several sessions come to one speaker, those of one
// that was released do not.
func TestEvents(t *testing.T) {
	var sessions []*bridge.Session
	var got []string
	var conn *dialects.Conn
	s := &talker{
		open: func(ctx context.Context, c *dialects.Conn) error {
			conn = c
			for _, room := range []bridge.RoomID{"r", "q"} {
				x, err := c.Join(ctx, bridge.JoinRequest{Room: room, Name: "me"})
				if err != nil {
					return err
				}
				sessions = append(sessions, x)
			}
			return nil
		},
		event: func(_ context.Context, c *dialects.Conn, x *bridge.Session, e bridge.Event) error {
			if said, ok := e.(bridge.Said); ok {
				got = append(got, fmt.Sprintf("%d %s", slices.Index(sessions, x), said.Text))
				if said.Text == "release" {
					c.Release(x)
				}
			}
			return nil
		},
	}
	inBubble(t, s, func(t *testing.T, n *node) {
		if err := n.rooms.Create(t.Context(), bridge.Spec{ID: "q"}); err != nil {
			t.Fatal(err)
		}
		p := n.dial()
		synctest.Wait()
		say := func(i int, text string) {
			t.Helper()
			if err := sessions[i].Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), Text: text}); err != nil {
				t.Error(err)
			}
		}
		say(0, "a")
		say(1, "b")
		synctest.Wait()
		slices.Sort(got)
		if want := []string{"0 a", "1 b"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		got = nil
		say(0, "release")
		synctest.Wait()
		say(0, "c")
		say(1, "d")
		synctest.Wait()
		if want := []string{"0 release", "1 d"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if conn.Remote.String() != "127.0.0.1" {
			t.Errorf("the client is at %s", conn.Remote)
		}
		p.ws.Close()
		synctest.Wait()
		// The connection leaves for the session that it has; the other's seat stands.
		if i, err := n.rooms.Lookup(t.Context(), "r"); err != nil || i.Members != 1 {
			t.Errorf("%d members, %v", i.Members, err)
		}
		if i, err := n.rooms.Lookup(t.Context(), "q"); err != nil || i.Members != 0 {
			t.Errorf("%d members, %v", i.Members, err)
		}
	})
}

// TestReleaseAmongEvents: what a session still had to say when it was released is
// not told.
func TestReleaseAmongEvents(t *testing.T) {
	var x *bridge.Session
	var got []string
	s := &talker{
		frame: func(ctx context.Context, c *dialects.Conn, _ dialects.Frame) (err error) {
			if x, err = c.Join(ctx, bridge.JoinRequest{Room: "r", Name: "me"}); err != nil {
				return err
			}
			for _, text := range []string{"one", "two", "three"} {
				if err := x.Do(ctx, bridge.Say{ID: bridge.NewMessageID(), Text: text}); err != nil {
					return err
				}
			}
			return nil
		},
		event: func(ctx context.Context, c *dialects.Conn, x *bridge.Session, e bridge.Event) error {
			if said, ok := e.(bridge.Said); ok {
				got = append(got, said.Text)
			}
			if len(got) == 2 {
				return c.Leave(ctx, x, bridge.ByWish)
			}
			return nil
		},
		lost: func(context.Context, *dialects.Conn, *bridge.Session, error) error {
			got = append(got, "lost")
			return nil
		},
	}
	inBubble(t, s, func(t *testing.T, n *node) {
		p := n.dial()
		p.send("x")
		wait(time.Second)
		if want := []string{"one", "two"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if len(s.closed()) != 0 {
			t.Errorf("closed with %v", s.closed())
		}
	})
}

// TestLost: a session that has lost its seat is the speaker's to judge, after its
// last event.
func TestLost(t *testing.T) {
	for name, goOn := range map[string]bool{"goes on": true, "ends": false} {
		t.Run(name, func(t *testing.T) {
			var told []string
			var n *node
			s := &talker{
				open: func(ctx context.Context, c *dialects.Conn) error {
					_, err := n.join(ctx, c)
					return err
				},
				event: func(_ context.Context, _ *dialects.Conn, _ *bridge.Session, e bridge.Event) error {
					told = append(told, fmt.Sprintf("%T", e))
					return nil
				},
				lost: func(_ context.Context, c *dialects.Conn, _ *bridge.Session, err error) error {
					told = append(told, bridge.CodeOf(err).String())
					if goOn {
						return c.Write([]byte("go on"))
					}
					return err
				},
			}
			inBubble(t, s, func(t *testing.T, node *node) {
				n = node
				w := n.member()
				p := n.dial()
				synctest.Wait()
				told = nil
				if err := w.Do(t.Context(), bridge.CloseRoom{}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if want := []string{"bridge.Ended", "closed"}; !slices.Equal(told, want) {
					t.Errorf("told %q, want %q", told, want)
				}
				if goOn {
					p.send("x")
					synctest.Wait()
					if s.taken() != 1 || len(p.got) != 1 {
						t.Errorf("the connection does not go on: %d frames, %q", s.taken(), p.got)
					}
					return
				}
				if code := p.closed(); code != websocket.CloseInternalServerErr {
					t.Errorf("closed with %d", code)
				}
			})
		})
	}
}

// TestLaggedSession: a speaker that is held up loses its seat, and that is
// counted.
func TestLaggedSession(t *testing.T) {
	var n *node
	hold := make(chan struct{})
	s := &talker{
		open: func(ctx context.Context, c *dialects.Conn) error {
			_, err := n.join(ctx, c)
			return err
		},
		frame: func(context.Context, *dialects.Conn, dialects.Frame) error {
			<-hold
			return nil
		},
	}
	inBubble(t, s, func(t *testing.T, node *node) {
		n, hold = node, make(chan struct{})
		w := n.member()
		p := n.dial()
		p.send("x")
		synctest.Wait()
		for range bridge.DefaultOutbox + 1 {
			if err := w.Do(t.Context(), bridge.Say{ID: bridge.NewMessageID(), Text: "x"}); err != nil {
				t.Fatal(err)
			}
			w.left()
		}
		close(hold)
		if code := p.closed(); code != websocket.ClosePolicyViolation {
			t.Errorf("closed with %d", code)
		}
		synctest.Wait()
		if k := n.env.Counts.Lagged.Load(); k != 1 || bridge.CodeOf(s.closed()[0]) != bridge.Lagged {
			t.Errorf("%d are counted as lagged, closed with %v", k, s.closed())
		}
	})
}

// TestJoinRefused: a join that is refused leaves nothing.
func TestJoinRefused(t *testing.T) {
	s := &talker{frame: func(ctx context.Context, c *dialects.Conn, _ dialects.Frame) error {
		_, err := c.Join(ctx, bridge.JoinRequest{Room: "nowhere"})
		if bridge.CodeOf(err) != bridge.NotFound {
			return errors.New("joined nowhere")
		}
		c.Refused()
		return c.Write([]byte("no"))
	}}
	inBubble(t, s, func(t *testing.T, n *node) {
		p := n.dial()
		p.send("x")
		if code := p.closed(); code != websocket.ClosePolicyViolation { // the join deadline
			t.Errorf("closed with %d", code)
		}
		if k := n.env.Counts.Refused.Load(); k != 1 {
			t.Errorf("%d frames are counted as refused", k)
		}
	})
}

// TestFramesWhileHeld: a frame is read only when there is somebody to take it.
func TestFramesWhileHeld(t *testing.T) {
	hold := make(chan struct{})
	s := &talker{frame: func(context.Context, *dialects.Conn, dialects.Frame) error {
		<-hold
		return nil
	}}
	inBubble(t, s, func(t *testing.T, n *node) {
		hold = make(chan struct{})
		n.o.Limits = dialects.Limits{Join: -1}
		p := n.dial()
		for range 10 {
			p.send("x")
		}
		wait(10 * time.Second)
		if k := n.env.Counts.FramesIn.Load(); s.taken() != 1 || k > 2 {
			t.Errorf("%d frames were read while one was worked on", k)
		}
		wait(50 * time.Second) // pongs wait behind the frames
		close(hold)
		wait(time.Second)
		if s.taken() != 10 || len(s.closed()) != 0 {
			t.Errorf("%d frames, closed with %v", s.taken(), s.closed())
		}
	})
}
