package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dragoman/e2e/node"
)

// person is what the lobby tells of somebody else.
type person struct {
	ID, Name      string
	Screen, Muted bool
	Seen          bool
	Frames        int
	Width, Height int
	AudioEnergy   float64
	NonSilent     bool
	Connection    string
}

// stats is what the lobby of a tab tells of itself, see lobby.js.
type stats struct {
	State, Dialect, Problem, Status string
	Locked                          bool
	Participants                    []person
	Chat                            []struct{ Name, Text string }
}

// guest is a browser in the lobby.
type guest struct {
	*testing.T
	*Browser
	name, dialect string
}

const (
	patience = time.Minute // ends tests that fail
	enough   = 20          // frames that were decoded, for a picture to be there
)

// enter opens the lobby in a browser of its own and joins.
func enter(t *testing.T, n *node.Node, room, name, dialect string) *guest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := Start(context.WithoutCancel(t.Context()), name+"-"+dialect)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{T: t, Browser: b, name: name, dialect: dialect}
	t.Cleanup(func() {
		if t.Failed() || pictures() {
			g.save("end")
		}
		b.Close()
	})
	q := url.Values{"room": {room}, "name": {name}, "dialect": {dialect}, "autojoin": {"1"}}
	if err := b.Open(ctx, n.URL()+"/?"+q.Encode()); err != nil {
		t.Fatalf("%s opens the lobby: %v", name, err)
	}
	g.until("is in the meeting", func(s stats) error {
		if s.State != "joined" || s.Dialect != dialect {
			return fmt.Errorf("state %q, dialect %q, problem %q", s.State, s.Dialect, s.Problem)
		}
		return nil
	})
	return g
}

// pictures reports whether somebody wants to look at tests that pass, too.
func pictures() bool { return os.Getenv("DRAGOMAN_E2E_PICTURES") != "" }

// save keeps a picture of the page and what it said.
func (g *guest) save(when string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dir := filepath.Join(os.TempDir(), "dragoman-e2e", g.Name())
	if err := g.Save(ctx, dir, when); err != nil {
		g.Logf("save %s: %v", g.name, err)
	}
	g.Logf("a picture and the console of %s are in %s", g.name, dir)
}

// until waits until the lobby's numbers satisfy met.
func (g *guest) until(what string, met func(s stats) error) stats {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var err error
	begin := time.Now()
	for {
		s, now := Eval[stats](ctx, g.Browser, "window.lobby.stats()")
		if now == nil {
			now = met(s)
		}
		if now == nil {
			g.Logf("%s (%s) %s after %s", g.name, g.dialect, what, time.Since(begin).Round(time.Millisecond))
			return s
		}
		if ctx.Err() == nil {
			err = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			g.Fatalf("%s (%s) %s: %v", g.name, g.dialect, what, err)
		}
	}
}

func (g *guest) run(expression string) {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), patience)
	defer cancel()
	if _, err := Eval[any](ctx, g.Browser, "(async () => { await ("+expression+"); return true })()"); err != nil {
		g.Fatalf("%s (%s) %s: %v", g.name, g.dialect, expression, err)
	}
}

// find returns somebody else, or somebody else's screen, which may have a name of
// its own.
func (s stats) find(name string, screen bool) (person, error) {
	for _, p := range s.Participants {
		if p.Screen == screen && (p.Name == name || screen && p.Name == name+" (screen)") {
			return p, nil
		}
	}
	return person{}, fmt.Errorf("no %q (screen: %t) among %+v", name, screen, s.Participants)
}

// meets waits until a browser decodes the other's picture and sound.
func (g *guest) meets(other *guest) {
	g.Helper()
	first := -1
	s := g.until("sees and hears "+other.name, func(s stats) error {
		p, err := s.find(other.name, false)
		if err != nil {
			return err
		}
		if first < 0 {
			first = p.Frames
		}
		if p.Frames < first+enough || p.Width == 0 || !p.NonSilent || !p.Seen {
			return fmt.Errorf("%d frames more than %d, %dx%d, non-silent %t, shown %t, connection %s",
				p.Frames-first, first, p.Width, p.Height, p.NonSilent, p.Seen, p.Connection)
		}
		return nil
	})
	p, _ := s.find(other.name, false)
	g.Logf("%s (%s) gets %s (%s): %d frames of %dx%d decoded, audio energy %.4f",
		g.name, g.dialect, other.name, other.dialect, p.Frames, p.Width, p.Height, p.AudioEnergy)
}

func (g *guest) reads(from *guest, text string) {
	g.Helper()
	g.until("reads "+text, func(s stats) error {
		for _, line := range s.Chat {
			if line.Name == from.name && line.Text == text {
				return nil
			}
		}
		return fmt.Errorf("chat is %+v", s.Chat)
	})
}

// TestLobby lets two browsers meet in every pair of dialects: each decodes the
// other's picture and sound and shows the other's words.
func TestLobby(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, pair := range [][2]string{{"ahoy", "spreed"}, {"ahoy", "ahoy"}, {"spreed", "spreed"}} {
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
			a.run("window.lobby.leave()")
			b.until("sees Anna leave", func(s stats) error {
				if _, err := s.find("Anna", false); err == nil {
					return fmt.Errorf("Anna is still there: %+v", s.Participants)
				}
				return nil
			})
		})
	}
}

// share lets one share a canvas as its screen, which the other has to decode
// beside the camera, and stop.
func share(from, to *guest) {
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
	to.until("sees the screen of "+from.name, func(s stats) error {
		p, err := s.find(from.name, true)
		if err == nil && (p.Frames < enough || p.Width < 400) {
			err = fmt.Errorf("%d frames, %dx%d, connection %s", p.Frames, p.Width, p.Height, p.Connection)
		}
		return err
	})
	if pictures() {
		to.save("screen")
	}
	from.run(`(clearInterval(window.drawing), window.lobby.unshare())`)
	to.until("sees the screen of "+from.name+" end", func(s stats) error {
		if _, err := s.find(from.name, true); err == nil {
			return fmt.Errorf("it is still there: %+v", s.Participants)
		}
		return nil
	})
	to.meets(from)
}
