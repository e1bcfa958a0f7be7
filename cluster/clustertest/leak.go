package clustertest

// LastProbe is the function that memberlist leaves running for some hundred milliseconds
// when a node has been closed: a probe that was begun before, and ends by its timeout.
// Searches for leaks ignore it.
const LastProbe = "github.com/hashicorp/memberlist.(*Memberlist).probeNode"
