package livekit

import (
	"strings"

	"github.com/google/uuid"

	"dragoman/bridge"
)

// space is the namespace (RFC 9562, 5.5) of the ids that are made here. It must never
// change: nodes agree by it.
func space() uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://dragoman.invalid/livekit"))
}

// participantID is the id under which somebody of a LiveKit server is seated, whoever
// seats it.
func participantID(server, identity string) bridge.ParticipantID {
	u := uuid.NewSHA1(space(), []byte("lk:"+server+":"+identity))
	id, _ := bridge.ParticipantIDFrom(u[:]) // it has 16 bytes
	return id
}

// publicationID is the id of what somebody of a LiveKit server publishes in a room of ours:
// the same camera is another stream in each of two rooms that share a LiveKit room.
func publicationID(server string, room bridge.RoomID, identity string, src bridge.Source) bridge.PublicationID {
	kind := "camera"
	if src == bridge.Screen {
		kind = "screen"
	}
	u := uuid.NewSHA1(space(), []byte("lk:"+server+":"+string(room)+":"+identity+":"+kind))
	id, _ := bridge.PublicationIDFrom(u[:]) // it has 16 bytes
	return id
}

// userID is by what somebody of a LiveKit server is known again, for bans.
func userID(server, identity string) bridge.UserID {
	return bridge.UserID("lk:" + server + ":" + identity)
}

// puppetIdentity is who a participant of ours is in LiveKit rooms.
func puppetIdentity(cluster string, id bridge.ParticipantID) string {
	return cluster + "/" + id.String()
}

// puppetOf is the reverse of puppetIdentity.
func puppetOf(cluster, identity string) (id bridge.ParticipantID, ok bool) {
	text, ours := strings.CutPrefix(identity, cluster+"/")
	return id, ours && id.UnmarshalText([]byte(text)) == nil
}

// observerIdentity is who the node is that looks at a LiveKit room for one of ours; name
// tells apart what it has several of.
func observerIdentity(cluster string, node bridge.NodeID, room bridge.RoomID, name string) string {
	return cluster + "/" + string(node) + "/" + name + "/" + uuid.NewSHA1(space(), []byte("room:"+string(room))).String()
}
