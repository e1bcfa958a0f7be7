package livekit

import (
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"go.uber.org/zap"
)

// Quiet has LiveKit's SDK log nothing. What it says of transports goes to the standard
// logger of the process, whatever a connection is given. It is for who owns the process,
// before there is a Federation: it changes a variable of the SDK.
func Quiet() { lksdk.SetLogger(silent()) }

// silent returns a logger that does not even have put into words what it is not to log:
// for the one that the SDK has for this, Pion's objects are printed while they change.
func silent() logger.Logger {
	l, err := logger.FromZapLogger(zap.NewNop(), &logger.Config{Level: "fatal"})
	if err != nil { // the level is one
		return logger.GetDiscardLogger()
	}
	return l
}
