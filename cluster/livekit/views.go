package livekit

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/forward"
)

// viewsConfig is what views have to know.
type viewsConfig struct {
	engine *media.Engine
	log    *slog.Logger // nil: none
	// dial makes a hidden connection that subscribes to nothing by itself. name tells
	// apart those of a node.
	dial func(ctx context.Context, name string, cb *lksdk.RoomCallback) (*lksdk.Room, error)
	// ids names what somebody of the LiveKit room publishes.
	ids func(identity string, src bridge.Source) bridge.PublicationID
	// speakers is told who talks, by identity, as far as LiveKit says so. It does not wait.
	// nil: nobody is.
	speakers func([]string)
}

// views takes from a LiveKit room what this node wants. LiveKit gives a connection one
// layer of a track, so there are up to three, one for each quality; a layer is a stream of
// its own here. The one of the highest quality is there as long as anything is wanted:
// sound comes over it, and what has no layers, and it knows what there is. One goroutine
// decides what is to come, and each connection has one that sees to that; methods only
// leave word.
type views struct {
	cfg   viewsConfig
	wake  chan struct{} // capacity 1
	ctx   context.Context
	stop  context.CancelFunc
	tasks sync.WaitGroup
	count viewCounts

	mu     sync.Mutex // guards what follows
	wants  map[bridge.PublicationID]media.RelayWish
	gates  map[bridge.PublicationID][2]bool
	feeds  map[bridge.PublicationID]*supply
	views  map[livekit.VideoQuality]*view
	known  map[bridge.PublicationID][2]*livekit.TrackInfo // by bridge.Track: what there is
	closed bool
}

// viewCounts are counters that only go up.
type viewCounts struct {
	packets, bytes, refused                              atomic.Uint64
	connections, failed, lost, reconnected, resubscribed atomic.Uint64
}

// viewStats is what views have counted.
type viewStats struct {
	Connections                       int // now
	Streams                           []viewStream
	Packets, Bytes                    uint64 // of all streams so far, with headers
	Refused                           uint64 // streams of a codec that the engine does not have
	Dialled, Failed, Lost, Reconnects uint64 // connections
	Resubscribed                      uint64 // streams that had fallen silent
}

// viewStream is a layer that is taken.
type viewStream struct {
	Publication    bridge.PublicationID
	Track          bridge.Track
	Layer          string // rid; empty: there is only one
	Packets, Bytes uint64
}

// target is a stream that is to come over a connection, by what it feeds.
type target struct {
	pub   bridge.PublicationID
	track bridge.Track
	rid   string
}

// The times of views.
const (
	lingerTime    = 2 * time.Second        // what nobody wants any more goes on for that, as views switch
	idleTime      = 5 * time.Second        // a connection over which nothing is wanted
	reconcileTime = 200 * time.Millisecond // between looks that nothing has called for
	yieldTime     = 5 * time.Second        // until a stream is offered again that somebody else feeds
)

// supply is a publication that is fed from LiveKit.
type supply struct {
	in    *media.Inlet // nil: somebody else feeds it
	hold  time.Time    // until when nothing is done about that
	idle  time.Time    // since when nobody wants it; zero: somebody does
	offer media.RelayOffer
	takes map[target]*time.Time // what is wanted, and since when it is not: zero

	keys sync.Mutex // guards flows; nothing is called with it held
	// flows are the streams that come, by track and rid.
	flows map[target]*flow
}

func newViews(cfg viewsConfig) *views {
	if cfg.log == nil {
		cfg.log = slog.New(slog.DiscardHandler)
	}
	v := &views{
		cfg: cfg, wake: make(chan struct{}, 1), feeds: map[bridge.PublicationID]*supply{},
		views: map[livekit.VideoQuality]*view{}, known: map[bridge.PublicationID][2]*livekit.TrackInfo{},
	}
	v.ctx, v.stop = context.WithCancel(context.Background())
	v.tasks.Go(v.run)
	return v
}

// want says what is wanted of publications of this LiveKit room.
func (v *views) want(all map[bridge.PublicationID]media.RelayWish) {
	v.mu.Lock()
	v.wants = all
	v.mu.Unlock()
	v.nudge()
}

