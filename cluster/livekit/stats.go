package livekit

import (
	"sync/atomic"
	"time"

	"dragoman/bridge"
)

// State is how a peering does.
type State uint8

// The states of a peering.
const (
	Waiting    State = iota // nobody is there for whom a connection would be worth it, or another node has it
	Connecting              // the LiveKit server is asked
	Up                      // this node sees, or is seen in, their room
	Failed                  // the LiveKit server refuses, or does not answer; tried again
)

// String returns the state in a word.
func (s State) String() string {
	if names := [...]string{"waiting", "connecting", "up", "failed"}; int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Origin is why a room is peered.
type Origin string

// The origins of peerings.
const (
	ByRule  Origin = "rule"  // of the settings
	ByHome  Origin = "home"  // of the room's spec
	ByAdmin Origin = "admin" // kept in the room
)

// Peering is how one of our rooms and a room of a LiveKit server do, as this node sees it.
type Peering struct {
	Room    bridge.RoomID
	Server  string
	Theirs  string // what their room is called
	Origin  Origin
	State   State
	Roster  bool      // this node seats their people in our room
	Since   time.Time // of the state
	Error   string    // why it failed last; without secrets
	In      int       // people of theirs who are seated by this node
	Out     int       // people of ours of this node who should be there
	Puppets int       // of them, who are
	Views   int       // streams of theirs that this node takes
	// Bytes of media that have come from there, and gone there.
	BytesIn, BytesOut uint64
}

// Stats is what a Federation has counted. The first ones go up and down.
type Stats struct {
	Rooms    int // that are looked at for this
	Peerings int
	Rosters  int
	Seated   int // people of LiveKit in our rooms
	Puppets  int // people of ours in LiveKit rooms
	Views    int // streams of LiveKit that are taken

	PacketsIn, PacketsOut uint64
	BytesIn, BytesOut     uint64
	Resubscribed          uint64 // streams that had fallen silent, and were asked for again
	Joins                 uint64 // connections that were made
	Refused               uint64 // connections that were not
	Lost                  uint64 // connections that ended by themselves
	Reconnects            uint64 // that came back by themselves
	Unseated              uint64 // seats in our rooms that were refused: the room is full or locked
	Full                  uint64 // puppets that max_puppets did not allow
	Dropped               uint64 // messages and chat that a queue had no place for
	Looped                uint64 // people that were not imported as they have come from here
	Chats                 uint64 // messages of chat, both ways
	Removed               uint64 // removals by moderators, both ways
	Webhooks              uint64 // that were verified
	Forged                uint64 // webhooks that were not
}

// counts are the counters of Stats.
type counts struct {
	joins, refused, lost, reconnects, unseated, full, dropped, looped, chats, removed, webhooks, forged atomic.Uint64
	packetsIn, packetsOut, bytesIn, bytesOut, resubscribed                                              atomic.Uint64
}

// traffic is what has gone over a peering so far.
type traffic struct{ packetsIn, packetsOut, bytesIn, bytesOut, resubscribed uint64 }

// account counts what has come since was.
func (c *counts) account(was, is traffic) {
	for _, one := range []struct {
		to      *atomic.Uint64
		was, is uint64
	}{
		{&c.packetsIn, was.packetsIn, is.packetsIn},
		{&c.packetsOut, was.packetsOut, is.packetsOut},
		{&c.bytesIn, was.bytesIn, is.bytesIn},
		{&c.bytesOut, was.bytesOut, is.bytesOut},
		{&c.resubscribed, was.resubscribed, is.resubscribed},
	} {
		if one.is > one.was { // never the other way: what only rises is rated by its rises
			one.to.Add(one.is - one.was)
		}
	}
}

func (c *counts) stats() Stats {
	return Stats{
		Joins: c.joins.Load(), Refused: c.refused.Load(), Lost: c.lost.Load(), Reconnects: c.reconnects.Load(),
		Unseated: c.unseated.Load(), Full: c.full.Load(), Dropped: c.dropped.Load(), Looped: c.looped.Load(),
		PacketsIn: c.packetsIn.Load(), PacketsOut: c.packetsOut.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Resubscribed: c.resubscribed.Load(), Chats: c.chats.Load(), Removed: c.removed.Load(), Webhooks: c.webhooks.Load(), Forged: c.forged.Load(),
	}
}
