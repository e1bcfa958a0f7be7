// Package port is one UDP port that all connections share. It reads and writes
// many packets with one system call, keeps RTP and RTCP to itself, and gives ICE
// what is ICE's: it implements ice.UDPMux.
//
// A Port has one loop for each of its sockets; the kernel spreads clients over
// them (SO_REUSEPORT). A loop sorts what came by the first byte (RFC 7983). STUN
// and DTLS are queued for the agent of the connection; RTP and RTCP go to the
// connection's Handler, in the loop. Whatever handlers put into the loop's Batch
// leaves when all that came together has been handled.
//
// Bounds. What comes from an address that no connection has proven to be its own,
// by an answer of ICE to an authenticated request, costs two look-ups and
// nothing else, unless it is a STUN request for a connection that there is: of those,
// half a queue is kept. Nothing is allocated for a packet.
package port
