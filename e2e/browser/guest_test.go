package browser

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
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
	Can                             struct{ Chat bool }
	Participants                    []person
	Chat                            []struct{ Name, Text string }
}

// guest is a browser in the lobby.
type guest struct {
	*testing.T
	*Browser
	name, dialect string
	encrypt       cipher
}

const (
	patience = 2 * time.Minute // ends tests that fail
	enough   = 20              // frames that were decoded, for a picture to be there
)

// enter opens the lobby in a browser of its own and joins.
func enter(t *testing.T, n *node.Node, room, name, dialect string) *guest {
	t.Helper()
	g := open(t, n, name, dialect, url.Values{"room": {room}, "autojoin": {"1"}})
	g.entered()
	return g
}

// look enters without camera and microphone.
func look(t *testing.T, n *node.Node, room, name, dialect string) *guest {
	t.Helper()
	g := open(t, n, name, dialect, url.Values{"room": {room}, "autojoin": {"1"}, "audio": {"0"}, "video": {"0"}})
	g.entered()
	return g
}

// open opens the lobby in a browser of its own; q is the rest of its address.
func open(t *testing.T, n *node.Node, name, dialect string, q url.Values) *guest {
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
	q.Set("name", name)
	q.Set("dialect", dialect)
	if err := b.Open(ctx, n.URL()+"/?"+q.Encode()); err != nil {
		t.Fatalf("%s opens the lobby: %v", name, err)
	}
	if err := b.Wait(ctx, `document.querySelector("[name=dialect]:checked")`); err != nil {
		t.Fatalf("%s is offered a dialect: %v", name, err)
	}
	return g
}

// entered waits until a browser is in the meeting.
func (g *guest) entered() {
	g.Helper()
	g.until("is in the meeting", func(s stats) error {
		if s.State != "joined" || s.Dialect != g.dialect {
			return fmt.Errorf("state %q, dialect %q, problem %q, status %q", s.State, s.Dialect, s.Problem, s.Status)
		}
		return nil
	})
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
	s, err := g.wait(what, met)
	if err != nil {
		g.Fatal(err)
	}
	return s
}

// together waits until it is so for all of several guests, at the same time.
func together(all []*guest, what string, met func(g *guest) func(s stats) error) {
	ends := make(chan error)
	for _, g := range all {
		go func() {
			_, err := g.wait(what, met(g))
			ends <- err
		}()
	}
	var errs []error
	for range all {
		errs = append(errs, <-ends)
	}
	if err := errors.Join(errs...); err != nil {
		all[0].Helper()
		all[0].Fatal(err)
	}
}

func (g *guest) wait(what string, met func(s stats) error) (stats, error) {
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
			return s, nil
		}
		if ctx.Err() == nil {
			err = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return s, fmt.Errorf("%s (%s) %s: %w", g.name, g.dialect, what, err)
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

// meets waits until a browser decodes the others' pictures and sound.
func (g *guest) meets(others ...*guest) {
	g.Helper()
	meet([]*guest{g}, others)
}

// meet waits until browsers decode the pictures and the sound of all others that they
// are to see, at the same time.
func meet(all, others []*guest) {
	all[0].Helper()
	names := make([]string, len(others))
	for i, o := range others {
		names[i] = o.name
	}
	together(all, "sees and hears "+strings.Join(names, ", "), func(g *guest) func(s stats) error {
		var each []func(s stats) error
		for _, o := range others {
			if o != g {
				each = append(each, decodes(o))
			}
		}
		return func(s stats) error {
			var errs []error
			for _, met := range each {
				errs = append(errs, met(s))
			}
			return errors.Join(errs...)
		}
	})
}

// decodes returns what is so when somebody's picture and sound come.
func decodes(o *guest) func(s stats) error {
	first := -1
	return func(s stats) error {
		p, err := s.find(o.name, false)
		if err != nil {
			return err
		}
		if first < 0 {
			first = p.Frames
		}
		if p.Frames < first+enough || p.Width == 0 || !p.NonSilent || !p.Seen {
			return fmt.Errorf("%s: %d frames more than %d, %dx%d, non-silent %t, shown %t, connection %s",
				o.name, p.Frames-first, first, p.Width, p.Height, p.NonSilent, p.Seen, p.Connection)
		}
		return nil
	}
}

// chats reports whether a dialect has a chat, as the page says.
func (g *guest) chats() bool {
	g.Helper()
	return g.until("says what it can", func(stats) error { return nil }).Can.Chat
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

// leaves lets one go; the others see that.
func (g *guest) leaves(others ...*guest) {
	g.Helper()
	g.run("window.lobby.leave()")
	for _, o := range others {
		o.misses(g)
	}
}

// misses waits until somebody is not there any more.
func (g *guest) misses(other *guest) {
	g.Helper()
	g.until("sees "+other.name+" leave", func(s stats) error {
		if _, err := s.find(other.name, false); err == nil {
			return fmt.Errorf("%s is still there: %+v", other.name, s.Participants)
		}
		return nil
	})
}
