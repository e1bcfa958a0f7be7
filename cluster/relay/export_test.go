package relay

import (
	"time"

	"dragoman/bridge"
)

// Tidy is what the loop does now and then, at a time of the test's choice.
func (r *Relays) Tidy(now time.Time) { r.tidy(now) }

// Choose picks the loudest.
func Choose(ids []bridge.PublicationID, spoke map[bridge.PublicationID]time.Time, most int) []bridge.PublicationID {
	return choose(ids, spoke, most)
}
