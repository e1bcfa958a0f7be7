package livekit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"dragoman/cluster/livekit/livekittest"
	"dragoman/dialects/admin"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// town is a cluster of nodes that are processes, so that one can be killed.
type town struct {
	*stage
	dir, binary string
	nodes       []*process
}

// process is a node.
type process struct {
	name  string
	cmd   *exec.Cmd
	over  chan struct{} // closed when it is
	ports struct{ HTTP, Admin, Gossip string }
}

func (p *process) root() string { return "http://" + p.ports.Admin }

// newTown starts nodes whose rooms are those of a LiveKit server, and waits until they are
// one cluster.
func newTown(t *testing.T, lk *livekittest.Server, size int) *town {
	t.Helper()
	c := &town{stage: newStage(t), dir: t.TempDir()}
	c.binary = filepath.Join(c.dir, "dragoman")
	build := exec.CommandContext(c.ctx, "go", "build", "-o", c.binary, "dragoman/cmd/dragoman")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var key [32]byte
	rand.Read(key[:])
	c.write("keys", base64.StdEncoding.EncodeToString(key[:])+"\n")
	c.write("dragoman.yaml", fmt.Sprintf("livekit: [{name: lk, url: %q, key: %s, secret: %q, rooms: ['*']}]\n", lk.URL(), livekittest.Key, lk.Secret()))
	for i := range size {
		c.start(fmt.Sprint("n", i))
	}
	c.until(patience, "they are one cluster", func() error {
		for _, n := range c.nodes {
			if list := c.list(n); len(list) != size || slices.ContainsFunc(list, func(o admin.Node) bool { return !o.Answers }) {
				return fmt.Errorf("%s knows %+v", n.name, list)
			}
		}
		return nil
	})
	return c
}

func (c *town) write(name, text string) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
}

// start starts one more node, which knows the first one.
func (c *town) start(name string) {
	c.Helper()
	const free = "127.0.0.1:0"
	ports := filepath.Join(c.dir, name+".ports")
	p := &process{name: name, over: make(chan struct{})}
	p.cmd = exec.Command(c.binary, "serve", "--dev", "--config="+filepath.Join(c.dir, "dragoman.yaml"), "--ports-file="+ports) //nolint:noctx // it is killed below
	p.cmd.Env = append(os.Environ(),
		"DRAGOMAN_HTTP_LISTEN="+free, "DRAGOMAN_ADMIN_LISTEN="+free, "DRAGOMAN_MEDIA_UDP="+free, "DRAGOMAN_MEDIA_TCP="+free,
		"DRAGOMAN_DIALECTS_AHOY_LISTEN="+free, "DRAGOMAN_DIALECTS_ASN_LISTEN="+free, "DRAGOMAN_DIALECTS_K3K_LISTEN="+free,
		"DRAGOMAN_DIALECTS_NKMEDIA_LISTEN="+free, "DRAGOMAN_DIALECTS_SPREED_LISTEN="+free,
		"DRAGOMAN_STORE_URL=sqlite:"+filepath.Join(c.dir, "store.db"), "DRAGOMAN_STORE_KEY=a key that all nodes share",
		"DRAGOMAN_CLUSTER_NODE="+name, "DRAGOMAN_CLUSTER_KEY_FILE="+filepath.Join(c.dir, "keys"),
		"DRAGOMAN_CLUSTER_BIND="+free, "DRAGOMAN_CLUSTER_LINK_LISTEN="+free)
	if len(c.nodes) > 0 {
		p.cmd.Env = append(p.cmd.Env, "DRAGOMAN_CLUSTER_SEEDS="+c.nodes[0].ports.Gossip)
	}
	log := &bytes.Buffer{} // read when the process is over
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ends is not asked
		close(p.over)
	}()
	c.Cleanup(func() {
		p.kill()
		if c.Failed() {
			c.Logf("the last words of %s:\n%s", name, log.Bytes()[max(0, log.Len()-16<<10):])
		}
	})
	c.until(patience, name+" serves", func() error {
		data, err := os.ReadFile(ports)
		return errors.Join(err, json.Unmarshal(data, &p.ports))
	})
	c.nodes = append(c.nodes, p)
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be over
	<-p.over
}

// list is the cluster as a node sees it.
func (c *town) list(n *process) []admin.Node {
	var out struct{ Nodes []admin.Node }
	_ = node.Operator(n.root()).Do(c.ctx, http.MethodGet, "/api/v1/nodes", nil, &out) // then it sees nobody
	return out.Nodes
}

// owner is the node on which a room runs, and which has its roster, as one of them says.
func (c *town) owner(of *process, room string) (at *process) {
	c.Helper()
	c.until(patience, "the room has an owner", func() error {
		for _, one := range c.list(of) {
			if slices.Contains(one.Rooms, room) {
				for _, n := range c.nodes {
					if n.name == one.Name {
						at = n
						return nil
					}
				}
			}
		}
		return errors.New("no node has it")
	})
	return at
}

// enter lets somebody join by a node.
func (c *town) enter(n *process, dialect, room, name string) driver.Member {
	c.Helper()
	return c.stage.enter(n.ports.HTTP, dialect, room, name)
}

// choose lets somebody ask for a layer of somebody's camera.
func (c *town) choose(m driver.Member, of string, layer int) {
	c.Helper()
	c.do("choose", func(ctx context.Context) error { return m.Driver.(driver.Chooser).Choose(ctx, of, layer) })
}
