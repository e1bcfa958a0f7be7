package livekit

import (
	"log/slog"

	"dragoman/bridge"
)

// Whispers is how much may still turn out to be private, and zero of a room that has
// looked at all that it was told.
func (f *Federation) Whispers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := make(chan int, 1)
	for _, r := range f.rooms {
		r.call(func() { n <- len(r.whispers) })
		return <-n
	}
	return 0
}

// Speak has the node hear people of LiveKit speak.
func (f *Federation) Speak(room bridge.RoomID, server string, who ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rooms[room]
	r.call(func() { r.peerings[server].heard(who) })
}

// quietLog is a log that nobody reads.
func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
