package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dragoman/bridge/store/pgtest"
	"dragoman/dialects/admin"
	inprocess "dragoman/e2e/node"
)

// patience is for what happens at once: it ends tests that fail.
const patience = 30 * time.Second

// world is what all tests of this package share.
var world struct { //nolint:gochecknoglobals // made once by TestMain
	binary   string
	database *pgtest.Server
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the program and starts a PostgreSQL.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dragoman-cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	world.binary = filepath.Join(dir, "dragoman")
	build := exec.Command("go", "build", "-o", world.binary, "dragoman/cmd/dragoman")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	if world.database, err = pgtest.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer world.database.Close()
	return m.Run()
}

// town is some nodes of one cluster.
type town struct {
	*testing.T
	dir      string
	keys     string
	database string
	nodes    []*node
	deaf     bool // its people have no way to the media of nodes: they are on loopback only
}

// node is one process.
type node struct {
	t     *town
	name  string
	cmd   *exec.Cmd
	ports ports
	over  chan struct{} // closed when the process is
	extra []string      // of its environment
	wrap  []string      // what runs the program; empty: nothing
}

type ports struct {
	HTTP, Admin, Gossip, Link string
}

func newTown(t *testing.T) *town {
	t.Helper()
	c := &town{T: t, dir: t.TempDir()}
	c.keys = c.keyFile("keys")
	var err error
	if c.database, err = world.database.Database(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// keyFile makes a key of gossip.
func (c *town) keyFile(name string) string {
	c.Helper()
	var key [32]byte
	rand.Read(key[:])
	name = filepath.Join(c.dir, name)
	if err := os.WriteFile(name, []byte(base64.StdEncoding.EncodeToString(key[:])+"\n"), 0o600); err != nil {
		c.Fatal(err)
	}
	return name
}

// three starts three nodes and waits until they are one cluster.
func three(t *testing.T) *town {
	t.Helper()
	c := newTown(t)
	for i := range 3 {
		c.add(fmt.Sprint("n", i))
	}
	c.settled()
	return c
}

// add starts one more node, which knows the first one.
func (c *town) add(name string, extra ...string) *node {
	c.Helper()
	n := &node{t: c, name: name, extra: extra}
	for _, o := range c.nodes {
		n.extra = append([]string{"DRAGOMAN_CLUSTER_SEEDS=" + o.ports.Gossip}, n.extra...)
		break
	}
	n.start()
	c.nodes = append(c.nodes, n)
	return n
}

// start runs the process and waits until it serves.
func (n *node) start() {
	n.t.Helper()
	file := filepath.Join(n.t.dir, n.name+".ports")
	os.Remove(file)
	args := append(slices.Clone(n.wrap), world.binary, "serve", "--dev", "--ports-file="+file)
	n.cmd = exec.Command(args[0], args[1:]...)
	const free = "127.0.0.1:0"
	n.cmd.Env = append(os.Environ(),
		"DRAGOMAN_HTTP_LISTEN="+free, "DRAGOMAN_ADMIN_LISTEN="+free, "DRAGOMAN_MEDIA_UDP="+free, "DRAGOMAN_MEDIA_TCP="+free,
		"DRAGOMAN_DIALECTS_AHOY_LISTEN="+free, "DRAGOMAN_DIALECTS_ASN_LISTEN="+free, "DRAGOMAN_DIALECTS_K3K_LISTEN="+free,
		"DRAGOMAN_DIALECTS_NKMEDIA_LISTEN="+free, "DRAGOMAN_DIALECTS_SPREED_LISTEN="+free, "DRAGOMAN_DRAIN_TIMEOUT=1s", "DRAGOMAN_DRAIN_SPREAD=1s",
		"DRAGOMAN_STORE_URL="+n.t.database, "DRAGOMAN_STORE_KEY=a key that all nodes share",
		"DRAGOMAN_CLUSTER_NODE="+n.name, "DRAGOMAN_CLUSTER_KEY_FILE="+n.t.keys,
		"DRAGOMAN_CLUSTER_BIND="+free, "DRAGOMAN_CLUSTER_LINK_LISTEN="+free)
	n.cmd.Env = append(n.cmd.Env, n.extra...)
	log := &tail{}
	n.cmd.Stderr = log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	over := make(chan struct{})
	n.over = over
	cmd := n.cmd
	go func() {
		_ = cmd.Wait() // how it ended is not asked
		close(over)
	}()
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be over
		<-over
		if n.t.Failed() {
			n.t.Logf("the last words of %s:\n%s", n.name, log)
		}
	})
	n.t.until(n.name+" serves", func() bool {
		data, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(data, &n.ports) == nil
	})
}

