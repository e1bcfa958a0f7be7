// Package cluster holds scenarios of several nodes: real processes of the program,
// with real sockets, gossip keys and a real PostgreSQL, on loopback or each in a
// network of its own. There is nothing in it but tests.
package cluster
