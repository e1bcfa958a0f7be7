package spreed

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"dragoman/bridge"
)

// Config is the dialect's own section.
type Config struct {
	// Title of the page.
	Title string
	// Version told to clients. It must be that of the web client's page, or users are asked to reload it.
	Version string
	// Type of rooms: Conference (everybody is called at once) or Room (people call each other).
	Type string
	// Types of rooms by name. The first that matches holds.
	Types []RoomType
	// The room that clients mean who name none. Empty: there is none.
	DefaultRoom string
	// A room whose members are listed in every other. Empty: none.
	GlobalRoom string
	// Clients may create rooms. Otherwise they join what there is.
	Create bool
	// How media goes between Spreed clients: terminate (through the SFU) or relay (from peer to peer).
	Peers string
	// How long a lost client keeps its seat while its calls go on.
	Grace time.Duration
	// What Spreed cannot show (a raised hand, a recording, a mute by a moderator) is told as a chat line.
	Notes bool
	// Modules of the web client that are switched on. Contacts need users.
	Modules []string
	// Plugin of the web client.
	Plugin string
	// Directory of the original web client, with html and static in it. Empty: a plain page.
	Assets string
	// Access codes of which clients have to know one. Empty: none is needed.
	Codes []string
	// Statistics are told to anybody at api/v1/stats.
	Stats bool
	// Who may say who they are.
	Users Users
}

// RoomType says of which type rooms are.
type RoomType struct {
	// A regular expression that the name of the room matches.
	Match string
	// Conference or Room.
	Type string
}

// Users is how clients prove who they are.
type Users struct {
	// Clients can prove who they are.
	Enabled bool
	// How: sharedsecret, httpheader (set by a proxy in front) or certificate.
	Mode string
	// The secret that a page shares with this server, for sharedsecret.
	Secret bridge.Secret
	// The header with the user, for httpheader.
	Header string
	// Anybody may register.
	AllowRegistration bool
	// What follows the @ of users who register.
	Realm string
	// Only users may create rooms.
	AuthorizeRoomCreation bool
	// Only users may join rooms.
	AuthorizeRoomJoin bool
}

// Room types of the reference (7). Clients may name others.
const (
	typeConference = "Conference"
	typeRoom       = "Room"
)

// The values of Config.Peers and Users.Mode.
const (
	peersTerminate = "terminate"
	peersRelay     = "relay"

	modeSecret      = "sharedsecret"
	modeHeader      = "httpheader"
	modeCertificate = "certificate"
)

const moduleContacts = "contacts"

// DefaultConfig is what holds where the section says nothing.
func DefaultConfig() Config {
	return Config{
		Title: "Spreed WebRTC", Version: "0.29.7",
		Type: typeConference, DefaultRoom: "lobby", Create: true,
		Peers: peersTerminate, Grace: graceTime, Notes: true,
		Modules: []string{"screensharing", "youtube", "presentation", moduleContacts},
		Users:   Users{Mode: modeSecret, Header: "x-userid", Realm: "local"},
	}
}

// Validate says which setting is wrong, and reads the file with the secret.
func (c *Config) Validate() error {
	if _, err := newNaming(*c); err != nil {
		return err
	}
	for key, room := range map[string]string{"default_room": c.DefaultRoom, "global_room": c.GlobalRoom} {
		if _, err := bridge.Normalize(room); room != "" && err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	switch {
	case c.Type == "":
		return errors.New("type: is missing")
	case c.Peers != peersTerminate && c.Peers != peersRelay:
		return fmt.Errorf("peers: %q is neither %s nor %s", c.Peers, peersTerminate, peersRelay)
	case c.Grace < 0:
		return errors.New("grace: may not be negative")
	}
	return c.Users.validate()
}

func (u *Users) validate() error {
	if !slices.Contains([]string{modeSecret, modeHeader, modeCertificate}, u.Mode) {
		return fmt.Errorf("users.mode: there is no mode %q", u.Mode)
	}
	if u.Enabled && u.Mode == modeSecret && u.Secret == "" {
		return errors.New("users.secret: is needed for the mode sharedsecret")
	}
	return nil
}

// has reports whether a module is switched on.
func (c *Config) has(module string) bool { return slices.Contains(c.Modules, module) }
