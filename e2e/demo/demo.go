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
	m := &Meeting{Out: out}
	defer m.Close()
	names := []string{"Anna", "Ben", "Carla", "David", "Emma", "Felix", "Greta", "Hugo", "Ines", "Jan"}
	for range 2 {
		for _, dialect := range driver.Dialects() {
			place, ok := places[dialect.Name]
			if !ok {
				continue
			}
			name := names[len(m.Members)%len(names)]
			d := dialect.New(driver.Options{Addr: place.Addr, Path: place.Path, Name: name})
			if err := m.Enter(ctx, driver.Member{Driver: d, Name: name, Dialect: dialect.Name}, Room); err != nil {
				return err
			}
		}
		if err := m.Look(ctx); err != nil {
			return err
		}
	}
	first := m.Members[:(len(m.Members)+1)/2] // one of each dialect
	err := errors.Join(m.Talk(ctx), m.Share(ctx, first), m.Mute(ctx, first), m.Leave(ctx))
	m.printf("\n%s", &m.Table)
	return err
}

// Meeting is people who do the same things one after another, and a table of who got
// what of whom. Its methods return what did not arrive.
type Meeting struct {
	Out     io.Writer // what happens, in words
	Members []driver.Member
	Table   driver.Table
}

// Close ends the clients of those who are still there.
func (d *Meeting) Close() {
	for _, m := range d.Members {
		m.Close()
	}
}

func (d *Meeting) printf(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) } //nolint:errcheck // a story on a terminal

// Enter lets somebody join a room with a camera and a microphone.
func (d *Meeting) Enter(ctx context.Context, m driver.Member, room string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d.Members = append(d.Members, m)
	if err := m.Join(ctx, room, bridge.NoRole); err != nil {
		return fmt.Errorf("%s (%s) joins: %w", m.Name, m.Dialect, err)
	}
	if err := m.Publish(ctx, bridge.Camera); err != nil {
		return fmt.Errorf("%s (%s) publishes: %w", m.Name, m.Dialect, err)
	}
	d.printf("%s joins with %s", m.Name, m.Dialect)
	return nil
}

// Look lets all hear and see all.
func (d *Meeting) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m := driver.Look(ctx, d.Members, d.Members)
	d.printf("\n%s\n", m)
	for _, l := range d.Members {
		for _, s := range d.Members {
			r := m.Got(l.Name, s.Name)
			if r.Heard {
				d.Table.Got("audio", l.Dialect, s.Dialect)
			}
			if r.Saw {
				d.Table.Got("video", l.Dialect, s.Dialect)
			}
		}
	}
	return m.Err()
}

// others calls f for every member but one, all at once. What f returns nil for goes
// into the table, and so does that it is ErrUnable.
func (d *Meeting) others(ctx context.Context, column string, of driver.Member, f func(context.Context, driver.Member) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errs := make([]error, len(d.Members))
	var wg sync.WaitGroup
	for i, m := range d.Members {
		if m.Name == of.Name {
			continue
		}
		wg.Go(func() {
			switch err := f(ctx, m); {
			case err == nil:
				d.Table.Got(column, m.Dialect, of.Dialect)
			case errors.Is(err, driver.ErrUnable):
				d.Table.Unable(column, m.Dialect, of.Dialect)
			default:
				errs[i] = fmt.Errorf("%s (%s), %s of %s: %w", m.Name, m.Dialect, column, of.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// unable notes that a member's dialect has no such thing.
func (d *Meeting) unable(ctx context.Context, column string, of driver.Member) error {
	return d.others(ctx, column, of, func(context.Context, driver.Member) error { return driver.ErrUnable })
}

// Talk lets all who can say something to all.
func (d *Meeting) Talk(ctx context.Context) error {
	for _, m := range d.Members {
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

// Share lets some of them share a screen, one after another.
func (d *Meeting) Share(ctx context.Context, who []driver.Member) error {
	for _, m := range who {
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

// Mute lets some of them mute themselves: they are not heard, and shown as mute where the
// dialect can show it.
func (d *Meeting) Mute(ctx context.Context, who []driver.Member) error {
	for _, m := range who {
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

// Leave lets all go, one after another.
func (d *Meeting) Leave(ctx context.Context) error {
	for len(d.Members) > 0 {
		m := d.Members[0]
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
		d.Members = d.Members[1:]
		d.printf("%s leaves", m.Name)
	}
	return nil
}
