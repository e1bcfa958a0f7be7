package media

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much the heap of a process with an engine grows between two
// collections. Packets allocate nothing, so that collections are seldom even so; half of
// Go's own 100 is what lies about less of the memory that negotiations have used.
const gcPercent = 50

// Tune sets how much the heap grows between two collections, in percent, for the whole
// process; 0: as GOGC says, and where nobody has set that, as suits an engine. main calls
// it.
func Tune(percent int) {
	if percent == 0 && os.Getenv("GOGC") == "" {
		percent = gcPercent
	}
	if percent > 0 {
		debug.SetGCPercent(percent)
	}
}
