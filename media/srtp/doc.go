// Package srtp encrypts and decrypts RTP and RTCP (RFC 3711, RFC 7714) for a
// forwarder that sends each packet many times: in place or straight into the
// buffer that is sent, without allocations, with as little state per stream as the
// roll-over counter needs. It knows the three profiles that browsers offer, and the
// way from a DTLS handshake to keys (RFC 5764). Only the standard library is below it.
//
// A Sender holds the keys of what goes out; each SSRC has a SendStream, which
// one goroutine at a time may use, different ones at once. A Receiver holds those
// of what comes in, and is used by one goroutine at a time. Neither allocates
// anything for a packet that does not prove to be from the other side.
package srtp
