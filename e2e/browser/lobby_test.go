package browser

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/config"
	"dragoman/e2e/node"
)

// habits are what clients of a dialect that the lobby speaks can do.
type habits struct {
	name   string // of the guest that speaks it
	shares bool   // it can share a screen
	told   bool   // it is told who is mute
	kicks  bool   // where there is no password, it removes others
}

// dialects are all that the lobby speaks.
var dialects = map[string]habits{
	"ahoy":    {name: "Anna", shares: true, told: true},
	"asn":     {name: "Greta", shares: true, told: true},
	"k3k":     {name: "Kim", shares: true, told: true, kicks: true},
	"nkmedia": {name: "Nick"},
	"spreed":  {name: "Sören", shares: true},
}

// habits returns those of the guest's dialect.
func (g *guest) habits() habits { return dialects[g.dialect] }

// TestLobby lets two browsers meet in pairs of dialects: each decodes the other's
// picture and sound and shows the other's words, where both have a chat.
func TestLobby(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, pair := range [][2]string{{"ahoy", "spreed"}, {"ahoy", "ahoy"}, {"spreed", "spreed"}, {"k3k", "k3k"}, {"nkmedia", "nkmedia"}, {"asn", "asn"}, {"asn", "ahoy"}} {
		t.Run(pair[0]+"-"+pair[1], func(t *testing.T) {
			a := enter(t, n, t.Name(), "Anna", pair[0])
			b := enter(t, n, t.Name(), "Ben", pair[1])
			a.meets(b)
			b.meets(a)
			if a.chats() && b.chats() {
				a.run(`window.lobby.say("hello from Anna")`)
				b.run(`window.lobby.say("hello from Ben")`)
				a.reads(b, "hello from Ben")
				b.reads(a, "hello from Anna")
			}
			share(a, b)
			share(b, a)
			a.leaves(b)
		})
	}
}

// TestMeeting lets browsers meet in one room, one for each dialect that the lobby
// speaks: each decodes the pictures of all others, hears them and, where its protocol
// has a chat, reads them; a screen, a mute and a camera that is off reach all others,
// and a moderator removes somebody. On the second engine, those have the one cipher of
// SRTP who had the other on the first.
func TestMeeting(t *testing.T) {
	for i, tt := range []struct {
		engine string
		turns  int // how many of them mute and darken themselves, which takes long
	}{{"auto", 2}, {"portable", 1}} {
		t.Run(tt.engine, func(t *testing.T) {
			n := node.Start(t, node.Options{Config: func(c *config.Config) { c.Media.Engine = tt.engine }})
			var all []*guest
			for j, dialect := range slices.Sorted(maps.Keys(dialects)) {
				all = append(all, attend(t, n, dialect, ciphers[(i+j)%len(ciphers)]))
			}
			if offered := eval[int](all[0], `document.querySelectorAll("[name=dialect]").length`); offered != len(all) {
				t.Fatalf("the lobby speaks %d dialects, %d are here", offered, len(all))
			}
			meeting(all, tt.turns)
		})
	}
}

// attend lets somebody of a dialect join the meeting, whose media are encrypted by a
// cipher.
func attend(t *testing.T, n *node.Node, dialect string, by cipher) *guest {
	t.Helper()
	g := open(t, n, dialects[dialect].name, dialect, url.Values{"room": {"meeting"}, "height": {"240"}})
	g.encrypt = by
	g.run(by.script)
	g.run(`window.lobby.join()`)
	g.entered()
	return g
}

// meeting is what happens in one. The first ones mute and darken themselves.
func meeting(all []*guest, turns int) {
	each := func(turns int, do func(g *guest, others ...*guest)) {
		for i, g := range all[:turns] {
			do(g, slices.Concat(all[:i], all[i+1:])...)
		}
	}
	meet(all, all)
	for _, g := range all {
		g.encrypted()
	}
	talkers := slices.DeleteFunc(slices.Clone(all), func(g *guest) bool { return !g.chats() })
	for _, g := range talkers {
		g.run(`window.lobby.say("hello from ` + g.name + `")`)
	}
	for _, g := range talkers {
		for _, o := range talkers {
			if o != g {
				g.reads(o, "hello from "+o.name)
			}
		}
	}
	each(len(all), share)
	each(turns, silence)
	each(turns, darken)
	i := slices.IndexFunc(all, func(g *guest) bool { return g.habits().kicks })
	moderator, others := all[i], slices.Concat(all[:i], all[i+1:])
	for _, out := range others[:len(others)-1] {
		others = others[1:]
		removed(moderator, out, others...)
	}
	moderator.meets(others[0])
	moderator.leaves(others[0])
}

// removed lets a moderator remove somebody, who is told, and whom the others miss.
func removed(moderator, out *guest, others ...*guest) {
	out.Helper()
	moderator.run(fmt.Sprintf(`window.lobby.kick((await window.lobby.stats()).participants.find((p) => p.name === %q).id)`, out.name))
	out.until("is told that a moderator has removed it", func(s stats) error {
		if s.State != "idle" || !strings.Contains(s.Problem, "removed") {
			return fmt.Errorf("state %q, problem %q", s.State, s.Problem)
		}
		return nil
	})
	moderator.misses(out)
	for _, o := range others {
		o.misses(out)
	}
}

