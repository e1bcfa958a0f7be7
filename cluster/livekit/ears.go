package livekit

import (
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"

	"dragoman/bridge"
)

// Bounds of what a connection hears at once.
const (
	maxStreams = 64               // text streams that have begun and not ended
	streamTime = 30 * time.Second // since it began, after which one gives way to others
)

// reliable is the label of the data channel that has chat.
const reliable = "_reliable"

// ears read the data channel of a connection in place of the SDK, which a participant
// could bring down with all that is in its process: where a text stream began without
// attributes, it writes those of its end into a map that there is not; and it keeps what
// never ends, for ever (server-sdk-go 2.18.1, Room.OnStreamTrailer and OnStreamHeader).
// Its own handlers of streams are not used, so that it takes no notice of any.
//
// One is used by the one goroutine that reads the channel.
type ears struct {
	f    *feed
	open []*stream // the oldest first
}

// stream is a text that comes in parts.
type stream struct {
	id, from string
	text     []byte
	began    time.Time
}

// made is called when the SDK makes a connection, the first one or a later one. It is a
// factory of interceptors, as these are all that it asks for then.
type made func()

// NewInterceptor implements interceptor.Factory.
func (f made) NewInterceptor(string) (interceptor.Interceptor, error) {
	f()
	return &interceptor.NoOp{}, nil
}

// listen has a room's connections, those to come, too, read by ears. It returns an option
// for joining.
//
// The SDK holds a lock while it makes a connection and sets its handlers, which
// GetSubscriberPeerConnection takes. So ours comes after its own; and it comes before there
// are channels, for which the connection has to be negotiated and to be up. The goroutine
// waits for that lock, and for nothing else.
func (f *feed) listen(room *lksdk.Room) lksdk.ConnectOption {
	return lksdk.WithInterceptors([]interceptor.Factory{made(func() {
		go func() {
			if pc := room.LocalParticipant.GetSubscriberPeerConnection(); pc != nil {
				pc.OnDataChannel(f.channel)
			}
		}()
	})})
}

// channel has a data channel read. The others have nothing for us.
func (f *feed) channel(c *webrtc.DataChannel) {
	if c.Label() != reliable {
		return
	}
	e := &ears{f: f}
	c.OnMessage(func(m webrtc.DataChannelMessage) {
		if !m.IsString {
			e.packet(m.Data, time.Now())
		}
	})
}

// packet reads one packet.
func (e *ears) packet(data []byte, now time.Time) {
	var p livekit.DataPacket
	if proto.Unmarshal(data, &p) != nil || p.ParticipantIdentity == "" {
		return
	}
	from := p.ParticipantIdentity
	switch v := p.Value.(type) {
	case *livekit.DataPacket_ChatMessage:
		e.f.put(chat{key: v.ChatMessage.GetId(), from: from, text: v.ChatMessage.GetMessage()})
	case *livekit.DataPacket_User:
		if v.User.GetTopic() != oldChatTopic {
			return
		}
		if c, ok := decodeOldChat(v.User.GetPayload()); ok {
			c.from = from
			e.f.put(c)
		}
	case *livekit.DataPacket_StreamHeader:
		e.begin(v.StreamHeader, from, now)
	case *livekit.DataPacket_StreamChunk:
		e.more(v.StreamChunk, from)
	case *livekit.DataPacket_StreamTrailer:
		if s := e.take(v.StreamTrailer.GetStreamId(), from); s != nil {
			e.f.put(chat{key: s.id, from: from, text: string(s.text)})
		}
	}
}

// begin notes a stream, if it is one of chat. Where there are as many as there may be, one
// that has had its time gives way; the newcomer is dropped if there is none.
func (e *ears) begin(h *livekit.DataStream_Header, from string, now time.Time) {
	if h.GetTopic() != chatTopic || h.GetTextHeader() == nil || h.GetStreamId() == "" || len(h.GetStreamId()) > maxKey {
		return
	}
	e.take(h.GetStreamId(), from)
	if len(e.open) >= maxStreams && now.Sub(e.open[0].began) > streamTime {
		e.open = slices.Delete(e.open, 0, 1)
		e.f.count.dropped.Add(1)
	}
	if len(e.open) >= maxStreams || h.GetTotalLength() > bridge.MaxText {
		e.f.count.dropped.Add(1)
		return
	}
	e.open = append(e.open, &stream{id: h.GetStreamId(), from: from, began: now})
}

// more adds to a stream, which must not become too long.
func (e *ears) more(c *livekit.DataStream_Chunk, from string) {
	i := e.index(c.GetStreamId(), from)
	if i < 0 {
		return
	}
	s := e.open[i]
	if len(s.text)+len(c.GetContent()) > bridge.MaxText {
		e.take(s.id, from)
		e.f.count.dropped.Add(1)
		return
	}
	s.text = append(s.text, c.GetContent()...)
}

func (e *ears) index(id, from string) int {
	return slices.IndexFunc(e.open, func(s *stream) bool { return s.id == id && s.from == from })
}

// take returns an open stream of somebody's, and forgets it; nil: there is none of that id.
func (e *ears) take(id, from string) *stream {
	i := e.index(id, from)
	if i < 0 {
		return nil
	}
	s := e.open[i]
	e.open = slices.Delete(e.open, i, i+1)
	return s
}
