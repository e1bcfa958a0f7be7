package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

// load is the synthetic clients of a scenario.
type load struct {
	engine    *process
	bitrate   int
	clients   []*mediatest.Client
	senders   []*mediatest.Peer
	receivers []*mediatest.Peer
	before    []map[string]mediatest.Stats
}

// settled is how long a connection may take to come up.
const settled = 30 * time.Second

func (l *load) build(ctx context.Context, s Scenario) error {
	ctx, cancel := context.WithTimeout(ctx, settled+time.Duration(max(s.Rooms, 1)*(s.Publishers+s.Subscribers))*time.Second)
	defer cancel()
	watcher := mediatest.NewClient(mediatest.Config{FPS: 1, Bitrate: 8000})
	l.clients = append(l.clients, watcher)
	for range max(s.Rooms, 1) {
		if err := l.room(ctx, s, watcher); err != nil {
			return err
		}
	}
	for _, p := range l.receivers {
		kind := "video"
		if s.Audio {
			kind = "audio"
		}
		if err := p.WaitPackets(ctx, "", kind, 5); err != nil {
			return err
		}
	}
	return nil
}

// room makes the connections of one room.
func (l *load) room(ctx context.Context, s Scenario, watcher *mediatest.Client) error {
	var pubs []bridge.PublicationID
	for range s.Publishers {
		id := bridge.NewPublicationID()
		if err := l.publish(ctx, id, !s.Audio); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		pubs = append(pubs, id)
	}
	var wanted [][]bridge.PublicationID
	for range s.Subscribers {
		wanted = append(wanted, pubs)
	}
	if s.Meeting {
		for i := range pubs {
			wanted = append(wanted, slices.Delete(slices.Clone(pubs), i, i+1))
		}
	}
	for _, ids := range wanted {
		if err := l.subscribe(ctx, watcher, ids); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

func (l *load) publish(ctx context.Context, id bridge.PublicationID, video bool) error {
	c := mediatest.NewClient(mediatest.Config{Bitrate: l.bitrate, NoCandidates: true})
	l.clients = append(l.clients, c)
	p, err := c.Peer()
	if err != nil {
		return err
	}
	if err := p.Publish(true, video); err != nil {
		return err
	}
	l.senders = append(l.senders, p)
	return l.connect(ctx, p, request{Op: "publish", Pubs: []bridge.PublicationID{id}})
}

func (l *load) subscribe(ctx context.Context, c *mediatest.Client, ids []bridge.PublicationID) error {
	p, err := c.Peer()
	if err != nil {
		return err
	}
	l.receivers = append(l.receivers, p)
	return l.connect(ctx, p, request{Op: "subscribe", Pubs: ids})
}

// connect negotiates an offer of the engine's.
func (l *load) connect(ctx context.Context, p *mediatest.Peer, r request) error {
	offer, err := l.engine.call(r)
	if err != nil {
		return err
	}
	answer, err := p.Answer(ctx, offer.SDP)
	if err != nil {
		return err
	}
	if _, err := l.engine.call(request{Op: "accept", Peer: offer.Peer, SDP: answer}); err != nil {
		return err
	}
	return p.WaitConnected(ctx)
}

func (l *load) all() []*mediatest.Peer { return append(slices.Clone(l.senders), l.receivers...) }

// reset begins the measured part.
func (l *load) reset() {
	l.before = nil
	for _, p := range l.receivers {
		l.before = append(l.before, p.Stats())
		p.Delays()
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
		}
		delays = append(delays, p.Delays()...)
	}
	slices.Sort(delays)
	if n := len(delays); n > 0 {
		r.Median, r.Worst = delays[n/2], delays[n*99/100]
	}
}

func (l *load) close() {
	for _, c := range l.clients {
		c.Close()
	}
}
