package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/config"
	"dragoman/dialects/admin"
	"dragoman/dialects/ahoy/client"
)

// town starts nodes of one cluster in this process.
func town(t *testing.T, names ...string) (nodes []*Server) {
	t.Helper()
	return townOf(t, func(*config.Config) {}, names...)
}

// townOf is town of nodes that are configured some way.
func townOf(t *testing.T, change func(*config.Config), names ...string) (nodes []*Server) {
	t.Helper()
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		c := free()
		c.Store.URL, c.Store.Key = bridge.Secret("sqlite:"+filepath.Join(dir, "db")), "a key that all of them share"
		c.Rooms = []config.Room{{Name: "standup", Title: "Stand-up"}}
		c.Drain = config.Drain{Timeout: time.Minute}
		c.Cluster.Node, c.Cluster.KeyFile, c.Cluster.Bind, c.Cluster.Link.Listen = name, keys, "127.0.0.1:0", "127.0.0.1:0"
		if len(nodes) > 0 {
			c.Cluster.Seeds = []string{nodes[0].Ports().Gossip}
		}
		change(&c)
		nodes = append(nodes, start(t, c))
	}
	for _, n := range nodes {
		wait(t, "all are linked", func() bool { s, _ := n.clusterStats(); return s.host.Links.Usable == len(names)-1 })
	}
	return nodes
}

func (s *Server) ask(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Ports().Admin+"/api/v1/"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, resp.Status, err)
		}
	}
	return resp.StatusCode
}

// list is what a node says of the cluster, by name.
func (s *Server) list(t *testing.T) map[string]admin.Node {
	t.Helper()
	var got struct{ Nodes []admin.Node }
	s.ask(t, "GET", "nodes", nil, &got)
	out := map[string]admin.Node{}
	for _, n := range got.Nodes {
		out[n.Name] = n
	}
	return out
}

func ahoy(s *Server) string { return "ws://" + s.Ports().HTTP + "/ahoy/" }

// TestCluster: clients of three nodes are in one room; an operator sees where it runs
// from any of them.
func TestCluster(t *testing.T) {
	nodes := town(t, "n0", "n1", "n2")
	for i, n := range nodes {
		join(t, ahoy(n), "demo", fmt.Sprint("p", i))
	}
	var room admin.Room
	if status := nodes[1].ask(t, "GET", "rooms/demo", nil, &room); status != 200 || len(room.Participants) != 3 || room.Node == "" {
		t.Errorf("%d: %+v", status, room)
	}
	for _, n := range nodes {
		list := n.list(t)
		if at := list[room.Node]; len(list) != 3 || !slices.Contains(at.Rooms, "demo") || at.State != "up" || !at.Answers {
			t.Errorf("%s: %+v", n.cfg.Cluster.Node, list)
		}
		if !list[n.cfg.Cluster.Node].Self {
			t.Error("a node does not know itself")
		}
		// The room of the configuration is one.
		wait(t, "one standup", func() bool {
			count := 0
			for _, at := range n.list(t) {
				for _, r := range at.Rooms {
					if r == "standup" {
						count++
					}
				}
			}
			return count == 1
		})
	}
	_, text := get(t, "http://"+nodes[0].Ports().Admin+"/metrics")
	for _, want := range []string{"dragoman_cluster_members 3", "dragoman_cluster_links 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics have no %q", want)
		}
	}
	if err := nodes[0].Rekey(); err != nil {
		t.Error(err)
	}
	if status := nodes[0].ask(t, "POST", "nodes/drain", admin.Drain{Node: "nobody", On: true}, nil); status != 404 {
		t.Errorf("draining nobody: %d", status)
	}
}

// TestNodeDrain: a node is drained from another one, and taken back.
func TestNodeDrain(t *testing.T) {
	nodes := town(t, "n0", "n1")
	ann := join(t, ahoy(nodes[0]), "demo", "Ann")
	join(t, ahoy(nodes[1]), "demo", "Ben")
	for _, on := range []bool{true, false, true} {
		if status := nodes[1].ask(t, "POST", "nodes/drain", admin.Drain{Node: "n0", On: on}, nil); status != 204 {
			t.Fatalf("drain %v: %d", on, status)
		}
		wait(t, "the node drains", func() bool { return nodes[0].Draining() == on })
		want := map[bool]int{true: 503, false: 200}[on]
		wait(t, "readiness", func() bool { status, _ := get(t, "http://"+nodes[0].Ports().Admin+"/readyz"); return status == want })
		state := map[bool]string{true: "draining", false: "up"}[on]
		wait(t, "it is "+state, func() bool { return nodes[1].list(t)["n0"].State == state })
		if on {
			wait(t, "the rooms are elsewhere", func() bool { return slices.Contains(nodes[1].list(t)["n1"].Rooms, "demo") })
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			c, err := client.Join(ctx, client.Config{URL: ahoy(nodes[0])}, client.Ticket{Room: "demo", Name: "Carla"})
			if err == nil {
				c.Close()
				t.Error("a node that drains takes clients")
			}
			cancel()
		}
	}
	select {
	case <-ann.Done():
		t.Error("a client is gone before the time")
	default:
	}
}

// TestLeave: a node that ends sends its clients away and leaves the room to the others.
func TestLeave(t *testing.T) {
	nodes := town(t, "n0", "n1")
	ann := join(t, ahoy(nodes[0]), "demo", "Ann")
	ben := join(t, ahoy(nodes[1]), "demo", "Ben")
	ctx, signal := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- nodes[0].Wait(ctx) }()
	signal()
	wait(t, "it drains", nodes[0].Draining)
	wait(t, "the room is elsewhere", func() bool { return slices.Contains(nodes[1].list(t)["n1"].Rooms, "demo") })
	nodes[0].Drain(false) // it ends: nobody takes that back
	nodes[0].Hurry()
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(closing):
		t.Fatal("it does not end")
	}
	<-ann.Done()
	var room admin.Room
	wait(t, "Ann is gone", func() bool {
		return nodes[1].ask(t, "GET", "rooms/demo", nil, &room) == 200 && len(room.Participants) == 1 && room.Participants[0].Name == "Ben"
	})
	select {
	case <-ben.Done():
		t.Error("Ben is gone, too")
	default:
	}
	wait(t, "the node has left", func() bool { return len(nodes[1].list(t)) == 1 })
	join(t, ahoy(nodes[1]), "demo", "Ann again")
}
