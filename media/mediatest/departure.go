package mediatest

import (
	"sync"
	"time"
)

// Departures knows when the last packet of a frame was about to leave. What a camera needs
// to send a frame, and what keeps it from the processor meanwhile, is then not taken for
// a delay of the server's. Clients of one process share it; it knows the last frames only.
type Departures struct {
	mu   sync.Mutex
	last [1 << 10]departure
}

type departure struct {
	source, number uint32
	layer          uint8
	at             time.Time
}

func (d *Departures) place(f Frame) *departure {
	return &d.last[(f.Number*4+uint32(f.Layer)+f.Source)%uint32(len(d.last))]
}

// note says that the last packet of a frame leaves now.
func (d *Departures) note(f Frame) {
	if d == nil {
		return
	}
	d.mu.Lock()
	*d.place(f) = departure{f.Source, f.Number, f.Layer, time.Now()}
	d.mu.Unlock()
}

// of returns when the last packet of a frame left; if that is not known, when the frame was
// made.
func (d *Departures) of(f Frame) time.Time {
	if d != nil {
		d.mu.Lock()
		is := *d.place(f)
		d.mu.Unlock()
		if is.source == f.Source && is.number == f.Number && is.layer == f.Layer && !is.at.IsZero() {
			return is.at
		}
	}
	return f.Sent
}
