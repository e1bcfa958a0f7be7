package link_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/clustertest"
	"dragoman/cluster/link"
)

const port = 7947

// echo answers questions, and sends back what comes on other streams.
type echo struct{}

func (echo) Serve(_ context.Context, first *link.Envelope, s *link.Stream) {
	switch q := first.Body.(type) {
	case link.LookUp:
		_ = s.Send(&link.Envelope{Body: link.Found{Info: bridge.Info{ID: q.Room, Title: string(s.Peer)}}})
	case link.Holds:
		_ = s.Send(&link.Envelope{Err: bridge.Errorf(bridge.NotFound, "there is no such room")})
	case link.ListRooms: // does not answer; only who reads learns of the end
		_, _ = s.Recv()
	default:
		for e := first; ; {
			if s.Send(e) != nil {
				return
			}
			var err error
			if e, err = s.Recv(); err != nil {
				return
			}
		}
	}
}

// nodes are meshes in memory.
type nodes struct {
	t     *testing.T
	net   *clustertest.Network
	hosts []*clustertest.Host
	mesh  []*link.Mesh
	all   []link.Peer
}

var key = []byte("a key of 32 bytes of this test..")

func start(t *testing.T, n int, identity func(i int, name string) *link.Identity) *nodes {
	t.Helper()
	c := &nodes{t: t, net: clustertest.New(1)}
	for i := range n {
		h, name := c.net.Host(), fmt.Sprint("n", i)
		id := bridge.NodeID(name + "-boot")
		c.hosts = append(c.hosts, h)
		c.mesh = append(c.mesh, link.New(link.Config{
			Self: id, Identity: identity(i, name), Listener: h.Listen(port), Dial: h.Dial, Handler: echo{},
		}))
		c.all = append(c.all, link.Peer{ID: id, Addr: h.At(port)})
	}
	for _, m := range c.mesh {
		m.Update(c.all)
	}
	return c
}

func keyed(t *testing.T, key []byte) func(int, string) *link.Identity {
	return func(_ int, name string) *link.Identity {
		i, err := link.FromKeys(name, [][]byte{key})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
}

func (c *nodes) close() {
	for _, m := range c.mesh {
		m.Close()
	}
}

// await waits until a node finds another usable, or not.
func (c *nodes) await(from, to int, usable bool, most time.Duration) time.Duration {
	c.t.Helper()
	begin := time.Now()
	for c.mesh[from].Usable(c.all[to].ID) != usable {
		select {
		case <-c.mesh[from].Changed():
		case <-time.After(most - time.Since(begin)):
			c.t.Fatalf("usable from %d to %d is %v after %v", from, to, !usable, most)
		}
	}
	return time.Since(begin)
}

// TestBothWays: either end asks and opens streams on the one connection.
func TestBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 2, keyed(t, key))
		defer c.close()
		c.await(0, 1, true, 5*time.Second)
		c.await(1, 0, true, 5*time.Second)
		for from, m := range c.mesh {
			to := c.all[1-from].ID
			answer, err := m.Ask(t.Context(), to, link.LookUp{Room: "r"})
			want := link.Found{Info: bridge.Info{ID: "r", Title: string(c.all[from].ID)}}
			if found, ok := answer.(link.Found); err != nil || !ok || found.Info.ID != want.Info.ID || found.Info.Title != want.Info.Title {
				t.Errorf("from %d: %+v, %v", from, answer, err)
			}
			if _, err := m.Ask(t.Context(), to, link.Holds{}); bridge.CodeOf(err) != bridge.NotFound {
				t.Errorf("from %d: %v", from, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if _, err := m.Ask(ctx, to, link.ListRooms{}); bridge.CodeOf(err) != bridge.Unavailable {
				t.Errorf("from %d, without an answer: %v", from, err)
			}
			cancel()
			s, err := m.Open(t.Context(), to)
			if err != nil {
				t.Fatal(err)
			}
			for n := range uint64(1000) {
				if err := s.Send(&link.Envelope{Number: n, Body: bridge.Rename{Name: "x"}}); err != nil {
					t.Fatal(err)
				}
				if e, err := s.Recv(); err != nil || e.Number != n {
					t.Fatalf("from %d: %+v, %v", from, e, err)
				}
			}
			s.Close()
		}
		synctest.Wait()
		for i, m := range c.mesh {
			if s := m.Stats(); s.Streams != 0 || s.Usable != 1 || s.Refused != 0 {
				t.Errorf("node %d has %+v", i, s)
			}
		}
	})
}

// TestFlow: who is not read has to wait, and nobody else with it.
func TestFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 2, keyed(t, key))
		defer c.close()
		c.await(0, 1, true, 5*time.Second)
		for from := range 2 {
			c.await(from, 1-from, true, 5*time.Second)
			s, err := c.mesh[from].Open(t.Context(), c.all[1-from].ID)
			if err != nil {
				t.Fatal(err)
			}
			sent, done := 0, make(chan struct{})
			go func() {
				defer close(done)
				for ; s.Send(&link.Envelope{Body: bridge.Say{Text: strings.Repeat("x", 100<<10)}}) == nil; sent++ {
				}
			}()
			time.Sleep(time.Minute) // in a synctest bubble
			if _, err := c.mesh[from].Ask(t.Context(), c.all[1-from].ID, link.LookUp{}); err != nil {
				t.Errorf("others wait, too: %v", err)
			}
			s.Close()
			<-done
			if sent > 60 {
				t.Errorf("%d00 KiB were sent that nobody read", sent)
			}
		}
	})
}

