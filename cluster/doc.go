// Package cluster is a bridge.Host over many nodes: who is there (Gossip), where a
// room runs (Placement, directory), and how a client of this node reaches a room of
// another one (Host, with package link).
//
// Locks: Gossip's and the directory's are held for a look or a change only, never
// during a call to memberlist, to a link or to the bridge, and never two at a time.
package cluster
