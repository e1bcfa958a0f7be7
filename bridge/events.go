package bridge

import (
	"fmt"
	"time"
)

// Event is one of the structs below. It is what a session is told. The set is
// closed; an event is a value and is never changed after it was pushed.
type Event interface {
	// key names the state that the event tells. An unread event goes when a newer
	// one of the same key comes. Empty: never merged.
	key() string
}

// Reason is why somebody left, or a room ended.
type Reason uint8

// The reasons.
const (
	ByWish      Reason = iota // left, or hung up
	ByLoss                    // the connection was lost
	ByModerator               // kicked
	ByTimeLimit               // the room's time is up
	ByEnd                     // the room was closed
	TooSlow                   // did not read its events
	ByShutdown                // the node goes
	ByMove                    // went to another room or node
	Refused                   // not admitted from the waiting room
	Unused                    // the room was empty for too long
)

var reasonNames = [...]string{
	ByWish: "by wish", ByLoss: "by loss", ByModerator: "by a moderator", ByTimeLimit: "by the time limit",
	ByEnd: "by its end", TooSlow: "too slow", ByShutdown: "by shutdown", ByMove: "by a move", Refused: "refused", Unused: "unused",
}

// String returns the reason in words, for logs.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// What says which parts of a participant changed.
type What uint16

// The parts of a participant.
const (
	NameChanged What = 1 << iota
	RoleChanged      // role or permissions
	HandChanged
	AttrsChanged
	PresenceChanged // Away
)

type (
	// RoomChanged tells settings of the room: lock, secrets (only whether), title,
	// limits, switches. What is different, a dialect finds out by comparing.
	RoomChanged struct {
		Room Info
		By   ParticipantID
	}
	// Ending says that the room's end is known, moved or near.
	Ending struct{ At time.Time }
	// Recording says that somebody records.
	Recording struct {
		On bool
		By ParticipantID
	}
	// Ended says that the room is gone. It is the last event of a session.
	Ended struct{ Reason Reason }
	// Relocated says that the room, or this seat, is on another node now. It is the
	// last event of a session.
	Relocated struct {
		Node NodeID
		URL  string
	}

	// Joined tells a new participant.
	Joined struct{ P Participant }
	// Left tells that a participant is gone. It comes once, after the Unpublished
	// of all that it published.
	Left struct {
		P      Participant
		Reason Reason
		By     ParticipantID // who threw it out, for ByModerator
		Text   string        // and what was said about it
	}
	// Knocked tells those who may admit that somebody waits, or waits no more; also
	// that one who waits is different now. Told of oneself it says that one has been
	// put into the waiting room: of the room nothing more is told until Entered.
	Knocked struct {
		P    Participant
		Gone bool
	}
	// Admitted tells one who waits that it may Enter. A refusal is Kicked.
	Admitted struct{}
	// Entered gives one who was admitted the room as it is now.
	Entered struct{ At Snapshot }
	// Changed tells a participant anew; What says what is different.
	Changed struct {
		P    Participant
		What What
		By   ParticipantID
	}
	// HandsLowered tells that a moderator lowered hands; a Changed for each follows.
	HandsLowered struct{ By ParticipantID }

	// Published tells a new stream. Owners are told of their own, too.
	Published struct{ Pub Publication }
	// PublicationChanged tells mute states and layers of a stream anew.
	PublicationChanged struct {
		Pub Publication
		By  ParticipantID
	}
	// Unpublished tells that a stream is gone.
	Unpublished struct{ Pub Publication }
	// Talking tells that somebody starts or stops to talk. The talker is told, too.
	Talking struct {
		ID ParticipantID
		On bool
	}
	// Quality tells how good somebody's connection is: 0 lost, 5 perfect.
	Quality struct {
		ID    ParticipantID
		Score int
	}
	// Wanted tells a publisher's session the highest layer that anybody looks at.
	Wanted struct {
		ID    PublicationID
		Layer string // rid; empty: nobody looks
	}

	// Said is a chat message. Its sender is told, too, so that dialects that echo
	// can.
	Said struct {
		ID    MessageID
		From  ParticipantID
		Name  string        // of the sender, for messages that outlive it
		To    ParticipantID // zero: everybody, or Group
		Group string        // empty: everybody, or To
		Text  string
		Attrs map[string]string // what a dialect adds; not to be changed: shared
		At    time.Time
		// Number counts the room's messages to everybody from 1; 0: it was not to
		// everybody.
		Number uint64
	}
	// ChatCleared tells that the kept messages are gone.
	ChatCleared struct{ By ParticipantID }
	// SeenBy tells how far somebody has read.
	SeenBy struct {
		By    ParticipantID
		Scope string // as in Seen
		At    time.Time
	}
	// TypingNow tells that somebody types.
	TypingNow struct {
		From ParticipantID
		To   ParticipantID // zero: to everybody
		On   bool
	}
	// Data is an opaque message for participants of one dialect or feature.
	Data struct {
		From  ParticipantID
		To    ParticipantID // zero: everybody
		Topic string        // "<dialect or feature>/<name>"
		Data  []byte        // not to be changed: shared
	}
	// DocChanged tells a shared document anew. No value: it was removed.
	DocChanged struct {
		Doc Doc
		By  ParticipantID
	}

	// Kicked tells somebody that it was thrown out, or not let in. It is the last
	// event of a session.
	Kicked struct {
		By     ParticipantID
		Banned bool
		Reason string
	}
	// MuteAsked asks somebody to mute itself.
	MuteAsked struct {
		By    ParticipantID
		Track Track
	}
	// Invited asks somebody to go to another room.
	Invited struct {
		By   ParticipantID
		Room RoomID
	}
)

