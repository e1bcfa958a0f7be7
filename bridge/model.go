package bridge

import (
	"net/netip"
	"time"
)

// Role is a named set of permissions. The zero Role has none.
type Role uint8

// The roles, each with everything the one before it has.
const (
	NoRole    Role = iota
	Listener       // sees and hears, chats, raises a hand
	Speaker        // and publishes
	Moderator      // and mutes, kicks, admits, manages
)

// Permissions is what a participant may do. It is what commands check; the role
// is only where it starts.
type Permissions uint32

// What there is to be permitted.
const (
	PublishAudio Permissions = 1 << iota
	PublishVideo
	PublishScreen
	Subscribing
	Chatting
	ChattingPrivately
	SendingData
	RaisingHand
	MutingOthers
	Kicking
	Admitting
	Managing
)

// Permissions returns what the role starts with.
func (r Role) Permissions() Permissions {
	const (
		listener = Subscribing | Chatting | ChattingPrivately | SendingData | RaisingHand
		speaker  = listener | PublishAudio | PublishVideo | PublishScreen
	)
	switch r {
	case Listener:
		return listener
	case Speaker:
		return speaker
	case Moderator:
		return speaker | MutingOthers | Kicking | Admitting | Managing
	}
	return 0
}

// Has reports whether all of want is permitted.
func (p Permissions) Has(want Permissions) bool { return p&want == want }

// Kind is what sort of participant this is.
type Kind uint8

// The kinds of participant.
const (
	Person    Kind = iota
	Guest          // a person nobody vouches for
	Phone          // audio only, from a telephone
	Federated      // a person on another server
	Recorder       // hidden: takes streams, gives none
	Service        // hidden: a program that acts on the room
)

// Hidden reports whether participants of this kind are told to nobody and count
// for nothing.
func (k Kind) Hidden() bool { return k == Recorder || k == Service }

// Features is what a client can show its user, declared by its dialect. What a
// client cannot show is dropped or shaped at its edge, never in the room.
type Features uint32

// What a client may be able to show.
const (
	ShowsMute Features = 1 << iota
	ShowsHands
	ShowsTalking
	ShowsTyping
	ShowsPrivateChat
	ShowsRecording
	ShowsWaiting
)

// Has reports whether all of want can be shown.
func (f Features) Has(want Features) bool { return f&want == want }

// Participant is somebody in a room.
type Participant struct {
	ID      ParticipantID
	User    UserID // the same person over many joins; empty for a guest
	Name    string // at most MaxName bytes; may be empty
	Kind    Kind
	Role    Role
	Can     Permissions // what is really checked
	Dialect string
	Shows   Features
	Hand    time.Time // when it was raised; zero: down
	Talking bool
	Away    bool // the connection is lost, the seat is kept for a while
	Joined  time.Time
	Remote  netip.Addr        // where the client connects from; may be invalid. Dialects decide who sees it
	Attrs   map[string]string // avatar, status, device …; at most MaxAttrs bytes. Not to be changed: shared
}

// Bounds of what a participant may say of itself.
const (
	MaxName  = 256       // bytes of a name
	MaxAttrs = 64 << 10  // bytes of all attributes, keys and values together
	MaxText  = 256 << 10 // bytes of a chat message with its attributes, or of a data message
	MaxDocs  = 1 << 20   // bytes of all shared documents of a room
)

// Source is what a publication shows.
type Source uint8

// The sources.
const (
	Camera Source = iota // with its microphone
	Screen               // with its sound
)

// Track is one of the two tracks of a publication.
type Track uint8

// The tracks.
const (
	Audio Track = iota
	Video
)

// TrackState is what a track is doing.
type TrackState uint8

// The states of a track.
const (
	Absent   TrackState = iota // there is none
	Live                       // it is forwarded
	Muted                      // by its owner
	Silenced                   // by a moderator: the server drops its packets
)

// Layer is one simulcast layer of a video track.
type Layer struct {
	RID           string // RFC 8851
	Width, Height int    // 0: not known
}

// Publication is a stream: the camera with its microphone, or the screen with
// its sound. Its tracks are muted one by one and appear and vanish together.
type Publication struct {
	ID           PublicationID
	Owner        ParticipantID
	Source       Source
	Audio, Video TrackState
	Layers       []Layer // lowest first; none without simulcast. Not to be changed: shared
}

// State returns the state of one track.
func (p Publication) State(t Track) TrackState {
	if t == Video {
		return p.Video
	}
	return p.Audio
}

// Spec is what a room is made from. The zero value of each field is its usual
// setting.
type Spec struct {
	ID           RoomID
	Title        string          // shown instead of the id; empty: the id
	About        string          // a description
	Secrets      map[Role]Secret // who gives one has its role, by the rule of ahoy.md 4.3; may be hashes, see LocalConfig.Check
	Default      Role            // of those who give no secret where speakers need none; NoRole: Speaker, or Moderator if that needs none either
	Max          int             // participants; 0: no limit
	Ends         time.Time       // fixed end; zero: none
	Limit        time.Duration   // from the first join ever; 0: none
	WaitingRoom  bool
	NoHands      bool          // raising a hand is switched off
	NoChat       bool          // chat is switched off
	MaxBitrate   int           // bit/s of each publisher's video; 0: no limit
	NeverJoined  time.Duration // how long an unused room waits for its first participant; 0: DefaultNeverJoined
	EmptyTimeout time.Duration // how long a room outlives its last participant; 0: DefaultEmptyTimeout
	Keep         bool          // an empty room is never removed
	KeepChat     int           // chat messages kept for those who join later; at most MaxKeepChat
	Unlisted     bool          // List leaves it out
	Home         string        // a LiveKit room to peer with; empty: none
	Attrs        map[string]string
}

// Info is what may be known of a room from outside. It holds no secret.
type Info struct {
	ID           RoomID
	Title, About string
	Secured      map[Role]bool // for which roles there is a secret. Not to be changed: shared
	Locked       bool
	Members      int // without hidden ones and those who wait
	Max          int
	Ends         time.Time // zero: no end known (yet)
	WaitingRoom  bool
	Hands, Chat  bool
	MaxBitrate   int
	Recording    bool
	Created      time.Time
	Speaker      ParticipantID // who talks, or talked last; it may have changed without an event that says so
	Unlisted     bool
	Attrs        map[string]string // not to be changed: shared
	Home         string            // the LiveKit room that its maker peers it with; empty: none
}

// Remaining returns how long the room has before its end, and false when it has
// none.
func (i Info) Remaining(now time.Time) (time.Duration, bool) {
	if i.Ends.IsZero() {
		return 0, false
	}
	return max(0, i.Ends.Sub(now)), true
}

// Snapshot is a room as one session saw it when it joined. Every event that the
// session reads afterwards is newer.
type Snapshot struct {
	Version      uint64
	Room         Info
	Self         Participant
	Waiting      bool          // in the waiting room: nothing below is told yet
	Knocking     []Participant // who waits; told to those who may admit
	Participants []Participant // the others, hidden ones left out; oldest first
	Publications []Publication // of the others and of hidden federated ones; oldest first
	Chat         []Said        // the last few, if the room keeps them
	Docs         []Doc
}

// Doc is a shared document of a room (a poll, a timer): the room stores and
// orders versions, only dialects know what they mean.
type Doc struct {
	Key     string // "<dialect or feature>/<name>"
	Value   []byte // not to be changed: shared
	Version uint64 // counts from 1
	Owner   ParticipantID
}
