package cluster

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dragoman/e2e/driver"
)

// network is a namespace for each node, with two ways out: one for clients and
// operators, which is never cut, and one for the other nodes.
type network struct {
	t      *testing.T
	prefix string
}

// ip does something to the network of the machine.
func (w *network) ip(args string) {
	w.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		w.t.Fatalf("ip %s: %v: %s(this test needs root, and Debian's iproute2: \"make test\" installs it)", args, err, out)
	}
}

// The networks. Nothing else may use them on this machine.
const (
	clients = "10.213.1."
	between = "10.213.2."
)

// newNetwork makes the two bridges.
func newNetwork(t *testing.T) *network {
	t.Helper()
	w := &network{t: t, prefix: "dg"}
	for _, b := range []struct{ name, address string }{{w.prefix + "-out", clients + "1/24"}, {w.prefix + "-in", ""}} {
		_ = exec.Command("ip", "link", "del", b.name).Run() // what a test left that was killed
		w.ip("link add " + b.name + " type bridge")
		t.Cleanup(func() { w.ip("link del " + b.name) })
		if b.address != "" {
			w.ip("addr add " + b.address + " dev " + b.name)
		}
		w.ip("link set " + b.name + " up")
	}
	return w
}

// host makes the namespace of a node.
func (w *network) host(i int) (name string) {
	w.t.Helper()
	name = fmt.Sprintf("%s-n%d", w.prefix, i)
	_ = exec.Command("ip", "netns", "del", name).Run() // what a test left that was killed
	w.ip("netns add " + name)
	w.t.Cleanup(func() { w.ip("netns del " + name) })
	for _, side := range []struct{ bridge, dev, address string }{{"out", "eth0", clients}, {"in", "eth1", between}} {
		outer := fmt.Sprintf("%s-%s%d", w.prefix, side.bridge, i)
		_ = exec.Command("ip", "link", "del", outer).Run() // what a test left that was killed
		w.t.Cleanup(func() { w.ip("link del " + outer) })  // before its namespace, which goes when nobody uses it
		w.ip(fmt.Sprintf("link add %s type veth peer name %s netns %s", outer, side.dev, name))
		w.ip(fmt.Sprintf("link set %s master %s-%s up", outer, w.prefix, side.bridge))
		w.ip(fmt.Sprintf("-n %s addr add %s%d/24 dev %s", name, side.address, 10+i, side.dev))
		w.ip(fmt.Sprintf("-n %s link set %s up", name, side.dev))
	}
	w.ip("-n " + name + " link set lo up")
	return name
}

// cut takes a node out of the network of the nodes, or puts it back.
func (w *network) cut(i int, off bool) {
	w.t.Helper()
	if off {
		w.ip(fmt.Sprintf("link set %s-in%d nomaster", w.prefix, i))
		return
	}
	w.ip(fmt.Sprintf("link set %s-in%d master %s-in", w.prefix, i, w.prefix))
}

// apart starts three nodes in networks of their own.
func apart(t *testing.T) (*town, *network) {
	t.Helper()
	w := newNetwork(t)
	c := newTown(t)
	c.deaf = true
	c.database = "sqlite:" + c.dir + "/db" // the namespaces do not reach the PostgreSQL of this one
	for i := range 3 {
		out, in := fmt.Sprintf("%s%d", clients, 10+i), fmt.Sprintf("%s%d", between, 10+i)
		n := &node{t: c, name: fmt.Sprint("n", i), wrap: []string{"ip", "netns", "exec", w.host(i)}}
		n.extra = []string{
			"DRAGOMAN_INSECURE=true", "DRAGOMAN_HTTP_LISTEN=" + out + ":8080", "DRAGOMAN_ADMIN_LISTEN=" + out + ":9090",
			"DRAGOMAN_MEDIA_UDP=" + out + ":7000", "DRAGOMAN_MEDIA_TCP=" + out + ":7000",
			"DRAGOMAN_CLUSTER_BIND=" + in + ":7946", "DRAGOMAN_CLUSTER_LINK_LISTEN=" + in + ":7947",
			"DRAGOMAN_CLUSTER_SEEDS=" + between + "10",
		}
		n.start()
		c.nodes = append(c.nodes, n)
	}
	c.settled()
	return c, w
}

// heals is how long two halves may take to be one room again (cluster/README.md).
const heals = 15 * time.Second

// TestSplit: a node loses sight of the others for longer than gossip remembers it. Both
// sides go on by themselves, and are one room again after the network is.
func TestSplit(t *testing.T) {
	c, w := apart(t)
	c.nodes[0].do(http.MethodPost, "rooms", map[string]any{"id": "meeting", "keep_chat": 100})
	people := c.nine("meeting")
	left, right := people[:6], people[6:]
	w.cut(2, true)
	c.within(patience, "both sides have the room for themselves", func() bool {
		return len(c.nodes[0].people("meeting")) == 6 && len(c.nodes[1].people("meeting")) == 6 && len(c.nodes[2].people("meeting")) == 3
	})
	for _, side := range [][]*person{left, right} {
		for _, p := range talkers(side) {
			c.say(p, "apart, "+p.Name)
			c.see(side, driver.Sight{What: driver.Said, Who: p.Name, Text: "apart, " + p.Name})
		}
	}
	c.within(time.Minute, "both sides have forgotten each other", func() bool {
		return len(c.nodes[0].list()) == 2 && len(c.nodes[1].list()) == 2 && len(c.nodes[2].list()) == 1
	})
	w.cut(2, false)
	took := c.attend(heals, "meeting", names(people)...)
	t.Logf("one room again after %s", took.Round(time.Millisecond))
	c.settled()
	for _, p := range talkers(people) { // both sides read now what was said on the other
		c.see(people, driver.Sight{What: driver.Said, Who: p.Name, Text: "apart, " + p.Name})
		c.say(p, "together, "+p.Name)
		c.see(people, driver.Sight{What: driver.Said, Who: p.Name, Text: "together, " + p.Name})
	}
	for _, side := range [][]*person{left, right} {
		for _, p := range side { // nobody has lost sight of who was with them
			c.times(side, driver.Sight{What: driver.Left, Who: p.Name}, 0)
		}
	}
}
