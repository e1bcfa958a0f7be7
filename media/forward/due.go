package forward

import "sync/atomic"

// Due says that there is something to do for a connection at the next tick. Most have
// nothing: to look at all that they send and receive, fifty times a second, costs more
// than a few packets of sound do. Nil is nobody's.
type Due struct{ is atomic.Bool }

// Mark says so. Any goroutine may call it.
func (d *Due) Mark() {
	if d != nil && !d.is.Load() { // to write would take the line from other processors
		d.is.Store(true)
	}
}

// Take reports whether it was said, and forgets it.
func (d *Due) Take() bool { return d.is.Load() && d.is.Swap(false) }
