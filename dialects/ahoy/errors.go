package ahoy

import (
	"dragoman/bridge"
)

// outcome is what a response says about how it went.
type outcome struct {
	status int
	reason string
}

// outcomes gives each code its status and reason (reference 3 and 4.2). What the
// protocol has no status for gets the one that clients handle alike.
var outcomes = map[bridge.Code]outcome{
	bridge.BadRequest:      {400, "bad request"},
	bridge.Unauthenticated: {403, "forbidden"},
	bridge.WrongSecret:     {403, "forbidden"},
	bridge.Forbidden:       {403, "forbidden"},
	bridge.NotFound:        {404, "not found"},
	bridge.Exists:          {486, "conference exists"},
	bridge.RoomLocked:      {470, "locked"},
	bridge.RoomFull:        {486, "conference full"},
	bridge.Banned:          {403, "forbidden"},
	bridge.NotSupported:    {501, "not implemented"},
	bridge.TooMany:         {429, "too many requests"},
	bridge.Lagged:          {503, "too slow"},
	bridge.Moved:           {503, "moved"}, // 302 where a redirect is configured
	bridge.Unavailable:     {503, "unavailable"},
	bridge.Closed:          {404, "not found"},
	bridge.Internal:        {500, "internal server error"},
}

// outcomeOf translates an error.
func outcomeOf(err error) outcome {
	if o, ok := outcomes[bridge.CodeOf(err)]; ok {
		return o
	}
	return outcomes[bridge.Internal]
}
