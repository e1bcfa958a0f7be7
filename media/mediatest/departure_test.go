package mediatest

import (
	"testing"
	"time"
)

// TestDepartures: a frame has left when its last packet did, and others are not taken for it.
func TestDepartures(t *testing.T) {
	d, made := new(Departures), time.Now().Add(-time.Second)
	f := Frame{Source: 7, Layer: 1, Number: 3, Sent: made}
	d.note(f)
	if at := d.of(f); !at.After(made) {
		t.Errorf("the frame left at %v, and was made at %v", at, made)
	}
	far := uint32(len(d.last))
	for what, other := range map[string]Frame{
		"another frame":       {Source: 7, Layer: 1, Number: 4, Sent: made},
		"one that lies there": {Source: 7, Layer: 1, Number: 3 + far, Sent: made},
		"another layer":       {Source: 7 + far - 1, Layer: 2, Number: 3, Sent: made},
		"another camera":      {Source: 7 + far, Layer: 1, Number: 3, Sent: made},
	} {
		if at := d.of(other); !at.Equal(made) {
			t.Errorf("%s is known to have left at %v", what, at)
		}
	}
	var none *Departures
	none.note(f)
	if at := none.of(f); !at.Equal(made) {
		t.Errorf("who does not look at departures knows of one at %v", at)
	}
}
