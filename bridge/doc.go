// Package bridge is the room model: participants, publications, commands and
// events, and the ports through which dialects, media and the cluster meet.
//
// It owns the state of rooms. A room is one goroutine with one bounded mailbox;
// it applies commands in order and pushes events into the outboxes of its
// seats, and it never waits for anything: no I/O, no lock but an outbox's, no
// channel that can be full. What is slow happens in the goroutine of the client
// that asked, before or after the command.
//
// The package imports nothing but the standard library. Signalling protocols
// (package dialects), the SFU (package media) and the cluster (package cluster)
// import it, never the reverse.
//
// Order that others may rely on: events of a room reach every session in one
// order; a session sees nothing older than its snapshot; and because a session
// is drained by the goroutine that posts its commands, the answer to a command
// is written before any event that the command caused.
package bridge
