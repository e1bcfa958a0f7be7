package spreed

import (
	"fmt"
	"regexp"

	"dragoman/bridge"
)

// A roomKey names a room as clients do: same name and another type is another
// room (reference 7).
type roomKey struct{ Kind, Name string }

// String is how clients write it, as the id of its conference.
func (k roomKey) String() string { return k.Kind + ":" + k.Name }

// automatic reports whether everybody is called at once.
func (k roomKey) automatic() bool { return k.Kind == typeConference }

// naming says which room clients mean.
type naming struct {
	patterns []pattern
	kind     string // of rooms that match none
	nameless string // the default room
}

type pattern struct {
	match *regexp.Regexp
	kind  string
}

func newNaming(c Config) (naming, error) {
	n := naming{kind: c.Type, nameless: c.DefaultRoom}
	for i, t := range c.Types {
		match, err := regexp.Compile(t.Match)
		if err != nil {
			return n, fmt.Errorf("types[%d].match: %w", i, err)
		}
		if t.Type == "" {
			return n, fmt.Errorf("types[%d].type: is missing", i)
		}
		n.patterns = append(n.patterns, pattern{match, t.Type})
	}
	return n, nil
}

// usual returns the type that rooms of a name have.
func (n naming) usual(name string) string {
	for _, p := range n.patterns {
		if p.match.MatchString(name) {
			return p.kind
		}
	}
	return n.kind
}

// key returns which room is meant by a name and a type, which may be empty.
func (n naming) key(name, kind string) roomKey {
	if kind == "" {
		kind = n.usual(name)
	}
	return roomKey{Kind: kind, Name: name}
}

// room returns the common room of a key. A type other than the usual one of the
// name goes into the id of the room.
func (n naming) room(k roomKey) (bridge.RoomID, error) {
	name := k.Name
	if name == "" {
		name = n.nameless
	}
	if k.Kind != n.usual(k.Name) {
		name = k.Kind + ":" + name
	}
	return bridge.Normalize(name)
}

// disabled reports whether a key is that of a default room that there is not.
func (n naming) disabled(k roomKey) bool {
	return n.nameless == "" && k.Name == "" && k.Kind == n.usual("")
}
