package bridge

import (
	"crypto/sha256"
	"time"
)

// AccountID names an account. It is made from the UserID, so that nodes agree on
// it without asking each other.
type AccountID struct{ uuid }

// AccountOf returns the id of a user's account: a UUID of version 8 (RFC 9562).
// The one of nobody is zero.
func AccountOf(user UserID) (id AccountID) {
	if user == "" {
		return id
	}
	sum := sha256.Sum256([]byte("account " + user))
	copy(id.uuid[:], sum[:])
	id.uuid[6] = id.uuid[6]&0x0f | 0x80
	id.uuid[8] = id.uuid[8]&0x3f | 0x80
	return id
}

// MeetingID names a meeting.
type MeetingID struct{ uuid }

// NewMeetingID returns a random id.
func NewMeetingID() MeetingID { return MeetingID{newUUID()} }

// InviteCode names an invite and lets its holder in.
type InviteCode struct{ uuid }

// NewInviteCode returns a random code.
func NewInviteCode() InviteCode { return InviteCode{newUUID()} }

// Account is somebody who has logged in at least once.
type Account struct {
	ID      AccountID // AccountOf(User)
	User    UserID
	Profile           // what the voucher said last
	Name    string    // shown to others. It is the person's own: logging in again leaves it
	Until   time.Time // when the last proof of identity expires; zero: never
	Created time.Time
	Attrs   map[string]string // what a dialect keeps of the person (title, language, theme); at most MaxAttrs bytes
}

// Profile is what an identity provider knows of a user. Everything may be empty.
type Profile struct {
	Mail                  string // compared without regard to case
	MailVerified          bool
	First, Last, Nickname string
	Phone                 string
	Tenant, Tariff        string
	Groups                []string // not to be changed: shared
}

// Contact is how somebody without an account is known.
type Contact struct {
	Name string
	Mail string // compared without regard to case
}

// Answer is what somebody said to an invitation to a meeting.
type Answer uint8

// The answers.
const (
	Unanswered Answer = iota
	Accepted
	Tentative
	Declined
)

// Attendee is somebody who is invited to a meeting by name.
type Attendee struct {
	Account AccountID // zero: known by mail only
	Contact           // empty for one who is known by account
	Role    Role      // in the meeting; NoRole: whatever the room gives
	Answer  Answer
}

// Moment is a time as a person in some place wrote it.
type Moment struct {
	At   time.Time // zero: none
	Zone string    // IANA name; may be empty
}

// Bounds of meetings.
const (
	MaxAttendees  = 1000
	MaxRecurrence = 16 // rules of one meeting
)

// Meeting is something in calendars: an event of k3k, a scheduled meeting of asn.
// Each has a room; whether that is running is not stored.
type Meeting struct {
	ID         MeetingID
	Room       StoredRoom // stored with it, and gone with its last meeting
	Title      string
	About      string
	Organizer  Contact // as the invitations say; may be empty
	Timeless   bool    // at no particular time: Starts, Ends and Recurrence are empty
	AllDay     bool
	Starts     Moment
	Ends       Moment
	Recurrence []string  // rules of RFC 5545 3.8.5; none: it takes place once
	LastEnds   time.Time // of a recurring one: when its last occurrence ends; zero: for ever
	Series     MeetingID // of one that takes the place of an occurrence of a recurring one: which; zero otherwise
	Occurrence time.Time // and when that would have begun
	Adhoc      bool      // made on the spot, to be joined at once
	Cancelled  bool      // still known, but in nobody's list
	Sequence   int       // revision as invitations count it (RFC 5545 3.8.7.4); whoever changes the meeting counts
	Creator    AccountID
	Created    time.Time
	UpdatedBy  AccountID
	Updated    time.Time
	Attendees  []Attendee        // at most MaxAttendees, in the order they were invited; see Query.Attendees
	Invited    int               // how many attendees there are, when not all are told
	Attrs      map[string]string // what a dialect adds; at most MaxAttrs bytes
}

// Entry is a meeting as one account has it in its calendar.
type Entry struct {
	Meeting
	Involved bool   // made it or is invited to it
	Answer   Answer // what the account said; Accepted for the creator
	Favorite bool
}

// Query says which meetings are asked for: those that Viewer made or is invited
// to, without cancelled ones, in the order of start, creation and id. What is at
// no particular time comes first.
type Query struct {
	Viewer    AccountID
	Mail      string    // also those to which this address is invited; empty: none
	From, To  time.Time // those that end after From and start before To; zero: no bound. With a bound, timeless ones are left out
	Adhoc     *bool     // only such, or only others; nil: both
	Timeless  *bool
	Favorites bool     // only those
	Answers   []Answer // only those the viewer answered like this; none: all
	Attendees int      // at most so many of each meeting's attendees are told
	After     string   // Page.Next of the page before
	Limit     int      // meetings per page; 0: 30, at most 100
}

// Page is a part of an answer.
type Page struct {
	Entries []Entry
	Next    string // for Query.After; empty: this was the last. To be passed on, not understood
}

// StoredRoom is what a room is made from, whenever somebody comes.
type StoredRoom struct {
	Spec    Spec      // with its secrets as they were given, so that their owner can be shown them
	Creator AccountID // zero: the operator
	Created time.Time
	Updated time.Time
}

// Invite lets everybody who knows its code into a room.
type Invite struct {
	Code      InviteCode
	Room      RoomID
	Creator   AccountID
	Created   time.Time
	UpdatedBy AccountID
	Updated   time.Time
	Expires   time.Time // zero: never
	Active    bool      // false: taken back
}
