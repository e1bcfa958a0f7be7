// Package demo plays a scripted mixed meeting of all dialects against a running
// server and prints what happens, and who heard whom.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
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

// Play lets one person of each dialect meet, and then a second one of each, so that
// each dialect meets each. The error says what did not arrive; all that did is printed
// all the same, and in the end which dialect got what of which.
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
	err := errors.Join(d.talk(ctx), d.share(ctx), d.mute(ctx), d.leave(ctx))
	d.printf("\n%s", &d.table)
	return err
}

type play struct {
	out     io.Writer
	places  map[string]Place
	members []driver.Member
	table   driver.Table
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
	for _, l := range d.members {
		for _, s := range d.members {
			r := m.Got(l.Name, s.Name)
			if r.Heard {
				d.table.Got("audio", l.Dialect, s.Dialect)
			}
			if r.Saw {
				d.table.Got("video", l.Dialect, s.Dialect)
			}
		}
	}
	return m.Err()
}

// others calls f for every member but one, all at once. What f returns nil for goes
// into the table, and so does that it is ErrUnable.
func (d *play) others(ctx context.Context, column string, of driver.Member, f func(context.Context, driver.Member) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errs := make([]error, len(d.members))
	var wg sync.WaitGroup
	for i, m := range d.members {
		if m.Name == of.Name {
			continue
		}
		wg.Go(func() {
			switch err := f(ctx, m); {
			case err == nil:
				d.table.Got(column, m.Dialect, of.Dialect)
			case errors.Is(err, driver.ErrUnable):
				d.table.Unable(column, m.Dialect, of.Dialect)
			default:
				errs[i] = fmt.Errorf("%s (%s), %s of %s: %w", m.Name, m.Dialect, column, of.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// unable notes that a member's dialect has no such thing.
func (d *play) unable(ctx context.Context, column string, of driver.Member) error {
	return d.others(ctx, column, of, func(context.Context, driver.Member) error { return driver.ErrUnable })
}

func (d *play) talk(ctx context.Context) error {
	for _, m := range d.members {
		text := "hello from " + m.Dialect
		err := m.Say(ctx, "", text)
		if errors.Is(err, driver.ErrUnable) {
			if err := d.unable(ctx, "chat", m); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s says: %w", m.Name, err)
		}
		err = d.others(ctx, "chat", m, func(ctx context.Context, l driver.Member) error {
			if !l.Shows(driver.Said) {
				return driver.ErrUnable
			}
			return l.Saw(ctx, driver.Sight{What: driver.Said, Who: m.Name, Text: text})
		})
		if err != nil {
			return err
		}
		d.printf("%s says %q, and all read it", m.Name, text)
	}
	return nil
}

// first are the members of whom there is one of each dialect.
func (d *play) first() []driver.Member { return d.members[:(len(d.members)+1)/2] }

func (d *play) share(ctx context.Context) error {
	for _, m := range d.first() {
		err := m.Publish(ctx, bridge.Screen)
		if errors.Is(err, driver.ErrUnable) {
			if err := d.unable(ctx, "screen", m); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s shares a screen: %w", m.Name, err)
		}
		err = d.others(ctx, "screen", m, func(ctx context.Context, l driver.Member) error {
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

// mute: who is muted is not heard, and shown where the dialect can show it.
func (d *play) mute(ctx context.Context) error {
	for _, m := range d.first() {
		if err := m.Mute(ctx, true); err != nil {
			return fmt.Errorf("%s mutes: %w", m.Name, err)
		}
		err := d.others(ctx, "mute", m, func(ctx context.Context, l driver.Member) error {
			if l.Shows(driver.Muted) {
				if err := l.Saw(ctx, driver.Sight{What: driver.Muted, Who: m.Name}); err != nil {
					return err
				}
			}
			return l.Deaf(ctx, m.Name)
		})
		if err != nil {
			return err
		}
		d.printf("%s is muted, and nobody hears it", m.Name)
		if err := m.Mute(ctx, false); err != nil {
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
		err := d.others(ctx, "leave", m, func(ctx context.Context, l driver.Member) error {
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
