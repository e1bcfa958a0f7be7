package k3k

import (
	"net/http"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
)

// outcome is how an error is told.
type outcome struct {
	status int    // of an HTTP answer (reference 4.1)
	code   string // in its body
	// signal is the error in the namespace whose command failed (reference 7.3, 8.5,
	// 9); empty: silence. In media, forbidden is permission_denied.
	signal string
	close  int // code with which a connection ends that lost its seat so (reference 5.5)
}

// Codes of errors that appear in more than one place.
const (
	insufficient    = "insufficient_permissions"
	invalidJSON     = "invalid_json"
	permissionError = "permission_denied"
)

// outcomes gives each code what clients are told.
var outcomes = map[bridge.Code]outcome{
	bridge.BadRequest:      {http.StatusBadRequest, "bad_request", "", websocket.CloseInternalServerErr},
	bridge.Unauthenticated: {http.StatusUnauthorized, "unauthorized", insufficient, websocket.CloseNormalClosure},
	bridge.WrongSecret:     {http.StatusUnauthorized, "wrong_room_password", insufficient, websocket.CloseNormalClosure},
	bridge.Forbidden:       {http.StatusForbidden, "forbidden", insufficient, websocket.CloseNormalClosure},
	bridge.NotFound:        {http.StatusNotFound, "not_found", "", websocket.CloseNormalClosure},
	bridge.Exists:          {http.StatusConflict, "conflict", "", websocket.CloseInternalServerErr},
	bridge.RoomLocked:      {http.StatusForbidden, "forbidden", insufficient, websocket.CloseNormalClosure},
	bridge.RoomFull:        {http.StatusConflict, "conflict", "", websocket.CloseTryAgainLater},
	bridge.Banned:          {http.StatusForbidden, "banned_from_room", insufficient, websocket.CloseNormalClosure},
	bridge.NotSupported:    {http.StatusBadRequest, "bad_request", "", websocket.CloseInternalServerErr},
	bridge.TooMany:         {http.StatusTooManyRequests, "too_many_requests", "", websocket.CloseTryAgainLater},
	bridge.Lagged:          {http.StatusServiceUnavailable, "service_unavailable", "", websocket.CloseTryAgainLater},
	bridge.Moved:           {http.StatusServiceUnavailable, "service_unavailable", "", websocket.CloseServiceRestart},
	bridge.Unavailable:     {http.StatusServiceUnavailable, "service_unavailable", "", websocket.CloseTryAgainLater},
	bridge.Closed:          {http.StatusNotFound, "not_found", "", websocket.CloseNormalClosure},
	bridge.Internal:        {http.StatusInternalServerError, "internal_server_error", "", websocket.CloseInternalServerErr},
}

// outcomeOf translates an error.
func outcomeOf(err error) outcome {
	if o, ok := outcomes[bridge.CodeOf(err)]; ok {
		return o
	}
	return outcomes[bridge.Internal]
}

// refusal is an error in the words of a namespace.
type refusal struct {
	code string
	// of is the media session that some errors name.
	of *key
}

// Error implements error.
func (r *refusal) Error() string { return "refused: " + r.code }

func refuse(code string) error { return &refusal{code: code} }

// errorDoc is the fields of an error message.
type errorDoc struct {
	Error  string                `json:"error"`
	Source *bridge.ParticipantID `json:"source,omitempty"`
	Sort   sort                  `json:"media_session_type,omitempty"`
}
