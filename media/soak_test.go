package media_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

// footprint is what is left when everything that ends has ended.
type footprint struct{ memory, goroutines int }

// settled returns the footprint once it does not shrink any more.
func settled() footprint {
	least := footprint{memory: 1 << 62}
	for range 10 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		now := footprint{int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
		if now.memory >= least.memory {
			break
		}
		least = now
	}
	return least
}

// Who joins and leaves leaves nothing behind: what the engine and its clients hold does
// not depend on how many there have been. It is not run beside other tests, because it
// looks at the memory of the process. The long version is a scenario of the bench.
func TestJoinsAndLeavesLeaveNothing(t *testing.T) {
	const (
		before = 40 // until pools and maps have grown
		joins  = 500
		each   = 1500 // bytes: less than anything that a connection could leave
	)
	e, watcher := newEngine(t), newClient(t, mediatest.Config{FPS: 1, Bitrate: 8000})
	ctx := t.Context()
	camera, id := newClient(t, mediatest.Config{FPS: 5, Bitrate: 20_000}), bridge.NewPublicationID() // so that what repairs are kept for is small
	up, p := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, camera)
	must(t, up.Receive(id, bridge.Camera))
	must(t, p.Publish(true, true))
	offer, err := p.Offer(ctx)
	must(t, err)
	answer, err := up.Answer(ctx, bridge.SDP(offer))
	must(t, err)
	// Without repairs of sound, for which the camera would keep a thousand packets.
	must(t, p.Accept(ctx, strings.ReplaceAll(string(answer), "a=rtcp-fb:111 nack\r\n", "")))
	visit := func() {
		s, err := e.NewPeer(ctx, bridge.PeerConfig{ID: bridge.NewPeerID(), Owner: bridge.NewParticipantID(), Notify: func(bridge.Event) {}})
		must(t, err)
		must(t, s.Send(id, bridge.SendOptions{}))
		c := newPeer(t, watcher)
		offer, err := s.Offer(ctx)
		must(t, err)
		answer, err := c.Answer(ctx, string(offer))
		must(t, err)
		must(t, s.Accept(ctx, bridge.SDP(answer)))
		must(t, c.WaitPackets(ctx, id.String(), "audio", 1))
		must(t, s.Close())
		must(t, c.Close())
	}
	for range before {
		visit()
	}
	was, begin := settled(), time.Now()
	for range joins {
		visit()
	}
	is := settled()
	t.Logf("%d joins and leaves in %s: %d KiB, then %d KiB; %d goroutines, then %d",
		joins, time.Since(begin), was.memory>>10, is.memory>>10, was.goroutines, is.goroutines)
	if is.memory > was.memory+joins*each || is.goroutines > was.goroutines+10 {
		t.Errorf("grown from %+v to %+v", was, is)
	}
	if n := len(e.PeerStats()); n != 1 {
		t.Errorf("%d peers are left", n)
	}
}