// Events of the session's own peers. They come from the media engine.
type (
	// PeerCandidate is a candidate of ours, for peers that trickle.
	PeerCandidate struct {
		Peer      PeerID
		Candidate Candidate
	}
	// PeerChanged tells the state of a peer.
	PeerChanged struct {
		Peer  PeerID
		State PeerState
	}
	// PeerNegotiate says that a peer should be negotiated anew.
	PeerNegotiate struct{ Peer PeerID }
	// PeerTrack says that the first packet of a track arrived (Live), or that its
	// packets have an end.
	PeerTrack struct {
		Peer   PeerID
		Pub    PublicationID
		Track  Track
		Live   bool
		Layers []Layer // of a simulcast video track, lowest first
	}
	// PeerChannel says that a data channel opened or closed.
	PeerChannel struct {
		Peer  PeerID
		Label string
		Open  bool
	}
	// PeerMessage is a message from a data channel.
	PeerMessage struct {
		Peer  PeerID
		Label string
		Text  bool
		Data  []byte
	}
	// PeerHeard is what the engine heard in a publication's audio: somebody starts
	// or stops to talk. The session turns it into ReportTalking; dialects do not
	// see it.
	PeerHeard struct {
		Pub     PublicationID
		Talking bool
	}
	// PeerSilence is what the engine found out about a client that mutes without
	// saying so (PeerOptions.DetectMute). The session turns it into SetTrack;
	// dialects do not see it.
	PeerSilence struct {
		Pub    PublicationID
		Silent bool
	}
)

func (RoomChanged) key() string          { return "room" }
func (Ending) key() string               { return "end" }
func (Recording) key() string            { return "" }
func (Ended) key() string                { return "" }
func (Relocated) key() string            { return "" }
func (Joined) key() string               { return "" }
func (Left) key() string                 { return "" }
func (Knocked) key() string              { return "" }
func (Admitted) key() string             { return "" }
func (Entered) key() string              { return "" }
func (e Changed) key() string            { return "p/" + string(e.P.ID.uuid[:]) }
func (HandsLowered) key() string         { return "" }
func (Published) key() string            { return "" }
func (e PublicationChanged) key() string { return "u/" + string(e.Pub.ID.uuid[:]) }
func (Unpublished) key() string          { return "" }
func (e Talking) key() string            { return "t/" + string(e.ID.uuid[:]) }
func (e Quality) key() string            { return "q/" + string(e.ID.uuid[:]) }
func (e Wanted) key() string             { return "w/" + string(e.ID.uuid[:]) }
func (Said) key() string                 { return "" }
func (ChatCleared) key() string          { return "" }
func (e SeenBy) key() string             { return "r/" + e.Scope + "/" + string(e.By.uuid[:]) }
func (e TypingNow) key() string {
	return "y/" + string(e.From.uuid[:]) + string(e.To.uuid[:])
}
func (Data) key() string          { return "" }
func (e DocChanged) key() string  { return "d/" + e.Doc.Key }
func (Kicked) key() string        { return "" }
func (MuteAsked) key() string     { return "" }
func (Invited) key() string       { return "" }
func (PeerCandidate) key() string { return "" }
func (e PeerChanged) key() string { return "s/" + string(e.Peer.uuid[:]) }
func (e PeerNegotiate) key() string {
	return "n/" + string(e.Peer.uuid[:])
}
func (PeerTrack) key() string     { return "" }
func (PeerChannel) key() string   { return "" }
func (PeerMessage) key() string   { return "" }
func (e PeerHeard) key() string   { return "h/" + string(e.Pub.uuid[:]) }
func (e PeerSilence) key() string { return "m/" + string(e.Pub.uuid[:]) }
