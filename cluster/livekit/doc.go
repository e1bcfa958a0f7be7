// Package livekit federates rooms with rooms of LiveKit servers: people of a LiveKit
// room are seated in ours as federated participants, and ours appear there as what
// LiveKit calls bridges, each with its own name.
//
// Each node has one Federation. It gives dialects their bridge.Host, which notes whose
// clients are here, and has one actor for each room that is peered or may be:
//
//   - room.go: the actor, with a hidden seat that reads what happens in the room;
//   - roster.go, seat.go: where the room runs, who is in the LiveKit room gets a seat;
//   - puppet.go: each participant whose client is on this node has a connection of its
//     own to the LiveKit room;
//   - views.go, tracks.go: media, which never leave the node that needs them.
//
// Callbacks of LiveKit's SDK never wait: they leave a note, and what is so is compared
// with what should be, again and again. So whatever is lost on the way is found.
//
// A room goes on whatever LiveKit does.
package livekit
