package livekit

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"

	"dragoman/bridge"
)

// Settings are one LiveKit server, and which rooms are peered with rooms of it.
type Settings struct {
	// What the server is called here: in the ids of its people and in the admin API. Letters, digits, "-" and "_".
	Name string
	// Where clients of the server connect to: wss://host, or ws:// for one on a network that is trusted.
	URL string
	// Where the server's API is, if not at url: https://host.
	APIURL string `yaml:"api_url"`
	// The API key.
	Key bridge.Secret
	// The secret of the API key.
	Secret bridge.Secret
	// What their room is called: {room} stands for ours.
	Room string
	// Which rooms are peered with it whenever somebody is there: names, beginnings (team-*), or * for all. Rooms can also be peered by their spec and by the admin API.
	Rooms []string
	// Whether their people are seated in our rooms.
	Import bool
	// Which of our people appear there: all, those who publish something, or none. One of: all, publishers, none.
	Export string
	// As what our people appear there. With standard, other federations cannot tell them from people. One of: bridge, standard.
	PuppetKind string
	// Media go straight to the server, not through its TURN.
	DisableTURN bool
	// How many of our people of this node may be there at once.
	MaxPuppets int
	// Whether people of other LiveKit servers who are in our room appear there, too.
	Transit bool
	// Whether what their moderators do to our people is done in our room, too: muting and removing.
	Moderates bool
}

// DefaultSettings are the usual ones.
func DefaultSettings() Settings {
	return Settings{
		Room: "{room}", Import: true, Export: exportAll, PuppetKind: kindBridge,
		DisableTURN: true, MaxPuppets: 500, Moderates: true,
	}
}

// The values of Export and PuppetKind.
const (
	exportAll        = "all"
	exportPublishers = "publishers"
	exportNone       = "none"
	kindBridge       = "bridge"
	kindStandard     = "standard"
)

const (
	maxServerName = 64
	maxTheirs     = 256 // bytes of the name of a LiveKit room
	minSecret     = 16
	ourRoom       = "{room}" // in the name of theirs
)

// Check tells what is wrong with settings by themselves: errors, joined, each of which
// begins with the key that it is about.
func (s Settings) Check() error {
	var errs []error
	for _, c := range []struct {
		bad       bool
		key, what string
	}{
		{!validName(s.Name), "name", "needs 1 to 64 letters, digits, - and _"},
		{s.URL == "", "url", "is missing: where clients of the server connect to, like wss://livekit.example.org"},
		{s.URL != "" && !validURL(s.URL, "ws", "wss", "http", "https"), "url", "is not like wss://livekit.example.org, or ws://127.0.0.1:7880 in a network that is trusted"},
		{s.APIURL != "" && !validURL(s.APIURL, "http", "https"), "api_url", "is not like https://livekit.example.org: leave it out where it is the same host as url"},
		{s.Key == "", "key", "is missing: key and secret are a pair, of the list keys in the server's configuration"},
		{s.Secret == "", "secret", "is missing: key and secret are a pair, of the list keys in the server's configuration. Set secret, or secret_file"},
		{s.Secret != "" && len(s.Secret) < minSecret, "secret", "has fewer than 16 characters: the server would not have it either"},
		{s.Room == "", "room", "is empty: {room} names their room as ours is called"},
		{len(s.Room) > maxTheirs, "room", "is longer than 256 bytes"},
		{s.many() && !strings.Contains(s.Room, ourRoom), "room", "has no {room} in it, and rooms names more than one room: all would be one there"},
		{!slices.Contains([]string{exportAll, exportPublishers, exportNone}, s.Export), "export", "is not one of all, publishers, none"},
		{!s.Import && s.Export == exportNone, "export", "is none while import is off: nobody would see anybody"},
		{!slices.Contains([]string{kindBridge, kindStandard}, s.PuppetKind), "puppet_kind", "is not one of bridge, standard"},
		{s.MaxPuppets < 0, "max_puppets", "is less than 0"},
	} {
		if c.bad {
			errs = append(errs, bridge.Errorf(bridge.BadRequest, "%s: %s", c.key, c.what))
		}
	}
	for i, rule := range s.Rooms {
		if at := strings.IndexByte(rule, '*'); rule == "" || at >= 0 && at < len(rule)-1 {
			errs = append(errs, bridge.Errorf(bridge.BadRequest, "rooms[%d]: %q is neither a name nor a beginning with * after it, like team-*", i, rule))
		}
	}
	return errors.Join(errs...)
}

// CheckCluster tells what is wrong with the name of a cluster for this: its people are
// known by it in LiveKit rooms.
func CheckCluster(name string) error {
	if !validName(strings.ReplaceAll(name, ".", "-")) {
		return bridge.Errorf(bridge.BadRequest, "needs 1 to 64 letters, digits, dots, - and _ where there are LiveKit servers: its people are known by it there")
	}
	return nil
}

// many reports whether the rules may name more than one room.
func (s Settings) many() bool {
	return len(s.Rooms) > 1 || len(s.Rooms) == 1 && strings.HasSuffix(s.Rooms[0], "*")
}

func validName(s string) bool {
	return s != "" && len(s) <= maxServerName && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}

func validURL(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && u.User == nil && slices.Contains(schemes, u.Scheme)
}

// peers reports whether a rule of the settings names a room.
func (s Settings) peers(room bridge.RoomID) bool {
	return slices.ContainsFunc(s.Rooms, func(rule string) bool {
		begin, more := strings.CutSuffix(rule, "*")
		return rule == string(room) || more && strings.HasPrefix(string(room), begin)
	})
}

// theirs returns what their room is called.
func (s Settings) theirs(room bridge.RoomID) string {
	return strings.ReplaceAll(s.Room, ourRoom, string(room))
}

// api returns where the server's API is.
func (s Settings) api() string { return cmp.Or(s.APIURL, s.URL) }
