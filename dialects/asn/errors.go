package asn

import (
	"errors"
	"fmt"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// numbers gives each code the error number that clients are told (reference 5.1).
var numbers = map[bridge.Code]rose.ConferenceError{
	bridge.BadRequest:      rose.InvalidArgument,
	bridge.Unauthenticated: rose.TokenInvalid,
	bridge.WrongSecret:     rose.TokenInvalid,
	bridge.Forbidden:       rose.Forbidden,
	bridge.NotFound:        rose.ConferenceNotFound,
	bridge.Exists:          rose.Conflict,
	bridge.RoomLocked:      rose.Forbidden,
	bridge.RoomFull:        rose.TooMany,
	bridge.Banned:          rose.Forbidden,
	bridge.NotSupported:    rose.Conflict,
	bridge.TooMany:         rose.TooMany,
	bridge.Lagged:          rose.Unavailable,
	bridge.Moved:           rose.Unavailable,
	bridge.Unavailable:     rose.Unavailable,
	bridge.Closed:          rose.TokenInvalid, // the party is not in the room any more
	bridge.Internal:        rose.InternalError,
}

// failure is an error in the words of the dialect.
type failure struct {
	number rose.ConferenceError
	text   string // for a person
	err    error  // for the log
}

// Error implements error.
func (f *failure) Error() string {
	if f.err != nil {
		return fmt.Sprintf("%d %s: %v", f.number, f.text, f.err)
	}
	return fmt.Sprintf("%d %s", f.number, f.text)
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

func fail(n rose.ConferenceError, format string, args ...any) error {
	return &failure{number: n, text: fmt.Sprintf(format, args...)}
}

// failureOf translates any error.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if u, ok := errors.AsType[*rose.Unfit](err); ok {
		n := rose.InvalidArgument
		if u.Large {
			n = rose.TooLarge
		}
		return &failure{n, u.Error(), nil}
	}
	n, ok := numbers[bridge.CodeOf(err)]
	if !ok {
		n = rose.InternalError
	}
	return &failure{n, bridge.MessageOf(err), err}
}

// onWire is what clients are told.
func (f *failure) onWire() *rose.RequestError {
	return &rose.RequestError{ErrorDetail: int64(f.number), ErrorString: f.text}
}
