package cluster

import "dragoman/bridge"

// What tests outside see of the codec of nodes.
var (
	AppendMeta = appendMeta
	ParseMeta  = parseMeta
)

// MaxMeta is what gossip carries of a node at most, in bytes.
const MaxMeta = maxMeta

// HomeOf is where tests find the home of a room.
func HomeOf(room bridge.RoomID, nodes []Node) (Node, bool) { return homeOf(room, nodes) }
