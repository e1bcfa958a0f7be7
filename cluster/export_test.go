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

// Say is what memberlist does when it has something to say.
func (g *Gossip) Say(line string) { _, _ = g.lines.Write([]byte(line)) }
