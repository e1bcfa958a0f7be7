package cluster

import (
	"hash/fnv"

	"dragoman/bridge"
)

// overload is by how many classes of load the home of a room may be above the node
// that has the least to do, and still take the room itself.
const overload = 2

// weigh is the weight of a node for a room (rendezvous hashing: the heaviest node is
// the room's home). It depends on the node's name alone, so that a node that was
// restarted has the same rooms again, and removing or adding a node moves only the
// rooms that it had, or gets.
func weigh(node string, room bridge.RoomID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(node))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(room))
	// FNV alone keeps similar names close together: mix (splitmix64).
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// homeOf returns the home of a room among nodes; false if there are none. Of two
// with one name, the one that started later counts.
func homeOf(room bridge.RoomID, nodes []Node) (home Node, ok bool) {
	best := uint64(0)
	for _, n := range nodes {
		w := weigh(n.Name, room)
		if !ok || w > best || w == best && n.ID > home.ID {
			home, best, ok = n, w, true
		}
	}
	return home, ok
}

// settle returns where a new room is to run: at its home, unless that has much more
// to do than another node; then on the one of those with the least that is heaviest.
func settle(room bridge.RoomID, nodes []Node) (Node, bool) {
	home, ok := homeOf(room, nodes)
	if !ok {
		return home, false
	}
	least := home.Load
	for _, n := range nodes {
		least = min(least, n.Load)
	}
	if int(home.Load) < int(least)+overload {
		return home, true
	}
	idle := make([]Node, 0, len(nodes))
	for _, n := range nodes {
		if n.Load == least {
			idle = append(idle, n)
		}
	}
	return homeOf(room, idle)
}
