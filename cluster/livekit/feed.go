package livekit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
)

// maxHeard is how much chat of a connection may be unread.
const maxHeard = 256

// maxReaders is how many text streams of a connection may be open at once.
const maxReaders = 64

// feed is what the SDK's callbacks leave for the goroutine of a connection. They come
// from goroutines of the SDK that must not be held up, so that what has no place in a
// queue is counted and dropped; states are never queued, but looked up again.
type feed struct {
	changed chan struct{} // something is different in the room; capacity 1
	heard   chan chat     // capacity maxHeard
	lost    atomic.Int64  // when the connection was lost, in ns since 1970; 0: it is there
	back    atomic.Bool   // the connection was lost and is back
	over    chan struct{} // it has ended; capacity 1
	readers atomic.Int64
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
	cb.OnDataPacket = f.onData
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

// hear has a connection read chat.
func (f *feed) hear(room *lksdk.Room) error {
	return room.RegisterTextStreamHandler(chatTopic, f.onText)
}

// onText reads a text stream; it is called in a goroutine of its own.
func (f *feed) onText(r *lksdk.TextStreamReader, from string) {
	if f.readers.Add(1) > maxReaders || r.Info.Size != nil && *r.Info.Size > bridge.MaxText {
		f.readers.Add(-1)
		f.count.dropped.Add(1)
		return
	}
	defer f.readers.Add(-1)
	f.put(chat{key: r.Info.Id, from: from, text: r.ReadAll()})
}

// onData reads chat as clients of other times send it.
func (f *feed) onData(packet lksdk.DataPacket, params lksdk.DataReceiveParams) {
	switch m := packet.(type) {
	case *livekit.ChatMessage:
		f.put(chat{key: m.Id, from: params.SenderIdentity, text: m.Message})
	case *lksdk.UserDataPacket:
		if m.Topic != oldChatTopic {
			return
		}
		if c, ok := decodeOldChat(m.Payload); ok {
			c.from = params.SenderIdentity
			f.put(c)
		}
	}
}

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
	if !hears {
		cb.OnDataPacket = func(lksdk.DataPacket, lksdk.DataReceiveParams) {}
	}
	if edit != nil {
		edit(cb)
	}
	room, err := s.dial(ctx, who, cb, func(r *lksdk.Room) error {
		if !hears {
			return nil
		}
		return f.hear(r)
	})
	return connection{room: room, feed: f, err: err}
}
