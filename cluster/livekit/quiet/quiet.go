// Package quiet lets LiveKit's SDK log nothing. It would log tokens.
package quiet

import (
	"sync"

	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"go.uber.org/zap"
)

// SDK has the SDK, and what is below it, log nothing in this process: what it says of
// transports goes to the standard logger of the process, whatever a connection is given.
// It changes a variable of the SDK, once: who owns the process calls it before anything of
// the SDK runs.
func SDK() { once() }

var once = sync.OnceFunc(func() { lksdk.SetLogger(Logger()) })

// Logger returns a logger that does not even have put into words what it is not to log:
// for the one that the SDK has for this, Pion's objects are printed while they change.
func Logger() logger.Logger {
	l, err := logger.FromZapLogger(zap.NewNop(), &logger.Config{Level: "fatal"})
	if err != nil { // the level is one
		return logger.GetDiscardLogger()
	}
	return l
}
