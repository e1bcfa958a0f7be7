package relay_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/cluster"
	"dragoman/cluster/clustertest"
	"dragoman/cluster/relay"
	"dragoman/media"
	"dragoman/media/mediatest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(mediatest.Stuck),
		goleak.IgnoreAnyFunction(clustertest.LastProbe))
}

// patience is how long a test waits for what should come.
const patience = 40 * time.Second

// node is one of a cluster, over real sockets.
type node struct {
	*cluster.Running
	local  *bridge.Local
	engine *media.Engine
	relays *relay.Relays
	down   func()
}

func (n *node) id() bridge.NodeID { return n.Gossip.Self().ID }

// world is a cluster whose nodes relay media.
type world struct {
	t     *testing.T
	ctx   context.Context
	nodes []*node
}

// newWorld starts a cluster. Its nodes are called a, b, c and so on.
func newWorld(t *testing.T, nodes int, change ...func(*relay.Settings, *media.Config)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx}
	dir := t.TempDir()
	for i := range nodes {
		w.add(dir, string(rune('a'+i)), change)
	}
	for _, n := range w.nodes {
		w.until("links", func() bool { return n.Stats().Links.Usable == nodes-1 })
	}
	return w
}

func (w *world) add(dir, name string, change []func(*relay.Settings, *media.Config)) {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("RELAY_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("on", name)
	}
	s := cluster.DefaultSettings()
	s.Node, s.Bind, s.Link.Listen, s.KeyFile = name, "127.0.0.1:0", "127.0.0.1:0", filepath.Join(dir, "keys")
	key := base64.StdEncoding.EncodeToString([]byte("a key of 32 bytes for tests only")) + "\n"
	w.must(os.WriteFile(s.KeyFile, []byte(key), 0o600))
	if len(w.nodes) > 0 {
		s.Seeds = []string{w.nodes[0].Gossip.View().Nodes[0].Gossip}
	}
	rs, mc := relay.DefaultSettings(), media.Default()
	mc.UDP, mc.TCP = "127.0.0.1:0", ""
	for _, f := range change {
		f(&rs, &mc)
	}
	n := &node{}
	var err error
	n.engine, err = media.New(mc)
	w.must(err)
	n.local = bridge.NewLocal(bridge.LocalConfig{Media: n.engine})
	n.Running, err = cluster.Start(s, cluster.Parts{Local: n.local, Version: "test", Log: log})
	w.must(err)
	n.relays, err = relay.Start(relay.Config{Settings: rs, Cluster: n.Host, Media: n.engine, Log: log})
	w.must(err)
	n.down = sync.OnceFunc(func() {
		n.relays.Close()
		n.Close()
		_ = n.Gossip.Close()
		_ = n.local.Close(context.WithoutCancel(w.ctx))
		w.must(n.engine.Close())
	})
	w.t.Cleanup(n.down)
	w.nodes = append(w.nodes, n)
}

// room makes a room that runs on a node, and returns its name.
func (w *world) room(owner int) bridge.RoomID {
	w.t.Helper()
	for i := 0; ; i++ {
		name := bridge.RoomID(fmt.Sprintf("room-%d-%d", owner, i))
		if w.nodes[0].Create(w.ctx, bridge.Spec{ID: name}) == nil && slices.Contains(w.nodes[owner].local.Rooms(), name) {
			return name
		}
		w.must(w.ctx.Err())
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// until waits until something holds that nothing tells.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			for _, n := range w.nodes {
				w.t.Logf("%s: %+v %+v", n.Gossip.Self().Name, n.relays.Stats(), n.relays.Lanes())
			}
			w.t.Fatal("waited in vain for:", what)
		}
	}
}

// client is a client of a node, in a room.
type client struct {
	*bridge.Session
	w    *world
	node *node
	peer bridge.Peer
	far  *mediatest.Peer
	dev  *mediatest.Client
	pub  bridge.PublicationID
}

// join takes a seat, and follows what is told until the test or the seat ends.
func (w *world) join(n int, room bridge.RoomID, cfg mediatest.Config, o bridge.PeerOptions) *client {
	w.t.Helper()
	c := &client{w: w, node: w.nodes[n], dev: mediatest.NewClient(cfg)}
	w.t.Cleanup(c.dev.Close)
	s, err := c.node.Join(w.ctx, bridge.JoinRequest{Room: room, Name: "somebody", Create: &bridge.Spec{}})
	w.must(err)
	c.Session = s
	ctx, cancel := context.WithCancel(w.ctx)
	var pump sync.WaitGroup
	pump.Go(func() {
		for {
			if _, err := s.Drain(ctx); err != nil {
				return
			}
			select {
			case <-s.Ready():
			case <-ctx.Done():
				return
			}
		}
	})
	w.t.Cleanup(func() { cancel(); pump.Wait() })
	c.peer, err = s.Connect(w.ctx, o)
	w.must(err)
	c.far, err = c.dev.Peer()
	w.must(err)
	return c
}

