package media

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLog takes Pion's logs. What Pion calls an error is often only a connection
// that ended, so everything is debug here. It implements logging.LoggerFactory
// and logging.LeveledLogger.
type pionLog struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (l pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{l.log.With("pion", scope)}
}

func (l pionLog) say(format string, args ...any) {
	if !l.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	l.log.Debug(format)
}

// Trace says nothing: there is a line for each packet.
func (l pionLog) Trace(string) {}

// Tracef says nothing.
func (l pionLog) Tracef(string, ...any) {}

// Debug logs for debugging.
func (l pionLog) Debug(s string) { l.say(s) }

// Debugf logs for debugging.
func (l pionLog) Debugf(s string, a ...any) { l.say(s, a...) }

// Info logs for debugging.
func (l pionLog) Info(s string) { l.say(s) }

// Infof logs for debugging.
func (l pionLog) Infof(s string, a ...any) { l.say(s, a...) }

// Warn logs for debugging.
func (l pionLog) Warn(s string) { l.say(s) }

// Warnf logs for debugging.
func (l pionLog) Warnf(s string, a ...any) { l.say(s, a...) }

// Error logs for debugging.
func (l pionLog) Error(s string) { l.say(s) }

// Errorf logs for debugging.
func (l pionLog) Errorf(s string, a ...any) { l.say(s, a...) }
