// Package all is the list of dialects. It is the only place that names them all:
// who adds a dialect adds a line here.
package all

import (
	"net/url"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/ahoy"
	"dragoman/dialects/asn"
	"dragoman/dialects/k3k"
	"dragoman/dialects/nkmedia"
	"dragoman/dialects/spreed"
)

// Entry is one dialect and what those who compose have to know of it.
type Entry struct {
	New    func() dialects.Dialect
	Title  string // for people
	Listen string // its own listener in development mode
	Config any    // the defaults of its own section
	// Card says how to reach a room, given the URL of the dialect's root (http or
	// https): what to open or connect to, and what to enter there, if anything.
	Card func(root *url.URL, room string) (address, enter string)
}

// List returns all dialects, in the order in which people are shown them.
func List() []Entry {
	return []Entry{
		{func() dialects.Dialect { return ahoy.New() }, "Ahoy!", "127.0.0.1:8082", ahoy.DefaultConfig(), ahoyCard},
		{func() dialects.Dialect { return k3k.New() }, "k3k", "127.0.0.1:8083", k3k.DefaultConfig(), k3kCard},
		{func() dialects.Dialect { return spreed.New() }, "Spreed", "127.0.0.1:8084", spreed.DefaultConfig(), spreedCard},
		{func() dialects.Dialect { return nkmedia.New() }, "NkMEDIA", "127.0.0.1:8085", nkmedia.DefaultConfig(), nkmediaCard},
		{func() dialects.Dialect { return asn.New() }, "asn", "127.0.0.1:8081", asn.DefaultConfig(), asnCard},
	}
}

// asnCard: clients are configured with the address of the conference instance, or get
// it with a token, and name the conference.
func asnCard(root *url.URL, room string) (address, enter string) {
	u := socket(root)
	u.Path += "ws"
	return u.String(), room
}

// ahoyCard: clients connect to any path and name the conference.
func ahoyCard(root *url.URL, room string) (address, enter string) {
	return socket(root).String(), room
}

// spreedCard: the room is the path of the page.
func spreedCard(root *url.URL, room string) (address, enter string) {
	u := *root
	u.Path += room // slashes may stay; the rest is escaped
	return u.String(), ""
}

// k3kCard: clients are given the link of an invite, from which some of them find
// the server; others are configured with its address and told the code.
func k3kCard(root *url.URL, room string) (address, enter string) {
	u := *root
	u.Path += "invite/" + k3k.InviteUUID(bridge.RoomID(room))
	return u.String(), k3k.RoomUUID(bridge.RoomID(room))
}

// nkmediaCard: clients connect to any path and name the conference. Their page shows
// the id as the name of a room.
func nkmediaCard(root *url.URL, room string) (address, enter string) {
	return socket(root).String(), room
}

func socket(root *url.URL) *url.URL {
	u := *root
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[root.Scheme]
	return &u
}
