package media

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLog takes Pion's logs. What Pion calls an error is often only a connection
// that ended, so everything is debug here.
type pionLog struct{ log *slog.Logger }

func (l pionLog) NewLogger(scope string) logging.LeveledLogger {
	if !l.log.Enabled(context.Background(), slog.LevelDebug) {
		return quiet{}
	}
	return loud{l.log.With("pion", scope)}
}

// loud logs for debugging.
type loud struct{ log *slog.Logger }

func (l loud) Trace(string)              {}
func (l loud) Tracef(string, ...any)     {}
func (l loud) Debug(s string)            { l.log.Debug(s) }
func (l loud) Debugf(s string, a ...any) { l.log.Debug(fmt.Sprintf(s, a...)) }
func (l loud) Info(s string)             { l.log.Debug(s) }
func (l loud) Infof(s string, a ...any)  { l.log.Debug(fmt.Sprintf(s, a...)) }
func (l loud) Warn(s string)             { l.log.Debug(s) }
func (l loud) Warnf(s string, a ...any)  { l.log.Debug(fmt.Sprintf(s, a...)) }
func (l loud) Error(s string)            { l.log.Debug(s) }
func (l loud) Errorf(s string, a ...any) { l.log.Debug(fmt.Sprintf(s, a...)) }

// quiet logs nothing.
type quiet struct{}

func (quiet) Trace(string)          {}
func (quiet) Tracef(string, ...any) {}
func (quiet) Debug(string)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(string)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(string)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(string)          {}
func (quiet) Errorf(string, ...any) {}
