package livekit

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"dragoman/bridge"
)

// docKey is where a room keeps the peerings that were made by the admin API.
const docKey = "livekit/peerings"

// maxPeerings is how many peerings a room can have.
const maxPeerings = 16

// agreed are the peerings that were made, or ended, by the admin API.
type agreed struct {
	Peers []peerWith `json:"peers,omitempty"`
	Not   []string   `json:"not,omitempty"` // servers with which a room is not peered, whatever the settings say
}

// peerWith is one of them.
type peerWith struct {
	Server string `json:"server"`
	Room   string `json:"room,omitempty"` // empty: as the settings of the server call it
}

// decodeAgreed reads the document. What is no such document is as if there were none.
func decodeAgreed(b []byte) (a agreed, ok bool) {
	if len(b) > bridge.MaxText || json.Unmarshal(b, &a) != nil || len(a.Peers) > maxPeerings || len(a.Not) > maxPeerings {
		return agreed{}, false
	}
	for _, p := range a.Peers {
		if !validName(p.Server) || p.Room != "" && !validTheirs(p.Room) {
			return agreed{}, false
		}
	}
	if slices.ContainsFunc(a.Not, func(s string) bool { return !validName(s) }) {
		return agreed{}, false
	}
	return a, true
}

// encode is the reverse; nothing if nothing is agreed.
func (a agreed) encode() []byte {
	if len(a.Peers) == 0 && len(a.Not) == 0 {
		return nil
	}
	b, err := json.Marshal(a)
	if err != nil {
		return nil // there is nothing in it that cannot be encoded
	}
	return b
}

// with adds a peering.
func (a agreed) with(server, theirs string) agreed {
	a = a.forget(server)
	a.Peers = append(a.Peers, peerWith{Server: server, Room: theirs})
	return a
}

// without ends one. again says that the settings or the room's spec would make it again.
func (a agreed) without(server string, again bool) agreed {
	a = a.forget(server)
	if again {
		a.Not = append(a.Not, server)
	}
	return a
}

func (a agreed) forget(server string) agreed {
	return agreed{
		Peers: slices.DeleteFunc(slices.Clone(a.Peers), func(p peerWith) bool { return p.Server == server }),
		Not:   slices.DeleteFunc(slices.Clone(a.Not), func(s string) bool { return s == server }),
	}
}

// validTheirs reports whether a LiveKit room can be called that.
func validTheirs(s string) bool {
	return s != "" && len(s) <= maxTheirs && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// wanted is a peering that there should be.
type wanted struct {
	server *server
	theirs string
	origin Origin
}

// peersOf returns the peerings that a room should have, by server: those of the settings,
// of its spec, and of the admin API, of which the later count.
func peersOf(servers []*server, room bridge.RoomID, home string, a agreed) map[string]wanted {
	all := map[string]wanted{}
	with, their, _ := strings.Cut(home, "/")
	for _, s := range servers {
		theirs, origin := s.theirs(room), Origin("")
		if s.peers(room) {
			origin = ByRule
		}
		if home != "" && with == s.Name {
			origin = ByHome
			if their != "" {
				theirs = their
			}
		}
		if slices.Contains(a.Not, s.Name) {
			origin = ""
		}
		for _, p := range a.Peers {
			if p.Server == s.Name {
				origin = ByAdmin
				if p.Room != "" {
					theirs = p.Room
				}
			}
		}
		if origin != "" && validTheirs(theirs) {
			all[s.Name] = wanted{server: s, theirs: theirs, origin: origin}
		}
	}
	return all
}
