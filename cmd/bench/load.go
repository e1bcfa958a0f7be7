package bench

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"dragoman/media/mediatest"
)

// subject is what is measured.
type subject interface {
	// publish connects a client that publishes in a room.
	publish(ctx context.Context, c *mediatest.Client, room int, s Scenario) (*mediatest.Peer, error)
	// subscribe connects one that gets all that is published there, but for what it
	// publishes itself: who counts the publishers of the room, -1: none of them.
	subscribe(ctx context.Context, c *mediatest.Client, room, who int) (*mediatest.Peer, error)
	usage() (usage, error)
	stop() error
}

// load is the synthetic clients of a scenario.
type load struct {
	subject   subject
	kind      string          // of the track that is looked at
	joins     []time.Duration // from asking for a picture to a whole one
	bitrate   int
	clients   []*mediatest.Client
	senders   []*mediatest.Peer
	receivers []*mediatest.Peer
	before    []map[string]mediatest.Stats

	departures mediatest.Departures
}

// settled is how long a connection may take to come up.
const settled = 30 * time.Second

func (l *load) build(ctx context.Context, s Scenario) error {
	ctx, cancel := context.WithTimeout(ctx, settled+time.Duration(max(s.Rooms, 1)*(s.Publishers+s.Subscribers))*4*time.Second)
	defer cancel()
	watcher := mediatest.NewClient(mediatest.Config{FPS: 1, Bitrate: 8000, Departures: &l.departures})
	l.clients = append(l.clients, watcher)
	for i := range max(s.Rooms, 1) {
		if err := l.room(ctx, s, i, watcher); err != nil {
			return err
		}
	}
	for _, p := range l.receivers {
		if err := p.WaitPackets(ctx, "", l.kind, 5); err != nil {
			return err
		}
	}
	return nil
}

// room makes the connections of one room.
func (l *load) room(ctx context.Context, s Scenario, room int, watcher *mediatest.Client) error {
	for range s.Publishers {
		c := mediatest.NewClient(mediatest.Config{Bitrate: l.bitrate, FPS: 30, NoCandidates: true, Departures: &l.departures})
		l.clients = append(l.clients, c)
		p, err := l.subject.publish(ctx, c, room, s)
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		l.senders = append(l.senders, p)
	}
	who := slices.Repeat([]int{-1}, s.Subscribers)
	if s.Meeting {
		for i := range s.Publishers {
			who = append(who, i)
		}
	}
	for _, w := range who {
		begin := time.Now()
		p, err := l.subject.subscribe(ctx, watcher, room, w)
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		l.receivers = append(l.receivers, p)
		if !s.Audio && s.Publishers == 1 {
			l.joins = append(l.joins, firstFrame(ctx, p, begin))
		}
	}
	return nil
}

// firstFrame waits for a picture, but not for ever: a server may have too much to
// do.
func firstFrame(ctx context.Context, p *mediatest.Peer, begin time.Time) time.Duration {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if p.WaitVideo(ctx, "", 1) != nil {
		return patience
	}
	return time.Since(begin)
}

func (l *load) all() []*mediatest.Peer { return append(slices.Clone(l.senders), l.receivers...) }

// reset begins the measured part.
func (l *load) reset() {
	l.before = nil
	for _, p := range l.receivers {
		l.before = append(l.before, p.Stats())
		p.Delays(l.kind)
	}
}

// heapMost is what this process may keep, in bytes, until it collects garbage while something
// is measured.
const heapMost = 1 << 30

// calm clears up now, so that this process has not to while something is measured: Go's
// collector takes every processor that has nothing to do at the moment, and what is
// measured would wait for its turn. The returned function ends it.
func calm() (end func()) {
	runtime.GC()
	percent, most := debug.SetGCPercent(-1), debug.SetMemoryLimit(heapMost)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(most)
	}
}

// judge adds up what arrived in the measured part.
func (l *load) judge(r *Result) {
	var delays []time.Duration
	for i, p := range l.receivers {
		for key, now := range p.Stats() {
			was := l.before[i][key]
			r.Frames += now.Frames - was.Frames
			r.Damaged += now.Broken - was.Broken + now.Undecodable - was.Undecodable
			r.Lost += now.Lost - was.Lost
			r.Received += uint64(now.Packets - was.Packets)
		}
		delays = append(delays, p.Delays(l.kind)...)
	}
	slices.Sort(delays)
	if n := len(delays); n > 0 {
		r.Median, r.Worst = delays[n/2], delays[n*99/100]
	}
	slices.Sort(l.joins)
	if n := len(l.joins); n > 0 {
		r.Join = l.joins[n/2]
	}
}

func (l *load) close() {
	for _, c := range l.clients {
		c.Close()
	}
}
