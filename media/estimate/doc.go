// Package estimate guesses how much a client can take, from what it says of what it
// gets. It owns the guess and what it is made of; it owns no packets, no clock and no
// goroutine. Times are given by the caller, counted from any fixed point by a clock
// that does not go back. But for History.Next, one goroutine at a time asks.
//
// Where packets are numbered for the whole transport and the client reports each one
// of them, the guess is made of delay and loss, on the lines of
// draft-ietf-rmcat-gcc-02. It differs in what it takes for congestion, because
// pictures are not paced here: a key frame is a queue, and no harm. Congestion is a
// queue that does not go away. While there is one, what arrives is what the path
// can carry, and that is the guess; it does not matter how little is sent on
// average. To find out whether there is more room than is used, a probe is sent:
// padding, for a moment, so that together with the pictures it makes the rate that is
// asked about.
//
// Elsewhere there are the client's own estimate (REMB) and the losses of receiver
// reports, which tell less and later.
//
// The estimator of pion/interceptor (gcc) was not taken: it has a goroutine and a
// lock for each peer, keeps a map of packets, allocates for each, and reads the clock.
package estimate
