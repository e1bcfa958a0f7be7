package livekit

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
)

// view is a hidden connection that takes streams of one quality. What has no lock belongs
// to its goroutine.
type view struct {
	v       *views
	quality livekit.VideoQuality
	wake    chan struct{} // capacity 1
	ctx     context.Context
	stop    context.CancelFunc
	up      atomic.Bool
	again   atomic.Bool // the connection has come back
	news    atomic.Bool // there may be other tracks in the room
	idle    time.Time   // of views: since when it is not used
	subs    map[target]*subscription
	left    map[string]time.Time // when tracks were given up that the server may still send, by SID
	all     map[target]found     // tracks of the room, as of …
	looked  time.Time
	talking []string
	dog     watchdog
	reads   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	wanted map[target]bool
	asked  map[target]string              // SIDs of what the server was asked for: subs
	tracks map[*webrtc.TrackRemote]string // that are read, with their SIDs
	over   bool                           // none is any more
}

// subscription is a stream that the server was asked for.
type subscription struct {
	sid   string
	pub   *lksdk.RemoteTrackPublication
	rp    *lksdk.RemoteParticipant
	watch silence
	renew time.Time // it is given up, to be asked for again then; zero: it is not
}

const (
	minWait = time.Second      // between connections, and twice as long each time …
	maxWait = 30 * time.Second // … up to that
	// steady is how long a connection was good if the next one is made at once.
	steady     = 10 * time.Second
	keyTime    = 500 * time.Millisecond // between requests for key frames
	surveyTime = time.Second            // between looks at the room that nothing has called for
	renewTime  = 500 * time.Millisecond // between giving a stream up and asking for it again
	leaveTime  = 3 * time.Second        // the server may take to end a stream
)

func newView(v *views, q livekit.VideoQuality) *view {
	c := &view{v: v, quality: q, wake: make(chan struct{}, 1), tracks: map[*webrtc.TrackRemote]string{}}
	c.ctx, c.stop = context.WithCancel(v.ctx)
	return c
}

func (c *view) want(all map[target]bool) {
	c.mu.Lock()
	c.wanted = all
	c.mu.Unlock()
	c.nudge()
}

func (c *view) nudge() { nudge(c.wake) }

// run keeps a connection until it is not needed any more.
func (c *view) run() {
	for wait := minWait; c.ctx.Err() == nil; wait = min(2*wait, maxWait) {
		began := time.Now()
		c.session()
		if time.Since(began) > steady {
			wait = minWait
		}
		late := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-late.C:
		case <-c.ctx.Done():
			late.Stop()
		}
	}
}

// session is one connection.
func (c *view) session() {
	lost := make(chan struct{})
	end := sync.OnceFunc(func() { close(lost) })
	name := "view-" + strings.ToLower(c.quality.String())
	room, err := c.v.cfg.dial(c.ctx, name, c.callbacks(end))
	if err != nil {
		if c.ctx.Err() == nil {
			c.v.count.failed.Add(1)
			c.v.cfg.log.Warn("no connection for LiveKit's media", "view", name, "err", err)
		}
		return
	}
	c.v.count.connections.Add(1)
	c.up.Store(true)
	c.dog = watchdog{since: time.Now(), wait: c.dog.wait}
	c.subs, c.left = map[target]*subscription{}, map[string]time.Time{}
	c.news.Store(true)
	c.mu.Lock()
	c.over = false
	c.mu.Unlock()
	c.follow(room, lost)
	c.up.Store(false)
	c.drain()
	room.Disconnect()
	c.talk(nil)
}