// TestLost: a dead node is noticed at once, one that is cut off within seconds, and
// its streams end; it is usable again after the heal.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, keyed(t, key))
		defer c.close()
		c.await(0, 1, true, 5*time.Second)
		c.await(0, 2, true, 5*time.Second)
		c.await(1, 2, true, 5*time.Second)
		s, err := c.mesh[0].Open(t.Context(), c.all[2].ID)
		if err != nil {
			t.Fatal(err)
		}
		c.net.Split(c.hosts[:2], c.hosts[2:])
		t.Logf("a cut is seen after %v", c.await(0, 2, false, 5*time.Second))
		<-s.Context().Done()
		if _, err := c.mesh[0].Ask(t.Context(), c.all[2].ID, link.LookUp{}); bridge.CodeOf(err) != bridge.Unavailable {
			t.Errorf("asked across a cut: %v", err)
		}
		if !c.mesh[0].Usable(c.all[1].ID) || !c.mesh[0].Usable(c.all[0].ID) {
			t.Error("the others are not usable")
		}
		time.Sleep(time.Minute) // in a synctest bubble
		c.net.Heal()
		t.Logf("the heal is seen after %v", c.await(0, 2, true, 10*time.Second))
		c.hosts[2].Kill()
		if took := c.await(0, 2, false, time.Second); took > 100*time.Millisecond {
			t.Errorf("a dead node is seen after %v", took)
		}
		c.mesh[0].Update(c.all[:1])
		c.await(0, 1, false, time.Second)
	})
}

// TestStrangers: a node of another key, without a certificate, or with that of
// another node gets nowhere.
func TestStrangers(t *testing.T) {
	for name, identity := range map[string]func(t *testing.T) *link.Identity{
		"another key": func(t *testing.T) *link.Identity {
			return keyed(t, []byte("another key of 32 bytes ........"))(0, "n0")
		},
		"no certificate": func(*testing.T) *link.Identity { return nil },
		"another name":   func(t *testing.T) *link.Identity { return keyed(t, key)(0, "n9") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := start(t, 3, func(i int, name string) *link.Identity {
					if i == 1 {
						return identity(t)
					}
					return keyed(t, key)(i, name)
				})
				defer c.close()
				time.Sleep(time.Minute) // in a synctest bubble
				for from := range c.mesh {
					for to := range c.mesh {
						if from != to && c.mesh[from].Usable(c.all[to].ID) != (from != 1 && to != 1) {
							t.Errorf("usable from %d to %d: %v", from, to, c.mesh[from].Usable(c.all[to].ID))
						}
					}
				}
				if c.mesh[2].Stats().Refused == 0 {
					t.Error("nothing was refused")
				}
			})
		})
	}
}

// TestKeysRotate: nodes trust each other while one has the next key first already.
func TestKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := []byte("the next key of this test, 32 by")
		c := start(t, 2, func(i int, name string) *link.Identity {
			keys := [][]byte{key, next}
			if i == 1 {
				keys = [][]byte{next, key}
			}
			id, err := link.FromKeys(name, keys)
			if err != nil {
				t.Fatal(err)
			}
			return id
		})
		defer c.close()
		c.await(0, 1, true, 5*time.Second)
	})
}

// TestFiles: certificates of an authority of the operator's own.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, blocks ...*pem.Block) string {
		t.Helper()
		path, text := filepath.Join(dir, name), []byte{}
		for _, b := range blocks {
			text = append(text, pem.EncodeToMemory(b)...)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, private, ca := link.MakeCertificate(t, "n0", key)
	certFile := write("cert.pem", &pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyFile := write("key.pem", &pem.Block{Type: "PRIVATE KEY", Bytes: private})
	caFile := write("ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: ca})
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	mine, err := link.FromFiles("n0", certFile, keyFile, caFile)
	if err != nil {
		t.Fatal(err)
	}
	// With real sockets and in real time, as the certificate is of now.
	meshes, all := []*link.Mesh{}, []link.Peer{}
	for i, identity := range []*link.Identity{mine, keyed(t, key)(1, "n1")} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		id := bridge.NodeID(fmt.Sprintf("n%d-boot", i))
		m := link.New(link.Config{Self: id, Identity: identity, Listener: l, Handler: echo{}})
		defer m.Close()
		meshes, all = append(meshes, m), append(all, link.Peer{ID: id, Addr: l.Addr().String()})
	}
	meshes[0].Update(all)
	meshes[1].Update(all)
	c := &nodes{t: t, mesh: meshes, all: all}
	c.await(0, 1, true, 10*time.Second)
	c.await(1, 0, true, 10*time.Second)
	for _, bad := range [][4]string{
		{"n1", certFile, keyFile, caFile}, {"n0", caFile, keyFile, caFile}, {"n0", certFile, keyFile, keyFile}, {"n0", certFile, keyFile, "none"},
	} {
		if _, err := link.FromFiles(bad[0], bad[1], bad[2], bad[3]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if _, err := link.FromKeys[[]byte]("n0", nil); err == nil {
		t.Error("no key was taken")
	}
}