// gate says what our room has open, by track. What is not there is closed.
func (v *views) gate(all map[bridge.PublicationID][2]bool) {
	v.mu.Lock()
	v.gates = all
	v.mu.Unlock()
	v.nudge()
}

func (v *views) nudge() { nudge(v.wake) }

// close ends all.
func (v *views) close() {
	v.mu.Lock()
	v.closed = true
	v.stop()
	v.mu.Unlock()
	v.tasks.Wait()
}

// run decides what is to come, until close.
func (v *views) run() {
	defer v.clear()
	ticker := time.NewTicker(reconcileTime)
	defer ticker.Stop()
	for {
		select {
		case <-v.wake:
		case <-ticker.C:
		case <-v.ctx.Done():
			return
		}
		v.reconcile(time.Now())
	}
}

func (v *views) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, f := range v.feeds {
		f.close()
		delete(v.feeds, id)
	}
}

func (f *supply) close() {
	if f.in != nil {
		f.in.Close()
	}
}

// reconcile compares what is wanted with what comes.
func (v *views) reconcile(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range v.wants {
		if v.feeds[id] == nil {
			v.feeds[id] = &supply{takes: map[target]*time.Time{}, flows: map[target]*flow{}}
		}
	}
	wanted := map[livekit.VideoQuality]map[target]bool{}
	for id, f := range v.feeds {
		w, is := v.wants[id]
		if is {
			f.idle = time.Time{}
		} else if over(&f.idle, now) {
			f.close()
			delete(v.feeds, id)
			continue
		}
		v.feed(id, f, now)
		for at := range f.wanted(v.streams(id, w), now) {
			q := qualityOf(at.rid)
			if wanted[q] == nil {
				wanted[q] = map[target]bool{}
			}
			wanted[q][at] = true
		}
	}
	for _, q := range []livekit.VideoQuality{livekit.VideoQuality_LOW, livekit.VideoQuality_MEDIUM, livekit.VideoQuality_HIGH} {
		used := len(wanted[q]) > 0 || q == livekit.VideoQuality_HIGH && len(v.feeds) > 0
		v.connect(q, wanted[q], used, now)
	}
}

// over notes that something is not wanted now, and reports whether it has not been for
// long enough.
func over(idle *time.Time, now time.Time) bool {
	if idle.IsZero() {
		*idle = now
	}
	return now.Sub(*idle) >= lingerTime
}

// streams returns what is wanted of a publication, of what there is. The lock is held.
func (v *views) streams(id bridge.PublicationID, w media.RelayWish) (all []target) {
	info, open := v.known[id], v.gates[id]
	has := func(track bridge.Track) bool {
		// While they are muted nothing comes anyway, and it should come at once afterwards.
		return info[track] != nil && (open[track] || info[track].Muted)
	}
	if w.Sound && has(bridge.Audio) {
		all = append(all, target{id, bridge.Audio, ""})
	}
	if w.Video && has(bridge.Video) {
		for _, o := range offersOf(info[bridge.Video]) {
			if slices.Contains(w.Layers, o.RID) {
				all = append(all, target{id, bridge.Video, o.RID})
			}
		}
	}
	return all
}

// wanted adds what has been wanted until just now.
func (f *supply) wanted(now []target, at time.Time) map[target]*time.Time {
	for _, s := range now {
		f.takes[s] = &time.Time{}
	}
	for s, idle := range f.takes {
		if !slices.Contains(now, s) && over(idle, at) {
			delete(f.takes, s)
		}
	}
	return f.takes
}

// feed keeps the inlet of a publication, and says what there is of it. The lock is held.
func (v *views) feed(id bridge.PublicationID, f *supply, now time.Time) {
	if f.in != nil && !f.in.Stats().Feeds {
		f.in.Close() // a client of this node has taken it over
		f.in, f.hold = nil, now.Add(yieldTime)
	}
	if f.in == nil && !now.Before(f.hold) {
		in, err := v.cfg.engine.NewInlet(id, func(rid string) { v.wantKey(f, target{id, bridge.Video, rid}) })
		if err != nil {
			f.hold = now.Add(yieldTime)
			v.cfg.log.Debug("a stream of LiveKit is not fed", "publication", id, "err", err)
			return
		}
		f.in, f.offer = in, media.RelayOffer{}
	}
	if f.in == nil {
		return
	}
	info := v.known[id]
	o := media.RelayOffer{Open: v.gates[id], Sound: info[bridge.Audio] != nil, Layers: offersOf(info[bridge.Video])}
	if o.Open != f.offer.Open || !slices.Equal(o.Layers, f.offer.Layers) {
		f.offer = o
		f.in.Offer(o)
	}
}

