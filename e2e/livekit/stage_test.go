package livekit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/config"
	"dragoman/dialects/admin"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// patience is for what happens at once: it ends tests that fail.
const patience = 30 * time.Second

// stage is LiveKit servers, nodes, and who is there.
type stage struct {
	*testing.T
	ctx context.Context
}

func newStage(t *testing.T) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return &stage{T: t, ctx: ctx}
}

// peering are the settings by which all rooms of a node are one with those of a server,
// which have the same names.
func peering(s *livekittest.Server, name string, edit ...func(*livekit.Settings)) livekit.Settings {
	p := livekit.DefaultSettings()
	p.Name, p.URL, p.Key, p.Secret, p.Rooms = name, s.URL(), livekittest.Key, bridge.Secret(s.Secret()), []string{"*"}
	for _, f := range edit {
		f(&p)
	}
	return p
}

// peered configures a node by it.
func peered(all ...livekit.Settings) func(*config.Config) {
	return func(c *config.Config) { c.LiveKit = all }
}

// enter lets somebody join at a node, by a dialect.
func (s *stage) enter(addr string, dialect, room, name string, edit ...func(*driver.Options)) driver.Member {
	s.Helper()
	d, ok := driver.Lookup(dialect)
	if !ok {
		s.Fatalf("no dialect %s", dialect)
	}
	o := driver.Options{Addr: addr, Path: "/" + dialect, Name: name}
	for _, f := range edit {
		f(&o)
	}
	return s.join(driver.Member{Driver: d.New(o), Name: name, Dialect: dialect}, room)
}

// at is enter at a node of this process.
func (s *stage) at(n *node.Node, dialect, room, name string, edit ...func(*driver.Options)) driver.Member {
	s.Helper()
	addr, _ := n.Place(dialect)
	return s.enter(addr, dialect, room, name, edit...)
}

// guest lets somebody join at a LiveKit server.
func (s *stage) guest(lk *livekittest.Server, room, name string, o livekittest.JoinOptions) (driver.Member, *livekittest.Client) {
	s.Helper()
	g := New(lk, name, o)
	m := s.join(driver.Member{Driver: g, Name: name, Dialect: Dialect}, room)
	return m, g.Client()
}

func (s *stage) join(m driver.Member, room string) driver.Member {
	s.Helper()
	s.Cleanup(m.Close)
	s.do(m.Name+" joins", func(ctx context.Context) error {
		if err := m.Join(ctx, room, bridge.NoRole); err != nil {
			return err
		}
		return m.Publish(ctx, bridge.Camera)
	})
	return m
}

func (s *stage) do(what string, f func(ctx context.Context) error) {
	s.Helper()
	s.within(patience, what, f)
}

// within is do, and says how long it took, which may be so long at most.
func (s *stage) within(most time.Duration, what string, f func(ctx context.Context) error) time.Duration {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, most)
	defer cancel()
	begin := time.Now()
	if err := f(ctx); err != nil {
		s.Fatalf("%s: %v", what, err)
	}
	return time.Since(begin)
}

// until waits until something is so.
func (s *stage) until(most time.Duration, what string, met func() error) time.Duration {
	s.Helper()
	return s.within(most, what, func(ctx context.Context) error {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			err := met()
			if err == nil {
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return errors.Join(ctx.Err(), err)
			}
		}
	})
}

// look waits until all hear and see all.
func (s *stage) look(listeners, speakers []driver.Member) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	m := driver.Look(ctx, listeners, speakers)
	s.Logf("\n%s", m)
	if err := m.Err(); err != nil {
		s.Fatal(err)
	}
}

// saw waits until somebody was told something.
func (s *stage) saw(m driver.Member, what driver.Sight) {
	s.Helper()
	s.do(fmt.Sprintf("%s is told that %s", m.Name, what), func(ctx context.Context) error { return m.Saw(ctx, what) })
}

// times checks how often somebody was told something.
func (s *stage) times(m driver.Member, what driver.Sight, want int) {
	s.Helper()
	s.do("count", func(ctx context.Context) error {
		got, err := m.Times(ctx, what)
		if err == nil && got != want {
			s.Errorf("%s was told %d times that %s, want %d", m.Name, got, what, want)
		}
		return err
	})
}

// people are the names of those in a room, as a node tells, in order.
func (s *stage) people(root, room string) ([]string, error) {
	var r admin.Room
	err := node.Operator(root).Do(s.ctx, http.MethodGet, "/api/v1/rooms/"+room, nil, &r)
	var names []string
	for _, p := range r.Participants {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names, err
}

// attend waits until exactly these are in a room, as nodes tell.
func (s *stage) attend(most time.Duration, roots []string, room string, names ...string) time.Duration {
	s.Helper()
	slices.Sort(names)
	return s.until(most, "everybody is in the room once", func() error {
		for _, root := range roots {
			seen, err := s.people(root, room)
			if err != nil {
				return err
			}
			if !slices.Equal(seen, names) {
				return fmt.Errorf("%s tells of %q, want %q", root, seen, names)
			}
		}
		return nil
	})
}

// show is the peering of a room as the node at root tells of its own part.
func (s *stage) show(root, room, server string) (p admin.Peering, err error) {
	var of struct{ Nodes []admin.Node }
	var out struct{ Peerings []admin.Peering }
	err = errors.Join(node.Operator(root).Do(s.ctx, http.MethodGet, "/api/v1/nodes", nil, &of), node.Operator(root).Do(s.ctx, http.MethodGet, "/api/v1/peerings", nil, &out))
	self := func(node string) bool {
		return len(of.Nodes) == 0 || slices.ContainsFunc(of.Nodes, func(n admin.Node) bool { return n.Self && (n.Name == node || n.ID == node) })
	}
	for _, p := range out.Peerings {
		if p.Room == room && p.Server == server && self(p.Node) {
			return p, err
		}
	}
	return p, errors.Join(err, fmt.Errorf("no peering of %s with %s in %+v", room, server, out.Peerings))
}

// rate returns how many bytes per second a count grows by, over a second.
func (s *stage) rate(count func() uint64) uint64 {
	s.Helper()
	begin, before := time.Now(), count()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	<-timer.C
	return uint64(float64(count()-before) / time.Since(begin).Seconds())
}

// below waits until a count grows by less than so many bytes per second.
func (s *stage) below(most time.Duration, what string, limit uint64, count func() uint64) {
	s.Helper()
	var last uint64
	took := s.until(most, what, func() error {
		if last = s.rate(count); last >= limit {
			return fmt.Errorf("%d bytes a second", last)
		}
		return nil
	})
	s.Logf("%s: %d bytes a second after %s", what, last, took.Round(100*time.Millisecond))
}
