package admin

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dragoman/bridge"
)

// federation is one that does as it is told.
type federation struct {
	mu  sync.Mutex
	all []Peering
}

func (*federation) Servers() []string { return []string{"main", "other"} }

func (f *federation) All(context.Context) []Peering { return f.Here() }

func (f *federation) Here() []Peering {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

func (f *federation) Peer(_ context.Context, room bridge.RoomID, server, theirs string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.Servers(), server) {
		return bridge.Errorf(bridge.NotFound, "there is no server %q", server)
	}
	if theirs == "" {
		theirs = string(room)
	}
	f.all = append(f.all, Peering{
		Room: string(room), Server: server, Theirs: theirs, Origin: "admin", State: "connecting",
		Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), In: 1, Out: 3, Puppets: 2, Views: 4, BytesIn: 5, BytesOut: 6,
	})
	return nil
}

func (f *federation) Unpeer(_ context.Context, room bridge.RoomID, server string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.all)
	f.all = slices.DeleteFunc(f.all, func(p Peering) bool { return p.Room == string(room) && p.Server == server })
	if len(f.all) == before {
		return bridge.Errorf(bridge.NotFound, "there is no such peering")
	}
	return nil
}

// becomes changes the state of the first peering.
func (f *federation) becomes(state, problem string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[0].State, f.all[0].Error = state, problem
	f.all[0].BytesIn++ // it alone is no news
}

func federated(t *testing.T) (*node, *federation) {
	t.Helper()
	f := &federation{}
	return start(t, func(c *Config) { c.Peerings = f }), f
}

func TestPeerings(t *testing.T) {
	n, _ := federated(t)
	n.want(204, "POST", "/api/v1/rooms/team%2Fone/peerings", `{"server":"main","theirs":"stage"}`, nil)
	n.want(204, "POST", "/api/v1/rooms/demo/peerings", `{"server":"other"}`, nil)
	const want = `{
  "peerings": [
    {
      "room": "demo",
      "server": "other",
      "theirs": "demo",
      "origin": "admin",
      "roster": false,
      "state": "connecting",
      "since": "2026-01-02T03:04:05Z",
      "in": 1,
      "out": 3,
      "puppets": 2,
      "views": 4,
      "bytes_in": 5,
      "bytes_out": 6
    },
    {
      "room": "team/one",
      "server": "main",
      "theirs": "stage",
      "origin": "admin",
      "roster": false,
      "state": "connecting",
      "since": "2026-01-02T03:04:05Z",
      "in": 1,
      "out": 3,
      "puppets": 2,
      "views": 4,
      "bytes_in": 5,
      "bytes_out": 6
    }
  ],
  "servers": [
    "main",
    "other"
  ]
}
`
	if status, text := n.do("GET", "/api/v1/peerings", look, ""); status != 200 || text != want {
		t.Errorf("%d %s", status, text)
	}
	n.want(204, "DELETE", "/api/v1/rooms/team%2Fone/peerings/main", "", nil)
	n.want(404, "DELETE", "/api/v1/rooms/team%2Fone/peerings/main", "", nil)
	n.want(404, "POST", "/api/v1/rooms/demo/peerings", `{"server":"nowhere"}`, nil)
	n.want(400, "POST", "/api/v1/rooms/demo/peerings", `{}`, nil)
	n.want(400, "POST", "/api/v1/rooms/demo/peerings", `{"server":"main","room":"x"}`, nil)
	for method, path := range map[string]string{"POST": "/api/v1/rooms/demo/peerings", "DELETE": "/api/v1/rooms/demo/peerings/other"} {
		if status, _ := n.do(method, path, look, `{"server":"main"}`); status != 403 {
			t.Errorf("%s with a key that may only look: %d", method, status)
		}
	}
}

func TestWithoutLiveKit(t *testing.T) {
	n := start(t, nil)
	if _, text := n.do("GET", "/api/v1/peerings", full, ""); !strings.Contains(text, `"peerings": []`) || !strings.Contains(text, `"servers": []`) {
		t.Errorf("%s", text)
	}
	n.want(501, "POST", "/api/v1/rooms/demo/peerings", `{"server":"main"}`, nil)
	n.want(501, "DELETE", "/api/v1/rooms/demo/peerings/main", "", nil)
	n.want(400, "POST", "/api/v1/rooms", `{"id":"demo","home":"main"}`, nil)
}

// TestFrom: of who is federated it is told from where; of others not, whatever they say.
func TestFrom(t *testing.T) {
	for kind, want := range map[bridge.Kind]string{bridge.Federated: "main", bridge.Person: ""} {
		p := participantOf(bridge.Participant{Kind: kind, Attrs: map[string]string{"livekit.server": "main"}}, false)
		if p.From != want {
			t.Errorf("%v: from %q", kind, p.From)
		}
	}
}

// TestHome: a room is made with the server that it is one with, if there is one.
func TestHome(t *testing.T) {
	n, _ := federated(t)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"demo","home":"main/stage"}`, nil)
	n.want(201, "POST", "/api/v1/rooms", `{"id":"more","home":"other"}`, nil)
	for _, home := range []string{"nowhere", "nowhere/stage", "main/", "/stage"} {
		if status, text := n.do("POST", "/api/v1/rooms", full, `{"id":"x","home":"`+home+`"}`); status != 400 || !strings.Contains(text, "home") {
			t.Errorf("%s: %d %s", home, status, text)
		}
	}
}

// TestEventsOfPeerings: what is told is each peering at first, changes of its state, and
// its end; not what it counts.
func TestEventsOfPeerings(t *testing.T) {
	n, f := federated(t)
	n.want(204, "POST", "/api/v1/rooms/demo/peerings", `{"server":"main"}`, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, other := n.listen(ctx, ""), n.listen(ctx, "?room=elsewhere")
	var told []string
	next := func(kind string) {
		e := r.until(kind)
		told = append(told, kind+" "+e.Room+" "+e.Peering.Server+" "+e.Peering.State+" "+e.Peering.Error)
	}
	next("peering")
	f.becomes("up", "")
	next("peering")
	f.becomes("failed", "nobody answers")
	next("peering")
	n.want(204, "POST", "/api/v1/rooms/elsewhere/peerings", `{"server":"other"}`, nil)
	n.want(204, "DELETE", "/api/v1/rooms/demo/peerings/main", "", nil)
	next("unpeered")
	want := []string{"peering demo main connecting ", "peering demo main up ", "peering demo main failed nobody answers", "unpeered demo main failed nobody answers"}
	told = slices.DeleteFunc(told, func(s string) bool { return strings.Contains(s, "elsewhere") })
	if !reflect.DeepEqual(told, want) {
		t.Errorf("%q", told)
	}
	if e := other.until("peering"); e.Room != "elsewhere" {
		t.Errorf("a stream about one room is told of %q", e.Room)
	}
}
