package mediatest

import (
	"sync"
	"time"
)

// Departures knows when the last packet of a frame was about to leave, and each one of
// sound. What a camera needs to send a frame, and what keeps it from the processor
// meanwhile, is then not taken for a delay of the server's. Clients of one process share it;
// it knows the last ones only, and of a camera that is sent on several connections the last
// of those.
type Departures struct {
	mu   sync.Mutex
	last [1 << 14]departure
}

type departure struct {
	source, number uint32
	layer          uint8
	at             time.Time
}

// soundLayer stands for a microphone where there is the layer of a camera.
const soundLayer = 0xff

// place is where a departure is kept. Sources are random, so two of them seldom meet.
func (d *Departures) place(source uint32, layer uint8, number uint32) *departure {
	return &d.last[(number*4+uint32(layer)+source)%uint32(len(d.last))]
}

// note says that a frame, or a packet of sound, leaves now.
func (d *Departures) note(source uint32, layer uint8, number uint32) {
	if d == nil {
		return
	}
	d.mu.Lock()
	*d.place(source, layer, number) = departure{source, number, layer, time.Now()}
	d.mu.Unlock()
}

// of returns when that was; zero: it is not known.
func (d *Departures) of(source uint32, layer uint8, number uint32) time.Time {
	if d == nil {
		return time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	is := d.place(source, layer, number)
	if is.source != source || is.number != number || is.layer != layer {
		return time.Time{}
	}
	return is.at
}
