package bridge

import (
	"context"
	"time"
)

// Store is what outlives a process. Running rooms are not in it: their owner node
// has them.
//
// What a method of it has acknowledged is there after a crash. Methods may be
// called from any goroutine; they may wait for a disk or a network and are not
// for the loop of a room. Their errors have a code: NotFound, Exists, BadRequest
// for what is out of bounds, Unavailable when ctx ended or the database is away,
// Internal. Times are kept in microseconds and come back in UTC.
//
// Changes are functions: they are given what is stored and change it. Of two that
// change the same at the same time, the second is given what the first left. A
// function is called while others wait, and again when the database asks for that:
// it has no other effects, does not wait and does not use the store. An error that
// it returns is returned as it is, and nothing is stored.
//
// A zero Created is set to now, a zero Updated to Created; whoever changes
// something sets Updated.
type Store interface {
	Accounts() Accounts
	Meetings() Meetings
	Rooms() Rooms
	Invites() Invites
	History() History
	Tickets() Tickets
	// Ready tells whether the database answers.
	Ready(ctx context.Context) error
}

// Accounts are the people who have logged in.
type Accounts interface {
	// LogIn makes the account of a.User, or renews Profile and Until of the one that
	// there is. The account as it is stored then is returned.
	LogIn(ctx context.Context, a Account) (Account, error)
	Get(ctx context.Context, id AccountID) (Account, error)
	// ByMail returns the account with an address, the oldest if there are several.
	ByMail(ctx context.Context, mail string) (Account, error)
	// Change changes Name, Attrs, Until and Profile.
	Change(ctx context.Context, id AccountID, change func(*Account) error) (Account, error)
	// Find returns accounts whose names or address hold text, in any case, by name;
	// at most limit, and 100.
	Find(ctx context.Context, text string, limit int) ([]Account, error)
}

// Meetings are what is in calendars.
type Meetings interface {
	// Create stores a meeting, and its room if that is not stored yet.
	Create(ctx context.Context, m Meeting) error
	// Get returns a meeting with all attendees, as viewer has it; viewer may be zero.
	Get(ctx context.Context, id MeetingID, viewer AccountID) (Entry, error)
	// OfRoom returns the meeting of a room: of several, the one that is no exception
	// of a series, and was made first.
	OfRoom(ctx context.Context, room RoomID, viewer AccountID) (Entry, error)
	// Exceptions returns the meetings that take the place of occurrences of a series,
	// cancelled ones included, in the order of Occurrence.
	Exceptions(ctx context.Context, series MeetingID) ([]Meeting, error)
	List(ctx context.Context, q Query) (Page, error)
	// Change changes a meeting with its attendees and its room, but neither who made
	// it nor the ids.
	Change(ctx context.Context, id MeetingID, change func(*Meeting) error) (Meeting, error)
	// Delete removes a meeting and its exceptions, and its room with all invites and
	// history if no other meeting has it.
	Delete(ctx context.Context, id MeetingID) error
	// Favor marks a meeting for an account, or takes the mark away, and tells whether
	// that changed anything.
	Favor(ctx context.Context, who AccountID, id MeetingID, on bool) (changed bool, err error)
}

// Rooms are the definitions of rooms.
type Rooms interface {
	Create(ctx context.Context, r StoredRoom) error
	Get(ctx context.Context, id RoomID) (StoredRoom, error)
	// List returns rooms that an account made, oldest first, and how many there are
	// in all; at most limit, and 100.
	List(ctx context.Context, creator AccountID, offset, limit int) (rooms []StoredRoom, all int, err error)
	// Change changes a room's Spec, but not its id.
	Change(ctx context.Context, id RoomID, change func(*StoredRoom) error) (StoredRoom, error)
	// Delete removes a room with its meetings, invites and history.
	Delete(ctx context.Context, id RoomID) error
}

// Invites are the codes that let people into rooms.
type Invites interface {
	// Create stores an invite; NotFound if there is no such room.
	Create(ctx context.Context, i Invite) error
	// Get returns an invite, also one that is expired or not active.
	Get(ctx context.Context, code InviteCode) (Invite, error)
	// List returns invites of a room, oldest first, and how many there are in all; at
	// most limit, and 100.
	List(ctx context.Context, room RoomID, offset, limit int) (invites []Invite, all int, err error)
	// Change changes Expires, Active, Updated and UpdatedBy.
	Change(ctx context.Context, code InviteCode, change func(*Invite) error) (Invite, error)
}

// History is the chat of rooms that keep it, stored or not.
type History interface {
	// Append keeps a message, and of all of the room's the last most, at most
	// MaxKeepChat. The same message again changes nothing.
	Append(ctx context.Context, room RoomID, said Said, most int) error
	// Last returns the last messages of a room, oldest first; at most MaxKeepChat.
	Last(ctx context.Context, room RoomID, most int) ([]Said, error)
	Clear(ctx context.Context, room RoomID) error
}

// Tickets are secrets that are good for a short time, on every node. They are
// stored as hashes, and what they stand for is sealed.
type Tickets interface {
	// Put stores what a ticket stands for, at most 64 KiB, until it expires. A ticket
	// that is there gets the new value and expiry.
	Put(ctx context.Context, ticket Secret, value []byte, expires time.Time) error
	// Get returns what a ticket stands for; NotFound for one that is unknown, taken or
	// expired.
	Get(ctx context.Context, ticket Secret) ([]byte, error)
	// Take is Get for the only one who gets it: of several at the same time one
	// succeeds, and afterwards nobody.
	Take(ctx context.Context, ticket Secret) ([]byte, error)
}
