// Package forward takes the packets of published tracks to those who receive
// them. It knows RTP (RFC 3550) and the payload formats as far as forwarding
// needs them, but neither how packets come in nor how they are encrypted and
// written: a connection calls Layer.Push with every packet that it received, and
// each subscription has a Writer.
//
// A Source is one incoming m-line: one Layer, or several with simulcast. A Track
// is one track of a publication: it is fed by a Source and read by Downs, and
// outlives both. Each Layer keeps its last packets in one ring that serves the
// repair requests of all subscriptions; a Down holds offsets, never a copy.
//
// Order and locks. Push of one Source is called by one goroutine. Per packet and
// subscription it takes the Down's own mutex, which only those who answer that
// subscription's feedback take, too. Locks are taken in the order Track, Down,
// Layer; no method of an Upstream is called with any of them held, and a Writer's
// with a Track's only while a new subscription catches up. Times are nanoseconds on a clock of the caller's that only goes
// forward.
package forward
