package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// patience is for anything to happen that happens at once. Nothing is expected to
// take so long: it ends tests that fail.
const patience = 30 * time.Second

// meeting is two people, one of each dialect of a pair, in a room of their own.
type meeting struct {
	*testing.T
	ctx   context.Context
	node  *node.Node // an operator's
	more  []*node.Node
	place int // the node by which the next one comes, of more; none: node
	room  string
	pair  [2]driver.Dialect
	a, b  driver.Member
	marks int
}

// scenario is what they do.
type scenario struct {
	name string
	play func(m *meeting)
	// alone lets the scenario send in the people itself.
	alone bool
}

// hold plays a scenario with every ordered pair of dialects. With more nodes of a
// cluster people come by them in turn.
func hold(t *testing.T, n *node.Node, s scenario, more ...*node.Node) {
	for _, first := range driver.Dialects() {
		for _, second := range driver.Dialects() {
			meet(t, n, s, first, second, more...)
		}
	}
}

// meet plays a scenario with one pair.
func meet(t *testing.T, n *node.Node, s scenario, first, second driver.Dialect, more ...*node.Node) {
	t.Run(s.name+"/"+first.Name+"-"+second.Name, func(t *testing.T) {
		if !s.alone {
			t.Parallel() // most of it is waiting
		}
		m := newMeeting(t, n, first, second)
		m.more = more
		if !s.alone {
			m.a = m.enter(first, "Anna")
			m.b = m.enter(second, "Ben")
		}
		s.play(m)
	})
}

// newMeeting makes a meeting in a room of its own, which takes no longer than five
// minutes from now on.
func newMeeting(t *testing.T, n *node.Node, first, second driver.Dialect) *meeting {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	m := &meeting{T: t, ctx: ctx, node: n, pair: [2]driver.Dialect{first, second}}
	m.room = strings.NewReplacer("/", " ", "_", " ").Replace(t.Name())
	return m
}

// person makes somebody who has not joined yet, and ends it with the test.
func (m *meeting) person(d driver.Dialect, name string, more ...func(*driver.Options)) driver.Member {
	at := m.node
	if len(m.more) > 0 {
		at = m.more[m.place%len(m.more)]
		m.place++
	}
	addr, path := at.Place(d.Name)
	o := driver.Options{Addr: addr, Path: path, Name: name}
	for _, f := range more {
		f(&o)
	}
	p := driver.Member{Driver: d.New(o), Name: name, Dialect: d.Name}
	m.Cleanup(p.Close)
	return p
}

// enter lets somebody join and switch camera and microphone on.
func (m *meeting) enter(d driver.Dialect, name string, more ...func(*driver.Options)) driver.Member {
	m.Helper()
	p := m.person(d, name, more...)
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	m.must(p.Join(ctx, m.room, bridge.NoRole), "%s joins with %s", name, d.Name)
	m.must(p.Publish(ctx, bridge.Camera), "%s publishes with %s", name, d.Name)
	return p
}

func (m *meeting) must(err error, format string, args ...any) {
	m.Helper()
	if err != nil {
		m.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// do calls f with a context that ends after patience.
func (m *meeting) do(what string, f func(ctx context.Context) error) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	m.must(f(ctx), "%s", what)
}

// saw waits until somebody was told something.
func (m *meeting) saw(p driver.Member, s driver.Sight) {
	m.Helper()
	m.do(fmt.Sprintf("%s (%s) is told that %s", p.Name, p.Dialect, s), func(ctx context.Context) error { return p.Saw(ctx, s) })
}

// after waits until from's words have reached to: what was told before them has
// been told. Where one of both has no words, somebody else comes, and goes again.
func (m *meeting) after(from, to driver.Member) {
	m.Helper()
	m.marks++
	dialect, _ := driver.Lookup(from.Dialect)
	if dialect.NoChat || !to.Shows(driver.Said) {
		p := m.enter(dialect, fmt.Sprintf("Mark %d", m.marks))
		m.saw(to, driver.Sight{What: driver.Came, Who: p.Name})
		m.do("leave", p.Leave)
		p.Close()
		return
	}
	text := fmt.Sprintf("mark %d", m.marks)
	m.do(from.Name+" says", func(ctx context.Context) error { return from.Say(ctx, "", text) })
	m.saw(to, driver.Sight{What: driver.Said, Who: from.Name, Text: text})
}

// times checks how often somebody was told something.
func (m *meeting) times(p driver.Member, s driver.Sight, want int) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	got, err := p.Times(ctx, s)
	if err != nil || got != want {
		m.Errorf("%s (%s) was told %d times that %s, want %d (%v)", p.Name, p.Dialect, got, s, want, err)
	}
}

// look waits until all listeners hear and see all speakers.
func (m *meeting) look(listeners, speakers []driver.Member) driver.Matrix {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	matrix := driver.Look(ctx, listeners, speakers)
	m.Logf("\n%s", matrix)
	m.must(matrix.Err(), "reception")
	return matrix
}

func (m *meeting) all() []driver.Member { return []driver.Member{m.a, m.b} }

// admin does something with the operator's API and decodes the answer.
func (m *meeting) admin(method, path string, body, into any) {
	m.Helper()
	m.must(m.adminCall(method, path, body, into), "%s %s", method, path)
}

func (m *meeting) adminCall(method, path string, body, into any) error {
	return node.Operator(m.node.Admin()).Do(m.ctx, method, path, body, into)
}

// id returns the id that the operator sees of somebody.
func (m *meeting) id(name string) string {
	m.Helper()
	var view struct {
		Participants []struct{ ID, Name string }
	}
	m.admin(http.MethodGet, m.path(), nil, &view)
	for _, p := range view.Participants {
		if p.Name == name {
			return p.ID
		}
	}
	m.Fatalf("the operator does not see %s: %+v", name, view)
	return ""
}

func (m *meeting) path() string { return "/api/v1/rooms/" + strings.ReplaceAll(m.room, " ", "%20") }

// refused checks that somebody may not come in, and is told so in the words of
// its dialect.
func (m *meeting) refused(d driver.Dialect, name string, code bridge.Code) {
	m.Helper()
	p := m.person(d, name)
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	err := p.Join(ctx, m.room, bridge.NoRole)
	if err == nil {
		err = p.Publish(ctx, bridge.Camera)
	}
	r, ok := errors.AsType[*driver.Refused](err)
	if !ok || r.Code != d.Refusals[code] {
		m.Errorf("%s joins with %s: got %v, want it refused with %s", name, d.Name, err, d.Refusals[code])
	}
	p.Close()
}
