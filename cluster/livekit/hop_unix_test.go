//go:build unix

package livekit

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	lk "github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// measured is how long each part of BenchmarkFederation takes.
const measured = 4 * time.Second

// delays are what frames have taken.
type delays struct {
	mu  sync.Mutex
	all []time.Duration
}

func (d *delays) add(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, took)
}

// median forgets what was before, waits, and returns the median in milliseconds.
func (d *delays) median(b *testing.B) float64 {
	b.Helper()
	d.mu.Lock()
	d.all = nil
	d.mu.Unlock()
	pass(measured)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) == 0 {
		b.Fatal("no frame came")
	}
	slices.Sort(d.all)
	return d.all[len(d.all)/2].Seconds() * 1000
}

// pass lets time pass: what is measured goes on by itself.
func pass(d time.Duration) { <-time.After(d) }

// used returns the CPU time that this process has used; the server is another one.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFederation measures what a room pays for being shared with a real LiveKit
// server on the same machine: by how much the median frame is later than one that goes
// from a LiveKit client to another, out of our rooms and into them, and how much CPU one
// more packet takes in either direction, the SDK's connection with it.
func BenchmarkFederation(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	s := livekittest.Start(b, livekittest.Options{})
	n := newMediaNode(b)
	for b.Loop() {
		late(ctx, b, s, n)
		costs(ctx, b, s, n)
	}
	b.ReportMetric(0, "ns/op") // it is as long as it was made
}

// late measures the delays.
func late(ctx context.Context, b *testing.B, s *livekittest.Server, n mediaNode) {
	b.Helper()
	var direct, out delays
	pat := s.Join(b, "late", "Pat", livekittest.JoinOptions{})
	must(b, pat.Publish(lk.TrackSource_CAMERA))
	vera := s.Join(b, "late", "Vera", livekittest.JoinOptions{Delay: direct.add})
	must(b, vera.WaitVideo(ctx, "Pat", lk.TrackSource_CAMERA, 10))
	base := direct.median(b)
	vera.Leave()

	v := newViewer(b, n, s, "late")
	v.open("Pat", true, true)
	w := n.watch(ctx, idOf("Pat", bridge.Camera))
	must(b, w.pc.WaitVideo(ctx, w.id.String(), 10))
	w.pc.Delays("video")
	pass(measured)
	in := w.pc.Delays("video")
	slices.Sort(in)
	if len(in) == 0 {
		b.Fatal("no frame came in")
	}
	b.ReportMetric(in[len(in)/2].Seconds()*1000-base, "ms-later-in")
	pat.Leave()

	p := newStand(ctx, b, n, s, "late out", false)
	cam := n.publish(ctx, false)
	p.set([]bridge.Publication{pubOf(cam, bridge.Live, bridge.Live)})
	vic := s.Join(b, "late out", "Vic", livekittest.JoinOptions{Delay: out.add})
	must(b, vic.WaitVideo(ctx, "ours/puppet", lk.TrackSource_CAMERA, 10))
	b.ReportMetric(out.median(b)-base, "ms-later-out")
	b.ReportMetric(base, "ms-direct")
	vic.Leave()
	cam.dev.Close()
}

// costs measures the CPU time of a packet that goes out, and of one that comes in, with
// what its sender needs for it: that sends nothing as long as nobody watches.
func costs(ctx context.Context, b *testing.B, s *livekittest.Server, n mediaNode) {
	b.Helper()
	span := func(packets func() uint64) (time.Duration, uint64) {
		cpu, count := used(b), packets()
		pass(measured)
		return used(b) - cpu, packets() - count
	}
	none := func() uint64 { return 0 }

	cam := n.peer(mediatest.Config{Level: 20}, bridge.PeerOptions{})
	cam.shoot(ctx, b)
	until(ctx, b, "the camera", func() bool { return n.Offer(cam.id).Here })
	before, _ := span(none)
	p := newStand(ctx, b, n, s, "cost out", false)
	p.set([]bridge.Publication{pubOf(cam, bridge.Live, bridge.Live)})
	until(ctx, b, "packets that go out", func() bool { return p.stats().Packets > 100 })
	after, packets := span(func() uint64 { return p.stats().Packets })
	b.ReportMetric(float64((after-before).Microseconds())/float64(packets), "µs/packet-out")
	cam.dev.Close()

	paul := s.Join(b, "cost in", "Paul", livekittest.JoinOptions{})
	must(b, paul.Publish(lk.TrackSource_CAMERA))
	before, _ = span(none)
	v := newViewer(b, n, s, "cost in")
	v.open("Paul", true, true)
	v.mu.Lock() // for somebody who costs nothing
	v.always = map[bridge.PublicationID]media.RelayWish{idOf("Paul", bridge.Camera): {Room: "room", Video: true, Layers: []string{""}}}
	v.mu.Unlock()
	until(ctx, b, "packets that come in", func() bool { return v.stats().Packets > 100 })
	after, packets = span(func() uint64 { return v.stats().Packets })
	b.ReportMetric(float64((after-before).Microseconds())/float64(packets), "µs/packet-sent-and-in")
	paul.Leave()
}
