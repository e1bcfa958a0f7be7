package livekit_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/cluster/clustertest"
	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/cluster/livekit/quiet"
)

func TestMain(m *testing.M) {
	quiet.SDK()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() //nolint:forcetypeassert // it is one
		settle := time.NewTimer(300 * time.Millisecond)                // what the SDK ends by itself
		<-settle.C
		os.Exit(code)
	}),
		goleak.IgnoreAnyFunction(clustertest.LastProbe))
}

// patience is how long a test waits for what should come.
const patience = 40 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func testLog(name string) *slog.Logger {
	if os.Getenv("LIVEKIT_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("on", name)
}

// settings are those of a server.
func settings(s *livekittest.Server, name string) livekit.Settings {
	all, _ := net.Interfaces()
	c := livekit.DefaultSettings()
	c.Name, c.URL, c.Key, c.Secret, c.Rooms = name, s.URL(), livekittest.Key, bridge.Secret(s.Secret()), []string{"*"}
	c.DisableTURN = slices.ContainsFunc(all, func(i net.Interface) bool {
		return i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0
	})
	return c
}

// site is a node with a federation.
type site struct {
	*livekit.Federation
	t     *testing.T
	local *bridge.Local
	host  bridge.Host
}

// newSite starts one of its own.
func newSite(t *testing.T, cluster string, servers ...livekit.Settings) *site {
	t.Helper()
	local := bridge.NewLocal(bridge.LocalConfig{})
	t.Cleanup(func() { must(t, local.Close(context.Background())) })
	return federate(t, cluster, "n1", local, local, servers...)
}

// federate starts a federation on a node.
func federate(t *testing.T, cluster string, node bridge.NodeID, local *bridge.Local, host bridge.Host, servers ...livekit.Settings) *site {
	t.Helper()
	f, err := livekit.Start(livekit.Config{
		Servers: servers, Cluster: cluster, Node: node, Host: host, Local: local, Log: testLog(cluster + "/" + string(node)),
	})
	must(t, err)
	t.Cleanup(f.Close)
	return &site{Federation: f, t: t, local: local, host: f.Host(host)}
}

// until waits until something holds that nothing tells.
func (s *site) until(ctx context.Context, what string, met func() bool) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("waited in vain for: %s; peerings: %+v; counters: %+v", what, s.Peerings(), s.Stats())
		}
	}
}

// guest is one of ours.
type guest struct {
	*bridge.Session
	t    *testing.T
	name string
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	changed chan struct{}
	people  map[bridge.ParticipantID]bridge.Participant
	pubs    map[bridge.PublicationID]bridge.Publication
	told    []bridge.Event
	over    error
}

// join lets somebody into a room of ours.
func (s *site) join(room bridge.RoomID, name string, change ...func(*bridge.JoinRequest)) *guest {
	s.t.Helper()
	req := bridge.JoinRequest{
		Room: room, Create: &bridge.Spec{}, Name: name, Kind: bridge.Guest, Dialect: "k3k",
		Shows: bridge.ShowsMute | bridge.ShowsHands | bridge.ShowsTalking | bridge.ShowsPrivateChat,
	}
	for _, f := range change {
		f(&req)
	}
	session, err := s.host.Join(within(s.t), req)
	must(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	g := &guest{
		Session: session, t: s.t, name: name, stop: cancel, done: make(chan struct{}), changed: make(chan struct{}),
		people: map[bridge.ParticipantID]bridge.Participant{}, pubs: map[bridge.PublicationID]bridge.Publication{},
	}
	g.reset(session.At)
	go g.read(ctx)
	s.t.Cleanup(g.leave)
	return g
}

func (g *guest) reset(at bridge.Snapshot) {
	for _, p := range at.Participants {
		g.people[p.ID] = p
	}
	for _, p := range at.Publications {
		g.pubs[p.ID] = p
	}
}

// leave is idempotent.
func (g *guest) leave() {
	g.stop()
	<-g.done
	_ = g.Leave(context.Background(), bridge.ByWish)
}

func (g *guest) read(ctx context.Context) {
	defer close(g.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.Ready():
		}
		events, err := g.Drain(ctx)
		g.mu.Lock()
		for _, e := range events {
			g.take(e)
		}
		g.over = err
		close(g.changed)
		g.changed = make(chan struct{})
		g.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (g *guest) take(e bridge.Event) {
	g.told = append(g.told, e)
	switch e := e.(type) {
	case bridge.Joined:
		g.people[e.P.ID] = e.P
	case bridge.Changed:
		if e.P.ID != g.At.Self.ID {
			g.people[e.P.ID] = e.P
		}
	case bridge.Left:
		delete(g.people, e.P.ID)
	case bridge.Published:
		g.pubs[e.Pub.ID] = e.Pub
	case bridge.PublicationChanged:
		g.pubs[e.Pub.ID] = e.Pub
	case bridge.Unpublished:
		delete(g.pubs, e.Pub.ID)
	}
}

// wait waits until something holds of what the guest knows.
func (g *guest) wait(what string, met func() bool) {
	g.t.Helper()
	ctx := within(g.t)
	for {
		g.mu.Lock()
		ok, changed := met(), g.changed
		g.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			g.mu.Lock()
			defer g.mu.Unlock()
			g.t.Fatalf("%s waits in vain for %s; there are %v with %v; told last %+v", g.name, what, g.names(), g.pubs, g.told[max(0, len(g.told)-8):])
		}
	}
}

// names are the others, in order. The mutex is held.
func (g *guest) names() (all []string) {
	for _, p := range g.people {
		all = append(all, p.Name)
	}
	slices.Sort(all)
	return all
}

// sees waits until exactly these are the others.
func (g *guest) sees(names ...string) {
	g.t.Helper()
	slices.Sort(names)
	g.wait(fmt.Sprint("only ", names), func() bool { return slices.Equal(g.names(), names) })
}

// who returns one of the others, by name.
func (g *guest) who(name string) (found bridge.Participant) {
	g.t.Helper()
	g.wait(name, func() bool {
		for _, p := range g.people {
			if p.Name == name {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// event waits for one that meets a condition.
func event[E bridge.Event](g *guest, what string, met func(E) bool) {
	g.t.Helper()
	g.wait(what, func() bool { return times(g, met) > 0 })
}

// times counts those that meet a condition. The mutex is held.
func times[E bridge.Event](g *guest, met func(E) bool) (n int) {
	for _, e := range g.told {
		if is, ok := e.(E); ok && met(is) {
			n++
		}
	}
	return n
}

// heard returns how often something was said by somebody, privately or not.
func (g *guest) heard(from, text string, private bool) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return times(g, func(e bridge.Said) bool { return e.Name == from && e.Text == text && !e.To.IsZero() == private })
}

func (g *guest) do(c bridge.Command) {
	g.t.Helper()
	must(g.t, g.Do(within(g.t), c))
}