// wantKey asks whoever brings a layer for a key frame. The engine calls it, perhaps with
// its locks held.
func (v *views) wantKey(f *supply, at target) {
	f.keys.Lock()
	defer f.keys.Unlock()
	if s := f.flows[at]; s != nil {
		s.key.Store(true)
		s.view.nudge()
	}
}

// connect keeps a connection as long as it is used. The lock is held.
func (v *views) connect(q livekit.VideoQuality, wanted map[target]bool, used bool, now time.Time) {
	c := v.views[q]
	switch {
	case c == nil && !used:
		return
	case c == nil:
		c = newView(v, q)
		v.views[q] = c
		v.tasks.Go(c.run)
	case used:
		c.idle = time.Time{}
	case c.idle.IsZero():
		c.idle = now
	case now.Sub(c.idle) > idleTime:
		c.stop()
		delete(v.views, q)
		if q == livekit.VideoQuality_HIGH {
			v.known = map[bridge.PublicationID][2]*livekit.TrackInfo{} // the old one is the view's, too
		}
		return
	}
	c.want(wanted)
}

// learn takes what there is in the LiveKit room.
func (v *views) learn(known map[bridge.PublicationID][2]*livekit.TrackInfo) {
	v.mu.Lock()
	v.known = known
	v.mu.Unlock()
	v.nudge()
}

// inlet returns what a stream goes into, nil if it is not wanted any more.
func (v *views) inlet(at target) (*supply, *media.Inlet) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.feeds[at.pub]
	if f == nil || f.takes[at] == nil || v.closed {
		return nil, nil
	}
	return f, f.in
}

// stats returns what was counted.
func (v *views) stats() viewStats {
	c := &v.count
	s := viewStats{
		Packets: c.packets.Load(), Bytes: c.bytes.Load(), Refused: c.refused.Load(), Resubscribed: c.resubscribed.Load(),
		Dialled: c.connections.Load(), Failed: c.failed.Load(), Lost: c.lost.Load(), Reconnects: c.reconnected.Load(),
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.views {
		if c.up.Load() {
			s.Connections++
		}
	}
	for _, f := range v.feeds {
		f.keys.Lock()
		for at, w := range f.flows {
			s.Streams = append(s.Streams, viewStream{
				Publication: at.pub, Track: at.track, Layer: at.rid, Packets: w.packets.Load(), Bytes: w.bytes.Load(),
			})
		}
		f.keys.Unlock()
	}
	return s
}

// qualityOf returns over which connection a layer comes.
func qualityOf(rid string) livekit.VideoQuality {
	switch rid {
	case "q":
		return livekit.VideoQuality_LOW
	case "h":
		return livekit.VideoQuality_MEDIUM
	}
	return livekit.VideoQuality_HIGH
}

// offersOf returns the layers of a track, lowest first; one without a name of what has no
// others.
func offersOf(info *livekit.TrackInfo) (all []forward.Offer) {
	if info == nil {
		return nil
	}
	var layers []*livekit.VideoLayer
	if len(info.Codecs) > 0 {
		layers = slices.Clone(info.Codecs[0].Layers)
	}
	if len(layers) == 0 {
		layers = slices.Clone(info.Layers) //nolint:staticcheck // older servers tell no others
	}
	slices.SortFunc(layers, func(a, b *livekit.VideoLayer) int { return int(a.Quality) - int(b.Quality) })
	for _, l := range layers {
		if rid := rids()[l.Quality]; rid != "" {
			all = append(all, forward.Offer{RID: rid, Width: int(l.Width), Height: int(l.Height), Bitrate: int(l.Bitrate)})
		}
	}
	if len(all) < 2 {
		return []forward.Offer{{Width: int(info.Width), Height: int(info.Height)}}
	}
	return all
}
