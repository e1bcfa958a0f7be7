package livekit

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
)

const (
	mediaTime = 200 * time.Millisecond // between looks at media
	maxSays   = 64                     // messages that wait for a connection
	sayTime   = 30 * time.Second       // how long they are worth it
)

// say is a message on its way out.
type say struct {
	id   string
	text string
	to   []string // identities; none: all
	at   time.Time
}

// puppet is a participant of ours in a LiveKit room: a connection that has its name and
// gives what it gives.
type puppet struct {
	server  *server
	theirs  string
	cluster string
	node    bridge.NodeID
	id      bridge.ParticipantID
	hears   bool
	media   *tracks       // nil: there are no media here
	renew   chan struct{} // a new connection is needed; capacity 1
	whisper func(chat)    // takes what may be for this participant alone; does not wait
	kicked  func(bridge.ParticipantID)
	log     *slog.Logger
	status  status
	wake    chan struct{} // what it should be has changed; capacity 1
	says    chan say
	stop    context.CancelFunc
	done    chan struct{}
	conn    *lksdk.Room
	feed    *feed
	retry   time.Time          // until then the server is not told again what it did not take
	told    bridge.Participant // as the server has been told

	mu     sync.Mutex
	is     bridge.Participant
	pubs   []bridge.Publication
	up     bool
	halted time.Time // since when it is out for good; zero: it comes back by itself
}

// start begins a puppet in a goroutine of tasks.
func (p *puppet) start(ctx context.Context, tasks *sync.WaitGroup) {
	ctx, p.stop = context.WithCancel(ctx)
	p.wake, p.says, p.done = make(chan struct{}, 1), make(chan say, maxSays), make(chan struct{})
	p.status.set(Connecting, nil)
	tasks.Go(func() {
		defer close(p.done)
		defer p.server.free()
		p.run(ctx)
	})
}

// close ends a puppet; it leaves the LiveKit room soon.
func (p *puppet) close() { p.stop() }

// set says what the participant is like.
func (p *puppet) set(is bridge.Participant, pubs []bridge.Publication) {
	p.mu.Lock()
	p.is, p.pubs = is, pubs
	p.mu.Unlock()
	nudge(p.wake)
}

// say has the puppet say something.
func (p *puppet) say(s say) {
	select {
	case p.says <- s:
	default:
		p.server.count.dropped.Add(1)
	}
}

func (p *puppet) desired() (bridge.Participant, []bridge.Publication) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.is, p.pubs
}

// ready reports whether the puppet is in the LiveKit room, and since when it is out of
// it for good; zero: it is not.
func (p *puppet) ready() (up bool, halted time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up, p.halted
}

func (p *puppet) note(up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = up
}

func (p *puppet) run(ctx context.Context) {
	var wait backoff
	for ctx.Err() == nil {
		is, _ := p.desired()
		c := p.server.connect(ctx, p.identity(is), p.hears, p.callbacks)
		if ctx.Err() != nil {
			hangUp(c.room)
			break
		}
		if c.err != nil {
			p.status.set(Failed, c.err)
			p.log.Warn("a participant does not get into the LiveKit room", "participant", p.id.String(), "err", c.err)
			if !pause(ctx, wait.next(c.err)) {
				break
			}
			continue
		}
		wait.reset()
		why := p.serve(ctx, c, is)
		if ctx.Err() != nil {
			break
		}
		if why == livekit.DisconnectReason_MIGRATION { // to a new connection
			continue
		}
		p.server.count.lost.Add(1)
		if !p.goesOn(ctx, why, &wait) {
			break
		}
	}
	if p.media != nil {
		p.media.close()
	}
}

// identity is who the participant is there.
func (p *puppet) identity(is bridge.Participant) identity {
	kind := livekit.ParticipantInfo_BRIDGE
	if p.server.PuppetKind == kindStandard {
		kind = livekit.ParticipantInfo_STANDARD
	}
	return identity{
		id: puppetIdentity(p.cluster, p.id), name: cmp.Or(is.Name, is.Dialect), kind: kind,
		attrs: p.attrs(is), grant: puppetGrant(p.theirs, is.Can),
	}
}

func (p *puppet) attrs(is bridge.Participant) map[string]string {
	attrs := map[string]string{
		attrCluster: p.cluster, attrNode: string(p.node), attrParticipant: p.id.String(), attrDialect: is.Dialect,
		attrPath: extend(is.Attrs[attrPath], p.cluster),
	}
	if server, ok := federated(is); ok {
		attrs[attrOrigin] = server
	}
	if !is.Hand.IsZero() {
		attrs[attrHand] = handValue(is.Hand)
	}
	return attrs
}

