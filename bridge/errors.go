package bridge

import (
	"errors"
	"fmt"
)

// Code is what went wrong, in words that every dialect can translate. Each
// dialect has one table from codes to its own errors.
type Code uint8

// The codes, in the order of the table of dialects in architecture.md 12.
const (
	BadRequest      Code = iota + 1 // malformed, or out of order
	Unauthenticated                 // nobody vouches for the client
	WrongSecret                     // a password or PIN that opens nothing
	Forbidden                       // the role is too low
	NotFound                        // no such room, participant, publication
	Exists                          // the name is taken
	RoomLocked                      // a moderator has locked the room
	RoomFull                        // the room has its maximum of participants
	Banned                          // thrown out for good
	NotSupported                    // not in this room, or not in this dialect
	TooMany                         // too often, too fast
	Lagged                          // the client reads slower than the room talks
	Moved                           // the room is on another node
	Unavailable                     // draining, or cut off
	Closed                          // the room has ended
	Internal                        // our fault
)

var codeNames = [...]string{
	BadRequest: "bad request", Unauthenticated: "unauthenticated", WrongSecret: "wrong secret",
	Forbidden: "forbidden", NotFound: "not found", Exists: "exists", RoomLocked: "room locked",
	RoomFull: "room full", Banned: "banned", NotSupported: "not supported", TooMany: "too many",
	Lagged: "lagged", Moved: "moved", Unavailable: "unavailable", Closed: "closed", Internal: "internal",
}

// String returns the code in words, for logs.
func (c Code) String() string {
	if int(c) < len(codeNames) && codeNames[c] != "" {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Codes returns every code. The error tables of dialects are tested against it.
func Codes() []Code {
	all := make([]Code, 0, len(codeNames))
	for c := BadRequest; c <= Internal; c++ {
		all = append(all, c)
	}
	return all
}

// Error is an error with a code.
type Error struct {
	Code Code
	Msg  string // fit to be shown to users
	Node NodeID // where to go, for Moved
	Err  error  // for the log only
}

// Error returns the code, the message and the cause. It is for logs; clients are
// shown Msg.
func (e *Error) Error() string {
	s := e.Code.String()
	if e.Msg != "" {
		s += ": " + e.Msg
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error with a code and a message that may be shown to users.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Msg: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of err, Internal for an error without one, and 0 for
// nil.
func CodeOf(err error) Code {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// MessageOf returns what a user may be told of err.
func MessageOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Msg != "" {
		return e.Msg
	}
	if err == nil {
		return ""
	}
	return CodeOf(err).String()
}
