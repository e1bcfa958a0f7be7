package spreed

import (
	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// The error codes of the protocol (reference 6).
const (
	codeUnknown          = "unknown"
	codeBadRequest       = "bad_request"
	codeNotInRoom        = "not_in_room"
	codeNoDefaultRoom    = "default_room_disabled"
	codeNeedsAccount     = "room_join_requires_account"
	codeNeedsCredentials = "authorization_required"
	codeBadCredentials   = "invalid_credentials"
	codeNoCredentials    = "authorization_not_required"
	codeBadSession       = "invalid_session_token"
	codeAuthenticated    = "already_authenticated"
	codeNoContacts       = "contacts_not_enabled"
	codeBadAttestation   = "bad_attestation"
	codeNoSession        = "no_such_session"
)

// codes says each code of the bridge in words of the protocol. Web clients ask for
// a PIN at authorization_required and invalid_credentials, so a locked room is
// one of them: who knows the moderators' secret comes in.
func codes() map[bridge.Code]string {
	return map[bridge.Code]string{
		bridge.BadRequest:      codeBadRequest,
		bridge.Unauthenticated: codeNeedsCredentials,
		bridge.WrongSecret:     codeBadCredentials,
		bridge.Forbidden:       codeUnknown,
		bridge.NotFound:        codeNoSession,
		bridge.Exists:          codeBadRequest,
		bridge.RoomLocked:      codeNeedsCredentials,
		bridge.RoomFull:        codeUnknown,
		bridge.Banned:          codeBadCredentials,
		bridge.NotSupported:    codeBadRequest,
		bridge.TooMany:         codeUnknown,
		bridge.Lagged:          codeUnknown,
		bridge.Moved:           codeUnknown,
		bridge.Unavailable:     codeUnknown,
		bridge.Closed:          codeNotInRoom,
		bridge.Internal:        codeUnknown,
	}
}

// refused is an error in words of the protocol.
func refused(code, message string) wire.Error {
	return wire.Error{Type: wire.TypeError, Code: code, Message: message}
}

// refusal says an error of the bridge in words of the protocol.
func refusal(err error) wire.Error {
	code, ok := codes()[bridge.CodeOf(err)]
	if !ok {
		code = codeUnknown
	}
	return refused(code, bridge.MessageOf(err))
}

// refusedHello is the refusal of one who wanted to come into a room.
func refusedHello(err error, gave bool) wire.Error {
	e := refusal(err)
	switch bridge.CodeOf(err) {
	case bridge.RoomLocked:
		if gave {
			e.Code = codeBadCredentials // ask again
		}
	case bridge.NotFound:
		e.Code = codeUnknown // rooms cannot be made here, and the protocol has no word for it
	}
	return e
}
