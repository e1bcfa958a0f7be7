package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"dragoman/e2e/node"
)

// TestLobby lets two browsers meet in every pair of dialects: each decodes the
// other's picture and sound and shows the other's words.
func TestLobby(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, pair := range [][2]string{{"ahoy", "spreed"}, {"ahoy", "ahoy"}, {"spreed", "spreed"}, {"k3k", "k3k"}} {
		t.Run(pair[0]+"-"+pair[1], func(t *testing.T) {
			a := enter(t, n, t.Name(), "Anna", pair[0])
			b := enter(t, n, t.Name(), "Ben", pair[1])
			a.meets(b)
			b.meets(a)
			a.run(`window.lobby.say("hello from Anna")`)
			b.run(`window.lobby.say("hello from Ben")`)
			a.reads(b, "hello from Ben")
			b.reads(a, "hello from Anna")
			share(a, b)
			share(b, a)
			a.leaves(b)
		})
	}
}

// TestMeeting lets three browsers meet in one room, each in another dialect: each
// decodes the pictures of both others, hears them and reads them; a screen, a mute
// and a camera that is off reach both others, and a moderator removes somebody.
func TestMeeting(t *testing.T) {
	n := node.Start(t, node.Options{})
	var all []*guest
	for _, who := range [][2]string{{"Anna", "ahoy"}, {"Kim", "k3k"}, {"Sören", "spreed"}} {
		all = append(all, enter(t, n, "meeting", who[0], who[1]))
	}
	each := func(do func(g *guest, others []*guest)) {
		for i, g := range all {
			do(g, append(append([]*guest{}, all[:i]...), all[i+1:]...))
		}
	}
	each(func(g *guest, others []*guest) {
		for _, o := range others {
			g.meets(o)
		}
	})
	each(func(g *guest, _ []*guest) { g.run(`window.lobby.say("hello from ` + g.name + `")`) })
	each(func(g *guest, others []*guest) {
		for _, o := range others {
			g.reads(o, "hello from "+o.name)
		}
	})
	each(func(g *guest, others []*guest) { share(g, others...) })
	each(func(g *guest, others []*guest) { silence(g, others...) })
	each(func(g *guest, others []*guest) { darken(g, others...) })
	anna, kim, sören := all[0], all[1], all[2]
	kim.run(`window.lobby.kick((await window.lobby.stats()).participants.find((p) => p.name === "Anna").id)`)
	anna.until("is told that a moderator has removed her", func(s stats) error {
		if s.State != "idle" || !strings.Contains(s.Problem, "removed") {
			return fmt.Errorf("state %q, problem %q", s.State, s.Problem)
		}
		return nil
	})
	kim.misses(anna)
	sören.misses(anna)
	kim.meets(sören)
	kim.leaves(sören)
}

// hush is how long nothing is heard of somebody who is mute: the fake microphone
// beeps once a second.
const hush = 2 * time.Second

// silence lets one switch off its microphone and on again, which the others hear,
// and see where their dialect says so.
func silence(from *guest, others ...*guest) {
	from.Helper()
	from.run(`window.lobby.mute("audio", true)`)
	for _, to := range others {
		var energy float64
		var since time.Time
		to.until("hears no more of "+from.name, func(s stats) error {
			p, err := s.find(from.name, false)
			if err != nil {
				return err
			}
			if since.IsZero() || p.AudioEnergy > energy+1e-4 {
				energy, since = p.AudioEnergy, time.Now()
			}
			if quiet := time.Since(since); quiet < hush || p.Muted == (to.dialect == "spreed") {
				return fmt.Errorf("nothing heard for %s, shown as mute: %t", quiet, p.Muted)
			}
			return nil
		})
	}
	from.run(`window.lobby.mute("audio", false)`)
	for _, to := range others {
		energy := -1.0
		to.until("hears "+from.name+" again", func(s stats) error {
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
		})
	}
}

// darken lets one switch off its camera and on again. The others see no picture
// that stands still, but none, or black.
func darken(from *guest, others ...*guest) {
	from.Helper()
	for _, off := range []bool{true, false} {
		from.run(fmt.Sprintf(`window.lobby.mute("video", %t)`, off))
		for _, to := range others {
			to.until(fmt.Sprintf("sees that the camera of %s is off: %t", from.name, off), func(s stats) error {
				p, err := s.find(from.name, false)
				if err != nil {
					return err
				}
				light, err := to.light(from.name)
				if dark := !p.Seen || light < 32; err == nil && dark != off {
					err = fmt.Errorf("brightness %f, shown %t, connection %s", light, p.Seen, p.Connection)
				}
				return err
			})
		}
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
// beside the camera, and stop.
func share(from *guest, others ...*guest) {
	from.Helper()
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
	for _, to := range others {
		to.until("sees the screen of "+from.name, func(s stats) error {
			p, err := s.find(from.name, true)
			if err == nil && (p.Frames < enough || p.Width < 400) {
				err = fmt.Errorf("%d frames, %dx%d, connection %s", p.Frames, p.Width, p.Height, p.Connection)
			}
			return err
		})
		if pictures() {
			to.save("screen-of-" + from.name)
		}
	}
	from.run(`(clearInterval(window.drawing), window.lobby.unshare())`)
	for _, to := range others {
		to.until("sees the screen of "+from.name+" end", func(s stats) error {
			if _, err := s.find(from.name, true); err == nil {
				return fmt.Errorf("it is still there: %+v", s.Participants)
			}
			return nil
		})
		to.meets(from)
	}
}