func (p *puppet) callbacks(cb *lksdk.RoomCallback) {
	if p.media == nil {
		return
	}
	own := p.media.callbacks()
	cb.ParticipantCallback.Merge(&own)
	cb.OnLocalTrackSubscribed = p.media.subscribed
}

// serve keeps a connection like the participant until it ends, and returns why it did.
func (p *puppet) serve(ctx context.Context, c connection, is bridge.Participant) livekit.DisconnectReason {
	p.conn, p.feed, p.told, p.retry = c.room, c.feed, is, time.Time{}
	p.note(true)
	p.status.set(Up, nil)
	defer func() {
		p.note(false)
		c.room.Disconnect()
	}()
	if p.media != nil {
		p.media.attach(c.room)
	}
	tick := time.NewTicker(mediaTime)
	defer tick.Stop()
	p.follow(ctx)
	for {
		select {
		case <-ctx.Done():
			return livekit.DisconnectReason_CLIENT_INITIATED
		case <-p.feed.over:
			return c.room.DisconnectReason()
		case <-p.wake:
			p.follow(ctx)
		case <-p.renew:
			return livekit.DisconnectReason_MIGRATION
		case <-p.feed.changed:
			p.returned(ctx)
		case m := <-p.feed.heard:
			p.whisper(m)
		case s := <-p.says:
			p.utter(s)
		case now := <-tick.C:
			if p.media != nil {
				p.media.look(now)
			}
		}
	}
}

// returned looks whether the connection was lost and is back.
func (p *puppet) returned(ctx context.Context) {
	if _, lost := p.feed.lostAt(); lost {
		p.status.set(Connecting, nil)
		return
	}
	p.status.set(Up, nil)
	if !p.feed.back.CompareAndSwap(true, false) {
		return
	}
	if p.media != nil {
		p.media.reconnected()
	}
	p.told, p.retry = bridge.Participant{}, time.Time{} // the server may have forgotten
	p.follow(ctx)
}

// follow makes the connection what the participant is.
func (p *puppet) follow(ctx context.Context) {
	is, pubs := p.desired()
	if p.media != nil {
		p.media.set(pubs)
		p.media.look(time.Now())
	}
	if is.Name == p.told.Name && is.Hand.Equal(p.told.Hand) && is.Can == p.told.Can || time.Now().Before(p.retry) {
		return
	}
	req := &livekit.UpdateParticipantRequest{
		Room: p.theirs, Identity: puppetIdentity(p.cluster, p.id), Name: cmp.Or(is.Name, is.Dialect),
		Attributes: map[string]string{attrHand: handValue(is.Hand)},
	}
	if is.Can != p.told.Can {
		sources := puppetSources(is.Can)
		req.Permission = &livekit.ParticipantPermission{CanPublish: len(sources) > 0, CanPublishSources: sources, CanPublishData: true}
	}
	err := p.server.ask(ctx, p.theirs, func(ctx context.Context, api livekit.RoomService) error {
		_, err := api.UpdateParticipant(ctx, req)
		return err
	})
	if err == nil {
		p.told = is
	} else {
		p.retry = time.Now().Add(retryTime)
		p.log.Warn("LiveKit does not take how a participant has changed", "participant", p.id.String(), "err", err)
	}
}

// utter says something.
func (p *puppet) utter(s say) {
	if time.Since(s.at) > sayTime {
		p.server.count.dropped.Add(1)
		return
	}
	if err := streamText(p.conn, s.id, s.text, s.at, s.to); err != nil {
		p.server.count.dropped.Add(1)
		p.log.Info("a message does not get into the LiveKit room", "participant", p.id.String(), "err", p.server.scrub(err, ""))
		return
	}
	p.server.count.chats.Add(1)
}

// goesOn decides whether a connection that has ended is made again, and waits until it is
// time (federation-and-cluster.md 6.7).
func (p *puppet) goesOn(ctx context.Context, why livekit.DisconnectReason, wait *backoff) bool {
	p.log.Info("a participant has lost its connection to LiveKit", "participant", p.id.String(), "reason", why.String())
	switch why {
	case livekit.DisconnectReason_DUPLICATE_IDENTITY: // it is on another node now
		p.halt(nil)
		return false
	case livekit.DisconnectReason_PARTICIPANT_REMOVED:
		p.halt(bridge.Errorf(bridge.Forbidden, "a participant was removed there"))
		p.kicked(p.id)
		return false
	case livekit.DisconnectReason_ROOM_DELETED:
		p.status.set(Failed, bridge.Errorf(bridge.Closed, "their room was closed there"))
		return pause(ctx, refusedTime)
	}
	p.status.set(Connecting, nil)
	return pause(ctx, wait.next(nil))
}

func (p *puppet) halt(err error) {
	p.mu.Lock()
	p.halted = time.Now()
	p.mu.Unlock()
	p.status.set(Waiting, err)
}
