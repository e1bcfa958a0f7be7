package livekit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"dragoman/bridge"
)

// line makes packets of chat for ears, and reads what they have heard.
type line struct {
	*ears
	t   *testing.T
	now time.Time
}

func newLine(t *testing.T) *line {
	return &line{ears: &ears{f: newFeed(new(counts))}, t: t, now: time.Now()}
}

func (l *line) takes(from string, p *livekit.DataPacket) {
	l.t.Helper()
	p.ParticipantIdentity = from
	data, err := proto.Marshal(p)
	if err != nil {
		l.t.Fatal(err)
	}
	l.packet(data, l.now)
}

func (l *line) begins(from, id string, change func(*livekit.DataStream_Header)) {
	h := &livekit.DataStream_Header{
		StreamId: id, Topic: chatTopic, ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{}},
	}
	if change != nil {
		change(h)
	}
	l.takes(from, &livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: h}})
}

func (l *line) says(from, id, text string) {
	l.takes(from, &livekit.DataPacket{Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{StreamId: id, Content: []byte(text)}}})
}

func (l *line) ends(from, id string, attributes map[string]string) {
	l.takes(from, &livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: id, Attributes: attributes}}})
}

// heard returns all that was heard since it was asked last.
func (l *line) heard() (all []string) {
	for {
		select {
		case c := <-l.f.heard:
			all = append(all, fmt.Sprintf("%s %s: %.20s", c.from, c.key, c.text))
		default:
			return all
		}
	}
}

func (l *line) expect(what string, dropped uint64, want ...string) {
	l.t.Helper()
	if got := l.heard(); !slices.Equal(got, want) {
		l.t.Errorf("%s: heard %q, want %q", what, got, want)
	}
	if got := l.f.count.dropped.Swap(0); got != dropped {
		l.t.Errorf("%s: %d were dropped, want %d", what, got, dropped)
	}
}

func TestEars(t *testing.T) {
	l := newLine(t)
	l.begins("ann", "1", nil)
	l.begins("ben", "2", nil)
	l.says("ann", "1", "hel")
	l.says("ben", "2", "good day")
	l.says("ben", "1", "[of another]")
	l.ends("ben", "1", nil)
	l.ends("ben", "2", map[string]string{"what the beginning": "did not have"})
	l.says("ann", "1", "lo")
	l.ends("ann", "1", nil)
	l.expect("two at once", 0, "ben 2: good day", "ann 1: hello")

	l.begins("ann", "1", nil)
	l.says("ann", "1", "lost")
	l.begins("ann", "1", nil)
	l.says("ann", "1", "anew")
	l.ends("ann", "1", nil)
	l.ends("ann", "1", nil)
	l.says("ann", "1", "late")
	l.expect("begun twice", 0, "ann 1: anew")

	size := uint64(bridge.MaxText + 1)
	l.begins("ann", "1", func(h *livekit.DataStream_Header) { h.TotalLength = &size })
	l.ends("ann", "1", nil)
	l.expect("too long by its word", 1)
	l.begins("ann", "1", nil)
	for range bridge.MaxText/1000 + 1 {
		l.says("ann", "1", strings.Repeat("x", 1000))
	}
	l.ends("ann", "1", nil)
	l.expect("too long", 1)

	l.begins("ann", "1", func(h *livekit.DataStream_Header) { h.Topic = "lk.transcription" })
	l.begins("ann", "2", func(h *livekit.DataStream_Header) { h.ContentHeader = nil })
	l.begins("ann", strings.Repeat("3", maxKey+1), nil)
	l.begins("", "4", nil)
	if len(l.open) > 0 {
		t.Errorf("%d streams are open, want none", len(l.open))
	}

	l.takes("ann", &livekit.DataPacket{Value: &livekit.DataPacket_ChatMessage{ChatMessage: &livekit.ChatMessage{Id: "5", Message: "old"}}})
	l.takes("ann", &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Topic: proto.String(oldChatTopic), Payload: []byte(`{"id":"6","message":"older"}`)}}})
	l.takes("ann", &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Topic: proto.String("other"), Payload: []byte(`{"id":"7","message":"none"}`)}}})
	l.takes("ann", &livekit.DataPacket{Value: &livekit.DataPacket_ChatMessage{}})
	l.takes("ann", &livekit.DataPacket{})
	l.expect("other ways", 0, "ann 5: old", "ann 6: older")
}

// TestEndless: streams that never end keep no place from others for long.
func TestEndless(t *testing.T) {
	l := newLine(t)
	for i := range maxStreams {
		l.begins("ann", fmt.Sprint(i), nil)
	}
	l.begins("ben", "1", nil)
	l.says("ben", "1", "no place")
	l.ends("ben", "1", nil)
	l.expect("all places taken", 1)
	l.now = l.now.Add(2 * streamTime)
	l.begins("ben", "2", nil)
	l.says("ben", "2", "hello")
	l.ends("ben", "2", nil)
	l.expect("the oldest gives way", 1, "ben 2: hello")
}

func FuzzEars(f *testing.F) {
	begin := &livekit.DataPacket{ParticipantIdentity: "ann", Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
		StreamId: "1", Topic: chatTopic, ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{}},
	}}}
	more := &livekit.DataPacket{ParticipantIdentity: "ann", Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{StreamId: "1", Content: []byte("hello")}}}
	end := &livekit.DataPacket{ParticipantIdentity: "ann", Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: "1", Attributes: map[string]string{"a": "b"}}}}
	var all [3][]byte
	for i, p := range []*livekit.DataPacket{begin, more, end} {
		all[i], _ = proto.Marshal(p)
	}
	f.Add(all[0], all[1], all[2])
	f.Add([]byte{}, []byte{0xff}, all[1])
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		l := newLine(t)
		for range 3 {
			for _, data := range [][]byte{a, b, c} {
				l.packet(data, l.now)
				if len(l.open) > 3 {
					t.Fatalf("%d streams are open", len(l.open))
				}
			}
		}
	})
}
