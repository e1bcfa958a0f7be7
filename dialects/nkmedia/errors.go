package nkmedia

import (
	"errors"
	"strconv"
	"strings"

	"dragoman/bridge"
)

// Codes of errors and of the ends of sessions and conferences (reference 12).
const (
	internalError     = 100002
	timeout           = 100005
	notImplemented    = 100006
	processStopped    = 100010 // the creating connection is gone
	userStop          = 100011
	apiStop           = 100012
	unauthorized      = 100030
	notAuthenticated  = 100031
	alreadyAuth       = 100032
	userNotFound      = 100033
	duplicateID       = 100034
	invalidID         = 100035
	invalidOperation  = 100040
	invalidParameters = 100041
	unknownCommand    = 100042
	syntaxError       = 100044
	missingField      = 100045
	sessionTimeout    = 100060
	sessionNotFound   = 100062
	noMediaServer     = 300001
	sessionFailed     = 300003
	incompatible      = 300004
	offerNotSet       = 300010
	answerSet         = 300013
	noCandidates      = 300014
	missingSDP        = 300015
	confNotFound      = 304001
	confExists        = 304002
	confDestroyed     = 304003
	invalidPublisher  = 304005
	publisherStopped  = 304006
)

// texts are those of reference 12: a part of the protocol. ~ is the part that
// varies.
var texts = map[int]string{
	internalError:     "Internal error",
	timeout:           "Timeout",
	notImplemented:    "Not implemented",
	processStopped:    "Registered process stopped",
	userStop:          "User stop received",
	apiStop:           "API stop received",
	unauthorized:      "Unauthorized",
	notAuthenticated:  "Not authenticated",
	alreadyAuth:       "Already authenticated",
	userNotFound:      "User not found",
	duplicateID:       "Duplicated session id",
	invalidID:         "Invalid session id",
	invalidOperation:  "Invalid operation",
	invalidParameters: "Invalid parameters",
	unknownCommand:    "Unknown command '~'",
	syntaxError:       "Syntax error: ~",
	missingField:      "Missing field: ~",
	sessionTimeout:    "Session timeout",
	sessionNotFound:   "Session not found",
	noMediaServer:     "No mediaserver available",
	sessionFailed:     "Session has failed",
	incompatible:      "Incompatible session",
	offerNotSet:       "Offer not set",
	answerSet:         "Answer already set",
	noCandidates:      "No ICE candidates",
	missingSDP:        "Missing SDP",
	confNotFound:      "Conference not found",
	confExists:        "Conference already exists",
	confDestroyed:     "Conference destroyed",
	invalidPublisher:  "Invalid publisher",
	publisherStopped:  "Publisher stopped",
}

// fault is an error as clients are told it.
type fault struct {
	Code int    `json:"code"`
	Text string `json:"error"`
}

// Error implements error.
func (f *fault) Error() string { return strconv.Itoa(f.Code) + " " + f.Text }

// refuse makes a fault; of fills the part of its text that varies.
func refuse(code int, of ...string) *fault {
	return &fault{code, strings.Replace(texts[code], "~", strings.Join(of, "."), 1)}
}

// outcomes gives each code of the room model the one that clients are told, where
// the command knows no better one.
var outcomes = map[bridge.Code]int{
	bridge.BadRequest:      invalidParameters,
	bridge.Unauthenticated: unauthorized,
	bridge.WrongSecret:     unauthorized,
	bridge.Forbidden:       unauthorized,
	bridge.NotFound:        confNotFound,
	bridge.Exists:          confExists,
	bridge.RoomLocked:      unauthorized,
	bridge.RoomFull:        invalidOperation,
	bridge.Banned:          unauthorized,
	bridge.NotSupported:    notImplemented,
	bridge.TooMany:         noMediaServer,
	bridge.Lagged:          noMediaServer,
	bridge.Moved:           noMediaServer,
	bridge.Unavailable:     noMediaServer,
	bridge.Closed:          confNotFound,
	bridge.Internal:        internalError,
}

// faultOf translates an error, and reports false for one that is of the connection
// and not for the client: it ends it.
func faultOf(err error) (*fault, bool) {
	if f, ok := errors.AsType[*fault](err); ok {
		return f, true
	}
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		if code, ok := outcomes[e.Code]; ok {
			return refuse(code), true
		}
	}
	return nil, false
}

// translated gives an error of the room model another code than outcomes does.
func translated(err error, codes map[bridge.Code]int) error {
	if code, ok := codes[bridge.CodeOf(err)]; ok {
		return refuse(code)
	}
	return err
}
