package media

import (
	"os"
	"runtime"
	"runtime/debug"

	"dragoman/media/port"
)

// processors is how many threads may run Go code at once before Tune allows more: one for
// each processor, or what a container or GOMAXPROCS says.
var processors = runtime.GOMAXPROCS(0)

// loops is how many sockets a fast engine has.
func loops() int { return min(processors, port.LoopsMost) }

// gcPercent is how much the heap of a process with an engine grows between two
// collections. Packets allocate nothing, so that collections are seldom even so; half of
// Go's own 100 is what lies about less of the memory that negotiations have used.
const gcPercent = 50

// Tune makes the whole process suit an engine. main calls it. gogc is how much the heap
// grows between two collections, in percent; 0: as GOGC says, and where nobody has set
// that, as suits an engine.
//
// Where sockets are read by loops that wait in the kernel (Linux), Go counts each of them
// as a thread that runs, so that it allows as many more. Without them a loop would lose its
// place to others whenever it waits, and queue for one when a packet comes.
func Tune(gogc int) {
	if gogc == 0 && os.Getenv("GOGC") == "" {
		gogc = gcPercent
	}
	if gogc > 0 {
		debug.SetGCPercent(gogc)
	}
	if runtime.GOOS == "linux" {
		runtime.GOMAXPROCS(processors + loops())
	}
}
