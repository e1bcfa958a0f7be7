// Package media is the bridge's SFU. It implements bridge.Media on Pion: ICE,
// DTLS, SRTP and SCTP are Pion's, what happens to packets between is not.
//
// An Engine has the sockets, the publications of this node, and its peers. A peer
// is one PeerConnection: its incoming m-lines feed publications, its outgoing
// ones are subscriptions of them. Package forward connects the two.
//
// Pion hands every decrypted packet to a buffer of ours (inbound.go) instead of
// queueing it for a goroutine per track; from there to the subscribers' sockets
// it is one call. There are no interceptors.
//
// Locks. A peer's negotiation is guarded by its mu, the engine's maps by the
// engine's. A peer's mu may be held while the engine's is taken, and either while
// one of package forward's is; never the other way round. Notify is called with
// none of them held.
package media
