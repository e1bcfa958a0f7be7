package bridge

import "sync/atomic"

// Stats is what a Local has counted. The first ones go up and down.
type Stats struct {
	Rooms        int64 // that exist
	Participants int64 // seats taken, hidden and waiting ones, too
	Sessions     int64 // held by clients, or kept for them
	Detached     int64 // kept for clients that are away
	Peers        int64 // connections of sessions
	Commands     uint64
	Refused      uint64 // commands and joins answered with an error
	Events       uint64 // put into outboxes; counted when they are read
	Merged       uint64 // of which an older unread one went
	Lagged       uint64 // readers that were too slow
	Unkept       uint64 // changes of the chat that the history has not taken
}

// counters is where rooms, outboxes and sessions count.
type counters struct {
	rooms, participants, sessions, detached, peers atomic.Int64

	commands, refused, events, merged, lagged, unkept atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Rooms:        c.rooms.Load(),
		Participants: c.participants.Load(),
		Sessions:     c.sessions.Load(),
		Detached:     c.detached.Load(),
		Peers:        c.peers.Load(),
		Commands:     c.commands.Load(),
		Refused:      c.refused.Load(),
		Events:       c.events.Load(),
		Merged:       c.merged.Load(),
		Lagged:       c.lagged.Load(),
		Unkept:       c.unkept.Load(),
	}
}