// follow sees to it that what is wanted comes, until the connection is lost.
func (c *view) follow(room *lksdk.Room, lost <-chan struct{}) {
	ticker := time.NewTicker(reconcileTime)
	defer ticker.Stop()
	for {
		now := time.Now()
		c.reconcile(room, now)
		if c.dog.look(c, now) {
			c.v.cfg.log.Warn("nothing comes over a connection to LiveKit: it is made anew", "view", c.quality.String())
			return
		}
		select {
		case <-c.wake:
		case <-ticker.C:
		case <-lost:
			c.v.count.lost.Add(1)
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// callbacks leave word. lost is called when the connection is no more.
func (c *view) callbacks(lost func()) *lksdk.RoomCallback {
	return &lksdk.RoomCallback{
		OnDisconnected: lost,
		OnReconnected: func() {
			c.v.count.reconnected.Add(1)
			c.again.Store(true)
			c.changed()
		},
		OnParticipantConnected:    func(*lksdk.RemoteParticipant) { c.changed() },
		OnParticipantDisconnected: func(*lksdk.RemoteParticipant) { c.changed() },
		OnActiveSpeakersChanged:   func([]lksdk.Participant) { c.nudge() },
		ParticipantCallback: lksdk.ParticipantCallback{
			OnTrackPublished:   func(*lksdk.RemoteTrackPublication, *lksdk.RemoteParticipant) { c.changed() },
			OnTrackUnpublished: func(*lksdk.RemoteTrackPublication, *lksdk.RemoteParticipant) { c.changed() },
			OnTrackMuted:       func(lksdk.TrackPublication, lksdk.Participant) { c.changed() },
			OnTrackUnmuted:     func(lksdk.TrackPublication, lksdk.Participant) { c.changed() },
			OnTrackSubscribed:  c.receive,
		},
	}
}

// changed notes that the room may have other tracks.
func (c *view) changed() {
	c.news.Store(true)
	c.nudge()
}

// reconcile compares what is wanted with what was asked for.
func (c *view) reconcile(room *lksdk.Room, now time.Time) {
	if c.again.Swap(false) {
		c.subs = map[target]*subscription{} // asked for once more
	}
	if c.news.Swap(false) || now.Sub(c.looked) > surveyTime {
		c.all, c.looked = c.survey(room), now
	}
	for sid, since := range c.left {
		if now.Sub(since) > leaveTime {
			delete(c.left, sid)
		}
	}
	c.mu.Lock()
	wanted := c.wanted
	c.mu.Unlock()
	for at := range wanted {
		c.subscribe(at, now)
	}
	for at, s := range c.subs {
		if !wanted[at] {
			_ = s.pub.SetSubscribed(false) // without a connection there is no subscription
			delete(c.subs, at)
			c.left[s.sid] = now
			c.end(at, s.sid)
		}
	}
	c.note()
	c.keys(now)
	if c.quality == livekit.VideoQuality_HIGH && c.v.cfg.speakers != nil {
		c.listen(room)
	}
}

// note tells the streams that come which of them are what was asked for.
func (c *view) note() {
	asked := make(map[target]string, len(c.subs))
	for at, s := range c.subs {
		asked[at] = s.sid
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = asked
}

// subscribe asks for a stream that has not been asked for, and is there.
func (c *view) subscribe(at target, now time.Time) {
	found, is := c.all[target{pub: at.pub, track: at.track}]
	if !is {
		return
	}
	if s := c.subs[at]; s != nil && s.sid == found.pub.SID() {
		if !s.renew.IsZero() && now.After(s.renew) && c.ask(at, s) == nil {
			s.renew = time.Time{}
		}
		return
	}
	if c.leaves(found.pub.SID(), now) {
		return
	}
	s := &subscription{sid: found.pub.SID(), pub: found.pub, rp: found.rp, watch: silence{since: now}}
	if c.ask(at, s) == nil {
		c.subs[at] = s
	}
}

// leaves reports whether a track was given up so recently that it would not begin anew if
// it were asked for: the server has yet to take it away.
func (c *view) leaves(sid string, now time.Time) bool {
	since, is := c.left[sid]
	if !is {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, read := range c.tracks {
		if read == sid && now.Sub(since) < leaveTime {
			return true
		}
	}
	delete(c.left, sid)
	return false
}

// ask asks the server for a stream.
func (c *view) ask(at target, s *subscription) error {
	if err := s.pub.SetSubscribed(true); err != nil {
		return err
	}
	if at.track == bridge.Video {
		return s.pub.SetVideoQuality(c.quality)
	}
	return nil
}

// found is a track of somebody in the LiveKit room.
type found struct {
	pub *lksdk.RemoteTrackPublication
	rp  *lksdk.RemoteParticipant
}

// survey finds the tracks of the room that can be taken, by publication and track. What is
// encrypted from end to end cannot.
func (c *view) survey(room *lksdk.Room) map[target]found {
	all, known := map[target]found{}, map[bridge.PublicationID][2]*livekit.TrackInfo{}
	for _, rp := range room.GetRemoteParticipants() {
		for _, p := range rp.TrackPublications() {
			pub, ok := p.(*lksdk.RemoteTrackPublication)
			if !ok {
				continue
			}
			info := pub.TrackInfo()
			if info == nil || info.Type == livekit.TrackType_DATA || info.Encryption != livekit.Encryption_NONE {
				continue
			}
			src, track := sourceOf(info)
			at := target{pub: c.v.cfg.ids(rp.Identity(), src), track: track}
			if other, is := all[at]; is && other.pub.SID() < pub.SID() {
				continue // somebody with two cameras: all connections take the same one
			}
			all[at] = found{pub, rp}
			of := known[at.pub]
			of[track] = info
			known[at.pub] = of
		}
	}
	if c.quality == livekit.VideoQuality_HIGH && c.dog.fresh(known) {
		c.v.learn(known)
	}
	return all
}

// listen tells who talks.
func (c *view) listen(room *lksdk.Room) {
	var all []string
	for _, p := range room.ActiveSpeakers() {
		all = append(all, p.Identity())
	}
	slices.Sort(all)
	c.talk(all)
}

// talk tells that these talk, if that is new.
func (c *view) talk(all []string) {
	if !slices.Equal(all, c.talking) {
		c.talking = all
		c.v.cfg.speakers(all)
	}
}

// receive takes a stream that begins. The SDK calls it.
func (c *view) receive(track *webrtc.TrackRemote, pub *lksdk.RemoteTrackPublication, rp *lksdk.RemoteParticipant) {
	info := pub.TrackInfo()
	if info == nil {
		return
	}
	src, kind := sourceOf(info)
	at := target{pub: c.v.cfg.ids(rp.Identity(), src), track: kind}
	if kind == bridge.Video && len(offersOf(info)) > 1 {
		at.rid = rids()[c.quality]
	}
	s := &flow{view: c, at: at, sid: pub.SID(), track: track, rp: rp}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.tracks[track] = s.sid
	c.reads.Go(func() {
		s.run(pub)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.tracks, track)
	})
}

// flowOf returns the stream that comes for a subscription, nil for none yet.
func (c *view) flowOf(at target, sid string) *flow {
	f, _ := c.v.inlet(at)
	if f == nil {
		return nil
	}
	f.keys.Lock()
	defer f.keys.Unlock()
	if s := f.flows[at]; s != nil && s.view == c && s.sid == sid {
		return s
	}
	return nil
}

// end ends a stream that is not wanted any more, before the server does.
func (c *view) end(at target, sid string) {
	if s := c.flowOf(at, sid); s != nil {
		if in := s.in.Load(); in != nil {
			in.Close()
		}
	}
}

// keys sends wishes for key frames that are due.
func (c *view) keys(now time.Time) {
	for at, sub := range c.subs {
		s := c.flowOf(at, sub.sid)
		if s != nil && s.key.Load() && now.Sub(s.asked) >= keyTime {
			s.key.Store(false)
			s.asked = now
			s.rp.WritePLI(s.track.SSRC())
		}
	}
}

// drain returns when nothing is read any more.
func (c *view) drain() {
	c.mu.Lock()
	c.over = true
	for t := range c.tracks {
		_ = t.SetReadDeadline(time.Now()) // it ends with the connection, too
	}
	c.mu.Unlock()
	c.reads.Wait()
}
