package cluster

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// Bounds of what a node says of itself, in bytes. Together they stay below the 512
// that gossip carries for a node (memberlist.MetaMaxSize).
const (
	MaxName    = 63
	maxAddress = 128
	maxVersion = 64
	maxMeta    = 512
)

// Proto is the major version of what nodes say to each other over links. Nodes of
// another one are members, but nobody links to them.
const Proto = link.Proto

// State is what a node is ready for.
type State uint8

// The states of a node.
const (
	Up       State = iota
	Draining       // takes no new rooms and no new clients
)

// String returns the state in a word.
func (s State) String() string {
	if s == Draining {
		return "draining"
	}
	return "up"
}

// Node is a member of the cluster as the others know it.
type Node struct {
	ID      bridge.NodeID // Name, "-", and what is new with every start
	Name    string        // as configured
	Gossip  string        // host:port where it gossips
	Link    string        // host:port where other nodes reach it
	Media   string        // host:port where their media reaches it; empty: none
	Version string        // of the program
	Proto   uint8         // see Proto; 0: what it says cannot be read
	State   State
	Load    uint8 // class of load: 0 idle … 255 full
}

// Speaks reports whether a link to the node can be had.
func (n Node) Speaks() bool { return n.Proto == Proto }

// View is what a node knows of the cluster at some moment. It is never changed.
type View struct {
	Version uint64
	Nodes   []Node // by ID; this node is one of them

	replaced chan struct{}
}

// Get returns a node of the view.
func (v *View) Get(id bridge.NodeID) (Node, bool) {
	i, ok := slices.BinarySearchFunc(v.Nodes, id, func(n Node, id bridge.NodeID) int {
		return strings.Compare(string(n.ID), string(id))
	})
	if !ok {
		return Node{}, false
	}
	return v.Nodes[i], true
}

// Replaced is closed when there is a newer view.
func (v *View) Replaced() <-chan struct{} { return v.replaced }

// boot returns what makes the id of a node another one with every start: a node
// that was restarted under its old name would be taken for the old one for up to a
// minute. Later starts sort behind earlier ones.
func boot() string {
	var raw [10]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli()))
	copy(raw[:6], ms[2:])
	rand.Read(raw[6:])
	return strings.ToLower(base32.HexEncoding.EncodeToString(raw[:]))
}

// NameOf returns the configured name in a node's id.
func NameOf(id bridge.NodeID) string { return link.NameOf(id) }

// checkName tells whether a node may be called that: what certificates, logs and
// host names can hold.
func checkName(name string) error {
	if name == "" || len(name) > MaxName || strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	}) {
		return bridge.Errorf(bridge.BadRequest, "a node's name is 1 to %d letters, digits, dots and hyphens", MaxName)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return bridge.Errorf(bridge.BadRequest, "a node's name is not an address: certificates would not name it")
	}
	return nil
}

// checkAddress tells whether others can be told an address.
func checkAddress(addr string) error {
	if len(addr) > maxAddress {
		return bridge.Errorf(bridge.BadRequest, "the address %q is longer than %d bytes", addr, maxAddress)
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return bridge.Errorf(bridge.BadRequest, "the address %q is not host:port", addr)
	}
	return nil
}
