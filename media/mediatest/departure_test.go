package mediatest

import (
	"testing"
	"time"
)

// TestDepartures: a frame has left when its last packet did, and others are not taken for it.
func TestDepartures(t *testing.T) {
	d, before := new(Departures), time.Now()
	d.note(7, 1, 3)
	if at := d.of(7, 1, 3); at.Before(before) || at.After(time.Now()) {
		t.Errorf("the frame left at %v", at)
	}
	far := uint32(len(d.last))
	for what, at := range map[string]time.Time{
		"another frame":       d.of(7, 1, 4),
		"one that lies there": d.of(7, 1, 3+far),
		"another layer":       d.of(7+far-1, 2, 3),
		"another camera":      d.of(7+far, 1, 3),
		"nothing":             new(Departures).of(7, 1, 3),
	} {
		if !at.IsZero() {
			t.Errorf("%s is known to have left at %v", what, at)
		}
	}
	var none *Departures
	none.note(7, 1, 3)
	if at := none.of(7, 1, 3); !at.IsZero() {
		t.Errorf("who does not look at departures knows of one at %v", at)
	}
}
