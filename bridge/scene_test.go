package bridge_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

// scene is a room with a moderator, two speakers and a listener. Ann has a camera.
type scene struct {
	*bridgetest.Room
	mo, ann, bob, lis *bridgetest.Member
	cam               bridge.PublicationID
}

func newScene(t *testing.T, s bridge.Spec) *scene {
	t.Helper()
	c := &scene{Room: bridgetest.NewRoom(t, s)}
	c.mo = c.Enter("Mo", bridge.Moderator)
	c.ann = c.Enter("Ann", bridge.Speaker)
	c.bob = c.Enter("Bob", bridge.Speaker)
	c.lis = c.Enter("Lis", bridge.Listener)
	c.cam = c.ann.Shares(bridge.Camera)
	c.quiet()
	return c
}

// quiet forgets what everybody was told so far.
func (c *scene) quiet() {
	for _, m := range []*bridgetest.Member{c.mo, c.ann, c.bob, c.lis} {
		m.Unread()
	}
}

// who returns a member of the scene by name.
func (c *scene) who(name string) *bridgetest.Member {
	return map[string]*bridgetest.Member{"mo": c.mo, "ann": c.ann, "bob": c.bob, "lis": c.lis}[name]
}

// told returns the kinds of what a member was told since it was last asked.
func told(m *bridgetest.Member) string {
	var kinds []string
	for _, e := range m.Unread() {
		kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", e), "bridge."))
	}
	return strings.Join(kinds, " ")
}

func id(m *bridgetest.Member) bridge.ParticipantID { return m.At.Self.ID }

func code(t *testing.T, err error, want bridge.Code) {
	t.Helper()
	if got := bridge.CodeOf(err); got != want {
		t.Fatalf("answered %v (%v), want %v", got, err, want)
	}
	if err != nil && bridge.MessageOf(err) == "" {
		t.Fatalf("%v has no message for users", err)
	}
}

func equal[T comparable](t *testing.T, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s: have %v, want %v", what, have, want)
	}
}

func ctx(t *testing.T) context.Context { return t.Context() }

// row is one command in a scene: who posts it after which others, how it is
// answered, and which kinds of events the four are told.
type row struct {
	name   string
	spec   bridge.Spec
	before func(*scene)
	by     string
	cmd    func(*scene) bridge.Command
	want   bridge.Code
	// What everybody is told, unless there is an exception.
	told   string
	except map[string]string
	after  func(*testing.T, *scene)
}

func run(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c := newScene(t, r.spec)
			if r.before != nil {
				r.before(c)
				c.quiet()
			}
			code(t, c.who(r.by).Try(r.cmd(c)), r.want)
			if r.after != nil {
				r.after(t, c)
			}
			for _, name := range []string{"mo", "ann", "bob", "lis"} {
				want, ok := r.except[name]
				if !ok {
					want = r.told
				}
				equal(t, name+" was told", told(c.who(name)), want)
			}
		})
	}
}
