package admin

import (
	"context"
	"slices"
	"strings"
	"testing"

	"dragoman/bridge"
)

func TestNodes(t *testing.T) {
	type asked struct {
		node string
		on   bool
	}
	var drained []asked
	n := start(t, func(c *Config) {
		c.Nodes = func(context.Context) []Node {
			return []Node{{ID: "a-1", Name: "a", State: "up", Self: true, Answers: true, Rooms: []string{"demo"}}}
		}
		c.Drain = func(_ context.Context, node string, on bool) error {
			if node == "b" {
				return bridge.Errorf(bridge.NotFound, "no such node")
			}
			drained = append(drained, asked{node, on})
			return nil
		}
	})
	var out struct{ Nodes []Node }
	n.want(200, "GET", "/api/v1/nodes", "", &out)
	if len(out.Nodes) != 1 || out.Nodes[0].Rooms[0] != "demo" || !out.Nodes[0].Self {
		t.Errorf("%+v", out)
	}
	n.want(201, "POST", "/api/v1/rooms", `{"id":"demo"}`, nil)
	var room Room
	n.want(200, "GET", "/api/v1/rooms/demo", "", &room)
	var list struct{ Rooms []Room }
	n.want(200, "GET", "/api/v1/rooms", "", &list)
	if room.Node != "a" || len(list.Rooms) != 1 || list.Rooms[0].Node != "a" {
		t.Errorf("%+v, %+v", room, list)
	}
	n.want(204, "POST", "/api/v1/nodes/drain", `{"on":true}`, nil)
	n.want(204, "POST", "/api/v1/nodes/drain", `{"node":"a","on":false}`, nil)
	n.want(404, "POST", "/api/v1/nodes/drain", `{"node":"b","on":true}`, nil)
	if want := []asked{{"", true}, {"a", false}}; !slices.Equal(drained, want) {
		t.Errorf("%+v", drained)
	}
	if status, _ := n.do("POST", "/api/v1/nodes/drain", look, `{"on":true}`); status != 403 {
		t.Errorf("a key that may only look: %d", status)
	}
	alone := start(t, nil)
	if _, text := alone.do("GET", "/api/v1/nodes", full, ""); !strings.Contains(text, `"nodes": []`) {
		t.Errorf("%s", text)
	}
	alone.want(501, "POST", "/api/v1/nodes/drain", `{"on":true}`, nil)
}
