package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"dragoman/bridge"
)

// Member is somebody in a meeting.
type Member struct {
	Driver
	Name, Dialect string
}

// Reception is what one member got of another one's camera and microphone.
type Reception struct {
	Heard, Saw bool
	// After is how long it took until both had come, from the call of Look.
	After time.Duration
	Err   error // nil when both came
}

// Matrix says who heard and saw whom: by listener, then by speaker.
type Matrix struct {
	members []Member
	got     map[string]map[string]Reception
}

// Look waits until every listener hears and sees every speaker, or ctx ends. A
// picture counts only if its frames say that they come from that speaker.
func Look(ctx context.Context, listeners, speakers []Member) Matrix {
	m := Matrix{got: map[string]map[string]Reception{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	m.add(listeners)
	m.add(speakers)
	for _, l := range listeners {
		m.got[l.Name] = map[string]Reception{}
	}
	for _, l := range listeners {
		for _, s := range speakers {
			if l.Name == s.Name {
				continue
			}
			wg.Go(func() {
				r := receive(ctx, l, s)
				r.After = time.Since(begin)
				mu.Lock()
				defer mu.Unlock()
				m.got[l.Name][s.Name] = r
			})
		}
	}
	wg.Wait()
	return m
}

func (m *Matrix) add(members []Member) {
	for _, x := range members {
		known := false
		for _, y := range m.members {
			known = known || x.Name == y.Name
		}
		if !known {
			m.members = append(m.members, x)
		}
	}
}

func receive(ctx context.Context, l, s Member) (r Reception) {
	f, err := l.Sees(ctx, s.Name, bridge.Camera)
	switch {
	case err != nil:
		r.Err = fmt.Errorf("%s sees %s: %w", l.Name, s.Name, err)
	case f.Source != s.Source():
		r.Err = fmt.Errorf("%s sees the camera of somebody else as %s", l.Name, s.Name)
	default:
		r.Saw = true
	}
	if err := l.Hears(ctx, s.Name); err != nil {
		r.Err = errors.Join(r.Err, fmt.Errorf("%s hears %s: %w", l.Name, s.Name, err))
		return r
	}
	r.Heard = true
	return r
}

// Got returns what a listener got of a speaker.
func (m Matrix) Got(listener, speaker string) Reception { return m.got[listener][speaker] }

// Slowest returns the longest time that anything took.
func (m Matrix) Slowest() (d time.Duration) {
	for _, row := range m.got {
		for _, r := range row {
			d = max(d, r.After)
		}
	}
	return d
}

// Err returns what is wrong, or nil when everybody heard and saw everybody.
func (m Matrix) Err() error {
	for _, row := range m.got {
		for _, r := range row {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}

// String returns a table: a row per listener, a column per speaker.
func (m Matrix) String() string {
	width := len("who got whom")
	label := func(x Member) string { return x.Name + " (" + x.Dialect + ")" }
	for _, x := range m.members {
		width = max(width, len(label(x)))
		for _, r := range m.got[x.Name] {
			width = max(width, len(r.String()))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s", width, "who got whom")
	for _, s := range m.members {
		fmt.Fprintf(&b, "  %-*s", width, label(s))
	}
	for _, l := range m.members {
		row, listens := m.got[l.Name]
		if !listens {
			continue
		}
		fmt.Fprintf(&b, "\n%-*s", width, label(l))
		for _, s := range m.members {
			cell := ""
			if r, ok := row[s.Name]; ok {
				cell = r.String()
			}
			fmt.Fprintf(&b, "  %-*s", width, cell)
		}
	}
	return b.String()
}

// String returns the reception in few words.
func (r Reception) String() string {
	switch {
	case r.Heard && r.Saw:
		return fmt.Sprintf("sound+picture %s", r.After.Round(time.Millisecond))
	case r.Heard:
		return "sound only"
	case r.Saw:
		return "picture only"
	}
	return "nothing"
}
