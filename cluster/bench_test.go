package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
	"dragoman/cluster"
)

// benchPair is two nodes over loopback with TLS; the room runs on the second, and the
// sessions are of the first.
func benchPair(b *testing.B, members int) []*bridge.Session {
	b.Helper()
	dir := b.TempDir()
	var nodes []*cluster.Running
	for _, name := range []string{"a", "b"} {
		s := benchSettings(b, dir, name)
		if len(nodes) > 0 {
			s.Seeds = []string{nodes[0].Gossip.View().Nodes[0].Gossip}
		}
		local := bridge.NewLocal(bridge.LocalConfig{Media: &bridgetest.Media{}, Outbox: 1 << 16})
		n, err := cluster.Start(s, cluster.Parts{Local: local})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = n.Leave(context.Background())
			_ = local.Close(context.Background())
		})
		nodes = append(nodes, n)
	}
	for nodes[0].Stats().Links.Usable == 0 || nodes[1].Stats().Links.Usable == 0 {
		<-time.After(10 * time.Millisecond)
	}
	room := bridge.RoomID("")
	for i := 0; room == ""; i++ {
		name := bridge.RoomID(fmt.Sprint(i))
		if home, _ := cluster.HomeOf(name, nodes[0].Gossip.View().Nodes); home.ID == nodes[1].Gossip.Self().ID {
			room = name
		}
	}
	var all []*bridge.Session
	for i := range members {
		s, err := nodes[0].Join(b.Context(), bridge.JoinRequest{Room: room, Name: fmt.Sprint(i), Create: &bridge.Spec{}})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// BenchmarkCommand is a command to a room of another node, and its answer.
func BenchmarkCommand(b *testing.B) {
	s := benchPair(b, 1)[0]
	for i := 0; b.Loop(); i++ {
		if err := s.Do(b.Context(), bridge.RaiseHand{Up: i%2 == 0}); err != nil {
			b.Fatal(err)
		}
		if i%64 == 0 {
			_, _ = s.Drain(b.Context())
		}
	}
}

// BenchmarkTellMany is the same where a hundred clients of the node are told.
func BenchmarkTellMany(b *testing.B) {
	all := benchPair(b, 100)
	for i := 0; b.Loop(); i++ {
		if err := all[0].Do(b.Context(), bridge.RaiseHand{Up: i%2 == 0}); err != nil {
			b.Fatal(err)
		}
		if i%64 == 0 {
			for _, s := range all {
				_, _ = s.Drain(b.Context())
			}
		}
	}
}

// BenchmarkManyAtOnce is commands of a hundred clients at the same time: what one
// stream carries.
func BenchmarkManyAtOnce(b *testing.B) {
	all := benchPair(b, 100)
	done := make(chan struct{})
	each := b.N/len(all) + 1
	b.ResetTimer()
	for _, s := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range each {
				if err := s.Do(b.Context(), bridge.ReportQuality{Score: i % 6}); err != nil {
					b.Error(err)
					return
				}
				_, _ = s.Drain(b.Context())
			}
		}()
	}
	for range all {
		<-done
	}
}
