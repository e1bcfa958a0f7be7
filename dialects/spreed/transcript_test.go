package spreed_test

import (
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/dialects/spreed"
	"dragoman/e2e/transcript"
)

// TestTranscripts plays every transcript. What a file needs of the configuration
// is said by the beginning of its name.
func TestTranscripts(t *testing.T) {
	transcript.Dir(t, "testdata", func(t *testing.T) transcript.World {
		w := newWorld(t)
		name := t.Name()
		name = name[strings.LastIndex(name, "/")+1:]
		w.cfg = func(c *spreed.Config) {
			for prefix, set := range settings() {
				if strings.HasPrefix(name, prefix) {
					set(c)
				}
			}
		}
		return w.open()
	})
}

// settings are what transcripts need, by the beginning of their names.
func settings() map[string]func(*spreed.Config) {
	return map[string]func(*spreed.Config){
		"byhand-":  func(c *spreed.Config) { c.Types = []spreed.RoomType{{Match: "^hand", Type: "Room"}} },
		"relay-":   func(c *spreed.Config) { c.Peers = "relay" },
		"users-":   func(c *spreed.Config) { users(c) },
		"members-": func(c *spreed.Config) { users(c); c.Users.AuthorizeRoomJoin = true },
		"makers-":  func(c *spreed.Config) { users(c); c.Users.AuthorizeRoomCreation = true },
		"nolobby-": func(c *spreed.Config) { c.DefaultRoom = "" },
		"nomake-":  func(c *spreed.Config) { c.Create = false },
		"global-":  func(c *spreed.Config) { c.GlobalRoom = "everywhere" },
		"codes-":   func(c *spreed.Config) { c.Codes = []string{"Sesame"} },
		"stats-":   func(c *spreed.Config) { c.Stats = true },
		"silent-":  func(c *spreed.Config) { c.Notes = false },
	}
}

func users(c *spreed.Config) {
	c.Users.Enabled, c.Users.AllowRegistration, c.Users.Secret = true, true, "the shared secret"
}

var _ transcript.World = (*world)(nil)

var _ = bridge.Camera
