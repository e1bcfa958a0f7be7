// Package demo plays a scripted mixed meeting of all dialects against a running
// server and prints what happens, and who heard whom.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dragoman/bridge"
	"dragoman/e2e/driver"
)

// Place is where a dialect is to be reached.
type Place struct {
	Addr string // host and port
	Path string // before the dialect's own paths; empty: it owns the root
}

// Room is the room in which the meeting takes place.
const Room = "demo"

// patience is for anything to arrive. Nothing takes so long but on a machine that
// does much else: a Spreed client sets up its connections one after another.
const patience = time.Minute

// Play lets one person of each dialect meet, and then a second one of each. The
// error says what did not arrive; all that did is printed all the same.
func Play(ctx context.Context, out io.Writer, places map[string]Place) error {
	d := &play{out: out, places: places}
	defer d.close()
	names := []string{"Anna", "Ben", "Carla", "David", "Emma", "Felix", "Greta", "Hugo", "Ines", "Jan"}
	for range 2 {
		for _, dialect := range driver.Dialects() {
			place, ok := places[dialect.Name]
			if !ok {
				continue
			}
			if err := d.enter(ctx, names[len(d.members)%len(names)], dialect, place); err != nil {
				return err
			}
		}
		if err := d.look(ctx); err != nil {
			return err
		}
	}
	return errors.Join(d.talk(ctx), d.share(ctx), d.leave(ctx))
}

type play struct {
	out     io.Writer
	places  map[string]Place
	members []driver.Member
}

func (d *play) close() {
	for _, m := range d.members {
		m.Close()
	}
}

func (d *play) printf(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) } //nolint:errcheck // a story on a terminal

func (d *play) enter(ctx context.Context, name string, dialect driver.Dialect, p Place) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m := driver.Member{
		Name: name, Dialect: dialect.Name,
		Driver: dialect.New(driver.Options{Addr: p.Addr, Path: p.Path, Name: name}),
	}
	d.members = append(d.members, m)
	if err := m.Join(ctx, Room, bridge.NoRole); err != nil {
		return fmt.Errorf("%s (%s) joins: %w", name, dialect.Name, err)
	}
	if err := m.Publish(ctx, bridge.Camera); err != nil {
		return fmt.Errorf("%s (%s) publishes: %w", name, dialect.Name, err)
	}
	d.printf("%s joins with %s", name, dialect.Name)
	return nil
}

func (d *play) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m := driver.Look(ctx, d.members, d.members)
	d.printf("\n%s\n", m)
	return m.Err()
}

// others calls f for every member but one.
func (d *play) others(ctx context.Context, of driver.Member, f func(context.Context, driver.Member) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, m := range d.members {
		if m.Name != of.Name {
			if err := f(ctx, m); err != nil {
				return fmt.Errorf("%s (%s): %w", m.Name, m.Dialect, err)
			}
		}
	}
	return nil
}

func (d *play) talk(ctx context.Context) error {
	for _, m := range d.members {
		text := "hello from " + m.Dialect
		if err := m.Say(ctx, "", text); err != nil {
			return fmt.Errorf("%s says: %w", m.Name, err)
		}
		err := d.others(ctx, m, func(ctx context.Context, l driver.Member) error {
			return l.Saw(ctx, driver.Sight{What: driver.Said, Who: m.Name, Text: text})
		})
		if err != nil {
			return err
		}
		d.printf("%s says %q, and all read it", m.Name, text)
	}
	return nil
}

func (d *play) share(ctx context.Context) error {
	for _, m := range d.members[:min(2, len(d.members))] {
		err := m.Publish(ctx, bridge.Screen)
		if errors.Is(err, driver.ErrUnable) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s shares a screen: %w", m.Name, err)
		}
		err = d.others(ctx, m, func(ctx context.Context, l driver.Member) error {
			f, err := l.Sees(ctx, m.Name, bridge.Screen)
			if err == nil && f.Source != m.Source() {
				err = fmt.Errorf("the screen of %s shows somebody else", m.Name)
			}
			return err
		})
		if err != nil {
			return err
		}
		d.printf("%s shares a screen, and all see it", m.Name)
		if err := m.Unpublish(ctx, bridge.Screen); err != nil {
			return err
		}
	}
	return nil
}

func (d *play) leave(ctx context.Context) error {
	for len(d.members) > 0 {
		m := d.members[0]
		if err := m.Leave(ctx); err != nil {
			return fmt.Errorf("%s leaves: %w", m.Name, err)
		}
		err := d.others(ctx, m, func(ctx context.Context, l driver.Member) error {
			return l.Saw(ctx, driver.Sight{What: driver.Left, Who: m.Name})
		})
		if err != nil {
			return err
		}
		m.Close()
		d.members = d.members[1:]
		d.printf("%s leaves", m.Name)
	}
	return nil
}
