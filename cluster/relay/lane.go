package relay

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
	"dragoman/media"
)

// lane is the one way of media between this node and another one.
type lane struct {
	node  bridge.NodeID
	id    uint64
	relay *media.Relay // nil until its address is known, at the end that opens it
	ready chan struct{}
	ctx   context.Context // ends with the lane
	stop  context.CancelFunc
	ours  bool // this end opens it
	serve *server

	// Guarded by the mutex of the Relays.
	err     error     // why it did not come up; set before ready is closed
	used    time.Time // when there were tracks last
	deaf    time.Time // since when the node does not answer; zero: it does
	counted bool      // what has gone over it is in past
	leaving bool      // it is being closed from here
}

// up reports whether tracks may go over the lane.
func (l *lane) up() bool {
	select {
	case <-l.ready:
		return l.ctx.Err() == nil
	default:
		return false
	}
}

func (r *Relays) newLane(node bridge.NodeID, id uint64, ours bool) *lane {
	l := &lane{node: node, id: id, ready: make(chan struct{}), ours: ours, used: time.Now()}
	l.ctx, l.stop = context.WithCancel(r.ctx)
	l.serve = newServer(r, l)
	return l
}

// lane returns the way to a node when it is up, and opens it if need be.
func (r *Relays) lane(ctx context.Context, node bridge.NodeID) (*lane, error) {
	r.mu.Lock()
	l := r.lanes[node]
	if l == nil {
		if r.ctx.Err() != nil {
			r.mu.Unlock()
			return nil, r.ctx.Err()
		}
		l = r.newLane(node, rand.Uint64(), true)
		r.lanes[node] = l
		r.tasks.Go(func() { r.open(l) })
	}
	r.mu.Unlock()
	select {
	case <-l.ready:
	case <-l.ctx.Done():
		return nil, bridge.Errorf(bridge.Unavailable, "the way to the node was closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return l, l.err
}

// open opens a lane from this end.
func (r *Relays) open(l *lane) {
	ctx, cancel := context.WithTimeout(l.ctx, openTime)
	defer cancel()
	err := r.begin(ctx, l)
	if err == nil {
		var answer any
		answer, err = r.cfg.Cluster.Ask(ctx, l.node, endOf(l))
		if end, ok := answer.(link.RelayEnd); err == nil && ok {
			err = l.relay.Connect(ctx, paramsOf(end))
		} else if err == nil {
			err = bridge.Errorf(bridge.Internal, "the node does not answer what it was asked")
		}
	}
	r.settle(l, err)
}

// begin makes this end's relay.
func (r *Relays) begin(ctx context.Context, l *lane) error {
	relay, err := r.cfg.Media.NewRelay(ctx, media.RelayConfig{
		Peer: string(l.node), Controlling: r.cfg.Cluster.Self() < l.node, Networks: r.networks,
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	l.relay = relay
	r.mu.Unlock()
	return nil
}

func endOf(l *lane) link.RelayEnd {
	p := l.relay.Params()
	return link.RelayEnd{Relay: l.id, Ufrag: p.Ufrag, Password: p.Password, Candidates: p.Candidates, Fingerprint: p.Fingerprint}
}

func paramsOf(e link.RelayEnd) media.RelayParams {
	return media.RelayParams{Ufrag: e.Ufrag, Password: e.Password, Candidates: e.Candidates, Fingerprint: e.Fingerprint}
}

// settle says whether a lane is up, and watches over one that is.
func (r *Relays) settle(l *lane, err error) {
	r.mu.Lock()
	l.err = err
	l.used = time.Now()
	r.mu.Unlock()
	wanted := l.ctx.Err() == nil
	if err != nil {
		l.stop() // before anybody takes it for one that is up
	}
	close(l.ready)
	if err != nil {
		if wanted && bridge.CodeOf(err) != bridge.Exists {
			r.count.failed.Add(1)
			r.log.Warn("no way for media to a node", "peer", string(l.node), "err", err)
		}
		r.remove(l)
		r.end(l)
		return
	}
	r.count.opened.Add(1)
	r.log.Info("media lane up", "peer", string(l.node))
	r.tasks.Go(func() {
		select {
		case <-l.relay.Over():
			if l.ctx.Err() == nil && !r.leaves(l) {
				r.count.lost.Add(1)
				r.log.Warn("media lane lost", "peer", string(l.node))
			}
		case <-l.ctx.Done():
		}
		r.remove(l)
		r.end(l)
	})
}

// remove forgets a lane.
func (r *Relays) remove(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lanes[l.node] == l {
		delete(r.lanes, l.node)
	}
}

// end closes a lane, and with it all that goes over it.
func (r *Relays) end(l *lane) {
	l.stop()
	r.mu.Lock()
	relay := l.relay
	r.mu.Unlock()
	if relay == nil {
		return
	}
	if err := relay.Close(); err != nil {
		r.log.Debug("a relay did not close well", "peer", string(l.node), "err", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !l.counted {
		l.counted = true
		r.past.add(relay.Stats().RelayCounts)
	}
}

// leaves reports whether a lane is being closed from here.
func (r *Relays) leaves(l *lane) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.leaving
}

// bye tells the other end that this one closes.
func (r *Relays) bye(l *lane) {
	r.mu.Lock()
	l.leaving = true
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), time.Second)
	defer cancel()
	if l.up() && r.cfg.Cluster.Usable(l.node) {
		_, _ = r.cfg.Cluster.Ask(ctx, l.node, link.RelayBye{Relay: l.id}) // or it finds out
	}
}

// tidy closes lanes that nothing goes over, or whose node does not answer.
func (r *Relays) tidy(now time.Time) {
	r.mu.Lock()
	lanes := slices.Collect(maps.Values(r.lanes))
	r.mu.Unlock()
	for _, l := range lanes {
		asked := l.serve.tidy(now)
		if l.up() && r.worn(l, asked, now) {
			r.remove(l)
			r.tasks.Go(func() {
				r.bye(l)
				r.end(l)
			})
		}
	}
}

// worn reports whether a lane is of no use any more. Asked says that the node at its
// other end asks for something.
func (r *Relays) worn(l *lane, asked bool, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if asked || r.pullers[l.node] != nil {
		l.used = now
	}
	switch {
	case r.cfg.Cluster.Usable(l.node):
		l.deaf = time.Time{}
	case l.deaf.IsZero():
		l.deaf = now
	}
	return now.Sub(l.used) > idleTime || !l.deaf.IsZero() && now.Sub(l.deaf) > deafTime
}

// Serve implements link.Handler: what other nodes want of this one.
func (r *Relays) Serve(ctx context.Context, first *link.Envelope, s *link.Stream) {
	defer context.AfterFunc(r.ctx, s.Close)()
	switch body := first.Body.(type) {
	case link.RelayEnd:
		end, err := r.answer(ctx, s.Peer, body)
		if err != nil {
			_ = s.Send(&link.Envelope{Number: first.Number, Err: err})
			return
		}
		_ = s.Send(&link.Envelope{Number: first.Number, Body: end})
	case link.RelayBye:
		r.mu.Lock()
		l := r.lanes[s.Peer]
		r.mu.Unlock()
		if l != nil && l.id == body.Relay {
			r.remove(l)
			l.stop()
		}
		_ = s.Send(&link.Envelope{Number: first.Number})
	case link.RelayPull:
		if err := r.served(ctx, body, s); err != nil {
			_ = s.Send(&link.Envelope{Number: first.Number, Err: err})
		}
	}
}

// answer opens the other end of a lane that a node opens. Where both do at once, that
// of the node with the smaller id stays.
func (r *Relays) answer(ctx context.Context, from bridge.NodeID, q link.RelayEnd) (link.RelayEnd, error) {
	l := r.newLane(from, q.Relay, false)
	r.mu.Lock()
	was := r.lanes[from]
	switch {
	case r.ctx.Err() != nil:
		r.mu.Unlock()
		return link.RelayEnd{}, bridge.Errorf(bridge.Unavailable, "the server is shutting down")
	case was != nil && was.ours && !was.up() && r.cfg.Cluster.Self() < from:
		r.mu.Unlock()
		return link.RelayEnd{}, bridge.Errorf(bridge.Exists, "a relay is being opened from here")
	}
	r.lanes[from] = l
	r.mu.Unlock()
	if was != nil {
		was.stop() // its other end is gone, or gives way
	}
	if err := r.begin(ctx, l); err != nil {
		r.settle(l, err)
		return link.RelayEnd{}, err
	}
	r.spawn(func() {
		ctx, cancel := context.WithTimeout(l.ctx, openTime)
		defer cancel()
		r.settle(l, l.relay.Connect(ctx, paramsOf(q)))
	})
	return endOf(l), nil
}

// served serves a stream of a node that wants media.
func (r *Relays) served(ctx context.Context, first link.RelayPull, s *link.Stream) error {
	r.mu.Lock()
	l := r.lanes[s.Peer]
	r.mu.Unlock()
	if l == nil || l.id != first.Relay {
		return bridge.Errorf(bridge.NotFound, "there is no such relay")
	}
	wait, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	select {
	case <-l.ready:
	case <-wait.Done():
	}
	if !l.up() {
		return bridge.Errorf(bridge.Unavailable, "the relay is not up")
	}
	if err := l.serve.run(ctx, first, s); err != nil && !errors.Is(err, context.Canceled) {
		r.log.Debug("a node does not ask for media any more", "peer", string(s.Peer), "err", err)
	}
	return nil
}
