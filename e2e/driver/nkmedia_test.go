package driver

import (
	"slices"
	"testing"

	"dragoman/bridge"
	"dragoman/dialects/nkmedia/client"
)

// TestNkmediaRoster: who has come and gone, and what is a screen, follows from the
// sessions that a client is told of.
func TestNkmediaRoster(t *testing.T) {
	var r nkRoster
	member := func(kind, id, role, user string) client.Event {
		return client.Event{Subclass: "conf", Type: kind, Member: client.Member{ID: id, Role: role, User: user}}
	}
	const came, went = "started_member", "stopped_member"
	for _, step := range []struct {
		event client.Event
		want  []Sight
	}{
		{member(client.Present, "b1", client.Listener, "Ben"), []Sight{{What: Came, Who: "Ben"}}},
		{member(came, "b1", client.Listener, "Ben"), nil},
		{member(came, "b2", client.Publisher, "Ben"), nil},
		{member(went, "b1", "", ""), nil},
		{member(came, "b3", client.Publisher, "Ben"), []Sight{{What: ScreenOn, Who: "Ben"}}},
		{member(went, "b3", "", ""), []Sight{{What: ScreenOff, Who: "Ben"}}},
		{member(came, "c1", client.Publisher, "other-12345678"), []Sight{{What: Came, Who: "other-12345678"}}},
		{member(came, "c1", client.Publisher, "Carla"), []Sight{{What: Came, Who: "Carla"}}},
		{member(came, "s1", client.Publisher, "Carla (screen)"), []Sight{{What: ScreenOn, Who: "Carla"}}},
		{member(went, "c1", "", ""), []Sight{{What: Left, Who: "Carla"}}},
		{member(went, "c1", "", ""), nil},
		{client.Event{Type: "msglog_new_msg", Member: client.Member{User: "Ben"}, Text: "hi"}, []Sight{{Said, "Ben", "hi"}}},
		{client.Event{Type: client.Publishing, Session: "own"}, nil},
		{client.Event{Subclass: "session", Type: "destroyed", Obj: "heard", Code: nkUserStop}, nil},
		{client.Event{Subclass: "session", Type: "destroyed", Obj: "own", Code: nkUserStop}, []Sight{{What: ThrownOut}}},
		{client.Event{Type: client.Disconnected}, []Sight{{What: Gone}}},
	} {
		if got := r.take(step.event); !slices.Equal(got, step.want) {
			t.Errorf("%+v means %v, want %v", step.event, got, step.want)
		}
	}
	for _, c := range []struct {
		name string
		src  bridge.Source
		want string
	}{{"Ben", bridge.Camera, "b2"}, {"Ben", bridge.Screen, ""}, {"Carla", bridge.Camera, ""}, {"Carla", bridge.Screen, "s1"}} {
		if got := r.publisher(c.name, c.src); got != c.want {
			t.Errorf("%v of %s is %q, want %q", c.src, c.name, got, c.want)
		}
	}
}