// tail keeps the end of what is written.
type tail struct{ buf bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if t.buf.Len() > 1<<20 {
		t.buf.Next(1 << 19)
	}
	return t.buf.Write(p)
}

func (t *tail) String() string {
	s := t.buf.String()
	return s[max(0, len(s)-16<<10):]
}

// signal tells a process something; kill -9 waits until it is gone.
func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
	if s == syscall.SIGKILL {
		<-n.over
	}
}

// until waits for something that happens soon.
func (c *town) until(what string, ok func() bool) {
	c.Helper()
	c.within(patience, what, ok)
}

// within waits for something, and returns how long it took.
func (c *town) within(most time.Duration, what string, ok func() bool) time.Duration {
	c.Helper()
	begin := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(begin) > most {
			c.Fatalf("not within %s: %s", most, what)
		}
		<-tick.C
	}
	return time.Since(begin)
}

// live are the nodes whose process runs.
func (c *town) live() (all []*node) {
	for _, n := range c.nodes {
		select {
		case <-n.over:
		default:
			all = append(all, n)
		}
	}
	return all
}

// settled waits until all nodes that live answer each other, and nobody else is there.
func (c *town) settled() {
	c.Helper()
	live := c.live()
	c.until("the nodes are one cluster", func() bool {
		for _, n := range live {
			list := n.list()
			if len(list) != len(live) || slices.ContainsFunc(list, func(o admin.Node) bool { return !o.Answers }) {
				return false
			}
		}
		return true
	})
}

// call asks the admin API of a node; an error is what it refuses, or that it is gone.
func (n *node) call(method, path string, in, out any) error {
	return inprocess.Operator("http://"+n.ports.Admin).Do(n.t.Context(), method, "/api/v1/"+path, in, out)
}

func (n *node) do(method, path string, in any) {
	n.t.Helper()
	if err := n.call(method, path, in, nil); err != nil {
		n.t.Fatal(err)
	}
}

// list is the cluster as a node sees it.
func (n *node) list() []admin.Node {
	var out struct{ Nodes []admin.Node }
	_ = n.call(http.MethodGet, "nodes", nil, &out) // then it sees nobody
	return out.Nodes
}

// people are the names of those in a room as a node tells, in order.
func (n *node) people(room string) []string {
	var r admin.Room
	_ = n.call(http.MethodGet, "rooms/"+room, nil, &r) // then there is nobody
	var names []string
	for _, p := range r.Participants {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// id is the id of somebody in a room.
func (n *node) id(room, name string) (id string) {
	n.t.Helper()
	n.t.until(name+" is in "+room, func() bool {
		var r admin.Room
		_ = n.call(http.MethodGet, "rooms/"+room, nil, &r) // then there is nobody
		for _, p := range r.Participants {
			if p.Name == name {
				id = p.ID
			}
		}
		return id != ""
	})
	return id
}

// owner is the node on which a room runs.
func (c *town) owner(room string) (at *node) {
	c.Helper()
	c.until("the room has an owner", func() bool {
		for _, one := range c.live()[0].list() {
			if slices.Contains(one.Rooms, room) {
				at = c.named(one.Name)
			}
		}
		return at != nil
	})
	return at
}

func (c *town) named(name string) *node {
	i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == name })
	if i < 0 {
		c.Fatalf("no node %q", name)
	}
	return c.nodes[i]
}

// attend waits until all nodes that live say that exactly these are in a room.
func (c *town) attend(most time.Duration, room string, names ...string) time.Duration {
	c.Helper()
	slices.Sort(names)
	var seen []string
	defer func() {
		if c.Failed() {
			c.Logf("in the room: %s, want %s", strings.Join(seen, ", "), strings.Join(names, ", "))
		}
	}()
	return c.within(most, "everybody is in the room once", func() bool {
		for _, n := range c.live() {
			if seen = n.people(room); !slices.Equal(seen, names) {
				return false
			}
		}
		return true
	})
}
