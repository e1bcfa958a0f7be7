package bridge_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"dragoman/bridge"
)

// fill seats n people who read nothing.
func fill(tb testing.TB, n int, cfg bridge.LocalConfig) (*bridge.Local, []*bridge.Session) {
	tb.Helper()
	l := bridge.NewLocal(cfg)
	tb.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	sessions := make([]*bridge.Session, n)
	for i := range sessions {
		s, err := l.Join(context.Background(), bridge.JoinRequest{Room: "r", Create: &bridge.Spec{}, Name: fmt.Sprint(i)})
		if err != nil {
			tb.Fatal(err)
		}
		sessions[i] = s
	}
	for _, s := range sessions {
		if _, err := s.Drain(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}
	return l, sessions
}

// BenchmarkBroadcast is one command that everybody is told of, from its post to its
// answer: the round trip to the loop and the work in it. Target: 10 µs in the loop
// for 100 members.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		for name, command := range map[string]func(i int) bridge.Command{
			"state":   func(i int) bridge.Command { return bridge.RaiseHand{Up: i%2 == 0} },
			"message": func(int) bridge.Command { return bridge.Say{ID: bridge.NewMessageID(), Text: "x"} },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				_, sessions := fill(b, n, bridge.LocalConfig{Outbox: 2 * n})
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if err := sessions[0].Do(context.Background(), command(i)); err != nil {
						b.Fatal(err)
					}
					if i%n == n-1 {
						b.StopTimer()
						for _, s := range sessions {
							_, _ = s.Drain(context.Background())
						}
						b.StartTimer()
					}
				}
			})
		}
	}
}

// BenchmarkDo is a command that nobody is told of: the round trip alone.
func BenchmarkDo(b *testing.B) {
	_, sessions := fill(b, 1, bridge.LocalConfig{})
	b.ReportAllocs()
	for range b.N {
		if err := sessions[0].Do(context.Background(), bridge.Enter{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJoin1000 is 1 000 joins of one room, one after another, each told to all
// who are there. Target: 1 s.
func BenchmarkJoin1000(b *testing.B) {
	for range b.N {
		began := time.Now()
		l, _ := fill(b, 1000, bridge.LocalConfig{Outbox: 1000})
		b.ReportMetric(time.Since(began).Seconds(), "s/1000joins")
		if err := l.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
