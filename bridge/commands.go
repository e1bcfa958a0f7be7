package bridge

import "time"

// Command is one of the structs below: what a participant wants of its room. The
// set is closed. A command carries the ids of what it makes, so its only answer
// is an error, and it may be repeated after a lost reply.
type Command interface {
	// apply runs in the room's loop. It checks everything before it changes
	// anything.
	apply(r *room, m *member) error
}

// About oneself.
type (
	// Enter goes in from the waiting room, once admitted. The others are told
	// Joined, oneself Entered.
	Enter struct{}
	// Rename changes the own name.
	Rename struct{ Name string }
	// SetAttrs sets attributes; an empty value removes one.
	SetAttrs struct{ Attrs map[string]string }
	// RaiseHand raises or lowers the own hand. Needs RaisingHand, and a room where
	// hands are allowed.
	RaiseHand struct{ Up bool }
	// ReportTalking is sent by the session when the engine hears its client.
	ReportTalking struct{ On bool }
	// ReportQuality is sent by the session: 0 lost, 5 perfect.
	ReportQuality struct{ Score int }
)

// Streams.
type (
	// Publish makes a stream of one's own known. Needs PublishAudio and
	// PublishVideo for the tracks that a Camera has, PublishScreen for a Screen.
	// Owner is filled in by the room. Published again, it replaces the state. Exists:
	// the id is somebody else's, or of another source. TooMany: MaxPublications.
	Publish struct{ Publication Publication }
	// SetTrack mutes or unmutes a track of one's own. A Silenced track stays so.
	SetTrack struct {
		ID    PublicationID
		Track Track
		Muted bool
	}
	// Unpublish ends a stream: one's own, or with MutingOthers anybody's.
	Unpublish struct{ ID PublicationID }
	// Subscribe says that this session is about to receive a stream. Needs
	// Subscribing.
	Subscribe struct{ ID PublicationID }
	// Unsubscribe says that it does no longer.
	Unsubscribe struct{ ID PublicationID }
	// Want is the highest layer anybody at this edge looks at; empty: none.
	Want struct {
		ID    PublicationID
		Layer string
	}
)

// Others.
type (
	// Mute asks participants to mute a track of their camera stream, or with Force
	// silences it, so that the server drops its packets. Off lifts a silence; the
	// track is then Muted and its owner may unmute. Needs MutingOthers. No targets:
	// everybody but oneself and other moderators. With Source it is the screen, which
	// can only be forced and lifted: nobody has a way to ask.
	Mute struct {
		Targets []ParticipantID
		Source  Source
		Track   Track
		Force   bool
		Off     bool
	}
	// SetRole gives another role. Needs Managing.
	SetRole struct {
		Target ParticipantID
		Role   Role
	}
	// Permit adds and removes permissions. Needs Managing.
	Permit struct {
		Target      ParticipantID
		Add, Remove Permissions
	}
	// LowerHands lowers hands; no targets: all. Needs MutingOthers.
	LowerHands struct{ Targets []ParticipantID }
	// Kick throws somebody out, or refuses one who waits. Needs Kicking. A banned
	// one does not come back while the room lives.
	Kick struct {
		Target ParticipantID
		Ban    bool
		Reason string
	}
	// Admit lets somebody in from the waiting room, or refuses. Needs Admitting.
	Admit struct {
		Target ParticipantID
		OK     bool
	}
	// SendToWaiting puts somebody back into the waiting room; it is told Knocked of
	// itself. Needs Admitting.
	SendToWaiting struct{ Target ParticipantID }
	// MoveTo invites somebody to another room. Needs Managing.
	MoveTo struct {
		Target ParticipantID
		Room   RoomID
	}
)

// Talk.
type (
	// Say is a chat message to everybody, to one, or to a group. Needs Chatting or
	// ChattingPrivately, and a room where chat is allowed.
	Say struct {
		ID    MessageID
		To    ParticipantID
		Group string
		Text  string
		Attrs map[string]string
	}
	// Typing says that one types, to one or to everybody. Needs Chatting.
	Typing struct {
		To ParticipantID
		On bool
	}
	// Seen says how far one has read: Scope is "" for the room, a group's name, or
	// a participant's id.
	Seen struct {
		Scope string
		At    time.Time
	}
	// ClearChat forgets the kept messages. Needs Managing.
	ClearChat struct{}
	// Send passes an opaque message to one or to everybody else; if the topic begins
	// with the sender's own dialect, to those who speak it. Needs SendingData. Hidden
	// participants hear everything, and are reached by To.
	Send struct {
		To    ParticipantID
		Topic string
		Data  []byte
	}
	// PutDoc stores a shared document. IfVersion is the version that it replaces; 0:
	// there must be none. AnyVersion: whatever there is. No value removes it. Needs
	// SendingData, or to be its owner. Exists: it has another version.
	PutDoc struct {
		Key       string
		Value     []byte
		IfVersion uint64
	}
)

// AnyVersion lets PutDoc replace a document whatever its version is.
const AnyVersion = ^uint64(0)

// The room. All but Touch need Managing.
type (
	// Lock lets nobody in any more, but for those who give the moderators' secret.
	Lock struct{ On bool }
	// SetSecrets replaces all secrets. None: the room is open.
	SetSecrets struct{ Secrets map[Role]Secret }
	// Describe changes title and description; nil leaves one as it is.
	Describe struct{ Title, About *string }
	// SetEnd moves the end; zero: no end.
	SetEnd struct{ At time.Time }
	// SetWaitingRoom switches the waiting room. Switched off, all who wait are
	// admitted.
	SetWaitingRoom struct{ On bool }
	// AllowHands switches raising hands; switched off, all are lowered.
	AllowHands struct{ On bool }
	// AllowChat switches chat.
	AllowChat struct{ On bool }
	// SetMax changes the maximum of participants; 0: no limit. Nobody is thrown out.
	SetMax struct{ Max int }
	// Touch begins anew the time for which an empty room is kept. Needs nothing: it is
	// for hidden participants, who do not keep a room by being there.
	Touch struct{}
	// Record says that somebody records, or stops.
	Record struct{ On bool }
	// CloseRoom ends the room for everybody.
	CloseRoom struct{ Reason Reason }
)
