package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/e2e/driver"
)

// person is a client at a node.
type person struct {
	driver.Member
	d    driver.Dialect
	at   *node
	room string
}

// enter lets somebody join a room by a node.
func (c *town) enter(n *node, d driver.Dialect, room, name string) *person {
	c.Helper()
	p := &person{d: d, at: n, room: room}
	p.Member = driver.Member{Name: name, Dialect: d.Name, Driver: d.New(driver.Options{Addr: n.ports.HTTP, Path: "/" + d.Name, Name: name})}
	c.Cleanup(p.Close)
	c.do(name+" joins", func(ctx context.Context) error { return p.come(ctx) })
	return p
}

func (p *person) come(ctx context.Context) error {
	err := p.Join(ctx, p.room, bridge.NoRole)
	if err == nil && (p.d.ByMedia || !p.at.t.deaf) {
		err = p.Publish(ctx, bridge.Camera)
	}
	return err
}

// spread lets one client of each dialect join, one after another at the next node.
func (c *town) spread(room string) (all []*person) {
	c.Helper()
	for i, d := range driver.Dialects() {
		all = append(all, c.enter(c.nodes[i%len(c.nodes)], d, room, "Of "+d.Name))
	}
	return all
}

func names(people []*person) (all []string) {
	for _, p := range people {
		all = append(all, p.Name)
	}
	return all
}

func (c *town) do(what string, f func(ctx context.Context) error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	if err := f(ctx); err != nil {
		c.Fatalf("%s: %v", what, err)
	}
}

// see waits until all who can be told something are.
func (c *town) see(people []*person, s driver.Sight) {
	c.Helper()
	for _, p := range people {
		if p.Name != s.Who && p.Shows(s.What) {
			c.do(fmt.Sprintf("%s at %s is told that %s", p.Name, p.at.name, s), func(ctx context.Context) error { return p.Saw(ctx, s) })
		}
	}
}

// times checks how often all who can be told something were.
func (c *town) times(people []*person, s driver.Sight, want int) {
	c.Helper()
	for _, p := range people {
		if p.Name == s.Who || !p.Shows(s.What) {
			continue
		}
		c.do("count", func(ctx context.Context) error {
			got, err := p.Times(ctx, s)
			if err == nil && got != want {
				c.Errorf("%s at %s was told %d times that %s, want %d", p.Name, p.at.name, got, s, want)
			}
			return err
		})
	}
}

// look waits until all hear and see all.
func (c *town) look(people []*person) {
	c.Helper()
	var all []driver.Member
	for _, p := range people {
		all = append(all, p.Member)
	}
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	matrix := driver.Look(ctx, all, all)
	c.Logf("\n%s", matrix)
	if err := matrix.Err(); err != nil {
		c.Fatal(err)
	}
}

// flow watches how long somebody gets no packet of somebody else's camera, from now on
// until it is asked for the longest time.
func (c *town) flow(people []*person) (longest func() time.Duration) {
	ctx, stop := context.WithCancel(c.Context())
	gaps := make([]time.Duration, len(people))
	var all sync.WaitGroup
	for i, p := range people {
		all.Go(func() { gaps[i] = p.gap(ctx, without(people, p)) })
	}
	return func() time.Duration {
		stop()
		all.Wait()
		return slices.Max(gaps)
	}
}

// gap is the longest time without a packet of any of those who send, until ctx ends.
func (p *person) gap(ctx context.Context, senders []*person) (longest time.Duration) {
	packets, at := make([]int, len(senders)), make([]time.Time, len(senders))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for i, s := range senders {
			_, video, err := p.Received(ctx, s.Name)
			if ctx.Err() != nil {
				return longest
			}
			now := time.Now()
			if at[i].IsZero() || err == nil && video.Packets != packets[i] {
				packets[i], at[i] = video.Packets, now
			}
			longest = max(longest, now.Sub(at[i]))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return longest
		}
	}
}

func (c *town) say(p *person, text string) {
	c.Helper()
	c.do(p.Name+" says", func(ctx context.Context) error { return p.Say(ctx, "", text) })
}

// without is everybody but one.
func without(people []*person, one *person) (rest []*person) {
	for _, p := range people {
		if p != one {
			rest = append(rest, p)
		}
	}
	return rest
}

// talkers are those whose clients can write.
func talkers(people []*person) (all []*person) {
	for _, p := range people {
		if !p.d.NoChat {
			all = append(all, p)
		}
	}
	return all
}

func dialect(t *testing.T, name string) driver.Dialect {
	t.Helper()
	d, ok := driver.Lookup(name)
	if !ok {
		t.Fatalf("no dialect %s", name)
	}
	return d
}
