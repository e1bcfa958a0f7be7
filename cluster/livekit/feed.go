package livekit

import (
	"context"
	"sync/atomic"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
)

// maxHeard is how much chat of a connection may be unread.
const maxHeard = 256

// feed is what the SDK's callbacks leave for the goroutine of a connection. They come
// from goroutines of the SDK that must not be held up, so that what has no place in a
// queue is counted and dropped; states are never queued, but looked up again.
type feed struct {
	changed chan struct{} // something is different in the room; capacity 1
	heard   chan chat     // capacity maxHeard
	lost    atomic.Int64  // when the connection was lost, in ns since 1970; 0: it is there
	back    atomic.Bool   // the connection was lost and is back
	over    chan struct{} // it has ended; capacity 1
	count   *counts
}

func newFeed(count *counts) *feed {
	return &feed{
		changed: make(chan struct{}, 1), heard: make(chan chat, maxHeard), over: make(chan struct{}, 1), count: count,
	}
}

// callbacks returns what a connection's SDK calls.
func (f *feed) callbacks() *lksdk.RoomCallback {
	changed := func() { nudge(f.changed) }
	cb := lksdk.NewRoomCallback()
	cb.OnParticipantConnected = func(*lksdk.RemoteParticipant) { changed() }
	cb.OnParticipantDisconnected = func(*lksdk.RemoteParticipant) { changed() }
	cb.OnTrackPublished = func(*lksdk.RemoteTrackPublication, *lksdk.RemoteParticipant) { changed() }
	cb.OnTrackUnpublished = func(*lksdk.RemoteTrackPublication, *lksdk.RemoteParticipant) { changed() }
	cb.OnTrackMuted = func(lksdk.TrackPublication, lksdk.Participant) { changed() }
	cb.OnTrackUnmuted = func(lksdk.TrackPublication, lksdk.Participant) { changed() }
	cb.OnAttributesChanged = func(map[string]string, lksdk.Participant) { changed() }
	cb.OnMetadataChanged = func(string, lksdk.Participant) { changed() }
	cb.OnReconnecting = func() {
		f.lost.CompareAndSwap(0, time.Now().UnixNano())
		changed()
	}
	cb.OnReconnected = func() {
		f.count.reconnects.Add(1)
		f.lost.Store(0)
		f.back.Store(true)
		changed()
	}
	cb.OnDisconnected = func() {
		f.lost.CompareAndSwap(0, time.Now().UnixNano())
		nudge(f.over)
	}
	return cb
}

// put leaves what was said.
func (f *feed) put(c chat) {
	if c.from == "" || c.text == "" || len(c.text) > bridge.MaxText {
		return
	}
	select {
	case f.heard <- c:
	default:
		f.count.dropped.Add(1)
	}
}

// lostAt returns since when the connection is lost, and false if it is not.
func (f *feed) lostAt() (time.Time, bool) {
	ns := f.lost.Load()
	return time.Unix(0, ns), ns != 0
}

// connection is one way into a LiveKit room that is being made or is there.
type connection struct {
	room *lksdk.Room
	feed *feed
	err  error
}

// connect makes a connection; it is meant for a goroutine of its own.
func (s *server) connect(ctx context.Context, who identity, hears bool, edit func(*lksdk.RoomCallback)) connection {
	f := newFeed(s.count)
	cb := f.callbacks()
	if edit != nil {
		edit(cb)
	}
	listen := f.listen
	if !hears {
		listen = nil
	}
	room, err := s.dial(ctx, who, cb, listen)
	return connection{room: room, feed: f, err: err}
}
