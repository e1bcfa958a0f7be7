package livekit

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
)

// The topics of chat: text streams, and data as components-js sent it before there were
// any.
const (
	chatTopic    = "lk.chat"
	oldChatTopic = "lk-chat-topic"
)

// maxKey is the longest id of a message of theirs, in bytes.
const maxKey = 128

// chat is a message on its way in.
type chat struct {
	key  string // the message's id there
	from string // identity
	text string
}

// messageID is the id of a message of theirs in our room, on whatever way it came.
func messageID(server, from, key string) (id bridge.MessageID) {
	u := uuid.NewSHA1(space(), []byte("chat:"+server+":"+from+":"+key))
	_ = id.UnmarshalBinary(u[:]) // it has 16 bytes
	return id
}

// oldChat is a message as components-js sends it as data.
type oldChat struct {
	ID           string `json:"id"`
	Message      string `json:"message"`
	IgnoreLegacy bool   `json:"ignoreLegacy"` // it comes as a text stream, too
}

// decodeOldChat reads one. It reports false for what is none, or not to be shown.
func decodeOldChat(b []byte) (chat, bool) {
	var m oldChat
	if len(b) > bridge.MaxText || json.Unmarshal(b, &m) != nil || m.IgnoreLegacy || m.Message == "" || !utf8.ValidString(m.Message) {
		return chat{}, false
	}
	if m.ID == "" || len(m.ID) > maxKey {
		m.ID = uuid.NewString()
	}
	return chat{key: m.ID, text: m.Message}, true
}

// chunk is how much of a text goes into one packet, in bytes: a data channel takes 15 KiB.
const chunk = 15_000

// packet is a part of a text stream, as the SDK sends packets. Its own way to send text
// keeps a function for each message until the connection ends.
type packet struct{ *livekit.DataPacket }

// ToProto implements lksdk.DataPacket.
func (p packet) ToProto() *livekit.DataPacket { return p.DataPacket }

// streamText sends a text stream, to some identities or with none to all.
func streamText(room *lksdk.Room, id, text string, at time.Time, to []string) error {
	size := uint64(len(text))
	send := func(p *livekit.DataPacket) error {
		return room.LocalParticipant.PublishDataPacket(packet{p}, lksdk.WithDataPublishReliable(true), lksdk.WithDataPublishDestination(to))
	}
	err := send(&livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
		StreamId: id, MimeType: "text/plain", Topic: chatTopic, Timestamp: at.UnixMilli(), TotalLength: &size, Attributes: map[string]string{},
		ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{OperationType: livekit.DataStream_CREATE}},
	}}})
	for i, part := range chunks(text) {
		if err != nil {
			return err
		}
		err = send(&livekit.DataPacket{Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{
			StreamId: id, ChunkIndex: uint64(i), Content: []byte(part), //nolint:gosec // i is not negative
		}}})
	}
	if err != nil {
		return err
	}
	return send(&livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: id}}})
}

// chunks cuts a text into parts that fit, between characters.
func chunks(text string) (parts []string) {
	for len(text) > chunk {
		n := chunk
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		if n == 0 {
			n = chunk // no text at all
		}
		parts, text = append(parts, text[:n]), text[n:]
	}
	return append(parts, text)
}

// The messages between the seats of this package in one room. Those who have clients
// never see them: hidden seats do, and people of LiveKit, who do not care.
const (
	topicSpeakers = "livekit/speakers"
	topicPrivate  = "livekit/private" // from one of ours to one of theirs
	topicWhisper  = "livekit/whisper" // from one of theirs to one of ours
	topicWebhook  = "livekit/webhook"
)

// note is such a message.
type note struct {
	Server   string               `json:"server"`
	Speakers []string             `json:"speakers,omitempty"` // identities of all who speak, of those whose sound the node takes
	From     bridge.ParticipantID `json:"from,omitzero"`
	Identity string               `json:"identity,omitempty"` // of the one of theirs
	To       bridge.ParticipantID `json:"to,omitzero"`
	Key      string               `json:"key,omitempty"`
	Text     string               `json:"text,omitempty"`
}

// maxSpeakers is how many may speak at once.
const maxSpeakers = 100

// decodeNote reads one. It reports false for what is none.
func decodeNote(b []byte) (n note, ok bool) {
	if len(b) > bridge.MaxText || json.Unmarshal(b, &n) != nil {
		return note{}, false
	}
	return n, validName(n.Server) && len(n.Speakers) <= maxSpeakers && len(n.Key) <= maxKey && len(n.Identity) <= maxTheirs &&
		utf8.ValidString(n.Text)
}

// encode is the reverse.
func (n note) encode() []byte {
	b, err := json.Marshal(n)
	if err != nil {
		return nil // there is nothing in it that cannot be encoded
	}
	return b
}
