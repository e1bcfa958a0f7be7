package livekit

import (
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
)

// Quiet has LiveKit's SDK log nothing. What it says of transports goes to the standard
// logger of the process, whatever a connection is given. It is for who owns the process,
// before there is a Federation: it changes a variable of the SDK.
func Quiet() { lksdk.SetLogger(logger.GetDiscardLogger()) }