// publish makes a client that sends its camera, and waits until its node has that.
func (w *world) publish(n int, room bridge.RoomID, cfg mediatest.Config) *client {
	w.t.Helper()
	c := w.join(n, room, cfg, bridge.PeerOptions{Simulcast: cfg.Simulcast})
	c.pub = bridge.NewPublicationID()
	w.must(c.peer.Receive(c.pub, bridge.Camera))
	offer, err := c.peer.Offer(w.ctx)
	w.must(err)
	w.must(c.far.Publish(true, true))
	answer, err := c.far.Answer(w.ctx, string(offer))
	w.must(err)
	w.must(c.peer.Accept(w.ctx, bridge.SDP(answer)))
	w.must(c.Do(w.ctx, bridge.Publish{Publication: bridge.Publication{ID: c.pub, Source: bridge.Camera, Audio: bridge.Live, Video: bridge.Live}}))
	layers := 1
	if cfg.Simulcast {
		layers = 3
	}
	w.until("a camera", func() bool {
		o := c.node.engine.Offer(c.pub)
		return o.Here && o.Sound && len(o.Layers) == layers && o.Open[bridge.Video]
	})
	return c
}

// watch makes a client that receives cameras.
func (w *world) watch(n int, room bridge.RoomID, pubs ...bridge.PublicationID) *client {
	w.t.Helper()
	c := w.join(n, room, mediatest.Config{}, bridge.PeerOptions{})
	c.send(pubs...)
	return c
}

// send makes a client receive cameras.
func (c *client) send(pubs ...bridge.PublicationID) {
	c.w.t.Helper()
	for _, id := range pubs {
		c.w.until("a subscription", func() bool { return c.peer.Send(id, bridge.SendOptions{}) == nil })
	}
	offer, err := c.peer.Offer(c.w.ctx)
	c.w.must(err)
	answer, err := c.far.Answer(c.w.ctx, string(offer))
	c.w.must(err)
	c.w.must(c.peer.Accept(c.w.ctx, bridge.SDP(answer)))
}

// sees waits for more frames of a camera.
func (c *client) sees(id bridge.PublicationID, frames int) {
	c.w.t.Helper()
	c.w.must(c.far.WaitVideo(c.w.ctx, id.String(), frames))
}

func (c *client) hears(id bridge.PublicationID) {
	c.w.t.Helper()
	c.w.must(c.far.WaitAudio(c.w.ctx, id.String()))
}

func (c *client) video(id bridge.PublicationID) mediatest.Stats {
	return c.far.Stats()[id.String()+"/video"]
}

// gap returns the longest time without a frame of a camera while something is done.
func (c *client) gap(id bridge.PublicationID, do func()) (longest time.Duration) {
	done, measured := make(chan struct{}), make(chan time.Duration)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		frames, since, longest := c.video(id).Frames, time.Now(), time.Duration(0)
		for {
			select {
			case <-tick.C:
			case <-done:
				measured <- longest
				return
			}
			longest = max(longest, time.Since(since))
			if n := c.video(id).Frames; n != frames {
				frames, since = n, time.Now()
			}
		}
	}()
	defer func() { longest = <-measured }()
	defer close(done)
	do()
	return 0
}

// taken lists the layers that come in at a node from another one, as "video q".
func (n *node) taken(from *node) (all []string) {
	for _, l := range n.relays.Lanes() {
		if l.Node != from.id() {
			continue
		}
		for _, s := range l.Takes {
			all = append(all, [...]string{"audio", "video"}[s.Track]+" "+s.RID)
		}
	}
	return all
}

// crossed returns how many packets of a layer have come in at a node.
func (n *node) crossed(id bridge.PublicationID, track bridge.Track) (packets uint64) {
	for _, l := range n.relays.Lanes() {
		for _, s := range l.Takes {
			if s.Publication == id && s.Track == track {
				packets += s.In.Packets
			}
		}
	}
	return packets
}