// hush is how long nothing is heard of somebody who is mute: the fake microphone
// beeps once a second.
const hush = 2 * time.Second

// silence lets one switch off its microphone and on again, which the others hear,
// and see where their dialect says so.
func silence(from *guest, others ...*guest) {
	from.Helper()
	from.run(`window.lobby.mute("audio", true)`)
	together(others, "hears no more of "+from.name, func(to *guest) func(s stats) error {
		var energy float64
		var since time.Time
		return func(s stats) error {
			p, err := s.find(from.name, false)
			if err != nil {
				return err
			}
			if since.IsZero() || p.AudioEnergy > energy+1e-4 {
				energy, since = p.AudioEnergy, time.Now()
			}
			if quiet := time.Since(since); quiet < hush || p.Muted != to.habits().told {
				return fmt.Errorf("nothing heard for %s, shown as mute: %t", quiet, p.Muted)
			}
			return nil
		}
	})
	from.run(`window.lobby.mute("audio", false)`)
	together(others, "hears "+from.name+" again", func(*guest) func(s stats) error {
		energy := -1.0
		return func(s stats) error {
			p, err := s.find(from.name, false)
			if err != nil {
				return err
			}
			if energy < 0 {
				energy = p.AudioEnergy
			}
			if p.AudioEnergy < energy+1e-3 || p.Muted {
				return fmt.Errorf("energy %f after %f, shown as mute: %t", p.AudioEnergy, energy, p.Muted)
			}
			return nil
		}
	})
}

// darken lets one switch off its camera and on again. The others see no picture
// that stands still, but none, or black.
func darken(from *guest, others ...*guest) {
	from.Helper()
	for _, off := range []bool{true, false} {
		from.run(fmt.Sprintf(`window.lobby.mute("video", %t)`, off))
		together(others, fmt.Sprintf("sees that the camera of %s is off: %t", from.name, off), func(to *guest) func(s stats) error {
			return func(s stats) error {
				p, err := s.find(from.name, false)
				if err != nil {
					return err
				}
				light, err := to.light(from.name)
				if dark := !p.Seen || light < 32; err == nil && dark != off {
					err = fmt.Errorf("brightness %f, shown %t, connection %s", light, p.Seen, p.Connection)
				}
				return err
			}
		})
	}
}

// light returns how bright somebody's picture is, from 0 to 255.
func (g *guest) light(name string) (float64, error) {
	ctx, cancel := context.WithTimeout(g.Context(), patience)
	defer cancel()
	return Eval[float64](ctx, g.Browser, fmt.Sprintf(`(() => {
		const tile = [...document.querySelectorAll(".tile")].find((t) => t.querySelector(".name").textContent === %q);
		const g = Object.assign(document.createElement("canvas"), { width: 16, height: 16 }).getContext("2d");
		g.drawImage(tile.querySelector("video"), 0, 0, 16, 16);
		const rgba = g.getImageData(0, 0, 16, 16).data;
		return rgba.reduce((sum, v, i) => i %% 4 === 3 ? sum : sum + v, 0) / (3 * 16 * 16);
	})()`, name))
}

// share lets one share a canvas as its screen, which the others have to decode
// beside the camera, and stop. Who has no way to do so is not offered it.
func share(from *guest, others ...*guest) {
	from.Helper()
	if offered := eval[bool](from, `!document.getElementById("share").disabled`); offered != from.habits().shares {
		from.Fatalf("%s (%s) is offered to share a screen: %t", from.name, from.dialect, offered)
	}
	if !from.habits().shares {
		return
	}
	from.run(`(async () => {
		const c = document.createElement("canvas");
		c.width = 800; c.height = 600;
		const g = c.getContext("2d");
		let n = 0;
		window.drawing = setInterval(() => { g.fillStyle = n % 2 ? "navy" : "teal"; g.fillRect(0, 0, 800, 600); g.fillStyle = "white"; g.font = "80px sans-serif"; g.fillText(String(n++), 40, 120); }, 50);
		const screen = c.captureStream(15);
		screen.getVideoTracks()[0].contentHint = "detail"; // as a captured display is by itself
		await window.lobby.share(screen);
	})()`)
	together(others, "sees the screen of "+from.name, func(*guest) func(s stats) error {
		return func(s stats) error {
			p, err := s.find(from.name, true)
			if err == nil && (p.Frames < enough || p.Width < 400) {
				err = fmt.Errorf("%d frames, %dx%d, connection %s", p.Frames, p.Width, p.Height, p.Connection)
			}
			return err
		}
	})
	if pictures() {
		others[0].save("screen-of-" + from.name)
	}
	from.run(`(clearInterval(window.drawing), window.lobby.unshare())`)
	together(others, "sees the screen of "+from.name+" end", func(*guest) func(s stats) error {
		return func(s stats) error {
			if _, err := s.find(from.name, true); err == nil {
				return fmt.Errorf("it is still there: %+v", s.Participants)
			}
			return nil
		}
	})
	meet(others, []*guest{from})
}
