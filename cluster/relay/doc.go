// Package relay takes media from the node whose client publishes it to the nodes whose
// clients receive it: straight, once per layer and pair of nodes, and only while
// somebody looks. It owns when that happens; what happens to packets is the media
// engine's, for which another node is one more connection.
//
// A Relays is of one node. Its loop compares what clients of the node want, which the
// engine knows, with what comes in, and gives each other node's puller its part. A
// puller is one goroutine; it asks over a stream of the cluster's link, and the node
// that is asked serves it, again one goroutine. Between two nodes there is one lane, a
// media.Relay with a number, for both directions.
//
// Media does not follow rooms: a room that moves to another owner, a stream that
// breaks, a membership that is wrong for some seconds change nothing about what flows.
package relay
